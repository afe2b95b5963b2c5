package grpcauth

import (
	"context"
	"errors"

	"google.golang.org/grpc/credentials"

	"github.com/a74cfa30/tokenauth"
)

// Credentials presents a token with each call of a client: grpc.WithPerRPCCredentials(grpcauth.Credentials(source)). source is asked before
// each call and so may renew a token that is about to expire; it must be safe for concurrent use. Its error, and a token that is empty, fail the call. Tokens are sent over
// TLS only; see Insecure.
func Credentials(source func(context.Context) (tokenauth.Token, error)) credentials.PerRPCCredentials {
	return perRPC{source: source, secure: true}
}

// Insecure is Credentials for connections without TLS: within one machine, or behind a proxy that adds it. Whoever is on the way can use
// what it sends.
func Insecure(source func(context.Context) (tokenauth.Token, error)) credentials.PerRPCCredentials {
	return perRPC{source: source}
}

type perRPC struct {
	source func(context.Context) (tokenauth.Token, error)
	secure bool
}

var errNoToken = errors.New("grpcauth: there is no token to present")

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (c perRPC) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if c.source == nil {
		return nil, errNoToken
	}
	token, err := c.source(ctx)
	if err != nil {
		return nil, err
	}
	text := token.Reveal()
	if text == "" {
		return nil, errNoToken
	}
	return map[string]string{authorization: "Bearer " + text}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (c perRPC) RequireTransportSecurity() bool { return c.secure }

// String keeps a client's dial options printable.
func (c perRPC) String() string { return "bearer tokens" }
