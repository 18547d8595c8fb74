package grpcauth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

func TestEveryRefusalReachesTheClientWithItsCodeAndReason(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit).With(func(ctx context.Context) error {
		switch u, _ := usher.UserFromContext[*user](ctx); u.ID {
		case "limited":
			return usher.RequireScope("write", "admin")(ctx)
		case "stale":
			return usher.RequireRecentLogin(5 * time.Minute)(ctx)
		case "slow":
			return &usher.Rejection{Status: 429, Description: "Slow down.", RetryAfter: 90 * time.Second}
		}
		return nil
	})
	type row struct {
		values []string
		code   codes.Code
		reason string
		retry  time.Duration
		needs  map[string]string
	}
	bearer := func(subject string) []string { return []string{"Bearer " + tokenOf(t, kit, subject)} }
	good := tokenOf(t, kit, "42")
	rows := map[string]row{
		"no token":           {nil, codes.Unauthenticated, "no_token", 0, nil},
		"another scheme":     {[]string{"Basic NDI6.cHc="}, codes.Unauthenticated, "no_token", 0, nil},
		"no scheme":          {[]string{good}, codes.Unauthenticated, "malformed", 0, nil},
		"scheme run on":      {[]string{"Bearer" + good}, codes.Unauthenticated, "malformed", 0, nil},
		"empty token":        {[]string{"Bearer"}, codes.Unauthenticated, "malformed", 0, nil},
		"blank token":        {[]string{"Bearer   "}, codes.Unauthenticated, "malformed", 0, nil},
		"two tokens":         {[]string{"Bearer " + good, "Bearer " + good}, codes.InvalidArgument, "many_tokens", 0, nil},
		"a token and Basic":  {[]string{"Bearer " + good, "Basic NDI6cHc="}, codes.InvalidArgument, "many_tokens", 0, nil},
		"oversized":          {[]string{"Bearer " + strings.Repeat("a", 20<<10)}, codes.Unauthenticated, "too_large", 0, nil},
		"nobody's token":     {bearer("ghost"), codes.Unauthenticated, "no_user", 0, nil},
		"bound to a key":     {[]string{"Bearer " + boundToken(t, kit)}, codes.Unauthenticated, "unconfirmed", 0, nil},
		"guard":              {bearer("limited"), codes.PermissionDenied, "scope", 0, map[string]string{"scope": "write admin"}},
		"old login":          {bearer("stale"), codes.Unauthenticated, "login_too_old", 0, map[string]string{"max_age": "300"}},
		"too many":           {bearer("slow"), codes.ResourceExhausted, "too_many", 90 * time.Second, nil},
		"outage":             {bearer("down"), codes.Unavailable, "unavailable", 5 * time.Second, nil},
		"unexpected failure": {bearer("broken"), codes.Internal, "error", 0, nil},
	}
	reasons := map[string]string{
		"expired": "expired", "not yet valid": "not_yet_valid", "forged": "signature", "unsigned": "malformed", "malformed": "malformed",
		"wrong issuer": "issuer", "wrong audience": "audience", "unknown kid": "unknown_key", "wrong type": "type",
	}
	for _, broken := range kit.BrokenTokens(t, usher.Claims{Subject: "42"}) {
		rows[broken.Name] = row{[]string{"Bearer " + broken.Token}, codes.Unauthenticated, reasons[broken.Name], 0, nil}
	}

	seen := newObserved()
	conn := dial(t, newServer(t, auth, &grpcauth.Options{Observe: seen.observe}, &service{
		unary: func(context.Context) error { t.Error("the handler was called"); return nil },
		duplex: func(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
			t.Error("the handler was called")
			return nil
		},
		output: func(grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
			t.Error("the handler was called")
			return nil
		},
	}))
	for kind, call := range calls() {
		for name, row := range rows {
			t.Run(kind+"/"+name, func(t *testing.T) {
				before := len(seen.all())
				_, err := call(outgoing(within(t), row.values...), conn)
				if got := status.Code(err); got != row.code {
					t.Fatalf("code %v, want %v: %v", got, row.code, err)
				}
				info, retry := details(err)
				if info.GetReason() != row.reason || info.GetDomain() != grpcauth.Domain {
					t.Errorf("ErrorInfo %v, want reason %q", info, row.reason)
				}
				for key, want := range row.needs {
					if got := info.GetMetadata()[key]; got != want {
						t.Errorf("metadata %s is %q, want %q", key, got, want)
					}
				}
				if len(info.GetMetadata()) != len(row.needs) {
					t.Errorf("metadata %v, want %v", info.GetMetadata(), row.needs)
				}
				if retry != row.retry {
					t.Errorf("retry after %v, want %v", retry, row.retry)
				}
				if text := err.Error() + info.String(); strings.Contains(text, "10.0.0.7") || strings.Contains(text, "usher:") {
					t.Errorf("the client sees the cause: %s", text)
				}
				all := seen.all()
				if len(all) != before+1 || all[before].Reason() != row.reason {
					t.Errorf("Observe saw %d refusals, the last %v; want one more, %s", len(all)-before, all[len(all)-1].Err, row.reason)
				}
			})
		}
	}
}

