// Command quickstart lets you watch a token live and die: it is minted for a CI runner, kept, verified, asked three questions,
// mints a narrower child, is refused a wider one, and is revoked with all that came of it. Then the store goes away, and the
// answer is that nobody knows.
//
// It needs nothing but Go: the records stand in a SQLite file that ends with the program. With -store they go where you say, and stay: to a
// file, to PostgreSQL or to Redis.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
)

func main() {
	log.SetFlags(0)
	where := flag.String("store", "", "where records are kept: `sqlite:FILE`, postgres://… or redis://… (default: a temporary SQLite file)")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *where); err != nil {
		log.Fatal("quickstart: ", err)
	}
}

// run tells the story, one step a paragraph.
func run(ctx context.Context, out io.Writer, where string) (err error) {
	s, err := newService(ctx, where)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.store.close()) }()
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }

	say("What this verifier enforces, and what it does not:")
	for _, line := range s.verifier.Describe() {
		say("    %s", line)
	}

	say("\n1. The service mints a token for a CI runner. It prints as nothing; Reveal is the one way out:")
	ci, err := s.issuer.Issue(ctx, tokenauth.TokenRequest{
		By:   tokenauth.SystemAuthority("onboarding of the CI runner"),
		Name: "ci-runner",
		Scopes: []tokenauth.TokenScope{
			{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute},
			{ResourceKind: "deployment", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead},
		},
		TTL: time.Hour,
	})
	if err != nil {
		return err
	}
	say("    fmt.Println(token)      %v", ci.Token)
	say("    token.Reveal()[:40]     %s…", ci.Token.Reveal()[:40])

	say("\n2. This is what the store remembers of it. The token itself is nowhere in it:")
	record, err := json.MarshalIndent(ci.Record, "    ", "  ")
	if err != nil {
		return err
	}
	say("    %s", record)

	say("\n3. A request comes with the token. Who is it, and what may it do?")
	runner, err := s.verifier.Verify(ctx, ci.Token.Reveal())
	if err != nil {
		return err
	}
	say("    it is %s, until %s", runner.Subject(), runner.ExpiresAt().Format(time.TimeOnly))
	for _, q := range []tokenauth.TokenScope{
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute},
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite},
		{ResourceKind: "secret", ResourceID: "web", Level: tokenauth.LevelRead},
	} {
		say("    %-24v %s", q, runner.Explain(q.ResourceKind, q.ResourceID, q.Level))
	}

	say("\n4. The runner mints a narrower token for one of its jobs, and then asks for a wider one:")
	job, err := s.issuer.Issue(ctx, request(runner, "job 4711", "deployment:web:read"))
	if err != nil {
		return err
	}
	say("    deployment:web:read      minted, below %s, expires no later than its parent", short(job.Record.ParentID))
	_, err = s.issuer.Issue(ctx, request(runner, "job 4712", "deployment:web:write"))
	say("    deployment:web:write     %s", answer(err))

	say("\n5. The runner's token has leaked. It is revoked, and with it all that it minted:")
	n, err := s.issuer.Revoke(ctx, tokenauth.SystemAuthority("the token stood in a build log"), ci.Record.ID, "leaked")
	if err != nil {
		return err
	}
	say("    %d tokens revoked", n)
	for _, t := range []tokenauth.Issued{ci, job} {
		_, err := s.verifier.Verify(ctx, t.Token.Reveal())
		say("    %-24s %s", t.Record.Name, answer(err))
	}

	say("\n6. Another token is good, but now the store does not answer. That is no reason to refuse it for good, and none to accept it:")
	other, err := s.issuer.Issue(ctx, request(tokenauth.SystemAuthority("a second runner"), "second runner", "deployment:web:read"))
	if err != nil {
		return err
	}
	s.outage.begins = true
	_, err = s.verifier.Verify(ctx, other.Token.Reveal())
	say("    %-24s %s", other.Record.Name, answer(err))
	s.outage.begins = false
	_, err = s.verifier.Verify(ctx, other.Token.Reveal())
	say("    %-24s %s", "a moment later", answer(err))
	return nil
}

// service is what a real one would have: an issuer and a verifier that share a profile, and a store.
type service struct {
	issuer   *tokenauth.Issuer
	verifier *tokenauth.Verifier
	store    keeper
	outage   *outage
}

func newService(ctx context.Context, where string) (_ *service, err error) {
	store, err := openStore(ctx, where)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.close())
		}
	}()
	key, err := signingKey(where)
	if err != nil {
		return nil, err
	}
	profile := tokenauth.Profile{
		Issuers:   []string{"https://auth.example"},
		Audiences: []string{"https://api.example"},
	}
	broken := &outage{RevocationStore: store}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    profile,
		Keys:       key.VerifyingKey(),
		Revocation: broken,
	})
	if err != nil {
		return nil, err
	}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile,
		Key:     key,
		Tokens:  store,
		Askers:  verifier,
	})
	if err != nil {
		return nil, err
	}
	return &service{issuer, verifier, store, broken}, nil
}

// request asks for a token of one scope.
func request(by tokenauth.Authority, name, scope string) tokenauth.TokenRequest {
	scopes, err := tokenauth.ParseTokenScopes(scope)
	if err != nil {
		panic(err) // the texts stand in this file
	}
	return tokenauth.TokenRequest{By: by, Name: name, Scopes: scopes}
}

// answer is what a service would tell its caller.
func answer(err error) string {
	status := 200
	switch {
	case err == nil:
		return "200: accepted"
	case errors.Is(err, tokenauth.ErrInvalidToken):
		status = 401
	case errors.Is(err, tokenauth.ErrForbidden):
		status = 403
	case errors.Is(err, tokenauth.ErrUnavailable):
		status = 503
	}
	return fmt.Sprintf("%d %s: %s", status, tokenauth.ErrorCode(err), strings.TrimPrefix(err.Error(), "tokenauth: "))
}

// short is the end of an id, enough to tell a few apart.
func short(id string) string { return "…" + id[max(0, len(id)-8):] }

// outage is a store that can be made not to answer.
type outage struct {
	tokenauth.RevocationStore
	begins bool
}

func (o *outage) IsRevoked(ctx context.Context, jti string) (bool, error) {
	if o.begins {
		return false, errors.New("connection refused")
	}
	return o.RevocationStore.IsRevoked(ctx, jti)
}
