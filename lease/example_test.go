package lease_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/lease"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A stream that ends when its token is revoked.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store := memstore.New(memstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	must(err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: store})
	must(err)
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: store})
	must(err)

	leases, err := lease.New(verifier, lease.Config{Every: 20 * time.Millisecond})
	must(err)
	running := make(chan error, 1)
	go func() { running <- leases.Run(ctx) }()
	must(leases.WaitReady(ctx)) // a service waits before it listens

	token, err := issuer.Issue(ctx, tokenauth.TokenRequest{By: tokenauth.SystemAuthority("example"), Name: "watcher", Roles: []string{"reader"}})
	must(err)
	caller, err := verifier.Verify(ctx, token.Token.Reveal())
	must(err)

	watch, done, err := leases.Lease(ctx, caller)
	must(err)
	defer done()
	fmt.Println("watching:", watch.Err() == nil)
	_, err = issuer.Revoke(ctx, tokenauth.SystemAuthority("example"), token.Record.ID, "leaked")
	must(err)
	<-watch.Done()
	fmt.Println("ended:", context.Cause(watch))

	stop()
	fmt.Println("stopped:", <-running)
	// Output:
	// watching: true
	// ended: tokenauth: the token is revoked
	// stopped: context canceled
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
