package connectauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"github.com/go-usher/usher/ushertest"
)

// row is what the client learns of a refusal.
type row struct {
	values []string
	code   connect.Code
	reason string
	retry  time.Duration
	needs  map[string]string
}

// rows are the refusals of the guards below, of loadUser, and of a kit's decoder.
func rows(t *testing.T, kit *ushertest.Kit[usher.Claims]) map[string]row {
	t.Helper()
	bearer := func(subject string) []string { return []string{"Bearer " + tokenOf(t, kit, subject)} }
	good := tokenOf(t, kit, "42")
	rows := map[string]row{
		"no token":           {nil, connect.CodeUnauthenticated, "no_token", 0, nil},
		"another scheme":     {[]string{"Basic NDI6.cHc="}, connect.CodeUnauthenticated, "no_token", 0, nil},
		"no scheme":          {[]string{good}, connect.CodeUnauthenticated, "malformed", 0, nil},
		"scheme run on":      {[]string{"Bearer" + good}, connect.CodeUnauthenticated, "malformed", 0, nil},
		"a tab":              {[]string{"Bearer\t" + good}, connect.CodeUnauthenticated, "malformed", 0, nil},
		"empty token":        {[]string{"Bearer"}, connect.CodeUnauthenticated, "malformed", 0, nil},
		"two tokens":         {[]string{"Bearer " + good, "Bearer " + good}, connect.CodeInvalidArgument, "many_tokens", 0, nil},
		"a token and Basic":  {[]string{"Bearer " + good, "Basic NDI6cHc="}, connect.CodeInvalidArgument, "many_tokens", 0, nil},
		"oversized":          {[]string{"Bearer " + strings.Repeat("a", 20<<10)}, connect.CodeUnauthenticated, "too_large", 0, nil},
		"nobody's token":     {bearer("ghost"), connect.CodeUnauthenticated, "no_user", 0, nil},
		"bound to a key":     {[]string{"Bearer " + boundToken(t, kit)}, connect.CodeUnauthenticated, "unconfirmed", 0, nil},
		"guard":              {bearer("limited"), connect.CodePermissionDenied, "scope", 0, map[string]string{"scope": "write admin"}},
		"old login":          {bearer("stale"), connect.CodeUnauthenticated, "login_too_old", 0, map[string]string{"max_age": "300"}},
		"too many":           {bearer("slow"), connect.CodeResourceExhausted, "too_many", 90 * time.Second, nil},
		"outage":             {bearer("down"), connect.CodeUnavailable, "unavailable", 5 * time.Second, nil},
		"unexpected failure": {bearer("broken"), connect.CodeInternal, "error", 0, nil},
	}
	reasons := map[string]string{
		"expired": "expired", "not yet valid": "not_yet_valid", "forged": "signature", "unsigned": "malformed", "malformed": "malformed",
		"wrong issuer": "issuer", "wrong audience": "audience", "unknown kid": "unknown_key", "wrong type": "type",
	}
	for _, broken := range kit.BrokenTokens(t, usher.Claims{Subject: "42"}) {
		rows[broken.Name] = row{[]string{"Bearer " + broken.Token}, connect.CodeUnauthenticated, reasons[broken.Name], 0, nil}
	}
	return rows
}

func guard(ctx context.Context) error {
	switch u, _ := usher.UserFromContext[*user](ctx); u.ID {
	case "limited":
		return usher.RequireScope("write", "admin")(ctx)
	case "stale":
		return usher.RequireRecentLogin(5 * time.Minute)(ctx)
	case "slow":
		return &usher.Rejection{Status: 429, Description: "Slow down.", RetryAfter: 90 * time.Second}
	}
	return nil
}

