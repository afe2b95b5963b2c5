package difftest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/a74cfa30/tokenauth"
)

// A token says one thing to everybody, or it is refused: whatever the verifier accepts, go-jose verifies by the same key, and reads
// the same claims in it. The reverse does not hold, and should not: a good part of what go-jose takes is refused here.
//
// The fuzzer writes header and payload, which are then signed properly: a signer that went mad is the only stranger who gets
// further than the signature. What splice holds is put into the encoded text before it is signed, so that base64 with padding, line
// breaks and the like come with a good signature too.
func FuzzTokenDifferential(f *testing.F) {
	keys := signers()
	verifier := newVerifier(f, keys)
	for which, key := range keys {
		for _, payload := range payloads {
			f.Add(key.header(), payload, uint8(which), "", uint16(0))
		}
		f.Add(key.header(), payloads[0], uint8(which), "=", uint16(len(key.header())*4/3))
		f.Add(`{"typ":"at+jwt","x":[{}],`+key.header()[1:], payloads[0], uint8(which), "\r\n", uint16(1000))
		f.Add(strings.Replace(key.header(), "alg", `\u0061lg`, 1), payloads[0], uint8(which), "", uint16(0))
	}
	f.Fuzz(func(t *testing.T, header, payload string, which uint8, splice string, at uint16) {
		key := keys[int(which)%len(keys)]
		token := key.token(header, payload, splice, int(at))
		principal, err := verifier.Verify(t.Context(), token)
		if err != nil {
			return
		}
		theirs, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{key.alg})
		if err != nil {
			t.Fatalf("header %q, payload %q: accepted, and go-jose does not parse it: %v", header, payload, err)
		}
		if got := theirs.Headers[0]; got.Algorithm != string(key.alg) || got.KeyID != key.kid {
			t.Fatalf("header %q: go-jose reads algorithm %q and kid %q in it", header, got.Algorithm, got.KeyID)
		}
		var claims wireClaims
		var members map[string]json.RawMessage
		if err := theirs.Claims(key.verify, &claims, &members); err != nil {
			t.Fatalf("header %q, payload %q: accepted, and go-jose does not verify or read it: %v", header, payload, err)
		}
		compareClaims(t, payload, principal.Claims(), claims, members)
	})
}

// What the fuzzer begins with is accepted, else it would compare nothing.
func TestSeedsAreAccepted(t *testing.T) {
	keys := signers()
	verifier := newVerifier(t, keys)
	for _, key := range keys {
		for _, payload := range payloads {
			if _, err := verifier.Verify(t.Context(), key.token(key.header(), payload, "", 0)); err != nil {
				t.Errorf("%s, %q: %v", key.alg, payload, err)
			}
		}
	}
}

// noon is when everything happens.
var noon = time.Date(2031, time.March, 14, 12, 0, 0, 0, time.UTC)

// payloads are claims that the verifier accepts, as plain and as odd as it takes them.
var payloads = []string{
	`{"iss":"i","sub":"s","aud":"a","iat":1931255940,"exp":1931259600}`,
	`{"iss":"i","sub":"token:1","aud":["b","a"],"iat":1931255940,"exp":1931259600,"nbf":1931255940,"jti":"1","roles":["admin","x"],` +
		`"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"write"},{"resource_kind":"secret","resource_id":null,"level":"read"}]}`,
	`{"iss":"i","sub":"s","aud":"a","iat":1931255940.5,"exp":1.9313e9,"scopes":["openid","profile"],"caps":["c"],"admin":false,` +
		`"email":"s@example.test","node_id":"n","client_id":"c","cat":"access","account_type":"human","active_ppnum":"p","delegator":"d",` +
		`"dlg_depth":2,"act":{"sub":"x","act":{"sub":"y"}},"cid":"k","sid":"s1","sv":3,"more":{"a":[1,2.50,"\u00e9"]}}`,
	`{"iss":"i","sub":"s","aud":"a","iat":1931255940,"exp":1931259600,"scope":"openid profile","email":null,"jti":null,"act":null,"x":null}`,
	` { "iss" : "i" , "sub" : "\ud83d\ude00\n" , "aud" : [ "a" ] , "iat" : 1931255940 , "exp" : 1931259600 , "sv" : 0 , "roles" : [ ] } `,
}

