package grpcauth

import (
	"context"
	"fmt"

	"github.com/go-usher/usher"
	"google.golang.org/grpc/credentials"
)

// CredentialsOptions are the options of [NewCredentials]; nil means the defaults.
type CredentialsOptions struct {
	// DangerouslyAllowPlaintext sends tokens over connections without TLS too, where anybody on the way can read them. It is
	// for servers on the loopback interface, in tests and in development.
	DangerouslyAllowPlaintext bool
}

// NewCredentials returns credentials for clients that send the token with every call: as an option of the connection,
// grpc.WithPerRPCCredentials, or of a call, grpc.PerRPCCredentials.
//
// token is called for each call, concurrently, with the call's context. If it returns "", the call is made without a token.
// Its error fails the call: as it is if it is a gRPC status, else as Unauthenticated. A token that comes from a login is
// best cached until shortly before it expires.
//
// Without TLS the connection can't be made, or the call fails, and no token is sent. A nil token is a [usher.ConfigError].
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

// RequireTransportSecurity is asked before the connection is made.
func (c *perRPC) RequireTransportSecurity() bool { return !c.plaintext }

// GetRequestMetadata checks the connection itself too: transport credentials may be secure by name, and not encrypt.
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
