package tokenauth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A desk is what the examples below share: an issuer, the verifier of the same profile, and one store for both, by a clock that the
// example can move. The first example shows how it is made.
type desk struct {
	issuer   *tokenauth.Issuer
	verifier *tokenauth.Verifier
	store    *memstore.Store
	now      time.Time
}

// system says that it is this program that asks, and why.
const system = tokenauth.SystemAuthority("an example")

func newDesk() *desk {
	d := &desk{now: time.Date(2026, time.May, 4, 8, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return d.now }
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		log.Fatal(err)
	}
	d.store = memstore.New(memstore.Config{Now: clock})
	d.verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: d.store, Sessions: d.store, Epochs: d.store, Now: clock,
	})
	if err != nil {
		log.Fatal(err)
	}
	d.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: d.store, Sessions: d.store, Epochs: d.store, Askers: d.verifier, Now: clock,
		// What people may do stands in a table of the service's own.
		MayGrant: func(_ context.Context, by *tokenauth.Principal, s tokenauth.TokenScope) (bool, error) {
			return by.Subject() == "alice" && s.ResourceKind == "deployment", nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return d
}

// login is what a service does once a person has proven who they are.
func (d *desk) login(ctx context.Context, subject string) *tokenauth.Principal {
	until := d.now.Add(15 * time.Minute)
	if err := d.store.StartSession(ctx, subject, "session-1", until); err != nil {
		log.Fatal(err)
	}
	issued, err := d.issuer.Sign(ctx, system, &tokenauth.Claims{Subject: subject, SessionID: "session-1", ExpiresAt: until})
	if err != nil {
		log.Fatal(err)
	}
	return d.verify(ctx, issued)
}

// verify returns the bearer of a token, or nil.
func (d *desk) verify(ctx context.Context, issued tokenauth.Issued) *tokenauth.Principal {
	p, err := d.verifier.Verify(ctx, issued.Token.Reveal())
	if err != nil {
		return nil
	}
	return p
}

// lives says whether a token is accepted.
func (d *desk) lives(ctx context.Context, issued tokenauth.Issued) bool {
	return d.verify(ctx, issued) != nil
}

// issue mints a token that must be possible.
func (d *desk) issue(ctx context.Context, by tokenauth.Authority, name, scopes string) tokenauth.Issued {
	granted, err := tokenauth.ParseTokenScopes(scopes)
	if err != nil {
		log.Fatal(err)
	}
	issued, err := d.issuer.Issue(ctx, tokenauth.TokenRequest{By: by, Name: name, Scopes: granted})
	if err != nil {
		log.Fatal(err)
	}
	return issued
}

func ExampleNewIssuer() {
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New(memstore.Config{})
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}

	// Issuer and verifier share the profile, so that what one mints the other accepts.
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: store, Sessions: store, Epochs: store,
	})
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: store, Sessions: store, Epochs: store,
		Askers: verifier, // whose principals may ask for tokens
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	issued, err := issuer.Issue(ctx, tokenauth.TokenRequest{
		By:      tokenauth.SystemAuthority("nightly backup"),
		Name:    "backup",
		Subject: "backup-job",
		Scopes:  []tokenauth.TokenScope{{ResourceKind: "volume", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead}},
		TTL:     time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("a token does not print:", issued.Token)

	p, err := verifier.Authorize(ctx, issued.Token.Reveal(), "volume", "v1", tokenauth.LevelRead)
	fmt.Println(p.Subject(), err)
	// Output:
	// a token does not print: [redacted]
	// backup-job <nil>
}

// A person gives a CI runner a token that may do one thing, for longer than the person stays logged in.
func ExampleIssuer_Issue() {
	ctx := context.Background()
	d := newDesk()
	alice := d.login(ctx, "alice")

	issued, err := d.issuer.Issue(ctx, tokenauth.TokenRequest{
		By:     alice,
		Name:   "ci-runner",
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute}},
		TTL:    90 * 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.Record.Name, "belongs to", issued.Record.Owner, "until", issued.Record.ExpiresAt.Format(time.DateOnly))

	runner := d.verify(ctx, issued)
	fmt.Println("deploy web:", runner.Require("deployment", "web", tokenauth.LevelExecute))
	fmt.Println("deploy api:", runner.Require("deployment", "api", tokenauth.LevelExecute))
	// Output:
	// ci-runner belongs to alice until 2026-08-02
	// deploy web: <nil>
	// deploy api: tokenauth: no scope of the token grants this
}

