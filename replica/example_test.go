package replica_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// A replica stands in front of a store in a Verifier. The issuer goes on asking the store itself.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	store := memstore.New(memstore.Config{}) // in a service: a database that many processes share
	local, err := replica.New(store, replica.Config{MaxStaleness: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- local.Run(ctx) }()
	if err := local.WaitReady(ctx); err != nil { // before the service says that it is ready
		log.Fatal(err)
	}

	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: local, Sessions: local, Epochs: local,
	})
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store, Sessions: store, Epochs: store})
	if err != nil {
		log.Fatal(err)
	}

	system := tokenauth.SystemAuthority("an example")
	scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}
	issued, err := issuer.Issue(ctx, tokenauth.TokenRequest{By: system, Name: "ci", Scopes: []tokenauth.TokenScope{scope}, TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.Verify(ctx, issued.Token.Reveal())
	fmt.Println(err)

	if _, err := issuer.Revoke(ctx, system, issued.Record.ID, "leaked"); err != nil {
		log.Fatal(err)
	}
	for { // 2 s at most, and here no time at all: the store wakes the replica
		if _, err = verifier.Verify(ctx, issued.Token.Reveal()); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(tokenauth.ErrorCode(err))

	stop()
	fmt.Println(errors.Is(<-stopped, context.Canceled))
	// Output:
	// <nil>
	// token_revoked
	// true
}

// What to watch: how old the answers are, and whether the source is believed.
func ExampleReplica_Stats() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memstore.New(memstore.Config{})
	if _, err := store.BumpEpoch(ctx, "alice"); err != nil { // log out everywhere
		log.Fatal(err)
	}
	local, err := replica.New(store, replica.Config{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("fresh:", local.Staleness() < 5*time.Second)
	go func() { _ = local.Run(ctx) }()
	if err := local.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	stats := local.Stats()
	fmt.Println("fresh:", local.Staleness() < 5*time.Second)
	fmt.Println("epochs:", stats.Epochs, "full reads:", stats.Loads, "lost:", stats.Lost)
	fmt.Println(local.Describe())
	// Output:
	// fresh: false
	// fresh: true
	// epochs: 1 full reads: 1 lost: false
	// a replica that says not known dead, at most 5s old
}
