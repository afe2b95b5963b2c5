package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/jose"
	"github.com/a74cfa30/tokenauth/internal/jwa"
	"github.com/a74cfa30/tokenauth/memstore"
)

// profile is what this library is told of the tokens.
func profile() tokenauth.Profile {
	return tokenauth.Profile{Issuers: []string{Issuer}, Audiences: []string{Audience}}
}

// key returns this library's key of an algorithm.
func key(algorithm string) tokenauth.Key {
	key, err := tokenauth.NewKey(KeyID, algorithm, Public(algorithm))
	must(err)
	return key
}

// Config returns the configuration this library is measured in: a ring of one key, and a deny-list in memory that holds another token.
func Config(algorithm string) tokenauth.VerifierConfig {
	ring, err := tokenauth.NewKeyRing(key(algorithm))
	must(err)
	return tokenauth.VerifierConfig{Profile: profile(), Keys: ring, Revocation: DenyList{"another": true}}
}

// A DenyList is the simplest revocation store in memory. What a token of a real store costs is measured beside it.
type DenyList map[string]bool

// IsRevoked implements tokenauth.RevocationStore.
func (d DenyList) IsRevoked(_ context.Context, jti string) (bool, error) { return d[jti], nil }

// AnswersFromMemory says that nobody has to be waited for.
func (DenyList) AnswersFromMemory() {}

// Cold returns a verifier that remembers nothing.
func Cold(algorithm string) *tokenauth.Verifier {
	cfg := Config(algorithm)
	cfg.CacheSize = -1
	return NewVerifier(cfg)
}

// NewVerifier is tokenauth.NewVerifier for a configuration that is right.
func NewVerifier(cfg tokenauth.VerifierConfig) *tokenauth.Verifier {
	v, err := tokenauth.NewVerifier(cfg)
	must(err)
	return v
}

// Verify returns the verify of one token, over and over.
func Verify(v *tokenauth.Verifier, token string) func() error {
	ctx := context.Background()
	return func() error {
		_, err := v.Verify(ctx, token)
		return err
	}
}

// ManyScopes returns a payload with so many scopes, none of which is a wildcard.
func ManyScopes(n int) Payload {
	p := NewPayload()
	p.Scopes = nil
	for i := range n {
		p.Scopes = append(p.Scopes, Scope{"deployment", number(i), "read"})
	}
	return p
}

// Ask returns a scope question to a principal of so many scopes, about the last of them. The four are those of the token that everything
// is measured with.
func Ask(scopes int) func() bool {
	cfg := Config("EdDSA")
	cfg.MaxTokenBytes = 1 << 20
	payload, kind, id := ManyScopes(scopes), "deployment", number(scopes-1)
	if scopes == 4 {
		payload, kind, id = NewPayload(), "node", "eu-1"
	}
	p, err := NewVerifier(cfg).Verify(context.Background(), Sign("EdDSA", payload))
	must(err)
	return func() bool { return p.Satisfies(kind, id, tokenauth.LevelRead) }
}

// A Refusal is a token that is refused, and who refuses it.
type Refusal struct {
	Name     string
	Verifier *tokenauth.Verifier
	Token    string
	Limit    func() bool // the bare check of its signature, where it comes to that
}

// Refusals returns what strangers send. None of it is the same as anything that was accepted.
func Refusals() []Refusal {
	v := NewVerifier(Config("EdDSA"))
	good := Token("EdDSA")
	must(Verify(v, good)())
	unsigned := fmt.Sprintf(`{"alg":"none","kid":%q,"typ":"at+jwt"}`, KeyID)
	parts := strings.Split(good, ".")

	raised := Config("EdDSA")
	raised.MaxTokenBytes = 1 << 20
	long := ManyScopes(700)
	long.Email = strings.Repeat("x", 64<<10-len(long.Scopes)*73)
	large := BadSignature(Sign("EdDSA", long))
	return []Refusal{
		{"alg none", v, encode([]byte(unsigned)) + "." + parts[1] + ".AA", nil},
		{"unknown kid", v, SignWith(`{"alg":"EdDSA","kid":"2030-09","typ":"at+jwt"}`, "EdDSA", NewPayload()), nil},
		{"too long", v, strings.Repeat(good, 1+(64<<10)/len(good)), nil},
		{"garbage", v, strings.Repeat("garbage ", 80), nil},
		{"bad signature", v, BadSignature(good), Limit("EdDSA", BadSignature(good))},
		{"bad signature, 64 KiB", NewVerifier(raised), large, Limit("EdDSA", large)},
	}
}

// Mint returns the signing of a session's claims by this library: nothing is stored. Its checks are part of it.
func Mint(algorithm string) func() error {
	signing, err := tokenauth.NewSigningKey(KeyID, algorithm, Private(algorithm))
	must(err)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile(), Key: signing})
	must(err)
	p := NewPayload()
	claims := tokenauth.NewScopedClaims(p.Subject, time.Hour, p.Roles, nil, p.ID)
	for _, s := range p.Scopes {
		scope := tokenauth.TokenScope{ResourceKind: s.Kind, ResourceID: s.ID, Level: tokenauth.LevelRead}
		if s.ID == "" {
			scope.ResourceID = tokenauth.AnyResource
		}
		claims.Scopes = append(claims.Scopes, scope)
	}
	claims.Issuer, claims.Audience, claims.Email = p.Issuer, p.Audience, p.Email
	by, ctx := tokenauth.SystemAuthority("bench"), context.Background()
	return func() error {
		_, err := issuer.Sign(ctx, by, claims)
		return err
	}
}

// SigningPart returns what of minting makes a token out of a payload that is written already, by what Sign makes it with: the encodings and
// the signature. What is left out is who asks, and whether the verifier would take it.
func SigningPart(algorithm string) func() error {
	known, _ := jwa.Lookup(algorithm)
	private, err := known.AdmitPrivate(Private(algorithm))
	must(err)
	payload, err := json.Marshal(NewPayload())
	must(err)
	head := strings.SplitAfter(Token(algorithm), ".")[0]
	length := len(Token(algorithm))
	return func() error {
		var text strings.Builder
		text.Grow(length)
		text.WriteString(head)
		jose.WriteEncoded(&text, payload)
		signature, err := private.Sign(text.String())
		text.WriteByte('.')
		jose.WriteEncoded(&text, signature)
		return err
	}
}

// Revoked returns the look-up of a living token in the store in memory, which holds so many others.
func Revoked(records int) func() error {
	store := memstore.New(memstore.Config{MaxEntries: 4 * records})
	ctx := context.Background()
	expires := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	var last string
	for range records {
		record := tokenauth.NewStoredAccessToken("bench", "user", nil, nil, expires, "user")
		record.ClientID = "bench"
		must(store.Create(ctx, record))
		last = record.ID
	}
	return func() error {
		revoked, err := store.IsRevoked(ctx, last)
		if revoked {
			return tokenauth.ErrRevoked
		}
		return err
	}
}
