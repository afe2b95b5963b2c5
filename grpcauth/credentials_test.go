package grpcauth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/grpcauth"
	"github.com/a74cfa30/tokenauth/lease"
)

// issued returns a token as an issuer hands it out.
func issued(t testing.TB, kit *authtest.Kit) tokenauth.Token {
	t.Helper()
	i, err := kit.Issuer.Issue(t.Context(), tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("test"), Name: "client", Scopes: []tokenauth.TokenScope{authtest.Asked()},
	})
	require.NoError(t, err)
	return i.Token
}

func TestAClientPresentsItsToken(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), lease.Config{})
	token := issued(t, kit)
	call := func(source func(context.Context) (tokenauth.Token, error)) error {
		return s.conn.Invoke(t.Context(), methodGet, wrapperspb.String("web"), new(wrapperspb.StringValue),
			grpc.PerRPCCredentials(grpcauth.Insecure(source)))
	}
	require.NoError(t, call(func(context.Context) (tokenauth.Token, error) { return token, nil }))
	before := s.calls.Load()
	require.Error(t, call(func(context.Context) (tokenauth.Token, error) { return token, errors.New("no token today") }))
	require.Error(t, call(func(context.Context) (tokenauth.Token, error) { return tokenauth.Token{}, nil }), "no token is no call")
	require.Error(t, call(nil))
	require.Equal(t, before, s.calls.Load())
}

// Without TLS a client sends its token only where somebody said Insecure, and the token is nowhere in what prints the options.
func TestCredentialsWantTLS(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	s := serve(t, kit.Verifier, rules(), lease.Config{})
	token := issued(t, kit)
	source := func(context.Context) (tokenauth.Token, error) { return token, nil }
	secure := grpcauth.Credentials(source)
	require.True(t, secure.RequireTransportSecurity())
	require.False(t, grpcauth.Insecure(source).RequireTransportSecurity())
	err := s.conn.Invoke(t.Context(), methodGet, wrapperspb.String("web"), new(wrapperspb.StringValue), grpc.PerRPCCredentials(secure))
	require.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
	require.Zero(t, s.calls.Load())
	require.NotContains(t, fmt.Sprintf("%v %+v %s", secure, secure, secure), token.Reveal())
}
