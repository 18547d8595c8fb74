package grpcauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/grpcauth"
	"github.com/go-usher/usher/ushertest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	"google.golang.org/grpc/status"
)

// certificate returns a certificate for loopback addresses, and who trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server.TLS.Certificates[0], pool
}

func TestCredentialsSendTheTokenOverTLS(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	cert, pool := certificate(t)
	tokens := []string{tokenOf(t, kit, "1"), tokenOf(t, kit, "2")}
	next := 0
	creds, err := grpcauth.NewCredentials(func(context.Context) (string, error) {
		next++
		return tokens[next-1], nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t, newAuth(t, kit), nil, &service{}, grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	conn := dial(t, server, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "")), grpc.WithPerRPCCredentials(creds))
	for _, want := range []string{"1", "2"} {
		if got, err := callUnary(within(t), conn); err != nil || got != want {
			t.Errorf("%q, %v; want %q: every call asks for the token", got, err, want)
		}
	}
}

func TestWithoutTLSNoTokenIsSent(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	asked := false
	creds, err := grpcauth.NewCredentials(func(context.Context) (string, error) {
		asked = true
		return tokenOf(t, kit, "42"), nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(creds)); err == nil {
		t.Error("a connection without TLS takes the credentials")
	}
	for name, transport := range map[string]credentials.TransportCredentials{
		"insecure":               insecure.NewCredentials(),
		"secure by name, on TCP": local.NewCredentials(),
	} {
		conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}, grpc.Creds(transport)), grpc.WithTransportCredentials(transport))
		_, err := testClient(conn).UnaryCall(within(t), simpleRequest, grpc.PerRPCCredentials(creds))
		if code := status.Code(err); code != codes.Unauthenticated && code != codes.Unavailable || strings.Contains(err.Error(), "access token") {
			t.Errorf("%s: %v; want the client's own error", name, err)
		}
	}
	if asked {
		t.Error("the token was asked for")
	}
	if _, err := creds.GetRequestMetadata(t.Context()); err == nil {
		t.Error("metadata without a connection")
	}
}

func TestPlaintextIsAChoice(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	creds, err := grpcauth.NewCredentials(func(context.Context) (string, error) { return tokenOf(t, kit, "42"), nil },
		&grpcauth.CredentialsOptions{DangerouslyAllowPlaintext: true})
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(creds))
	for kind, call := range calls() {
		if got, err := call(within(t), conn); err != nil || got != "42" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
	}
}

func TestWhatTheTokenFunctionReturnsDecides(t *testing.T) {
	kit := ushertest.New[usher.Claims](t, nil)
	for name, row := range map[string]struct {
		err  error
		code codes.Code
		text string
	}{
		"no token": {nil, codes.Unauthenticated, "An access token is required."},
		"an error": {errors.New("logged out"), codes.Unauthenticated, "logged out"},
		"a status": {status.Error(codes.Unavailable, "no issuer"), codes.Unavailable, "no issuer"},
	} {
		creds, err := grpcauth.NewCredentials(func(context.Context) (string, error) { return "", row.err },
			&grpcauth.CredentialsOptions{DangerouslyAllowPlaintext: true})
		if err != nil {
			t.Fatal(err)
		}
		conn := dial(t, newServer(t, newAuth(t, kit), nil, &service{}),
			grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(creds))
		if _, err := callUnary(within(t), conn); status.Code(err) != row.code || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: %v; want %v, %s", name, err, row.code, row.text)
		}
	}
}

func TestCredentialsWithoutATokenFunctionAreAMistake(t *testing.T) {
	creds, err := grpcauth.NewCredentials(nil, nil)
	if config, ok := errors.AsType[*usher.ConfigError](err); !ok || config.Field != "token" || creds != nil {
		t.Errorf("%v, %v", creds, err)
	}
}
