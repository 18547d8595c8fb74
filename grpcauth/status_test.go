package grpcauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

var unaryInfo = &grpc.UnaryServerInfo{FullMethod: "/a.B/C"}

func TestEveryHTTPStatusHasACode(t *testing.T) {
	for httpStatus, want := range map[int]codes.Code{
		400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound,
		405: codes.Unimplemented, 409: codes.AlreadyExists, 412: codes.FailedPrecondition, 413: codes.ResourceExhausted,
		415: codes.InvalidArgument, 422: codes.InvalidArgument, 429: codes.ResourceExhausted, 500: codes.Internal,
		503: codes.Unavailable, 599: codes.Internal,
		0: codes.Internal, 200: codes.Internal, 302: codes.Internal, 600: codes.Internal,
	} {
		if got := grpcauth.Status(&usher.Rejection{Status: httpStatus}).Code(); got != want {
			t.Errorf("%d: %v, want %v", httpStatus, got, want)
		}
	}
	if got := grpcauth.Status(nil); got.Code() != codes.Internal || got.Message() == "" {
		t.Errorf("nil: %v", got)
	}
}

func TestRetryInfoIsWhatRetryAfterSays(t *testing.T) {
	for name, row := range map[string]struct {
		rej  *usher.Rejection
		want time.Duration
	}{
		"a 503":                  {&usher.Rejection{Status: 503}, 5 * time.Second},
		"a 503 with a time":      {&usher.Rejection{Status: 503, RetryAfter: 90 * time.Second}, 90 * time.Second},
		"rounded up":             {&usher.Rejection{Status: 429, RetryAfter: 1500 * time.Millisecond}, 2 * time.Second},
		"a 429 without":          {&usher.Rejection{Status: 429}, 0},
		"a 401":                  {&usher.Rejection{Status: 401, RetryAfter: time.Minute}, 0},
		"a header of one's own":  {&usher.Rejection{Status: 503, Header: http.Header{"Retry-After": {"7"}}}, 7 * time.Second},
		"a header with a date":   {&usher.Rejection{Status: 503, Header: http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}}, 0},
		"a header out of bounds": {&usher.Rejection{Status: 503, Header: http.Header{"Retry-After": {"99999999999999999999"}}}, 0},
	} {
		if _, got := details(grpcauth.Status(row.rej).Err()); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func TestTextThatIsNotUTF8StillMakesAStatus(t *testing.T) {
	st := grpcauth.Status(&usher.Rejection{Status: 403, Description: "caf\xe9", Scope: "caf\xe9"})
	info, _ := details(st.Err())
	if st.Message() != "caf?" || info.GetMetadata()["scope"] != "caf?" {
		t.Errorf("%q, %v", st.Message(), info)
	}
}