func TestAGoodTokenBringsTheUserToTheHandler(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	check := func(ctx context.Context) error {
		if u, ok := auth.User(ctx); !ok || u.ID != "42" {
			return status.Errorf(codes.Internal, "auth.User: %v, %v", u, ok)
		}
		if c, ok := auth.Claims(ctx); !ok || c.Subject != "42" {
			return status.Errorf(codes.Internal, "auth.Claims: %v, %v", c, ok)
		}
		return nil
	}
	conn := dial(t, newServer(t, auth, nil, &service{unary: check}))
	for kind, call := range calls() {
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
			got, err := call(outgoing(within(t), scheme+tokenOf(t, kit, "42")), conn)
			if err != nil || got != "42" {
				t.Errorf("%s, %q: %q, %v", kind, scheme, got, err)
			}
		}
	}
}

func TestHealthAndReflectionArePrivateUnlessTheyAreNamed(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	check := func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
	watch := func(ctx context.Context, conn *grpc.ClientConn) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := healthpb.NewHealthClient(conn).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	list := func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
		if err != nil {
			return err
		}
		_ = stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		_, err = stream.Recv()
		return err
	}
	for _, row := range []struct {
		name                string
		public              []string
		check, watch, lists codes.Code
	}{
		{"by default", nil, codes.Unauthenticated, codes.Unauthenticated, codes.Unauthenticated},
		{"a service", []string{"grpc.health.v1.Health"}, codes.OK, codes.OK, codes.Unauthenticated},
		{"a method", []string{"/grpc.health.v1.Health/Check"}, codes.OK, codes.Unauthenticated, codes.Unauthenticated},
		{"both", []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"}, codes.OK, codes.OK, codes.OK},
		{"in other letters", []string{"grpc.health.v1.health", "grpc.reflection.v1"}, codes.Unauthenticated, codes.Unauthenticated, codes.Unauthenticated},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := dial(t, newServer(t, newAuth(t, kit), &grpcauth.Options{Public: row.public}, &service{}))
			if got := status.Code(check(within(t), conn)); got != row.check {
				t.Errorf("Check: %v, want %v", got, row.check)
			}
			if got := status.Code(watch(within(t), conn)); got != row.watch {
				t.Errorf("Watch: %v, want %v", got, row.watch)
			}
			if got := status.Code(list(within(t), conn)); got != row.lists {
				t.Errorf("reflection: %v, want %v", got, row.lists)
			}
			if _, err := callUnary(within(t), conn); status.Code(err) != codes.Unauthenticated {
				t.Errorf("the test service: %v", err)
			}
		})
	}
}

