package authtest_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
)

// inBubbles runs a test for each profile the whole kit has to work under. In a bubble a store that hangs costs no time.
func inBubbles(t *testing.T, test func(*testing.T, *authtest.Kit)) {
	for name, cfg := range map[string]authtest.Config{
		"default": {},
		"ES256":   {Algorithm: "ES256"},
		"HS256":   {Algorithm: "HS256"},
		"RFC9068": {Profile: tokenauth.RFC9068("https://issuer.test", "https://api.test")},
		"legacy": {
			Profile:   tokenauth.Profile{Issuers: []string{"orchestrator"}, NoAudience: true, Types: []string{"JWT", ""}},
			Algorithm: "HS256",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, authtest.New(t, cfg)) })
		})
	}
}

func TestEveryBrokenTokenGetsItsError(t *testing.T) {
	inBubbles(t, func(t *testing.T, kit *authtest.Kit) {
		seen := map[string]bool{}
		for _, b := range kit.Broken() {
			require.False(t, seen[b.Name], "%s: twice", b.Name)
			seen[b.Name] = true
			require.Equal(t, b.Err, kit.BrokenToken(b.Name).Err, b.Name)
			for range 2 { // the second time from memory
				p, err := kit.Verifier.Verify(t.Context(), b.Token)
				require.ErrorIs(t, err, b.Err, b.Name)
				require.ErrorIs(t, err, tokenauth.ErrInvalidToken, b.Name)
				require.Nil(t, p, b.Name)
			}
		}
		require.GreaterOrEqual(t, len(seen), 30)
	})
}

// What is broken about a token has to be the only thing that is: so each of them passes where that one thing is not looked at, as far as
// there is a switch for it. Here it is shown for the clock, the commonest case.
func TestOnlyTheClockIsWrongWithATokenOfAnotherTime(t *testing.T) {
	inBubbles(t, func(t *testing.T, kit *authtest.Kit) {
		for name, ahead := range map[string]int{"expired": -90, "expired this second": -30, "not valid yet": 10, "issued in the future": 10} {
			token := kit.BrokenToken(name).Token
			cfg := kit.VerifierConfig()
			cfg.Revocation = tokenauth.Unenforced("the token has no record")
			cfg.Now = authtest.NewClock(kit.Clock.Now().Add(minutes(ahead))).Now
			verifier, err := tokenauth.NewVerifier(cfg)
			require.NoError(t, err)
			_, err = verifier.Verify(t.Context(), token)
			require.NoError(t, err, name)
		}
	})
}

func TestEveryStateGetsItsAnswerInProcess(t *testing.T) {
	inBubbles(t, func(t *testing.T, kit *authtest.Kit) {
		q := authtest.Asked()
		for _, s := range kit.States() {
			s.Arrange(t)
			for range 2 {
				p, err := kit.Verifier.Authorize(t.Context(), s.Token, q.ResourceKind, q.ResourceID, q.Level)
				require.Equal(t, s.Err == nil, p != nil, s.Name)
				require.ErrorIs(t, err, s.Err, s.Name)
			}
		}
	})
}
