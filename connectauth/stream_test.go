package connectauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"github.com/go-usher/usher"
	"github.com/go-usher/usher/connectauth"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// bubble runs a test for each protocol, with a clock of its own, a key, and tokens that live for a minute.
func bubble(t *testing.T, test func(t *testing.T, b *world)) {
	t.Helper()
	for protocol, option := range speak() {
		if protocol == "GET" {
			continue // streams are POSTs
		}
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				key := usher.Must(usher.GenerateKey(usher.HS256))
				test(t, &world{
					key:      key,
					encoder:  usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Minute})),
					protocol: option,
					began:    time.Now(),
				})
			})
		})
	}
}

// world is what a test in a bubble has.
type world struct {
	key      usher.Key
	encoder  *usher.Encoder[usher.Claims]
	protocol connect.ClientOption
	began    time.Time
	seen     observed
	check    func(ctx context.Context) error
}

func (b *world) auth(t *testing.T, decoder *usher.DecoderOptions, opts *usher.MiddlewareOptions) *usher.Middleware[usher.Claims, *user] {
	t.Helper()
	opts.Check = func(ctx context.Context, _ *usher.Claims) error {
		if b.check == nil {
			return nil
		}
		return b.check(ctx)
	}
	auth, err := usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](b.key, decoder)), loadUser, opts)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// token returns a token that lives for a minute.
func (b *world) token(t *testing.T) string {
	t.Helper()
	token, err := b.encoder.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type stream = connect.BidiStreamForClient[text, text]

// open serves over pipes, because a bubble has no sockets, and opens a stream. The returned function ends everything.
func (b *world) open(t *testing.T, handler http.Handler, header ...string) (*stream, func()) {
	t.Helper()
	listener := newPipes()
	server := &http.Server{Handler: handler, Protocols: protocols(), ReadHeaderTimeout: time.Hour}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{Protocols: protocols(), DialContext: listener.dial}
	client := connect.NewClient[text, text](&http.Client{Transport: transport}, "http://server"+duplexProcedure, b.protocol)
	opened := client.CallBidiStream(t.Context())
	opened.RequestHeader().Set(header[0], header[1])
	if err := opened.Send(nil); err != nil { // the headers
		t.Fatal(err)
	}
	return opened, func() {
		_ = opened.CloseRequest()
		_ = opened.CloseResponse()
		transport.CloseIdleConnections()
		_ = server.Close()
		synctest.Wait()
	}
}

// run opens a stream with a good token, to a service behind New.
func (b *world) run(t *testing.T, opts connectauth.Options, decoder *usher.DecoderOptions, s *service) (*stream, func()) {
	t.Helper()
	if opts.Observe == nil {
		opts.Observe = b.seen.observe
	}
	mux := s.mux(newOption(t, b.auth(t, decoder, &usher.MiddlewareOptions{}), &opts))
	return b.open(t, mux, "Authorization", "Bearer "+b.token(t))
}

// ended waits for the end of a stream, and checks what the client learns, and when.
func (b *world) ended(t *testing.T, s *stream, code connect.Code, reason string, after time.Duration) {
	t.Helper()
	var err error
	for err == nil {
		_, err = s.Receive()
	}
	info, _ := details(err)
	if codeOf(err) != code || info.GetReason() != reason {
		t.Errorf("the stream ended with %v, %v; want %v, %s", err, info, code, reason)
	}
	if got := time.Since(b.began); got != after {
		t.Errorf("the stream ended after %v, want %v", got, after)
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	// The waiting handlers, each in the way that handlers wait.
	for name, row := range map[string]struct {
		handler func(ctx context.Context, stream *bidi) error
		after   time.Duration
	}{
		"in Receive": {func(_ context.Context, stream *bidi) error {
			_, err := stream.Receive()
			return err
		}, time.Minute},
		"for its context": {func(ctx context.Context, _ *bidi) error {
			<-ctx.Done()
			return ctx.Err()
		}, time.Minute},
		"for its context, and has no error": {func(ctx context.Context, _ *bidi) error {
			<-ctx.Done()
			return nil
		}, time.Minute},
		"between messages": {func(_ context.Context, stream *bidi) error {
			for {
				if err := stream.Send(wrapperspb.String("!")); err != nil {
					return err
				}
				<-time.After(7 * time.Second) // deaf to its context
			}
		}, 63 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *world) {
				s, end := b.run(t, connectauth.Options{}, nil, &service{duplex: row.handler})
				defer end()
				b.ended(t, s, connect.CodeUnauthenticated, "expired", row.after)
				if all := b.seen.all(); len(all) != 1 || !errors.Is(all[0], usher.ErrTokenExpired) {
					t.Errorf("Observe saw %v", all)
				}
			})
		})
	}
}

func TestAfterItsEndAStreamDoesNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		s, end := b.run(t, connectauth.Options{}, nil, &service{duplex: func(ctx context.Context, stream *bidi) error {
			<-ctx.Done()
			if rej, ok := errors.AsType[*usher.Rejection](context.Cause(ctx)); !ok || rej.Reason() != "expired" {
				t.Errorf("the context's cause is %v", context.Cause(ctx))
			}
			for range 2 {
				if err := stream.Send(wrapperspb.String("!")); codeOf(err) != connect.CodeUnauthenticated {
					t.Errorf("Send: %v", err)
				}
				if _, err := stream.Receive(); codeOf(err) != connect.CodeUnauthenticated {
					t.Errorf("Receive: %v", err)
				}
			}
			return nil
		}})
		defer end()
		b.ended(t, s, connect.CodeUnauthenticated, "expired", time.Minute)
	})
}

func TestAStreamThatEndsEarlierIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		s, end := b.run(t, connectauth.Options{Recheck: time.Second}, nil, &service{})
		defer end()
		for range 3 {
			if err := s.Send(wrapperspb.String("?")); err != nil {
				t.Fatal(err)
			}
			if answer, err := s.Receive(); err != nil || answer.GetValue() != "42" {
				t.Fatalf("%v, %v", answer, err)
			}
		}
		if err := s.CloseRequest(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the end", err)
		}
		<-time.After(2 * time.Minute)
		if all := b.seen.all(); len(all) != 0 {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestALeewayHoldsForStreamsToo(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		s, end := b.run(t, connectauth.Options{}, &usher.DecoderOptions{Leeway: 10 * time.Second}, &service{})
		defer end()
		b.ended(t, s, connect.CodeUnauthenticated, "expired", 70*time.Second)
	})
}

func TestAStreamEndsSoonAfterItsSession(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		b.check = func(context.Context) error {
			if time.Since(b.began) > 25*time.Second {
				return usher.ErrTokenRevoked
			}
			return nil
		}
		s, end := b.run(t, connectauth.Options{Recheck: 10 * time.Second}, nil, &service{})
		defer end()
		b.ended(t, s, connect.CodeUnauthenticated, "revoked", 30*time.Second)
	})
}

func TestAnOutageEndsNoStreamBeforeItsToken(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		b.check = func(context.Context) error {
			if time.Since(b.began) > 0 {
				return usher.ErrUnavailable
			}
			return nil
		}
		// With a leeway the decoder still accepts the token at its end, and the outage is what refuses it.
		s, end := b.run(t, connectauth.Options{Recheck: 25 * time.Second}, &usher.DecoderOptions{Leeway: time.Minute}, &service{})
		defer end()
		b.ended(t, s, connect.CodeUnavailable, "unavailable", time.Minute)
		if got := len(b.seen.all()); got != 3 {
			t.Errorf("Observe saw %d refusals, want those after 25, 50 and 60 seconds", got)
		}
	})
}