func TestForChoosesTheAuthenticatorByMethod(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	var missing *usher.Middleware[usher.Claims, *user]
	var mu sync.Mutex
	var asked []string
	opts := &grpcauth.Options{
		Observe: newObserved().observe,
		For: func(fullMethod string) (grpcauth.Authenticator, bool) {
			mu.Lock()
			asked = append(asked, fullMethod)
			mu.Unlock()
			switch fullMethod {
			case testpb.TestService_UnaryCall_FullMethodName:
				return auth.Allow(func(u *user) bool { return u.ID == "admin" }), true
			case testpb.TestService_FullDuplexCall_FullMethodName:
				return auth, true
			case testpb.TestService_StreamingOutputCall_FullMethodName:
				return nil, false
			case healthpb.Health_Check_FullMethodName:
				return missing, true
			}
			return nil, true
		},
	}
	conn := dial(t, newServer(t, nil, opts, &service{}))
	ctx := outgoing(within(t), "Bearer "+tokenOf(t, kit, "42"))
	if _, err := callUnary(ctx, conn); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a guard by method: %v", err)
	}
	if got, err := callUnary(outgoing(within(t), "Bearer "+tokenOf(t, kit, "admin")), conn); err != nil || got != "admin" {
		t.Errorf("whom it lets in: %q, %v", got, err)
	}
	if got, err := calls()["bidi"](ctx, conn); err != nil || got != "42" {
		t.Errorf("another method: %q, %v", got, err)
	}
	if got, err := calls()["server stream"](ctx, conn); err != nil || got != "" {
		t.Errorf("a public method does not look at the token: %q, %v", got, err)
	}
	for name, invoke := range map[string]func() error{
		"a nil pointer": func() error {
			_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
			return err
		},
		"nil": func() error {
			_, err := healthpb.NewHealthClient(conn).List(ctx, &healthpb.HealthListRequest{})
			return err
		},
	} {
		if err := invoke(); status.Code(err) != codes.Internal {
			t.Errorf("%s that is required: %v, want Internal", name, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 6 || asked[0] != "/grpc.testing.TestService/UnaryCall" {
		t.Errorf("For was asked about %q", asked)
	}
}

func TestAMethodThatDoesNotExistIsUnimplemented(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}))
	err := conn.Invoke(within(t), "/grpc.testing.TestService/Nothing", &testpb.Empty{}, &testpb.Empty{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("%v", err)
	}
}

func TestAHandlerForUnknownServicesWantsATokenToo(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	handler := grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		return stream.SendMsg(&testpb.Empty{})
	})
	conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}, handler))
	if err := conn.Invoke(within(t), "/any.Service/Call", &testpb.Empty{}, &testpb.Empty{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	ctx := outgoing(within(t), "Bearer "+tokenOf(t, kit, "42"))
	if err := conn.Invoke(ctx, "/any.Service/Call", &testpb.Empty{}, &testpb.Empty{}); err != nil {
		t.Errorf("with one: %v", err)
	}
}

// ownStatus is an error that is a status, and has a cause.
type ownStatus struct{ error }

func (o *ownStatus) Unwrap() error            { return o.error }
func (*ownStatus) GRPCStatus() *status.Status { return status.New(codes.Aborted, "own") }

func TestAHandlersOwnRefusalIsMapped(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	// What another service answered to the handler, with details of its own.
	elsewhere := grpcauth.Status(&usher.Rejection{Status: 403, Description: secretCause}).Err()
	rows := map[string]struct {
		err    error
		code   codes.Code
		reason string
	}{
		"forbidden":         {auth.Rejection(usher.ErrForbidden), codes.PermissionDenied, "forbidden"},
		"not found":         {auth.Rejection(usher.ErrNoUser), codes.NotFound, "no_user"},
		"taken":             {&usher.Rejection{Status: 409, Description: "The title is taken."}, codes.AlreadyExists, "request"},
		"wrapped":           {errors.Join(errors.New(secretCause), auth.Rejection(usher.ErrForbidden)), codes.PermissionDenied, "forbidden"},
		"another service's": {auth.Rejection(elsewhere), codes.Internal, "error"},
		"a status around":   {&ownStatus{auth.Rejection(usher.ErrForbidden)}, codes.Aborted, ""},
		"its own status":    {status.Error(codes.DataLoss, "gone"), codes.DataLoss, ""},
		"another error":     {errors.New("plain"), codes.Unknown, ""},
		"a cancelled call":  {context.Canceled, codes.Unknown, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			seen := newObserved()
			conn := dial(t, newServer(t, auth, &grpcauth.Options{Observe: seen.observe}, &service{
				unary: func(context.Context) error { return row.err },
				output: func(grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
					return row.err
				},
			}))
			for _, kind := range []string{"unary", "server stream"} {
				_, err := calls()[kind](outgoing(within(t), "Bearer "+tokenOf(t, kit, "42")), conn)
				info, _ := details(err)
				if strings.Contains(err.Error(), "10.0.0.7") || len(status.Convert(err).Details()) > 1 {
					t.Errorf("%s: the client sees the cause: %v", kind, status.Convert(err).Details())
				}
				if status.Code(err) != row.code && !(name == "a cancelled call" && status.Code(err) == codes.Canceled) || info.GetReason() != row.reason {
					t.Errorf("%s: %v, %v; want %v, %s", kind, err, info, row.code, row.reason)
				}
			}
			want := 0
			if row.reason != "" {
				want = 2
			}
			if got := len(seen.all()); got != want {
				t.Errorf("Observe was called %d times, want %d", got, want)
			}
		})
	}
}

