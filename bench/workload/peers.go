package workload

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	cristal "github.com/cristalhq/jwt/v5"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	cap "github.com/hashicorp/cap/jwt"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwx "github.com/lestrrat-go/jwx/v3/jwt"
)

// Every library is asked for the same: only the key's own algorithm, the signature, exp and nbf by the clock, the issuer, the audience,
// and the claims where a program can use them. What a library does not check by itself is done for it here, and counts as its time.

// A Library is one that verifies and mints.
type Library struct {
	Name   string
	Module string
	Note   string // how it is set up, and what is done for it

	// Verifier returns the verify of one text after another, and Signer the minting of a payload; nil if there is no such thing for
	// the algorithm.
	Verifier func(algorithm string) func(token string) error
	Signer   func(algorithm string) func() error
}

// Libraries returns this library and its peers.
func Libraries() []Library {
	return []Library{
		{
			"tokenauth", "github.com/a74cfa30/tokenauth",
			"all nine steps with a deny-list in memory, remembering nothing; minting with all its checks",
			ownVerifier, Mint,
		},
		{
			"golang-jwt", "github.com/golang-jwt/jwt/v5",
			"`ParseWithClaims` into a struct; `kid` is compared in the key function",
			golangVerifier, golangSigner,
		},
		{
			"jwx", "github.com/lestrrat-go/jwx/v3",
			"`jwt.Parse` with a key set, into its own token",
			jwxVerifier, jwxSigner,
		},
		{
			"go-jose", "github.com/go-jose/go-jose/v4",
			"`ParseSigned`, `Claims` into a struct, `ValidateWithLeeway`; `kid` and that `exp` is there are " +
				"compared here",
			joseVerifier, joseSigner,
		},
		{
			"cristalhq", "github.com/cristalhq/jwt/v5",
			"`Parse`, then claims into a struct; issuer, audience and times are compared here; it has no look-up " +
				"by `kid`",
			cristalVerifier, cristalSigner,
		},
		{
			"hashicorp/cap", "github.com/hashicorp/cap",
			"`Validate` with a static set and no leeway, into a map; verifies only, and no HS256",
			capVerifier, nil,
		},
		{
			"go-oidc", "github.com/coreos/go-oidc/v3",
			"`Verify` with a static set, then `Claims` into a struct; verifies only, and no HS256; allows 5 min " +
				"for `nbf`",
			oidcVerifier, nil,
		},
	}
}

func ownVerifier(algorithm string) func(string) error {
	v, ctx := Cold(algorithm), context.Background()
	return func(token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}
}

// further is what the token holds beside the registered claims.
type further struct {
	Roles  []string `json:"roles"`
	Scopes []Scope  `json:"scopes"`
	Email  string   `json:"email"`
}

var errRefused = errors.New("refused")

func golangVerifier(algorithm string) func(string) error {
	type claims struct {
		jwt.RegisteredClaims
		further
	}
	key := Public(algorithm)
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuer(Issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	)
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &claims{}, func(t *jwt.Token) (any, error) {
			if t.Header["kid"] != KeyID {
				return nil, errRefused
			}
			return key, nil
		})
		return err
	}
}

func golangSigner(algorithm string) func() error {
	type claims struct {
		jwt.RegisteredClaims
		further
	}
	key, p := Private(algorithm), NewPayload()
	return func() error {
		t := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), &claims{
			jwt.RegisteredClaims{
				Issuer: p.Issuer, Subject: p.Subject, Audience: p.Audience, ID: p.ID,
				ExpiresAt: jwt.NewNumericDate(time.Unix(p.ExpiresAt, 0)), NotBefore: jwt.NewNumericDate(time.Unix(p.NotBefore, 0)),
				IssuedAt: jwt.NewNumericDate(time.Unix(p.IssuedAt, 0)),
			},
			further{p.Roles, p.Scopes, p.Email},
		})
		t.Header["kid"], t.Header["typ"] = KeyID, "at+jwt"
		_, err := t.SignedString(key)
		return err
	}
}

func jwxVerifier(algorithm string) func(string) error {
	key, err := jwk.Import(Public(algorithm))
	must(err)
	must(key.Set(jwk.KeyIDKey, KeyID))
	must(key.Set(jwk.AlgorithmKey, algorithm))
	set := jwk.NewSet()
	must(set.AddKey(key))
	return func(token string) error {
		_, err := jwx.Parse([]byte(token), jwx.WithKeySet(set), jwx.WithIssuer(Issuer), jwx.WithAudience(Audience), jwx.WithRequiredClaim("exp"))
		return err
	}
}

func jwxSigner(algorithm string) func() error {
	key, err := jwk.Import(Private(algorithm))
	must(err)
	must(key.Set(jwk.KeyIDKey, KeyID))
	alg, ok := jwa.LookupSignatureAlgorithm(algorithm)
	if !ok {
		return nil
	}
	p := NewPayload()
	return func() error {
		t, err := jwx.NewBuilder().Issuer(p.Issuer).Subject(p.Subject).Audience(p.Audience).JwtID(p.ID).
			Expiration(time.Unix(p.ExpiresAt, 0)).NotBefore(time.Unix(p.NotBefore, 0)).IssuedAt(time.Unix(p.IssuedAt, 0)).
			Claim("roles", p.Roles).Claim("scopes", p.Scopes).Claim("email", p.Email).Build()
		if err != nil {
			return err
		}
		_, err = jwx.Sign(t, jwx.WithKey(alg, key))
		return err
	}
}

