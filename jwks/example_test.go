package jwks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/jwks"
)

// One service signs and publishes, another verifies and follows.
func Example() {
	// The service that signs.
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		log.Fatal(err)
	}
	ring, err := tokenauth.NewKeyRing(key.VerifyingKey())
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwks.Publish(ring, 5*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/jwks.json", keys)
	auth := httptest.NewServer(mux)
	defer auth.Close()
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key})
	if err != nil {
		log.Fatal(err)
	}

	// The service that verifies. In production the URL is https.
	follower, err := jwks.NewFollower(jwks.FollowerConfig{URL: auth.URL + "/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = follower.Run(ctx) }()
	if err := follower.WaitReady(ctx); err != nil {
		log.Fatal(err)
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: follower, Revocation: tokenauth.Unenforced("an example"),
	})
	if err != nil {
		log.Fatal(err)
	}

	issued, err := issuer.Sign(ctx, tokenauth.SystemAuthority("an example"), &tokenauth.Claims{Subject: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	p, err := verifier.Verify(ctx, issued.Token.Reveal())
	fmt.Println(p.Subject(), err)
	// Output: alice <nil>
}

// For those who serve their keys from a file.
func ExampleMarshal() {
	keys, err := tokenauth.ParseKeys([]byte(`{"kty":"OKP","crv":"Ed25519","kid":"2031-03","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil {
		log.Fatal(err)
	}
	set, err := jwks.Marshal(keys...)
	fmt.Println(strings.ReplaceAll(string(set), `,"`, ",\n\""), err)
	// Output:
	// {"keys":[{"kid":"2031-03",
	// "use":"sig",
	// "alg":"EdDSA",
	// "kty":"OKP",
	// "crv":"Ed25519",
	// "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]} <nil>
}

// Numbers to watch, and what to say while the first set is not there.
func ExampleFollower_Stats() {
	follower, err := jwks.NewFollower(jwks.FollowerConfig{URL: "https://auth.example/.well-known/jwks.json"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = follower.Key(context.Background(), "2031-03")
	fmt.Println(tokenauth.ErrorCode(err))
	fmt.Println(follower.Stats().Keys, follower.Stats().Unavailable)
	// Output:
	// unavailable
	// 0 1
}