// A signer makes and checks signatures by one key.
type signer struct {
	alg    jose.SignatureAlgorithm
	kid    string
	sign   func(input string) string
	verify any // for NewKey, and for go-jose
}

// header is what its tokens begin with.
func (s signer) header() string { return `{"alg":"` + string(s.alg) + `","kid":"` + s.kid + `"}` }

// token signs a header and a payload, with splice in the middle of their encodings.
func (s signer) token(header, payload, splice string, at int) string {
	input := base64url(header) + "." + base64url(payload)
	at = min(at, len(input))
	input = input[:at] + splice + input[at:]
	return input + "." + base64url(s.sign(input))
}

// signers returns one for each way to sign that is quick.
func signers() []signer {
	secret := []byte("a secret of exactly thirty-two b")
	edwards := ed25519.NewKeyFromSeed(secret)
	elliptical, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret)
	if err != nil {
		panic(err)
	}
	return []signer{
		{jose.HS256, "hs", func(input string) string {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return string(mac.Sum(nil))
		}, secret},
		{jose.EdDSA, "ed", func(input string) string { return string(ed25519.Sign(edwards, []byte(input))) }, edwards.Public()},
		{jose.ES256, "es", func(input string) string { return signP256(elliptical, input) }, &elliptical.PublicKey},
	}
}

// signP256 returns r and s at full length (RFC 7518, section 3.4).
func signP256(private *ecdsa.PrivateKey, input string) string {
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	for i, number := range []*big.Int{r, s} {
		number.FillBytes(sig[32*i : 32*(i+1)])
	}
	return string(sig)
}

// newVerifier accepts what it can: no profile narrower than it must be, and nobody to ask.
func newVerifier(tb testing.TB, signers []signer) *tokenauth.Verifier {
	tb.Helper()
	var keys []tokenauth.Key
	for _, s := range signers {
		key, err := tokenauth.NewKey(s.kid, string(s.alg), s.verify)
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, key)
	}
	ring, err := tokenauth.NewKeyRing(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	const why = tokenauth.Unenforced("what a token says is compared, not whether it lives")
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"i"}, Audiences: []string{"a"}, Types: []string{"", "JWT", "at+jwt"}},
		Keys:       ring,
		Revocation: why, Sessions: why, Epochs: why,
		Now: func() time.Time { return noon },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// base64url encodes a part of a token.
func base64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// wireClaims is what go-jose reads in the members that tokenauth.Claims has fields for.
type wireClaims struct {
	jwt.Claims
	Roles           []string          `json:"roles"`
	Scopes          []json.RawMessage `json:"scopes"`
	Scope           string            `json:"scope"`
	Caps            []string          `json:"caps"`
	Admin           bool              `json:"admin"`
	Email           string            `json:"email"`
	NodeID          string            `json:"node_id"`
	ClientID        string            `json:"client_id"`
	Category        string            `json:"cat"`
	AccountType     string            `json:"account_type"`
	ActivePPNum     string            `json:"active_ppnum"`
	Delegator       string            `json:"delegator"`
	DelegationDepth float64           `json:"dlg_depth"`
	Actor           *wireActor        `json:"act"`
	CredentialID    string            `json:"cid"`
	SessionID       string            `json:"sid"`
	SessionVersion  float64           `json:"sv"`
}

// wireActor is one link of act.
type wireActor struct {
	Subject string     `json:"sub"`
	Actor   *wireActor `json:"act"`
}

