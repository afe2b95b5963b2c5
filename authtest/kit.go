package authtest

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A test that fakes the proof of a caller tests a service that does not exist. A Kit is the real thing in small: an issuer and a
// verifier of one profile, a store, a ring of keys made a moment ago, and switches that break them one by one.

// A Config says what the tokens of a Kit look like. The zero Config is ready for use.
type Config struct {
	Profile   tokenauth.Profile // without Issuers: of issuer https://issuer.test, for audience https://api.test
	Algorithm string            // of the key; "": EdDSA
}

// A Kit is an authority for the length of one test. Make it with New. What is handed out is used by the test's goroutine; the
// service under test may use Issuer, Verifier, the ports and the Clock from any number of them.
type Kit struct {
	Issuer   *tokenauth.Issuer   // of IssuerConfig
	Verifier *tokenauth.Verifier // of VerifierConfig
	Clock    *Clock              // of everything here; it begins at the present second
	Ring     *tokenauth.KeyRing  // the keys that verify
	Store    *memstore.Store     // what is remembered, never faulty

	// The ports as Issuer and Verifier have them, for a service that makes its own. They fail when Stores and KeyFaults say so.

	Tokens   tokenauth.TokenStore    // Store, behind Stores
	Sessions tokenauth.SessionWriter // Store, behind Stores
	Epochs   tokenauth.EpochWriter   // Store, behind Stores
	OneTime  tokenauth.OneTimeStore  // Store, behind Stores; no Verifier here has it
	Keys     tokenauth.KeySet        // Ring, behind KeyFaults

	Stores    *Faults // the switch of the stores
	KeyFaults *Faults // the switch of Keys

	t       testing.TB
	profile tokenauth.Profile
	key     tokenauth.SigningKey
}

// New returns a kit whose every part works.
func New(t testing.TB, cfg Config) *Kit {
	t.Helper()
	k := &Kit{t: t, profile: cfg.Profile, Clock: NewClock(time.Now()), Stores: new(Faults), KeyFaults: new(Faults)}
	if len(k.profile.Issuers) == 0 {
		k.profile.Issuers = []string{"https://issuer.test"}
		if !k.profile.NoAudience {
			k.profile.Audiences = []string{"https://api.test"}
		}
	}
	if cfg.Algorithm == "" {
		cfg.Algorithm = "EdDSA"
	}
	k.key = must(tokenauth.GenerateSigningKey(cfg.Algorithm))(t, "Config.Algorithm")
	k.Ring = must(tokenauth.NewKeyRing(k.key.VerifyingKey()))(t, "the key ring")
	k.Store = memstore.New(memstore.Config{Now: k.Clock.Now})
	k.Tokens, k.Sessions, k.Epochs = k.Stores.Tokens(k.Store), k.Stores.Sessions(k.Store), k.Stores.Epochs(k.Store)
	k.OneTime, k.Keys = k.Stores.OneTime(k.Store), k.KeyFaults.Keys(k.Ring)
	t.Cleanup(k.Stores.Heal) // whoever still waits may go
	t.Cleanup(k.KeyFaults.Heal)
	k.Verifier = must(tokenauth.NewVerifier(k.VerifierConfig()))(t, "the verifier")
	k.Issuer = must(tokenauth.NewIssuer(k.IssuerConfig()))(t, "the issuer")
	return k
}

// must returns a value, or ends the test that wanted it.
func must[T any](value T, err error) func(t testing.TB, what string) T {
	return func(t testing.TB, what string) T {
		t.Helper()
		if err != nil {
			t.Fatalf("authtest: %s: %v", what, err)
		}
		return value
	}
}

// VerifierConfig returns the configuration of Verifier, to make another one that differs.
func (k *Kit) VerifierConfig() tokenauth.VerifierConfig {
	return tokenauth.VerifierConfig{
		Profile: k.profile, Keys: k.Keys, Revocation: k.Tokens, Sessions: k.Sessions, Epochs: k.Epochs, Now: k.Clock.Now,
	}
}

// IssuerConfig returns the configuration of Issuer, to make another one that differs.
func (k *Kit) IssuerConfig() tokenauth.IssuerConfig {
	return tokenauth.IssuerConfig{
		Profile: k.profile, Key: k.key, Tokens: k.Tokens, Sessions: k.Sessions, Epochs: k.Epochs, Askers: k.Verifier, Now: k.Clock.Now,
	}
}

// system is who asks for tokens here.
const system = tokenauth.SystemAuthority("a test")

// Token returns a token of subject that lives for an hour and has a record. Scopes are in text form, such as "deployment:web:write"
// or "deployment:read".
func (k *Kit) Token(subject string, scopes ...string) string {
	k.t.Helper()
	return k.Sign(k.claims(subject, scopes...))
}

// Admin returns a token of subject with the role admin.
func (k *Kit) Admin(subject string) string {
	k.t.Helper()
	c := k.claims(subject)
	c.Roles = []string{tokenauth.RoleAdmin}
	return k.Sign(c)
}

// Sign returns a token that says c. iss, aud, iat and exp are filled in where they are not set; a token with a jti gets a record.
func (k *Kit) Sign(c *tokenauth.Claims) string {
	k.t.Helper()
	return must(k.Issuer.Sign(k.t.Context(), system, c))(k.t, "Sign").Token.Reveal()
}

// Principal returns the proven bearer of a token as Token makes it.
func (k *Kit) Principal(subject string, scopes ...string) *tokenauth.Principal {
	k.t.Helper()
	return k.Verify(k.Token(subject, scopes...))
}

// Verify returns the proven bearer of a token that must be good.
func (k *Kit) Verify(token string) *tokenauth.Principal {
	k.t.Helper()
	return must(k.Verifier.Verify(k.t.Context(), token))(k.t, "Verify")
}

// Revoke revokes a token that must be good, and with it all that it minted.
func (k *Kit) Revoke(token string) {
	k.t.Helper()
	id := k.Verify(token).TokenID()
	must(k.Issuer.Revoke(k.t.Context(), system, id, "a test"))(k.t, "Revoke")
}

// RotateKey makes a new key, which from now on signs. The keys before it stay in Ring until the test replaces them.
func (k *Kit) RotateKey() tokenauth.SigningKey {
	k.t.Helper()
	k.key = must(tokenauth.GenerateSigningKey(k.key.Algorithm()))(k.t, "the new key")
	if err := k.Ring.Replace(append(k.Ring.Keys(), k.key.VerifyingKey())...); err != nil {
		k.t.Fatalf("authtest: the key ring: %v", err)
	}
	if err := k.Issuer.UseKey(k.key); err != nil {
		k.t.Fatalf("authtest: UseKey: %v", err)
	}
	return k.key
}

// claims returns what a token of subject says.
func (k *Kit) claims(subject string, scopes ...string) *tokenauth.Claims {
	k.t.Helper()
	c := &tokenauth.Claims{Subject: subject, ID: rand.Text()}
	for _, text := range scopes {
		c.Scopes = append(c.Scopes, must(tokenauth.ParseTokenScopes(text))(k.t, "scope "+text)...)
	}
	if k.profile.RequireClientID {
		c.ClientID = "authtest"
	}
	if subject == "" || strings.TrimSpace(subject) == "" {
		k.t.Fatalf("authtest: a token needs a subject")
	}
	return c
}