// check compares what a client got with what it should learn.
func (row row) check(t *testing.T, err error) {
	t.Helper()
	if got := codeOf(err); got != row.code {
		t.Fatalf("code %v, want %v: %v", got, row.code, err)
	}
	info, retry := details(err)
	if info.GetReason() != row.reason || info.GetDomain() != connectauth.Domain {
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
}

// checkHeaders looks for the headers that refusals over HTTP have.
func (row row) checkHeaders(t *testing.T, err error) {
	t.Helper()
	failure, _ := errors.AsType[*connect.Error](err)
	if got := failure.Meta().Values("Cache-Control"); len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	challenges := 0
	if row.code == connect.CodeUnauthenticated || row.code == connect.CodePermissionDenied || row.code == connect.CodeInvalidArgument {
		challenges = 1
	}
	if got := failure.Meta().Values("WWW-Authenticate"); len(got) != challenges {
		t.Errorf("WWW-Authenticate %q, want %d", got, challenges)
	}
}

func TestEveryRefusalReachesTheClientWithItsCodeAndReason(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	var seen observed
	s := &service{
		handle: func(context.Context) error { t.Error("the handler was called"); return nil },
		duplex: func(context.Context, *bidi) error { t.Error("the handler was called"); return nil },
	}
	url, client := serve(t, s.mux(newOption(t, newAuth(t, kit).With(guard), &connectauth.Options{Observe: seen.observe})))
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			for name, row := range rows(t, kit) {
				t.Run(protocol+"/"+kind+"/"+name, func(t *testing.T) {
					before := len(seen.all())
					_, err := call(within(t), url, client, option, row.values...)
					row.check(t, err)
					if !strings.HasPrefix(protocol, "gRPC") && kind == "unary" {
						row.checkHeaders(t, err)
					}
					all := seen.all()
					if len(all) != before+1 || all[before].Reason() != row.reason {
						t.Errorf("Observe saw %d refusals, want one more, %s", len(all)-before, row.reason)
					}
				})
			}
		}
	}
}

func TestAGoodTokenBringsTheUserToTheHandler(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	url, client := serve(t, (&service{handle: func(ctx context.Context) error {
		if u, ok := auth.User(ctx); !ok || u.ID != "42" {
			t.Errorf("auth.User: %v, %v", u, ok)
		}
		if c, ok := auth.Claims(ctx); !ok || c.Subject != "42" {
			t.Errorf("auth.Claims: %v, %v", c, ok)
		}
		return nil
	}}).mux(newOption(t, auth, nil)))
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
				got, err := call(within(t), url, client, option, scheme+tokenOf(t, kit, "42"))
				if err != nil || got != "42" {
					t.Errorf("%s, %s, %q: %q, %v", protocol, kind, scheme, got, err)
				}
			}
		}
	}
}

// counted counts what is read of a request's body.
type counted struct {
	*http.Request
	read int
}

func (c *counted) Read(p []byte) (int, error) { c.read += len(p); return 0, errors.New("read") }
func (c *counted) Close() error               { return nil }

func TestARefusedCallIsNotRead(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	mux := (&service{}).mux(newOption(t, newAuth(t, kit), nil))
	var body counted
	url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &body
		mux.ServeHTTP(w, r)
	}))
	for protocol, option := range speak() {
		if protocol == "GET" {
			continue
		}
		if _, err := callUnary(within(t), url, client, option); codeOf(err) != connect.CodeUnauthenticated || body.read > 0 {
			t.Errorf("%s: %v, %d bytes asked for", protocol, err, body.read)
		}
	}
}

func TestHealthIsPrivateUnlessItIsNamed(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	for name, want := range map[string]struct {
		public []string
		code   connect.Code
	}{
		"by default":       {nil, connect.CodeUnauthenticated},
		"the service":      {[]string{"grpc.health.v1.Health"}, 0},
		"the procedure":    {[]string{"/grpc.health.v1.Health/Check"}, 0},
		"another":          {[]string{"/grpc.health.v1.Health/Watch"}, connect.CodeUnauthenticated},
		"in other letters": {[]string{"grpc.health.v1.health"}, connect.CodeUnauthenticated},
	} {
		option := newOption(t, newAuth(t, kit), &connectauth.Options{Public: want.public})
		mux := (&service{}).mux(option)
		mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker("test.v1.Test"), option))
		url, client := serve(t, mux)
		for protocol, option := range speak() {
			_, err := grpchealth.NewClient(client, url, option).Check(within(t), &grpchealth.CheckRequest{})
			if codeOf(err) != want.code {
				t.Errorf("%s, %s: %v, want %v", name, protocol, err, want.code)
			}
			if _, err := callUnary(within(t), url, client, option); codeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("%s, %s: the test service: %v", name, protocol, err)
			}
		}
	}
}

