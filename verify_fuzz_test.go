package tokenauth_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// What a stranger sends is any text at all. The first target sends it as a token, which must never be accepted, never crash and
// never cause a look-up. The second signs it first: a signer that went mad must not get more than its claims say, by the reading of
// encoding/json.

// sentinels are the reasons that tell why a token is known to be bad.
var sentinels = []error{
	tokenauth.ErrMissingToken, tokenauth.ErrMalformed, tokenauth.ErrUnknownKey, tokenauth.ErrSignature, tokenauth.ErrClaims,
	tokenauth.ErrExpired, tokenauth.ErrNotYetValid, tokenauth.ErrIssuer, tokenauth.ErrAudience, tokenauth.ErrAdminRefused,
	tokenauth.ErrRevoked, tokenauth.ErrSessionEnded, tokenauth.ErrStaleEpoch, tokenauth.ErrReplayed,
}

// requireSentinel holds a refusal to be one of them, exactly.
func requireSentinel(t *testing.T, p *tokenauth.Principal, err error) {
	t.Helper()
	require.Nil(t, p)
	require.Equal(t, []error{tokenauth.ErrInvalidToken}, answersOf(err), "%v", err)
	is := slices.DeleteFunc(slices.Clone(sentinels), func(s error) bool { return !errors.Is(err, s) })
	require.Len(t, is, 1, "%v", err)
	require.NotEqual(t, "internal", tokenauth.ErrorCode(err))
}

func FuzzVerify(f *testing.F) {
	hs, ed := newForge("HS256", "", ""), newForge("EdDSA", "k1", "")
	ring, err := tokenauth.NewKeyRing(hs.key(), ed.key())
	require.NoError(f, err)
	w := &witness{}
	cfg := w.everywhere(configOf(hs))
	cfg.Keys, cfg.OneTime = ring, nil
	v := newVerifier(f, cfg)

	good := []string{hs.good(payload()), ed.good(payload()), ed.good(payload().with(object{"sid": "s", "sv": 1, "admin": true}))}
	for _, token := range good {
		parts := strings.Split(token, ".")
		f.Add(token)
		f.Add(token[:len(token)-1])
		f.Add(token + "=")
		f.Add(parts[0] + "." + parts[1] + ".")
		f.Add(parts[1] + "." + parts[0] + "." + parts[2])
		f.Add(segment(`{"alg":"none"}`) + "." + parts[1] + ".")
		f.Add(segment(`{"alg":"HS256","kid":"k1"}`) + "." + parts[1] + "." + parts[2])
	}
	for _, s := range attacks() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(t.Context(), token)
		asked := w.calls()
		if slices.Contains(good, token) {
			requireAccepted(t, p, err)
			return
		}
		requireSentinel(t, p, err)
		require.Empty(t, asked, "nothing is looked up for what is not proven")
	})
}

// attacks are tokens that are not good, one for each fault that a stranger can make.
func attacks() []string {
	all := []string{"", ".", "..", "...", "a.b.c", "Bearer x", strings.Repeat("A", 9000), strings.Repeat("AAAA.", 3)}
	for _, fault := range faults {
		if fault.step > 0 && fault.step <= 5 {
			s := newSpecimen()
			fault.put(s)
			all = append(all, s.token())
		}
	}
	return all
}

func FuzzVerifySigned(f *testing.F) {
	hs, w := newForge("HS256", "", ""), &witness{}
	cfg := w.everywhere(configOf(hs))
	cfg.OneTime = nil
	v := newVerifier(f, cfg)
	f.Add(payload().String())
	f.Add(everything().String())
	for _, fault := range faults {
		s := newSpecimen()
		fault.put(s)
		f.Add(s.payload.String())
	}
	for _, text := range []string{"", "{}", "[]", "null", `{"sub":"a","sub":"b"}`, `{"sub":"alice","SUB":"bob"}`, "{\"sub\":\"\xff\"}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		if len(claims) > 6000 {
			return // too long a token, which is its own answer
		}
		p, err := v.Verify(t.Context(), hs.good(text(claims)))
		asked := w.calls()
		if err != nil {
			requireSentinel(t, p, err)
			require.Empty(t, asked)
			return
		}
		var says struct {
			Sub   string   `json:"sub"`
			Iss   string   `json:"iss"`
			Jti   string   `json:"jti"`
			Roles []string `json:"roles"`
			Exp   float64  `json:"exp"`
		}
		require.NoError(t, json.Unmarshal([]byte(claims), &says), "accepted, and encoding/json does not read it")
		require.Equal(t, says.Sub, p.Subject())
		require.Equal(t, "https://issuer.test", says.Iss)
		require.Equal(t, says.Jti, p.TokenID())
		require.Equal(t, slices.Contains(says.Roles, "admin"), p.IsAdmin())
		require.Equal(t, time.Unix(int64(says.Exp), 0).UTC(), p.ExpiresAt())
		require.True(t, p.ExpiresAt().After(noon))
		require.Equal(t, says.Jti != "", slices.Contains(asked, askedRevocation), "whoever can be asked is asked")
		require.Contains(t, asked, askedEpoch)
	})
}
