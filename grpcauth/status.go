package grpcauth

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/internal/rpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Domain is the domain of the ErrorInfo in statuses.
const Domain = "github.com/go-usher/usher"

// Status returns the gRPC status of a refusal. Its message is [usher.Rejection.Error], and nothing in it comes from the
// cause. The code follows from the Rejection's Status:
//
//	400, 415, 422  InvalidArgument
//	401            Unauthenticated
//	403            PermissionDenied
//	404            NotFound
//	405            Unimplemented
//	409            AlreadyExists
//	413, 429       ResourceExhausted
//	503            Unavailable
//
// Any other 4xx is FailedPrecondition, and any other status Internal. The details are an ErrorInfo, and a RetryInfo for
// Unavailable and for a 429 with RetryAfter. The ErrorInfo has [usher.Rejection.Reason] as its reason, [Domain] as its domain,
// and "scope" and "max_age" (in seconds) in its metadata if the Rejection has them.
func Status(rej *usher.Rejection) *status.Status {
	st := status.New(code(rej), strings.ToValidUTF8(rej.Error(), "?"))
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: rej.Reason(), Domain: Domain, Metadata: needs(rej)}}
	if after := retryAfter(rej); after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	if detailed, err := st.WithDetails(details...); err == nil {
		st = detailed
	}
	return st
}

// code returns the code of a refusal.
func code(rej *usher.Rejection) codes.Code {
	if rej == nil {
		return codes.Code(rpc.Code(http.StatusInternalServerError))
	}
	return codes.Code(rpc.Code(rej.Status))
}

// needs returns the scope and max_age that an HTTP challenge would have.
func needs(rej *usher.Rejection) map[string]string {
	if rej == nil || rej.Scope == "" && rej.MaxAge <= 0 {
		return nil
	}
	needs := map[string]string{}
	if rej.Scope != "" {
		needs["scope"] = strings.ToValidUTF8(rej.Scope, "?")
	}
	if rej.MaxAge > 0 {
		needs["max_age"] = strconv.FormatInt(int64(rej.MaxAge/time.Second), 10)
	}
	return needs
}

// retryAfter returns the Retry-After that an HTTP response would have, or 0 if none.
func retryAfter(rej *usher.Rejection) time.Duration {
	header := http.Header{}
	rej.SetHeaders(header)
	return rpc.RetryAfter(header)
}
