package tokenauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// counted returns a configuration whose Adapt counts, and so tells a remembered verification from one that was done.
func counted(f forge, proven *atomic.Int64) tokenauth.VerifierConfig {
	cfg := configOf(f)
	cfg.Adapt = func(*tokenauth.Claims) error { proven.Add(1); return nil }
	return cfg
}

func TestATokenSeenBeforeIsNotProvenAgain(t *testing.T) {
	f := newForge("EdDSA", "k", "cache")
	token := f.good(payload())
	for _, row := range []struct {
		name string
		size int64
		want int64
	}{
		{"by default", 0, 1}, {"with a small cache", 1, 1}, {"without one", -1, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			var proven atomic.Int64
			cfg := counted(f, &proven)
			cfg.CacheSize = row.size
			v := newVerifier(t, cfg)
			var seen []*tokenauth.Principal
			for range 3 {
				p, err := v.Verify(t.Context(), token)
				requireAccepted(t, p, err)
				seen = append(seen, p)
			}
			require.Equal(t, row.want, proven.Load())
			require.Equal(t, row.size >= 0, seen[0] == seen[1] && seen[1] == seen[2], "the one immutable principal is handed out")
		})
	}
}

func TestAFailureIsNeverRemembered(t *testing.T) {
	f := newForge("EdDSA", "k", "cache")
	var asked int
	cfg := configOf(f)
	cfg.Adapt = func(*tokenauth.Claims) error { asked++; return errors.New("no") }
	v := newVerifier(t, cfg)
	for range 3 {
		_, err := v.Verify(t.Context(), f.good(payload()))
		require.ErrorIs(t, err, tokenauth.ErrClaims)
	}
	require.Equal(t, 3, asked)
}

func TestASignatureIsComparedOnEachHit(t *testing.T) {
	f := newForge("ES256", "k", "cache")
	v := newVerifier(t, configOf(f))
	token := f.good(payload())
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	// Its signing input is remembered, its signature is another.
	forged := f.good(payload().with(object{"sub": "mallory"}))
	stolen := token[:strings.LastIndexByte(token, '.')] + forged[strings.LastIndexByte(forged, '.'):]
	p, err = v.Verify(t.Context(), stolen)
	requireRefused(t, p, err, tokenauth.ErrSignature, "signature_bad")
}

// The race between a verification and the end of its key: whatever the order, nothing that begins after the end is accepted.
func TestX11KeyRemovedWhileATokenIsProven(t *testing.T) {
	f := newForge("EdDSA", "k", "cache")
	token := f.good(payload())
	t.Run("between look-up and memory", func(t *testing.T) {
		gone := false
		cfg := configOf(f)
		cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) {
			if gone {
				return tokenauth.Key{}, tokenauth.ErrUnknownKey
			}
			gone = true
			return f.key(), nil
		})
		v := newVerifier(t, cfg)
		p, err := v.Verify(t.Context(), token)
		requireAccepted(t, p, err)
		p, err = v.Verify(t.Context(), token)
		requireRefused(t, p, err, tokenauth.ErrUnknownKey, "key_unknown")
	})
	t.Run("at any time", func(t *testing.T) {
		other := newForge("EdDSA", "k", "another key of that id")
		for range 200 {
			ring, err := tokenauth.NewKeyRing(f.key())
			require.NoError(t, err)
			cfg := configOf(f)
			cfg.Keys = ring
			v := newVerifier(t, cfg)
			var replaced atomic.Bool
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 20 {
						after := replaced.Load()
						if _, err := v.Verify(t.Context(), token); after && err == nil {
							t.Error("accepted by a key that was replaced before")
						}
					}
				})
			}
			wg.Go(func() {
				if err := ring.Replace(other.key()); err != nil {
					t.Error(err)
				}
				replaced.Store(true)
			})
			wg.Wait()
		}
	})
}

// A revocation that comes between the check and the memory is seen by the next verification, as the store is asked each time.
func TestX12RevokedWhileATokenIsProven(t *testing.T) {
	f := newForge("EdDSA", "k", "cache")
	revoked := false
	cfg := configOf(f)
	cfg.Revocation = revocations(func() bool { was := revoked; revoked = true; return was })
	v := newVerifier(t, cfg)
	token := f.good(payload())
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	p, err = v.Verify(t.Context(), token)
	requireRefused(t, p, err, tokenauth.ErrRevoked, "token_revoked")
}

type revocations func() bool

func (r revocations) IsRevoked(context.Context, string) (bool, error) { return r(), nil }

// A memory of verified tokens must not be a heap of credentials. So the whole heap is written to a file and searched for the
// signature, in both its forms; what is searched for is kept masked until then.
func TestTheHeapHoldsNoSignatureOfARememberedToken(t *testing.T) {
	f := newForge("EdDSA", "k", "cache")
	mask := func(b []byte) []byte {
		masked := bytes.Clone(b)
		for i := range masked {
			masked[i] ^= 0x55
		}
		return masked
	}
	prove := func(v *tokenauth.Verifier) (token string, text, raw []byte) {
		token = f.good(payload())
		p, err := v.Verify(t.Context(), token)
		requireAccepted(t, p, err)
		signature := token[strings.LastIndexByte(token, '.')+1:]
		decoded, err := base64.RawURLEncoding.DecodeString(signature)
		require.NoError(t, err)
		return token, mask([]byte(signature)), mask(decoded)
	}
	v := newVerifier(t, configOf(f))
	kept, text, raw := prove(v)
	dump := heap(t)
	require.True(t, bytes.Contains(dump, mask(text)), "the search finds a token that is kept")
	runtime.KeepAlive(kept)
	dump = heap(t) // from here on nothing holds on to it
	require.False(t, bytes.Contains(dump, mask(text)), "the text of the signature")
	require.False(t, bytes.Contains(dump, mask(raw)), "the bytes of the signature")
	runtime.KeepAlive(v)
}

// heap returns all that lives on the heap and on the stacks.
func heap(t *testing.T) []byte {
	t.Helper()
	runtime.GC()
	runtime.GC()
	file, err := os.Create(filepath.Join(t.TempDir(), "heap"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	debug.WriteHeapDump(file.Fd())
	dump, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return dump
}

// What is remembered goes on living and dying by the stores.
func TestX12RememberedAndRevokedByTheStore(t *testing.T) {
	store := memstore.New(memstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store})
	require.NoError(t, err)
	var proven atomic.Int64
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: store, Epochs: store,
		Adapt: func(*tokenauth.Claims) error { proven.Add(1); return nil },
	})
	require.NoError(t, err)
	by := tokenauth.SystemAuthority("test")
	issued, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{By: by, Roles: []string{"r"}})
	require.NoError(t, err)
	for range 2 {
		p, err := v.Verify(t.Context(), issued.Token.Reveal())
		requireAccepted(t, p, err)
	}
	_, err = issuer.Revoke(t.Context(), by, issued.Record.ID, "")
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), issued.Token.Reveal())
	requireRefused(t, p, err, tokenauth.ErrRevoked, "token_revoked")
	require.EqualValues(t, 1, proven.Load())
}