func TestForChoosesTheAuthenticatorByProcedure(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	var missing *usher.Middleware[usher.Claims, *user]
	var mu sync.Mutex
	var asked []string
	var seen observed
	opts := &connectauth.Options{Observe: seen.observe, For: func(procedure string) (connectauth.Authenticator, bool) {
		mu.Lock()
		asked = append(asked, procedure)
		mu.Unlock()
		switch procedure {
		case unaryProcedure:
			return auth.Allow(func(u *user) bool { return u.ID == "admin" }), true
		case outputProcedure:
			return nil, false
		case inputProcedure:
			return missing, true
		}
		return nil, true
	}}
	url, client := serve(t, (&service{}).mux(newOption(t, nil, opts)))
	for protocol, option := range speak() {
		asked = nil
		token := "Bearer " + tokenOf(t, kit, "42")
		if _, err := callUnary(within(t), url, client, option, token); codeOf(err) != connect.CodePermissionDenied {
			t.Errorf("%s: a guard by procedure: %v", protocol, err)
		}
		if got, err := callUnary(within(t), url, client, option, "Bearer "+tokenOf(t, kit, "admin")); err != nil || got != "admin" {
			t.Errorf("%s: whom it lets in: %q, %v", protocol, got, err)
		}
		if got, err := callOutput(within(t), url, client, option, token); err != nil || got != "" {
			t.Errorf("%s: a public procedure does not look at the token: %q, %v", protocol, got, err)
		}
		if _, err := callInput(within(t), url, client, option, token); codeOf(err) != connect.CodeInternal {
			t.Errorf("%s: a nil pointer that is required: %v", protocol, err)
		}
		if _, err := callDuplex(within(t), url, client, option, token); codeOf(err) != connect.CodeInternal {
			t.Errorf("%s: nil that is required: %v", protocol, err)
		}
		mu.Lock()
		if len(asked) != 5 || asked[0] != unaryProcedure {
			t.Errorf("For was asked about %q", asked)
		}
		mu.Unlock()
	}
}