// compareClaims fails if ours says anything else than go-jose reads.
func compareClaims(t *testing.T, payload string, ours *tokenauth.Claims, theirs wireClaims, members map[string]json.RawMessage) {
	t.Helper()
	known := 0
	same := func(name string, same bool) {
		t.Helper()
		if _, there := members[name]; there {
			known++
		}
		if !same {
			t.Fatalf("payload %q: %s differs: we read %+v, go-jose reads %+v", payload, name, ours, theirs)
		}
	}
	same("iss", ours.Issuer == theirs.Issuer)
	same("sub", ours.Subject == theirs.Subject)
	same("aud", slices.Equal(ours.Audience, theirs.Audience))
	same("exp", sameMoment(ours.ExpiresAt, theirs.Expiry, members["exp"]))
	same("nbf", sameMoment(ours.NotBefore, theirs.NotBefore, members["nbf"]))
	same("iat", sameMoment(ours.IssuedAt, theirs.IssuedAt, members["iat"]))
	same("jti", ours.ID == theirs.ID)
	same("roles", slices.Equal(ours.Roles, theirs.Roles))
	same("scopes", sameScopes(ours, theirs))
	same("scope", theirs.Scope == "" || slices.Equal(ours.OAuthScopes, strings.Split(theirs.Scope, " ")))
	same("caps", slices.Equal(ours.Caps, theirs.Caps))
	same("admin", ours.AdminHint == theirs.Admin)
	same("email", ours.Email == theirs.Email)
	same("node_id", ours.NodeID == theirs.NodeID)
	same("client_id", ours.ClientID == theirs.ClientID)
	same("cat", ours.Category == theirs.Category)
	same("account_type", ours.AccountType == theirs.AccountType)
	same("active_ppnum", ours.ActivePPNum == theirs.ActivePPNum)
	same("delegator", ours.Delegator == theirs.Delegator)
	same("dlg_depth", float64(ours.DelegationDepth) == theirs.DelegationDepth)
	same("act", sameActor(ours.Actor, theirs.Actor))
	same("cid", ours.CredentialID == theirs.CredentialID)
	same("sid", ours.SessionID == theirs.SessionID)
	same("sv", float64(ours.SessionVersion) == theirs.SessionVersion)
	for name, value := range ours.Extra {
		same(name, string(value) == string(members[name]))
	}
	if known != len(members) {
		t.Fatalf("payload %q: go-jose reads %d members, and we know %d of them", payload, len(members), known)
	}
}

// sameMoment compares dates. go-jose goes by way of a float64, which may round a long fraction up to the next second.
func sameMoment(ours time.Time, theirs *jwt.NumericDate, text json.RawMessage) bool {
	if ours.IsZero() || theirs == nil {
		return ours.IsZero() && theirs == nil
	}
	ahead := theirs.Time().Unix() - ours.Unix()
	return ahead == 0 || ahead == 1 && strings.ContainsAny(string(text), ".eE")
}

// sameScopes compares scopes, which hold objects or texts.
func sameScopes(ours *tokenauth.Claims, theirs wireClaims) bool {
	var words []string
	var scopes []tokenauth.TokenScope
	for _, text := range theirs.Scopes {
		var word string
		if json.Unmarshal(text, &word) == nil {
			words = append(words, word)
			continue
		}
		var object struct {
			Kind  string                    `json:"resource_kind"`
			ID    *string                   `json:"resource_id"`
			Level tokenauth.PermissionLevel `json:"level"`
		}
		if json.Unmarshal(text, &object) != nil {
			return false
		}
		id := tokenauth.AnyResource
		if object.ID != nil {
			id = *object.ID
		}
		scopes = append(scopes, tokenauth.TokenScope{ResourceKind: object.Kind, ResourceID: id, Level: object.Level})
	}
	return slices.Equal(ours.Scopes, scopes) && (theirs.Scope != "" || slices.Equal(ours.OAuthScopes, words))
}

// sameActor compares chains of actors.
func sameActor(ours *tokenauth.Actor, theirs *wireActor) bool {
	for ; ours != nil && theirs != nil; ours, theirs = ours.Actor, theirs.Actor {
		if ours.Subject != theirs.Subject {
			return false
		}
	}
	return ours == nil && theirs == nil
}