// A token mints a narrower one for whoever it calls, and never a wider one.
func ExampleIssuer_Issue_child() {
	ctx := context.Background()
	d := newDesk()
	runner := d.verify(ctx, d.issue(ctx, d.login(ctx, "alice"), "ci-runner", "deployment:*:execute"))

	child := d.issue(ctx, runner, "smoke test", "deployment:web:read")
	fmt.Println("narrower:", child.Claims.Scopes[0], "of depth", child.Record.Depth)

	_, err := d.issuer.Issue(ctx, tokenauth.TokenRequest{
		By:     runner,
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite}},
	})
	fmt.Println("wider:", errors.Is(err, tokenauth.ErrForbidden), err)
	// Output:
	// narrower: deployment:web:read of depth 1
	// wider: true tokenauth: more is asked for than the asker holds: scopes
}

// A rotated token lives on for a grace, so that whoever uses it has time to change over.
func ExampleIssuer_Rotate() {
	ctx := context.Background()
	d := newDesk()
	old := d.issue(ctx, system, "ci-runner", "deployment:web:execute")

	successor, err := d.issuer.Rotate(ctx, d.verify(ctx, old), old.Record.ID, 30*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("at once: old", d.lives(ctx, old), "new", d.lives(ctx, successor))
	d.now = d.now.Add(30 * time.Second)
	fmt.Println("after 30 s: old", d.lives(ctx, old), "new", d.lives(ctx, successor))
	// Output:
	// at once: old true new true
	// after 30 s: old false new true
}

// Revoking a token ends all that came of it, and nothing beside it.
func ExampleIssuer_Revoke() {
	ctx := context.Background()
	d := newDesk()
	alice := d.login(ctx, "alice")
	runner := d.issue(ctx, alice, "ci-runner", "deployment:*:execute")
	child := d.issue(ctx, d.verify(ctx, runner), "smoke test", "deployment:web:read")
	other := d.issue(ctx, alice, "dashboard", "deployment:*:read")

	n, err := d.issuer.Revoke(ctx, alice, runner.Record.ID, "found in a log file")
	fmt.Println("revoked:", n, err)
	fmt.Println("runner", d.lives(ctx, runner), "child", d.lives(ctx, child), "dashboard", d.lives(ctx, other))
	// Output:
	// revoked: 2 <nil>
	// runner false child false dashboard true
}

// A container gets a token that may read its own deployment, for a day.
func ExampleContainerRequest() {
	ctx := context.Background()
	d := newDesk()
	issued, err := d.issuer.Issue(ctx, tokenauth.ContainerRequest("web", "frontend", "c-17"))
	if err != nil {
		log.Fatal(err)
	}
	c := issued.Claims
	fmt.Println(c.Subject, c.Scopes, c.ExpiresAt.Sub(c.IssuedAt))

	_, err = d.issuer.Issue(ctx, tokenauth.ContainerRequest("web:frontend", "c", "17"))
	fmt.Println(err)
	// Output:
	// container:web:frontend:c-17 [deployment:web:read] 24h0m0s
	// tokenauth: the request is not valid: deployment, service and id of a container are not empty and hold no colon
}

// To log a person out everywhere is three steps, in this order: each closes the door by which the next one's work could be undone.
// The epoch kills the tokens of the sessions, so that they mint no more, the sessions end, and then all that they ever minted is
// revoked.
func ExampleIssuer_RevokeAll() {
	ctx := context.Background()
	d := newDesk()
	laptop := d.login(ctx, "alice")
	runner := d.issue(ctx, laptop, "ci-runner", "deployment:*:execute")
	child := d.issue(ctx, d.verify(ctx, runner), "smoke test", "deployment:web:read")

	if _, err := d.store.BumpEpoch(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	if _, err := d.store.EndSessions(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	n, err := d.issuer.RevokeAll(ctx, system, tokenauth.TokenFilter{Owner: "alice"}, "log out everywhere")
	fmt.Println("revoked:", n, err)
	fmt.Println("runner", d.lives(ctx, runner), "child", d.lives(ctx, child))
	fmt.Println("laptop:", d.verifier.Recheck(ctx, laptop))
	fmt.Println("and alice may log in again:", d.login(ctx, "alice") != nil)
	// Output:
	// revoked: 2 <nil>
	// runner false child false
	// laptop: tokenauth: the session of the token has ended (sid)
	// and alice may log in again: true
}
