package grpcauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

type (
	bidiServer = grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]
	bidiClient = grpc.BidiStreamingClient[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]
)

// bubble runs a test with a clock of its own, a key, and tokens that live for a minute.
func bubble(t *testing.T, test func(t *testing.T, b *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		key := usher.Must(usher.GenerateKey(usher.HS256))
		b := &world{
			key:     key,
			encoder: usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Minute})),
			began:   time.Now(),
			seen:    newObserved(),
		}
		test(t, b)
	})
}

// world is what a test in a bubble has.
type world struct {
	key     usher.Key
	encoder *usher.Encoder[usher.Claims]
	began   time.Time
	seen    *observed
	check   func(ctx context.Context) error
}

// dial serves over a pipe, because a bubble has no sockets. The returned function ends everything.
func (b *world) dial(t *testing.T, opts grpcauth.Options, decoder *usher.DecoderOptions, s *service) (*grpc.ClientConn, func()) {
	t.Helper()
	auth, err := usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](b.key, decoder)), loadUser, &usher.MiddlewareOptions{
		Check: func(ctx context.Context, _ *usher.Claims) error {
			if b.check == nil {
				return nil
			}
			return b.check(ctx)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if opts.Observe == nil {
		opts.Observe = b.seen.observe
	}
	server := newServer(t, auth, &opts, s)
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() {
		_ = conn.Close()
		server.Stop()
		synctest.Wait()
	}
}

func (b *world) open(t *testing.T, conn *grpc.ClientConn) bidiClient {
	t.Helper()
	token, err := b.encoder.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := testpb.NewTestServiceClient(conn).FullDuplexCall(outgoing(t.Context(), "Bearer "+token))
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// ended waits for the end of a stream, and checks what the client learns, and when.
func (b *world) ended(t *testing.T, stream bidiClient, code codes.Code, reason string, after time.Duration) {
	t.Helper()
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	info, _ := details(err)
	if status.Code(err) != code || info.GetReason() != reason {
		t.Errorf("the stream ended with %v, %v; want %v, %s", err, info, code, reason)
	}
	if got := time.Since(b.began); got != after {
		t.Errorf("the stream ended after %v, want %v", got, after)
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	// The waiting handlers, each in the way that handlers wait.
	handlers := map[string]func(stream bidiServer) error{
		"in Recv": func(stream bidiServer) error {
			_, err := stream.Recv()
			return err
		},
		"for its context": func(stream bidiServer) error {
			<-stream.Context().Done()
			return stream.Context().Err()
		},
		"for its context, and has no error": func(stream bidiServer) error {
			<-stream.Context().Done()
			return nil
		},
		"between messages": func(stream bidiServer) error {
			for {
				if err := stream.Send(userMessage(stream.Context())); err != nil {
					return err
				}
				<-time.After(7 * time.Second) // deaf to its context
			}
		},
	}
	for name, handler := range handlers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *world) {
				conn, end := b.dial(t, grpcauth.Options{}, nil, &service{duplex: handler})
				defer end()
				after := time.Minute
				if name == "between messages" {
					after = 63 * time.Second
				}
				b.ended(t, b.open(t, conn), codes.Unauthenticated, "expired", after)
				if all := b.seen.all(); len(all) != 1 || !errors.Is(all[0], usher.ErrTokenExpired) {
					t.Errorf("Observe saw %v", all)
				}
			})
		})
	}
}

func TestAfterItsEndAStreamDoesNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		conn, end := b.dial(t, grpcauth.Options{}, nil, &service{duplex: func(stream bidiServer) error {
			<-stream.Context().Done()
			if rej, ok := errors.AsType[*usher.Rejection](context.Cause(stream.Context())); !ok || rej.Reason() != "expired" {
				t.Errorf("the context's cause is %v", context.Cause(stream.Context()))
			}
			for range 2 {
				if err := stream.Send(userMessage(stream.Context())); status.Code(err) != codes.Unauthenticated {
					t.Errorf("Send: %v", err)
				}
				if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
					t.Errorf("Recv: %v", err)
				}
			}
			return nil
		}})
		defer end()
		b.ended(t, b.open(t, conn), codes.Unauthenticated, "expired", time.Minute)
	})
}

func TestAStreamThatEndsEarlierIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		conn, end := b.dial(t, grpcauth.Options{Recheck: time.Second}, nil, &service{})
		defer end()
		stream := b.open(t, conn)
		for range 3 {
			if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
				t.Fatal(err)
			}
			if answer, err := stream.Recv(); err != nil || string(answer.GetPayload().GetBody()) != "42" {
				t.Fatalf("%v, %v", answer, err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the end", err)
		}
		<-time.After(2 * time.Minute)
		if all := b.seen.all(); len(all) != 0 {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestAClientThatHangsUpIsNoRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		causes := make(chan error, 1)
		conn, end := b.dial(t, grpcauth.Options{Recheck: time.Second}, nil, &service{duplex: func(stream bidiServer) error {
			_, err := stream.Recv()
			causes <- context.Cause(stream.Context())
			return err
		}})
		defer end()
		b.open(t, conn)
		<-time.After(10 * time.Second)
		_ = conn.Close()
		if cause := <-causes; !errors.Is(cause, context.Canceled) {
			t.Errorf("the context's cause is %v", cause)
		}
		<-time.After(time.Hour)
		if all := b.seen.all(); len(all) != 0 {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestADeadlineDuringAQuestionIsNoRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		b.check = func(ctx context.Context) error {
			if time.Since(b.began) == 0 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		conn, end := b.dial(t, grpcauth.Options{Recheck: 10 * time.Second}, nil, &service{})
		defer end()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		token, err := b.encoder.Encode(ctx, usher.Claims{Subject: "42"})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := testpb.NewTestServiceClient(conn).FullDuplexCall(outgoing(ctx, "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("the client sees %v", err)
		}
		<-time.After(time.Hour)
		if all := b.seen.all(); len(all) != 0 {
			t.Errorf("Observe saw %v", all)
		}
	})
}

func TestAClientThatDoesNotReadGetsNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		var sent int
		conn, end := b.dial(t, grpcauth.Options{}, nil, &service{duplex: func(stream bidiServer) error {
			message := &testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, 1<<12)}}
			for {
				if err := stream.Send(message); err != nil {
					return err
				}
				sent++
			}
		}})
		defer end()
		stream := b.open(t, conn)
		<-time.After(2 * time.Minute)
		received := -1
		var err error
		for ; err == nil; received++ {
			_, err = stream.Recv()
		}
		if info, _ := details(err); info.GetReason() != "expired" {
			t.Errorf("the stream ended with %v", err)
		}
		if received != sent || sent > 1000 {
			t.Errorf("%d messages were sent and %d received", sent, received)
		}
	})
}

func TestALeewayHoldsForStreamsToo(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		conn, end := b.dial(t, grpcauth.Options{}, &usher.DecoderOptions{Leeway: 10 * time.Second}, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Unauthenticated, "expired", 70*time.Second)
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
		conn, end := b.dial(t, grpcauth.Options{Recheck: 10 * time.Second}, nil, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Unauthenticated, "revoked", 30*time.Second)
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
		conn, end := b.dial(t, grpcauth.Options{Recheck: 25 * time.Second}, &usher.DecoderOptions{Leeway: time.Minute}, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Unavailable, "unavailable", time.Minute)
		if got := len(b.seen.all()); got != 3 {
			t.Errorf("Observe saw %d refusals, want those after 25, 50 and 60 seconds", got)
		}
	})
}

