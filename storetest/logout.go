package storetest

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/a74cfa30/tokenauth"
)

// Logging somebody out everywhere is three calls in one order: epoch, sessions, records. From the first on none of their own tokens verifies or
// mints, and so the last one finds all that was minted, if the ports of a store keep to one another's order. Here a real issuer mints
// meanwhile.

// A service is an issuer and a verifier over the store.
type service struct {
	issuer   *tokenauth.Issuer
	verifier *tokenauth.Verifier
}

func (c *trial) newService() service {
	profile := tokenauth.Profile{Issuers: []string{"https://issuer.test"}, NoAudience: true}
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	c.ok(err, "GenerateSigningKey")
	var s service
	s.verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: c.Tokens, Sessions: c.Sessions, Epochs: c.Epochs,
		StoreTimeout: c.patience, Now: c.clock.Now,
	})
	c.ok(err, "NewVerifier")
	s.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: c.Tokens, Sessions: c.Sessions, Epochs: c.Epochs, Askers: s.verifier,
		StoreTimeout: c.patience, Now: c.clock.Now,
	})
	c.ok(err, "NewIssuer")
	return s
}

// logIn returns the bearer of a session's token.
func (c *trial) logIn(s service, subject string) *tokenauth.Principal {
	c.start(subject, "s-1", day)
	issued, err := s.issuer.Sign(c.ctx, tokenauth.SystemAuthority("a test"), &tokenauth.Claims{
		Subject: subject, SessionID: "s-1", Roles: []string{"reader"}, ExpiresAt: c.clock.Now().Add(day),
	})
	c.ok(err, "signing a session's token")
	p, err := s.verifier.Verify(c.ctx, issued.Token.Reveal())
	c.ok(err, "verifying a session's token")
	return p
}

func raceLogOut(c *trial) {
	s := c.newService()
	for round := range c.races/4 + 1 {
		subject := fmt.Sprintf("alice-%d", round)
		alice := c.logIn(s, subject)
		f := &family{c: c, signed: map[string][]string{}}
		together(
			func() { f.mintInSession(s, alice) },
			func() { f.mintInSession(s, alice) },
			func() {
				for range round % 24 {
					runtime.Gosched()
				}
				f.logOut(subject)
			},
		)
		if err := errors.Join(f.problems...); err != nil {
			c.fail("round %d: %w", round, err)
		}
		for _, token := range f.below(subject) {
			if _, err := s.verifier.Verify(c.ctx, token); !errors.Is(err, tokenauth.ErrInvalidToken) {
				c.fail("round %d: a token of who was logged out everywhere: got error %v, want one that wraps ErrInvalidToken", round, err)
			}
		}
	}
}

// mintInSession mints in a session, and for what was minted, until it is over.
func (f *family) mintInSession(s service, alice *tokenauth.Principal) {
	by := alice
	for range 4 {
		issued, err := s.issuer.Issue(f.c.ctx, tokenauth.TokenRequest{By: by, Name: "n", Roles: []string{"reader"}})
		if err != nil {
			if !errors.Is(err, tokenauth.ErrInvalidToken) {
				f.report("Issue: %w", err)
			}
			return
		}
		f.sign(issued.Token.Reveal(), alice.Subject())
		if by, err = s.verifier.Verify(f.c.ctx, issued.Token.Reveal()); err != nil {
			return
		}
	}
}

// logOut ends all of a subject's.
func (f *family) logOut(subject string) {
	if _, err := f.c.Epochs.BumpEpoch(f.c.ctx, subject); err != nil {
		f.report("BumpEpoch: %w", err)
	}
	if _, err := f.c.Sessions.EndSessions(f.c.ctx, subject); err != nil {
		f.report("EndSessions: %w", err)
	}
	if _, err := f.c.Tokens.RevokeAll(f.c.ctx, tokenauth.TokenFilter{Owner: subject}, f.c.revocation("alice")); err != nil {
		f.report("RevokeAll: %w", err)
	}
}
