package touch_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/touch"
)

// A middleware touches what it has verified, when the answer is fixed: nothing about the answer depends on it.
func Example() {
	store := memstore.New(memstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	must(err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store})
	must(err)
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: store})
	must(err)

	toucher, err := touch.New(store, touch.Config{OnError: func(err error) { log.Println(err) }})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = toucher.Run(ctx)
	}()

	issued, err := issuer.Issue(ctx, tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("an example"), Name: "ci-runner", Subject: "alice", Roles: []string{"reader"}, TTL: time.Hour,
	})
	must(err)
	p, err := verifier.Verify(ctx, issued.Token.Reveal())
	must(err)
	toucher.Touch(p.TokenID()) // "" for a token without record, which is fine

	stop() // the service ends, and what was touched is written once more
	<-ended
	record, err := store.Get(context.Background(), issued.Record.ID)
	must(err)
	fmt.Println(record.LastUsedAt.IsZero())
	// Output: false
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