func joseVerifier(algorithm string) func(string) error {
	key := Public(algorithm)
	algorithms := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)}
	return func(token string) error {
		t, err := josejwt.ParseSigned(token, algorithms)
		if err != nil {
			return err
		}
		if t.Headers[0].KeyID != KeyID {
			return errRefused
		}
		var registered josejwt.Claims
		var others further
		if err := t.Claims(key, &registered, &others); err != nil {
			return err
		}
		if registered.Expiry == nil {
			return errRefused
		}
		return registered.ValidateWithLeeway(josejwt.Expected{Issuer: Issuer, AnyAudience: josejwt.Audience{Audience}, Time: time.Now()}, 0)
	}
}

func joseSigner(algorithm string) func() error {
	options := new(jose.SignerOptions).WithType("at+jwt").WithHeader("kid", KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(algorithm), Key: Private(algorithm)}, options)
	must(err)
	p := NewPayload()
	return func() error {
		_, err := josejwt.Signed(signer).Claims(p).Serialize()
		return err
	}
}

// A cristalKey verifies and, where it is private, signs.
func cristalKey(algorithm string) (verifier cristal.Verifier, signer cristal.Signer) {
	var err, signErr error
	switch private := Private(algorithm).(type) {
	case []byte:
		verifier, err = cristal.NewVerifierHS(cristal.HS256, private)
		signer, signErr = cristal.NewSignerHS(cristal.HS256, private)
	case *ecdsa.PrivateKey:
		verifier, err = cristal.NewVerifierES(cristal.ES256, &private.PublicKey)
		signer, signErr = cristal.NewSignerES(cristal.ES256, private)
	case ed25519.PrivateKey:
		verifier, err = cristal.NewVerifierEdDSA(private.Public().(ed25519.PublicKey))
		signer, signErr = cristal.NewSignerEdDSA(private)
	case *rsa.PrivateKey:
		verifier, err = cristal.NewVerifierRS(cristal.RS256, &private.PublicKey)
		signer, signErr = cristal.NewSignerRS(cristal.RS256, private)
	}
	must(errors.Join(err, signErr))
	return verifier, signer
}

func cristalVerifier(algorithm string) func(string) error {
	type claims struct {
		cristal.RegisteredClaims
		further
	}
	verifier, _ := cristalKey(algorithm)
	return func(token string) error {
		t, err := cristal.Parse([]byte(token), verifier)
		if err != nil {
			return err
		}
		var c claims
		if err := json.Unmarshal(t.Claims(), &c); err != nil {
			return err
		}
		if c.ExpiresAt == nil || !c.IsValidAt(time.Now()) || !c.IsIssuer(Issuer) || !c.IsForAudience(Audience) {
			return errRefused
		}
		return nil
	}
}

func cristalSigner(algorithm string) func() error {
	_, signer := cristalKey(algorithm)
	builder, p := cristal.NewBuilder(signer, cristal.WithKeyID(KeyID)), NewPayload()
	return func() error {
		_, err := builder.Build(p)
		return err
	}
}

func capVerifier(algorithm string) func(string) error {
	public, ok := Public(algorithm).(crypto.PublicKey)
	if _, secret := public.([]byte); secret || !ok {
		return nil
	}
	set, err := cap.NewStaticKeySet([]crypto.PublicKey{public})
	must(err)
	validator, err := cap.NewValidator(set)
	must(err)
	ctx := context.Background()
	expected := cap.Expected{
		Issuer: Issuer, Audiences: []string{Audience}, SigningAlgorithms: []cap.Alg{cap.Alg(algorithm)},
		NotBeforeLeeway: -1, ExpirationLeeway: -1, ClockSkewLeeway: -1,
	}
	return func(token string) error {
		_, err := validator.Validate(ctx, token, expected)
		return err
	}
}

func oidcVerifier(algorithm string) func(string) error {
	public := Public(algorithm)
	if _, secret := public.([]byte); secret {
		return nil
	}
	ctx := context.Background()
	verifier := oidc.NewVerifier(Issuer, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{public}},
		&oidc.Config{ClientID: Audience, SupportedSigningAlgs: []string{algorithm}})
	return func(token string) error {
		t, err := verifier.Verify(ctx, token)
		if err != nil {
			return err
		}
		var others further
		return t.Claims(&others)
	}
}

// Faults are the tokens that each library has to refuse, by what is wrong with them.
func Faults(algorithm string) map[string]string {
	change := func(edit func(*Payload)) string {
		p := NewPayload()
		edit(&p)
		return Sign(algorithm, p)
	}
	return map[string]string{
		"a bad signature": BadSignature(Token(algorithm)),
		"expired":         change(func(p *Payload) { p.ExpiresAt = time.Now().Unix() - 1 }),
		"a wrong issuer":  change(func(p *Payload) { p.Issuer = "https://auth.example.org" }),
		"a wrong audience": change(func(p *Payload) {
			p.Audience = []string{"https://other.example.com"}
		}),
		"not valid yet": change(func(p *Payload) { p.NotBefore = time.Now().Unix() + 600 }),
	}
}