func TestAProcedureThatDoesNotExistIsUnimplemented(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	url, client := serve(t, (&service{}).mux(newOption(t, newAuth(t, kit), nil)))
	for protocol, option := range speak() {
		_, err := connect.NewClient[text, text](client, url+"/test.v1.Test/Nothing", option).CallUnary(within(t), connect.NewRequest(&text{}))
		if codeOf(err) != connect.CodeUnimplemented {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

func TestAHandlersOwnRefusalIsMapped(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	for name, row := range map[string]struct {
		err    error
		code   connect.Code
		reason string
	}{
		"forbidden":         {auth.Rejection(usher.ErrForbidden), connect.CodePermissionDenied, "forbidden"},
		"not found":         {auth.Rejection(usher.ErrNoUser), connect.CodeNotFound, "no_user"},
		"taken":             {&usher.Rejection{Status: 409, Description: "The title is taken."}, connect.CodeAlreadyExists, "request"},
		"wrapped":           {errors.Join(errors.New(secretCause), auth.Rejection(usher.ErrForbidden)), connect.CodePermissionDenied, "forbidden"},
		"another service's": {auth.Rejection(connect.NewError(connect.CodeDataLoss, errors.New(secretCause))), connect.CodeInternal, "error"},
		"an error around":   {connect.NewError(connect.CodeAborted, auth.Rejection(usher.ErrForbidden)), connect.CodeAborted, ""},
		"its own error":     {connect.NewError(connect.CodeDataLoss, errors.New("gone")), connect.CodeDataLoss, ""},
		"another error":     {errors.New("plain"), connect.CodeUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var seen observed
			opts := &connectauth.Options{Observe: seen.observe, Public: []string{outputProcedure}}
			url, client := serve(t, (&service{handle: func(context.Context) error { return row.err }}).mux(newOption(t, auth, opts)))
			for kind, call := range calls("gRPC") {
				_, err := call(within(t), url, client, connect.WithGRPC(), "Bearer "+tokenOf(t, kit, "42"))
				info, _ := details(err)
				if codeOf(err) != row.code || info.GetReason() != row.reason || strings.Contains(err.Error(), "10.0.0.7") {
					t.Errorf("%s: %v, %v; want %v, %s", kind, err, info, row.code, row.reason)
				}
			}
			want := 0
			if row.reason != "" {
				want = len(calls("gRPC"))
			}
			if got := len(seen.all()); got != want {
				t.Errorf("Observe was called %d times, want %d", got, want)
			}
		})
	}
}

func TestAnyAuthenticatorsErrorsAreMapped(t *testing.T) {
	var none *usher.Rejection
	for name, row := range map[string]struct {
		err  error
		code connect.Code
	}{
		"no token":         {usher.ErrNoToken, connect.CodeUnauthenticated},
		"revoked":          {usher.ErrTokenRevoked, connect.CodeUnauthenticated},
		"no user":          {usher.ErrNoUser, connect.CodeUnauthenticated},
		"outage":           {errors.Join(usher.ErrNoUser, usher.ErrUnavailable), connect.CodeUnavailable},
		"forbidden":        {usher.ErrForbidden, connect.CodePermissionDenied},
		"unknown":          {errors.New(secretCause), connect.CodeInternal},
		"a nil refusal":    {none, connect.CodeInternal},
		"neither":          {nil, connect.CodeInternal},
		"wrapped refusals": {errors.Join(&usher.Rejection{Status: 403}), connect.CodePermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			var seen observed
			auth := authFunc(func(context.Context, string) (context.Context, error) { return nil, row.err })
			url, client := serve(t, (&service{}).mux(newOption(t, auth, &connectauth.Options{Observe: seen.observe})))
			if _, err := callUnary(within(t), url, client, connect.WithGRPC()); codeOf(err) != row.code || strings.Contains(err.Error(), "10.0.0.7") {
				t.Errorf("%v, want %v", err, row.code)
			}
		})
	}
}

func TestAPanicInAHandlerLeavesNothingBehind(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	inside := make(chan context.Context, 1)
	url, client := serve(t, (&service{duplex: func(ctx context.Context, _ *bidi) error {
		inside <- ctx
		panic("oops")
	}}).mux(newOption(t, newAuth(t, kit), nil), connect.WithRecover(func(_ context.Context, _ connect.Spec, _ http.Header, v any) error {
		return connect.NewError(connect.CodeDataLoss, errors.New("recovered"))
	})))
	token := "Bearer " + tokenOf(t, kit, "42")
	if _, err := callDuplex(within(t), url, client, connect.WithGRPC(), token); codeOf(err) != connect.CodeDataLoss {
		t.Fatal(err)
	}
	if ctx := <-inside; ctx.Err() == nil {
		t.Error("the handler's context is still open")
	}
	if got, err := callUnary(within(t), url, client, connect.WithGRPC(), token); err != nil || got != "42" {
		t.Errorf("the next call: %q, %v", got, err)
	}
}

func TestACancelledClientIsNoOutage(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	began, seen := make(chan struct{}), make(chan string, 1)
	auth, err := usher.NewMiddleware(kit.Decoder, func(ctx context.Context, _ *usher.Claims) (*user, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := &connectauth.Options{Observe: func(_ context.Context, _ string, rej *usher.Rejection) { seen <- rej.Reason() }}
	url, client := serve(t, (&service{}).mux(newOption(t, auth, opts)))
	ctx, cancel := context.WithCancel(within(t))
	go func() { <-began; cancel() }()
	if _, err := callUnary(ctx, url, client, connect.WithGRPC(), "Bearer "+tokenOf(t, kit, "42")); codeOf(err) != connect.CodeCanceled {
		t.Errorf("the client sees %v", err)
	}
	if got := <-seen; got != "canceled" {
		t.Errorf("the operator sees %q", got)
	}
}

func TestInterceptorsOfTheServerFindTheCause(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	auth := newAuth(t, kit)
	found := make(chan error, 1)
	outer := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			resp, err := next(ctx, req)
			found <- err
			return resp, err
		}
	})
	s := &service{handle: func(context.Context) error { return auth.Rejection(usher.ErrForbidden) }}
	url, client := serve(t, s.mux(connect.WithInterceptors(outer), newOption(t, auth, nil)))
	_, err := callUnary(within(t), url, client, connect.WithGRPC(), "Bearer "+tokenOf(t, kit, "42"))
	if err := <-found; !errors.Is(err, usher.ErrForbidden) || connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("the interceptor sees %v", err)
	}
	if errors.Is(err, usher.ErrForbidden) {
		t.Error("so does the client")
	}
}
