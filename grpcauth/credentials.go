package grpcauth

import (
	"context"
	"fmt"

	"github.com/go-usher/usher"
	"google.golang.org/grpc/credentials"
)

// CredentialsOptions are the options of [NewCredentials]; nil means the defaults.
type CredentialsOptions struct {
	// DangerouslyAllowPlaintext also sends tokens over connections without TLS. Anybody in the network can read them. Use it
	// only for servers on the loopback interface, in tests and in development.
	DangerouslyAllowPlaintext bool
}

// NewCredentials returns credentials for clients, which send the token with every call. Pass them to
// grpc.WithPerRPCCredentials for a connection, or to grpc.PerRPCCredentials for a call.
//
// token returns the access token. It is called for each call, with the call's context, and must be safe for concurrent use.
// It should cache the token until shortly before the token expires. If it returns "", the call is made without a token. If
// it returns an error, the call fails with this error if it is a gRPC status, and with Unauthenticated otherwise.
//
// Without TLS, the connection or the call fails, and no token is sent. If token is nil, NewCredentials returns a
// [usher.ConfigError].
func NewCredentials(token func(ctx context.Context) (string, error), opts *CredentialsOptions) (credentials.PerRPCCredentials, error) {
	if token == nil {
		return nil, &usher.ConfigError{Field: "token", Reason: "is nil; it returns the access token of a call"}
	}
	c := &perRPC{token: token}
	if opts != nil {
		c.plaintext = opts.DangerouslyAllowPlaintext
	}
	return c, nil
}

type perRPC struct {
	token     func(ctx context.Context) (string, error)
	plaintext bool
}

// RequireTransportSecurity is called before the connection is made.
func (c *perRPC) RequireTransportSecurity() bool { return !c.plaintext }

// GetRequestMetadata also checks the connection: transport credentials may claim to be secure without encrypting.
func (c *perRPC) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if !c.plaintext {
		info, _ := credentials.RequestInfoFromContext(ctx)
		if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
			return nil, fmt.Errorf("grpcauth: the token is not sent: %w", err)
		}
	}
	token, err := c.token(ctx)
	if err != nil || token == "" {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}
