package grpcauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMistakesAreReportedAllAtOnce(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	var typedNil *usher.Middleware[usher.Claims, *user]
	choose := func(string) (grpcauth.Authenticator, bool) { return auth, true }
	for name, row := range map[string]struct {
		auth   grpcauth.Authenticator
		opts   *grpcauth.Options
		fields []string
	}{
		"nothing":              {nil, nil, []string{"auth"}},
		"nil, and For":         {nil, &grpcauth.Options{For: choose}, nil},
		"a nil pointer":        {typedNil, nil, []string{"auth"}},
		"a nil pointer, For":   {typedNil, &grpcauth.Options{For: choose}, []string{"auth"}},
		"auth and For":         {auth, &grpcauth.Options{For: choose}, nil},
		"everything":           {nil, &grpcauth.Options{Public: []string{"grpc health"}, Recheck: 5}, []string{"auth", "Options.Public", "Options.Recheck"}},
		"negative":             {auth, &grpcauth.Options{Recheck: -time.Second}, []string{"Options.Recheck"}},
		"a second":             {auth, &grpcauth.Options{Recheck: time.Second}, nil},
		"good names":           {auth, &grpcauth.Options{Public: []string{"a.B", "B", "/a.B/C"}}, nil},
		"empty":                {auth, &grpcauth.Options{Public: []string{""}}, []string{"Options.Public"}},
		"a slash":              {auth, &grpcauth.Options{Public: []string{"/"}}, []string{"Options.Public"}},
		"a service, slash":     {auth, &grpcauth.Options{Public: []string{"/a.B"}}, []string{"Options.Public"}},
		"no first slash":       {auth, &grpcauth.Options{Public: []string{"a.B/C"}}, []string{"Options.Public"}},
		"no method":            {auth, &grpcauth.Options{Public: []string{"/a.B/"}}, []string{"Options.Public"}},
		"a pattern":            {auth, &grpcauth.Options{Public: []string{"/a.B/*"}}, []string{"Options.Public"}},
		"three parts":          {auth, &grpcauth.Options{Public: []string{"/a.B/C/D"}}, []string{"Options.Public"}},
		"two dots":             {auth, &grpcauth.Options{Public: []string{"a..B"}}, []string{"Options.Public"}},
		"two of them are good": {auth, &grpcauth.Options{Public: []string{"a.B", "b c", "d.E", "*"}}, []string{"Options.Public", "Options.Public"}},
	} {
		t.Run(name, func(t *testing.T) {
			unary, unaryErr := grpcauth.Unary(row.auth, row.opts)
			stream, streamErr := grpcauth.Stream(row.auth, row.opts)
			for _, err := range []error{unaryErr, streamErr} {
				var got []string
				if joined, ok := err.(interface{ Unwrap() []error }); ok {
					for _, err := range joined.Unwrap() {
						if config, ok := errors.AsType[*usher.ConfigError](err); ok {
							got = append(got, config.Field)
						}
					}
				}
				if strings.Join(got, " ") != strings.Join(row.fields, " ") {
					t.Errorf("mistakes in %q, want %q: %v", got, row.fields, err)
				}
			}
			if (unary == nil) != (unaryErr != nil) || (stream == nil) != (streamErr != nil) {
				t.Error("an error comes with an interceptor, or none with none")
			}
		})
	}
}

func TestWithoutObserveServerErrorsAreLogged(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	kit := ushertest.New[usher.Claims](t, nil)
	conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}))
	for subject, code := range map[string]codes.Code{"broken": codes.Internal, "ghost": codes.Unauthenticated} {
		if _, err := callUnary(outgoing(within(t), "Bearer "+tokenOf(t, kit, subject)), conn); status.Code(err) != code {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, want := range []string{"level=ERROR", "status=500", "reason=error", "route=/grpc.testing.TestService/UnaryCall", "sub=broken", secretCause} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "ghost") {
		t.Errorf("a client's mistake is logged:\n%s", log.String())
	}
}

func TestLogRejectionsLogsAll(t *testing.T) {
	var log bytes.Buffer
	kit := ushertest.New[usher.Claims](t, nil)
	opts := &grpcauth.Options{Observe: grpcauth.LogRejections(slog.New(slog.NewTextHandler(&log, nil)))}
	conn := dial(t, newServer(t, newAuth(t, kit), opts, &service{}))
	if _, err := callUnary(within(t), conn); status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, "reason=no_token") || !strings.Contains(got, "UnaryCall") {
		t.Errorf("the log says %q", got)
	}
}

func TestHangUpsAreNotLoggedAsErrors(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	unary, err := grpcauth.Unary(authFunc(func(context.Context, string) (context.Context, error) { return nil, context.Canceled }), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unary(t.Context(), nil, unaryInfo, nil); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %q", log.String())
	}
}
