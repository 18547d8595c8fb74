package connectauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"github.com/go-usher/usher/ushertest"
)

func TestMistakesAreReportedAllAtOnce(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	var typedNil *usher.Middleware[usher.Claims, *user]
	choose := func(string) (connectauth.Authenticator, bool) { return auth, true }
	for name, row := range map[string]struct {
		auth   connectauth.Authenticator
		opts   *connectauth.Options
		fields []string
	}{
		"nothing":              {nil, nil, []string{"auth"}},
		"nil, and For":         {nil, &connectauth.Options{For: choose}, nil},
		"a nil pointer":        {typedNil, nil, []string{"auth"}},
		"a nil pointer, For":   {typedNil, &connectauth.Options{For: choose}, []string{"auth"}},
		"auth and For":         {auth, &connectauth.Options{For: choose}, nil},
		"everything":           {nil, &connectauth.Options{Public: []string{"grpc health"}, Recheck: 5}, []string{"auth", "Options.Public", "Options.Recheck"}},
		"negative":             {auth, &connectauth.Options{Recheck: -time.Second}, []string{"Options.Recheck"}},
		"a second":             {auth, &connectauth.Options{Recheck: time.Second}, nil},
		"good names":           {auth, &connectauth.Options{Public: []string{"a.B", "B", "/a.B/C"}}, nil},
		"empty":                {auth, &connectauth.Options{Public: []string{""}}, []string{"Options.Public"}},
		"a slash":              {auth, &connectauth.Options{Public: []string{"/"}}, []string{"Options.Public"}},
		"a service, slash":     {auth, &connectauth.Options{Public: []string{"/a.B"}}, []string{"Options.Public"}},
		"no first slash":       {auth, &connectauth.Options{Public: []string{"a.B/C"}}, []string{"Options.Public"}},
		"no method":            {auth, &connectauth.Options{Public: []string{"/a.B/"}}, []string{"Options.Public"}},
		"a pattern":            {auth, &connectauth.Options{Public: []string{"/a.B/*"}}, []string{"Options.Public"}},
		"three parts":          {auth, &connectauth.Options{Public: []string{"/a.B/C/D"}}, []string{"Options.Public"}},
		"two dots":             {auth, &connectauth.Options{Public: []string{"a..B"}}, []string{"Options.Public"}},
		"two of them are good": {auth, &connectauth.Options{Public: []string{"a.B", "b c", "d.E", "*"}}, []string{"Options.Public", "Options.Public"}},
	} {
		t.Run(name, func(t *testing.T) {
			option, err := connectauth.New(row.auth, row.opts)
			if got := mistakes(err); strings.Join(got, " ") != strings.Join(row.fields, " ") {
				t.Errorf("mistakes in %q, want %q: %v", got, row.fields, err)
			}
			if (option == nil) != (err != nil) {
				t.Error("an error comes with an option, or none with none")
			}
		})
	}
}

// mistakes returns the fields of the ConfigErrors that are joined.
func mistakes(err error) []string {
	var fields []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			if config, ok := errors.AsType[*usher.ConfigError](err); ok {
				fields = append(fields, config.Field)
			}
		}
	}
	return fields
}

func TestWithoutObserveServerErrorsAreLogged(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	kit := ushertest.New[usher.Claims](t, nil)
	url, client := serve(t, (&service{}).mux(newOption(t, newAuth(t, kit), nil)))
	for subject, code := range map[string]connect.Code{"broken": connect.CodeInternal, "ghost": connect.CodeUnauthenticated} {
		if _, err := callUnary(within(t), url, client, connect.WithGRPC(), "Bearer "+tokenOf(t, kit, subject)); codeOf(err) != code {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, want := range []string{"level=ERROR", "status=500", "reason=error", "route=/test.v1.Test/Unary", "sub=broken", secretCause} {
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
	opts := &connectauth.Options{Observe: connectauth.LogRejections(slog.New(slog.NewTextHandler(&log, nil)))}
	url, client := serve(t, (&service{}).mux(newOption(t, newAuth(t, kit), opts)))
	if _, err := callUnary(within(t), url, client, connect.WithGRPC()); codeOf(err) != connect.CodeUnauthenticated {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "level=INFO") || !strings.Contains(got, "reason=no_token") || !strings.Contains(got, unaryProcedure) {
		t.Errorf("the log says %q", got)
	}
}

func TestHangUpsAreNotLoggedAsErrors(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	gone := authFunc(func(context.Context, string) (context.Context, error) { return nil, context.Canceled })
	url, client := serve(t, (&service{}).mux(newOption(t, gone, nil)))
	if _, err := callUnary(within(t), url, client, connect.WithGRPC()); codeOf(err) != connect.CodeUnavailable {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says %q", log.String())
	}
}
