// Package jwks lets one service publish its public keys and others follow them (RFC 7517, section 5).
//
// The issuer's service mounts [Publish]:
//
//	keys, err := jwks.Publish(ring, 5*time.Minute)
//	mux.Handle("GET /.well-known/jwks.json", keys)
//
// A service that verifies follows it. A [Follower] is a tokenauth.KeySet:
//
//	follower, err := jwks.NewFollower(jwks.FollowerConfig{URL: "https://auth.example/.well-known/jwks.json"})
//	go follower.Run(ctx)
//	err = follower.WaitReady(ctx) // or begin at once: until the first set is there the answer is 503
//	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{Keys: follower, ...})
//
// # Who fetches, and when
//
// Only Run does, in the caller's goroutine and in the context of the service: one fetch at a time, when the last set has reached its
// age, and sooner when a token named a key that is not there, but never twice within the cool-down. A request waits for no
// fetch and its context is spent on none, so a flood of tokens with made-up key ids costs the key server one request each cool-down
// and this process no memory.
//
// # What is answered meanwhile
//
//	the key is in the set, and the set not too old     the key
//	it is not, and the set was fetched just now        ErrUnknownKey: 401
//	it is not, and the set is older                    ErrUnavailable: 503, and a fetch is due
//	there is no set, or it is too old                  ErrUnavailable: 503, and a fetch is due
//
// "Just now" is the cool-down. The third line is what makes a rotation safe that nobody waited for: a token of the new key is
// asked to come back in a second, and not refused for good.
//
// # How long a key lives
//
// A key that was taken out of the published set stops verifying here at the next refresh: after the max-age of the set, at most
// FollowerConfig.MaxAge. If the key server does not answer, the last set counts for MaxStale more, then nothing does: an authority that
// cannot be reached cannot say that its key has leaked. Whoever can shut off the key server can keep a key alive that long.
//
// # What a set must be
//
// https, or http on loopback; status 200; at most 64 KiB and 32 keys, read within Timeout; one JSON object with keys. Then
// tokenauth.ParseKeys judges it: keys for encryption and of unknown kinds are left out; two keys of one id, private or secret members and
// weak keys refuse the set whole; then the set before goes on counting until it is too old, and Stats tells why. A set with which nothing is
// wrong and in which no key is left is no such mistake: its authority has taken all keys back, and they die here.
package jwks