// authFunc is an Authenticator that is no middleware.
type authFunc func(ctx context.Context, token string) (context.Context, error)

func (f authFunc) AuthenticateToken(ctx context.Context, token string) (context.Context, error) {
	return f(ctx, token)
}

func TestAnyAuthenticatorsErrorsAreMapped(t *testing.T) {
	var none *usher.Rejection
	for name, row := range map[string]struct {
		err  error
		code codes.Code
	}{
		"no token":         {usher.ErrNoToken, codes.Unauthenticated},
		"revoked":          {usher.ErrTokenRevoked, codes.Unauthenticated},
		"no user":          {usher.ErrNoUser, codes.Unauthenticated},
		"outage":           {errors.Join(usher.ErrNoUser, usher.ErrUnavailable), codes.Unavailable},
		"forbidden":        {usher.ErrForbidden, codes.PermissionDenied},
		"unknown":          {errors.New(secretCause), codes.Internal},
		"a nil refusal":    {none, codes.Internal},
		"neither":          {nil, codes.Internal},
		"wrapped refusals": {errors.Join(&usher.Rejection{Status: 403}), codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			auth := authFunc(func(context.Context, string) (context.Context, error) { return nil, row.err })
			conn := dial(t, newServer(t, auth, &grpcauth.Options{Observe: newObserved().observe}, &service{}))
			if _, err := callUnary(within(t), conn); status.Code(err) != row.code || strings.Contains(err.Error(), "10.0.0.7") {
				t.Errorf("%v, want %v", err, row.code)
			}
		})
	}
}

func TestAnAuthenticatorOfOnesOwnMayLetStrangersIn(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	optional := authFunc(func(ctx context.Context, token string) (context.Context, error) {
		if token == "" {
			return ctx, nil
		}
		return auth.AuthenticateToken(ctx, token)
	})
	conn := dial(t, newServer(t, optional, nil, &service{}))
	for kind, call := range calls() {
		if got, err := call(within(t), conn); err != nil || got != "" {
			t.Errorf("%s: a stranger: %q, %v", kind, got, err)
		}
		if got, err := call(outgoing(within(t), "Bearer "+tokenOf(t, kit, "42")), conn); err != nil || got != "42" {
			t.Errorf("%s: a user: %q, %v", kind, got, err)
		}
		for _, bad := range []string{"Bearer", "Bearer a.b.c"} {
			if _, err := call(outgoing(within(t), bad), conn); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %q: %v", kind, bad, err)
			}
		}
	}
}

func TestAPanicInAHandlerLeavesNothingBehind(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	recovering := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = status.Errorf(codes.Internal, "recovered %v", v)
			}
		}()
		return handler(srv, ss)
	}
	inside := make(chan context.Context, 1)
	server := newServer(t, newAuth(t, kit), nil, &service{
		output: func(stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
			inside <- stream.Context()
			panic("oops")
		},
	}, grpc.ChainStreamInterceptor(recovering))
	conn := dial(t, server)
	_, err := calls()["server stream"](outgoing(within(t), "Bearer "+tokenOf(t, kit, "42")), conn)
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "recovered oops") {
		t.Fatal(err)
	}
	if ctx := <-inside; ctx.Err() == nil {
		t.Error("the handler's context is still open")
	}
	if got, err := callUnary(outgoing(within(t), "Bearer "+tokenOf(t, kit, "7")), conn); err != nil || got != "7" {
		t.Errorf("the next call: %q, %v", got, err)
	}
}

func TestACancelledClientIsNoOutage(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	began := make(chan struct{})
	auth, err := usher.NewMiddleware(kit.Decoder, func(ctx context.Context, _ *usher.Claims) (*user, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := newObserved()
	conn := dial(t, newServer(t, auth, &grpcauth.Options{Observe: seen.observe}, &service{}))
	ctx, cancel := context.WithCancel(outgoing(within(t), "Bearer "+tokenOf(t, kit, "42")))
	go func() { <-began; cancel() }()
	if _, err := callUnary(ctx, conn); status.Code(err) != codes.Canceled {
		t.Errorf("the client sees %v", err)
	}
	<-seen.came
	if got := seen.all()[0].Reason(); got != "canceled" {
		t.Errorf("the operator sees %q", got)
	}
}
