package tokenauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// What a verify costs beside the one thing that nobody can leave out, the check of the signature by the standard library, which is
// here called the limit; and what it costs where that was done before. The token is one that a service may see: a payload of some
// 450 bytes with a role and four scopes.

// benchPayload is that payload.
func benchPayload() object {
	return payload().with(object{
		"iss": "https://auth.example.com", "aud": "https://api.example.com", "sub": "user:alice", "nbf": at(-60),
		"jti": "01890a5d-ac96-774b-bcce-b302099a8057", "roles": []string{"operator"}, "email": "alice@example.com",
		"scopes": []object{
			{"resource_kind": "deployment", "resource_id": "web", "level": "write"},
			{"resource_kind": "deployment", "resource_id": "api", "level": "read"},
			{"resource_kind": "secret", "resource_id": "db", "level": "read"},
			{"level": "execute", "resource_kind": "node"},
		},
	})
}

// A denyList is a revocation store in memory.
type denyList map[string]bool

func (d denyList) IsRevoked(_ context.Context, jti string) (bool, error) { return d[jti], nil }
func (denyList) AnswersFromMemory()                                      {}

// benchConfig verifies the tokens of benchPayload.
func benchConfig(f forge) config {
	cfg := configOf(f)
	cfg.Issuers, cfg.Audiences = []string{"https://auth.example.com"}, []string{"https://api.example.com"}
	cfg.Revocation = denyList{"another": true}
	return cfg
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "EdDSA", "ES256", "RS256"} {
		f := newForge(alg, "2031-03", "")
		token := f.good(benchPayload())
		cold := benchConfig(f)
		cold.CacheSize = -1
		b.Run(alg+"/cold", func(b *testing.B) { benchVerify(b, newVerifier(b, cold), token, nil) })
		b.Run(alg+"/again", func(b *testing.B) { benchVerify(b, newVerifier(b, benchConfig(f)), token, nil) })
		check := bareCheck(b, f, token)
		b.Run(alg+"/limit", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !check() {
					b.Fatal("the signature does not verify")
				}
			}
		})
	}
}

// benchVerify verifies a token over and over, with the same answer.
func benchVerify(b *testing.B, v *tokenauth.Verifier, token string, want error) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(ctx, token); !errors.Is(err, want) {
			b.Fatal(err)
		}
	}
}

// bareCheck returns the check of a token's signature and nothing else.
func bareCheck(b *testing.B, f forge, token string) func() bool {
	end := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	require.NoError(b, err)
	input := []byte(token[:end])
	switch private := f.private.(type) {
	case []byte:
		return func() bool {
			mac := hmac.New(sha256.New, private)
			mac.Write(input)
			return hmac.Equal(mac.Sum(nil), sig)
		}
	case ed25519.PrivateKey:
		public := private.Public().(ed25519.PublicKey)
		return func() bool { return ed25519.Verify(public, input, sig) }
	case *ecdsa.PrivateKey:
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		return func() bool {
			digest := sha256.Sum256(input)
			return ecdsa.Verify(&private.PublicKey, digest[:], r, s)
		}
	case *rsa.PrivateKey:
		return func() bool {
			digest := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], sig) == nil
		}
	}
	b.Fatal("no such forge")
	return nil
}

func BenchmarkRefuse(b *testing.B) {
	f := newForge("EdDSA", "2031-03", "")
	v := newVerifier(b, benchConfig(f))
	token := f.good(benchPayload())
	parts := strings.Split(token, ".")
	for _, row := range []struct {
		name, token string
		want        error
	}{
		{"alg none", segment(`{"alg":"none","kid":"2031-03","typ":"at+jwt"}`) + "." + parts[1] + ".AA", tokenauth.ErrMalformed},
		{"unknown kid", newForge("EdDSA", "2031-02", "").good(benchPayload()), tokenauth.ErrUnknownKey},
		{"garbage", strings.Repeat("garbage ", 80), tokenauth.ErrMalformed},
		{"too long", strings.Repeat(token, 1<<20/len(token)), tokenauth.ErrMalformed},
		{"signature bad", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), tokenauth.ErrSignature},
	} {
		b.Run(row.name, func(b *testing.B) { benchVerify(b, v, row.token, row.want) })
	}
}
