// Package authtest is for the tests of services that use tokenauth: an issuer with real keys, a clock that the test moves, stores
// that fail when they are told to, a key server, and tokens that are broken in every way there is a word for.
//
// A handler behind a guard wants a caller. Two lines make one, by signing a token and verifying it, because there is no other way:
//
//	kit := authtest.New(t, authtest.Config{})
//	alice := kit.Principal("alice", "deployment:web:write")
//
//	r = r.WithContext(tokenauth.WithPrincipal(r.Context(), alice))
//
// A service that is tested from outside is given kit.Verifier, or a Verifier of its own from kit.VerifierConfig, and is sent
// kit.Token("alice", "deployment:web:write"). Then the world can turn bad:
//
//	kit.Clock.Advance(time.Hour)   // the token has expired
//	kit.Revoke(token)              // or it is revoked
//	kit.Stores.Fail(err)           // or nobody can say: 503, not 401
//	kit.KeyFaults.Hang()           // or the keys cannot be had
//
// [Kit.Broken] lists tokens that no service may accept, each with the error it must get, and [Kit.States] lists what a caller can
// come with at all, each with the answer every surface owes it: one table for HTTP, gRPC and calls in process.
//
// Whatever a test does wrong, such as a scope that is none, ends it with a message. Keys are made anew for each Kit and are worth
// nothing outside of it.
package authtest
