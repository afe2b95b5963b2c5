package main

import (
	"context"
	"fmt"
	"log"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

func main() {
	ctx, store := context.Background(), memstore.New(memstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	must(err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: store, Sessions: store, Epochs: store,
	})
	must(err)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: store, Sessions: store, Epochs: store, Askers: verifier,
	})
	must(err)

	scopes, err := tokenauth.ParseTokenScopes("deployment:web:execute,secret:read")
	must(err)
	token, err := issuer.Issue(ctx, tokenauth.TokenRequest{By: tokenauth.SystemAuthority("demo"), Name: "ci-runner", Scopes: scopes})
	must(err)
	caller, err := verifier.Authorize(ctx, token.Token.Reveal(), "deployment", "web", tokenauth.LevelExecute)
	fmt.Println(caller.Subject() == token.Record.Subject, err) // true <nil>
	_, err = issuer.Revoke(ctx, tokenauth.SystemAuthority("demo"), token.Record.ID, "leaked")
	must(err)
	_, err = verifier.Verify(ctx, token.Token.Reveal())
	fmt.Println(tokenauth.ErrorCode(err)) // token_revoked
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