func TestAStreamThatEndsDuringAQuestionWaitsForIt(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		asking, answered := make(chan struct{}), make(chan struct{})
		b.check = func(ctx context.Context) error {
			if time.Since(b.began) == 0 {
				return nil
			}
			close(asking)
			<-ctx.Done()
			close(answered)
			return ctx.Err()
		}
		s, end := b.run(t, connectauth.Options{Recheck: 10 * time.Second}, nil, &service{duplex: func(context.Context, *bidi) error {
			<-asking
			return nil
		}})
		defer end()
		if _, err := s.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("the handler's end: %v", err)
		}
		select {
		case <-answered:
		default:
			t.Error("the question goes on after the stream has ended")
		}
		if all := b.seen.all(); len(all) != 0 {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestAPanicWhileAskingAgainEndsTheStreamAlone(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		b.check = func(context.Context) error {
			if time.Since(b.began) > 0 {
				panic("oops")
			}
			return nil
		}
		s, end := b.run(t, connectauth.Options{}, &usher.DecoderOptions{Leeway: time.Minute}, &service{})
		defer end()
		b.ended(t, s, connect.CodeInternal, "error", time.Minute)
		if all := b.seen.all(); len(all) != 1 || !strings.Contains(all[0].Err.Error(), "panic: oops") {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestAPanicOfObserveAtTheEndOfATokenEndsTheStreamAlone(t *testing.T) {
	log := slog.Default()
	defer slog.SetDefault(log)
	var lines bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	bubble(t, func(t *testing.T, b *world) {
		broken := func(context.Context, string, *usher.Rejection) { panic("no metrics") }
		s, end := b.run(t, connectauth.Options{Observe: broken}, nil, &service{})
		defer end()
		b.ended(t, s, connect.CodeInternal, "error", time.Minute)
	})
	if !strings.Contains(lines.String(), "panic: no metrics") {
		t.Errorf("the log is %q", &lines)
	}
}

func TestATokenWithoutExpiryEndsNoStream(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		forever := authFunc(func(ctx context.Context, _ string) (context.Context, error) { return ctx, nil })
		s, end := b.open(t, (&service{duplex: func(ctx context.Context, _ *bidi) error {
			<-time.After(100 * time.Hour)
			return ctx.Err()
		}}).mux(newOption(t, forever, nil)), "Authorization", "Bearer any")
		defer end()
		if _, err := s.Receive(); !errors.Is(err, io.EOF) || time.Since(b.began) != 100*time.Hour {
			t.Errorf("%v after %v", err, time.Since(b.began))
		}
	})
}

func TestBehindTheMiddlewareAStreamEndsWithTheTokenOfItsCookie(t *testing.T) {
	for name, row := range map[string]struct {
		leeway time.Duration
		began  time.Duration // when the stream is opened
		after  time.Duration
	}{
		"at its end":                {0, 0, time.Minute},
		"a second after the leeway": {30 * time.Second, 70 * time.Second, 71 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *world) {
				auth := b.auth(t, &usher.DecoderOptions{Leeway: row.leeway}, &usher.MiddlewareOptions{
					Sources: []usher.TokenSource{usher.FromCookie("__Host-token")}, Reject: connectauth.Reject(),
				})
				option := newOption(t, connectauth.FromMiddleware(), &connectauth.Options{Observe: b.seen.observe, Recheck: 25 * time.Second})
				token := b.token(t)
				<-time.After(row.began)
				s, end := b.open(t, auth.Require((&service{}).mux(option)), "Cookie", "__Host-token="+token)
				defer end()
				if err := s.Send(wrapperspb.String("?")); err != nil {
					t.Fatal(err)
				}
				if answer, err := s.Receive(); err != nil || answer.GetValue() != "42" {
					t.Fatalf("%v, %v", answer, err)
				}
				b.ended(t, s, connect.CodeUnauthenticated, "expired", row.after)
			})
		})
	}
}

func TestFromMiddlewareWithoutTheMiddlewareLetsNobodyIn(t *testing.T) {
	var seen observed
	url, client := serve(t, (&service{}).mux(newOption(t, connectauth.FromMiddleware(), &connectauth.Options{Observe: seen.observe})))
	for protocol, option := range speak() {
		for kind, call := range calls(protocol) {
			if _, err := call(within(t), url, client, option, "Bearer any"); codeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("%s, %s: %v", protocol, kind, err)
			}
		}
	}
}

// TestStreamsOverSocketsLeaveNoGoroutine is the same end without a bubble: the server has to end the Receive that was left waiting.
func TestStreamsOverSocketsLeaveNoGoroutine(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Second}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), loadUser, nil))
	url, client := serve(t, (&service{}).mux(newOption(t, auth, nil)))
	if _, err := callUnary(within(t), url, client, connect.WithGRPC()); codeOf(err) != connect.CodeUnauthenticated {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	var streams []*stream
	for range 10 {
		for protocol, option := range speak() {
			if protocol == "GET" {
				continue
			}
			opened := connect.NewClient[text, text](client, url+duplexProcedure, option).CallBidiStream(within(t))
			opened.RequestHeader().Set("Authorization", "Bearer "+token)
			if err := opened.Send(nil); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, opened)
		}
	}
	for _, s := range streams {
		_, err := s.Receive()
		if info, _ := details(err); codeOf(err) != connect.CodeUnauthenticated || info.GetReason() != "expired" {
			t.Fatal(err)
		}
		_ = s.CloseRequest()
		_ = s.CloseResponse()
	}
	for start := time.Now(); runtime.NumGoroutine() > before; <-time.After(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func TestOverHTTP1AClientStreamEndsToo(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Second}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), loadUser, nil))
	ended := make(chan string, 1)
	opts := &connectauth.Options{Observe: func(_ context.Context, _ string, rej *usher.Rejection) { ended <- rej.Reason() }}
	url, _ := serve(t, (&service{}).mux(newOption(t, auth, opts)))
	token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	opened := connect.NewClient[text, text](&http.Client{Transport: transport}, url+inputProcedure).CallClientStream(within(t))
	opened.RequestHeader().Set("Authorization", "Bearer "+token)
	if err := opened.Send(wrapperspb.String("?")); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got != "expired" {
		t.Errorf("it ended with %s", got)
	}
	_, err = opened.CloseAndReceive()
	if info, _ := details(err); codeOf(err) != connect.CodeUnauthenticated || info.GetReason() != "expired" {
		t.Errorf("the client learns %v", err)
	}
}
