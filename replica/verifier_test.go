package replica_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/replica"
)

// A Verifier behind a replica: what its answers are, how long they take, and that whoever minted with a session or before an epoch is
// known.
func TestVerifierBehindAReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{}).ready()
		key, err := tokenauth.GenerateSigningKey("HS256")
		require.NoError(t, err)
		profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
		verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
			Profile: profile, Keys: key.VerifyingKey(), Revocation: d.r, Sessions: d.r, Epochs: d.r,
		})
		require.NoError(t, err)
		issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
			Profile: profile, Key: key, Tokens: d.f.store, Sessions: d.f.store, Epochs: d.f.store,
		})
		require.NoError(t, err)
		system := tokenauth.SystemAuthority("a test")
		sign := func(subject, sid string) string {
			require.NoError(t, d.f.store.StartSession(t.Context(), subject, sid, time.Now().Add(2*time.Hour)))
			claims := &tokenauth.Claims{Subject: subject, SessionID: sid, ExpiresAt: time.Now().Add(time.Hour)}
			issued, err := issuer.Sign(t.Context(), system, claims)
			require.NoError(t, err)
			return issued.Token.Reveal()
		}
		ends, moves, lives := sign("alice", "s-1"), sign("bob", "s-1"), sign("carol", "s-1")
		scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}
		issued, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{By: system, Name: "ci", Scopes: []tokenauth.TokenScope{scope}})
		require.NoError(t, err)
		dies := issued.Token.Reveal()
		code := func(token string) string {
			if _, err := verifier.Verify(t.Context(), token); err != nil {
				return tokenauth.ErrorCode(err)
			}
			return "ok"
		}
		for _, token := range []string{ends, moves, lives, dies} {
			require.Equal(t, "ok", code(token))
		}
		require.NoError(t, d.f.store.EndSession(t.Context(), "alice", "s-1"))
		_, err = d.f.store.BumpEpoch(t.Context(), "bob")
		require.NoError(t, err)
		_, err = issuer.Revoke(t.Context(), system, issued.Record.ID, "leaked")
		require.NoError(t, err)
		sleep(time.Second)
		want := map[string]string{ends: "session_ended", moves: "epoch_stale", dies: "token_revoked", lives: "ok"}
		for token, want := range want {
			assert.Equal(t, want, code(token))
		}
		assert.Zero(t, d.asked())

		// Beyond the bound, of a source that hangs, the three questions of one Verify take no longer than its own budget would.
		d.f.set(func(f *fake) { f.hangs = true })
		sleep(time.Minute)
		began := time.Now()
		assert.Equal(t, "token_revoked", code(dies))
		assert.Zero(t, time.Since(began))
		assert.Equal(t, "sessions_unavailable", code(lives))
		assert.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
		// Nor of one that answers each just in time.
		d.f.set(func(f *fake) { f.hangs, f.slow = false, 79*time.Millisecond })
		require.ErrorIs(t, d.stop(), context.Canceled)
		sleep(time.Minute)
		began = time.Now()
		assert.Equal(t, "ok", code(lives))
		assert.LessOrEqual(t, time.Since(began), 250*time.Millisecond)
		require.NoError(t, verifier.Recheck(t.Context(), mustVerify(t, verifier, lives)))
	})
}

func mustVerify(t *testing.T, v *tokenauth.Verifier, token string) *tokenauth.Principal {
	p, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	return p
}