func TestAQuestionThatHangsEndsTheStreamNevertheless(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		b.check = func(ctx context.Context) error {
			if time.Since(b.began) == 0 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		conn, end := b.dial(t, grpcauth.Options{}, &usher.DecoderOptions{Leeway: time.Minute}, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Unavailable, "timeout", 70*time.Second)
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
		conn, end := b.dial(t, grpcauth.Options{Recheck: 10 * time.Second}, nil, &service{duplex: func(bidiServer) error {
			<-asking
			return nil
		}})
		defer end()
		if _, err := b.open(t, conn).Recv(); !errors.Is(err, io.EOF) {
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
		conn, end := b.dial(t, grpcauth.Options{}, &usher.DecoderOptions{Leeway: time.Minute}, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Internal, "error", time.Minute)
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
		conn, end := b.dial(t, grpcauth.Options{Observe: broken}, nil, &service{})
		defer end()
		b.ended(t, b.open(t, conn), codes.Internal, "error", time.Minute)
	})
	if !strings.Contains(lines.String(), "panic: no metrics") {
		t.Errorf("the log is %q", &lines)
	}
}

func TestATokenWithoutExpiryEndsNoStream(t *testing.T) {
	bubble(t, func(t *testing.T, b *world) {
		forever := authFunc(func(ctx context.Context, _ string) (context.Context, error) {
			return usher.ContextWithClaims(ctx, &usher.Claims{Subject: "42"}), nil
		})
		stream, err := grpcauth.Stream(forever, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = stream(nil, fakeStream{t.Context()}, &grpc.StreamServerInfo{}, func(_ any, ss grpc.ServerStream) error {
			<-time.After(100 * 365 * 24 * time.Hour)
			return ss.Context().Err()
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAPanicInRecvMsgReachesTheHandler(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	stream, err := grpcauth.Stream(authFunc(func(ctx context.Context, _ string) (context.Context, error) {
		return usher.ContextWithClaims(ctx, &usher.Claims{ExpiresAt: usher.NewNumericDate(kit.Clock.Now().Add(time.Hour))}), nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v != "codec" {
			t.Errorf("recovered %v", v)
		}
	}()
	_ = stream(nil, fakeStream{t.Context()}, &grpc.StreamServerInfo{}, func(_ any, ss grpc.ServerStream) error { return ss.RecvMsg(nil) })
	t.Error("no panic")
}

// fakeStream has a context, and a codec that panics.
type fakeStream struct{ ctx context.Context }

func (f fakeStream) Context() context.Context   { return f.ctx }
func (fakeStream) RecvMsg(any) error            { panic("codec") }
func (fakeStream) SendMsg(any) error            { return nil }
func (fakeStream) SetHeader(metadata.MD) error  { return nil }
func (fakeStream) SendHeader(metadata.MD) error { return nil }
func (fakeStream) SetTrailer(metadata.MD)       {}

// TestStreamsOverSocketsLeaveNoGoroutine is the same end without a bubble: gRPC has to end the Recv that was left waiting.
func TestStreamsOverSocketsLeaveNoGoroutine(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{TTL: time.Second}))
	auth := usher.Must(usher.NewMiddleware(usher.Must(usher.NewDecoder[usher.Claims](key, nil)), loadUser, nil))
	server := newServer(t, auth, nil, &service{})
	conn := dial(t, server)
	if _, err := callUnary(within(t), conn); status.Code(err) != codes.Unauthenticated {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	token, err := encoder.Encode(t.Context(), usher.Claims{Subject: "42"})
	if err != nil {
		t.Fatal(err)
	}
	var streams []bidiClient
	for range 20 {
		stream, err := testpb.NewTestServiceClient(conn).FullDuplexCall(outgoing(within(t), "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	for _, stream := range streams {
		_, err := stream.Recv()
		if info, _ := details(err); status.Code(err) != codes.Unauthenticated || info.GetReason() != "expired" {
			t.Fatal(err)
		}
	}
	for start := time.Now(); runtime.NumGoroutine() > before; <-time.After(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
