package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/a74cfa30/tokenauth/attack"
)

// The attack corpus against the three libraries that most Go services verify tokens with, each set up as strictly as its
// documentation knows how to, and helped where a check is left to the caller: only for the keys' own algorithms, by exact kid,
// with issuer, audience and the corpus's clock, no leeway, and exp required.
//
// What is this library's own idea (scopes, typ, required claims, limits) is left out for the peers, as attack.Rule says. What is
// left has one right answer by a standard ("required") or one prudent answer where standards leave a choice ("prudent"). The two
// are counted apart, because a library that takes a choice is not broken by it.
//
// The result is kept in ATTACKS.md. A new version of a peer changes it: go test -run Attack -write

var write = flag.Bool("write", false, "write ATTACKS.md instead of comparing it")

const report = "ATTACKS.md"

// A verdict is what a library made of a row.
type verdict int

const (
	refused verdict = iota
	accepted
	panicked
	notExpressible // by what the library takes
)

// A peer is a library that can be asked.
type peer struct {
	name, module string
	setup        string // for the report
	verify       func(attack.Row) error
}

// errNotExpressible is what verify answers to a row that has no form in this library.
var errNotExpressible = errors.New("the library has nothing of this kind")

var peers = []peer{
	{
		name: "tokenauth", module: "github.com/a74cfa30/tokenauth",
		setup:  "`NewVerifier` with issuer and audience, everything else left out",
		verify: verifyTokenauth,
	},
	{
		name: "golang-jwt", module: "github.com/golang-jwt/jwt/v5",
		setup:  "`RegisteredClaims`, `WithValidMethods`, `WithIssuer`, `WithAudience`, `WithExpirationRequired`, `WithIssuedAt`, `WithStrictDecoding`; the key function compares `kid` and algorithm",
		verify: verifyGolangJWT,
	},
	{
		name: "jwx", module: "github.com/lestrrat-go/jwx/v3",
		setup:  "`jws.Verify` with `WithCompact`, `WithCritValidation` and `WithValidateKey`, then `jwt.Parse` with `WithKeySet` (which wants `kid` and `alg`), `WithIssuer`, `WithAudience`, `WithRequiredClaim(\"exp\")`, `WithStrictStringClaims`, `WithPedantic`; sets with `WithRejectDuplicateKID`; `WithNumericDateParsePedantic`",
		verify: verifyJWX,
	},
	{
		name: "go-jose", module: "github.com/go-jose/go-jose/v4",
		setup:  "`jwt.ParseSigned` with the algorithms, `JSONWebKeySet` with `Valid` asked of each public key, `ValidateWithLeeway` with issuer, audience and no leeway; the caller compares the key's algorithm and wants `exp`",
		verify: verifyGoJose,
	},
}

func verifyTokenauth(r attack.Row) error {
	_, err := attack.Judge(context.Background(), r)
	return err
}

func verifyGolangJWT(r attack.Row) error {
	a := r.Authorities[0]
	if a.KeySet != nil {
		return errNotExpressible
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods(algorithmsOf(a.Keys)), jwt.WithIssuer(a.Profile.Issuers[0]), jwt.WithAudience(a.Profile.Audiences[0]),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(attack.Now),
	)
	_, err := parser.ParseWithClaims(r.Token, &jwt.RegisteredClaims{}, func(t *jwt.Token) (any, error) {
		kid, isText := t.Header["kid"].(string)
		if _, there := t.Header["kid"]; there && !isText {
			return nil, errors.New("kid is no text")
		}
		for _, k := range a.Keys {
			if k.ID == kid && k.Algorithm == t.Method.Alg() {
				return k.Material, nil
			}
		}
		return nil, errors.New("no such key")
	})
	return err
}

// algorithmsOf returns the algorithms of the trusted keys.
func algorithmsOf(keys []attack.Key) []string {
	var algorithms []string
	for _, k := range keys {
		algorithms = append(algorithms, k.Algorithm)
	}
	return algorithms
}

func verifyJWX(r attack.Row) error {
	a := r.Authorities[0]
	set, err := jwxSet(a)
	if err != nil {
		return err
	}
	first, ok := set.Key(0)
	if !ok {
		return errors.New("an empty set")
	}
	trust, trustToo := jws.WithKeySet(set), jwxjwt.WithKeySet(set)
	if len(a.Keys) == 1 && a.Keys[0].ID == "" { // a set is for tokens with kid
		alg, _ := first.Algorithm()
		trust, trustToo = jws.WithKey(alg, first), jwxjwt.WithKey(alg, first)
	}
	if _, err := jws.Verify([]byte(r.Token), jws.WithCompact(), jws.WithCritValidation(true), jws.WithValidateKey(true), trust); err != nil {
		return err
	}
	_, err = jwxjwt.Parse([]byte(r.Token), trustToo,
		jwxjwt.WithIssuer(a.Profile.Issuers[0]), jwxjwt.WithAudience(a.Profile.Audiences[0]), jwxjwt.WithRequiredClaim("exp"),
		jwxjwt.WithStrictStringClaims(true), jwxjwt.WithPedantic(true), jwxjwt.WithClock(jwxjwt.ClockFunc(attack.Now)),
	)
	return err
}

// jwxSet returns what jwx trusts.
func jwxSet(a attack.Authority) (jwk.Set, error) {
	if a.KeySet != nil {
		return jwk.Parse(a.KeySet, jwk.WithRejectDuplicateKID(true))
	}
	set := jwk.NewSet()
	for _, k := range a.Keys {
		key, err := jwk.Import(k.Material)
		if err != nil {
			return nil, err
		}
		alg, ok := jwa.LookupSignatureAlgorithm(k.Algorithm)
		if !ok {
			return nil, errors.New("no such algorithm")
		}
		if err := errors.Join(key.Set(jwk.AlgorithmKey, alg), key.Set(jwk.KeyIDKey, k.ID), set.AddKey(key), key.Validate()); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func verifyGoJose(r attack.Row) error {
	a := r.Authorities[0]
	set, err := goJoseSet(a)
	if err != nil {
		return err
	}
	var algorithms []jose.SignatureAlgorithm
	for _, k := range set.Keys {
		algorithms = append(algorithms, jose.SignatureAlgorithm(k.Algorithm))
	}
	token, err := josejwt.ParseSigned(r.Token, algorithms)
	if err != nil {
		return err
	}
	var trust any = set
	if len(a.Keys) == 1 && a.Keys[0].ID == "" { // a set is for tokens with kid
		trust = set.Keys[0]
	}
	for _, header := range token.Headers {
		for _, k := range set.Key(header.KeyID) {
			if k.Algorithm != header.Algorithm {
				return errors.New("the key is for another algorithm")
			}
		}
	}
	var claims josejwt.Claims
	if err := token.Claims(trust, &claims); err != nil {
		return err
	}
	if claims.Expiry == nil {
		return errors.New("no exp")
	}
	return claims.ValidateWithLeeway(josejwt.Expected{
		Issuer: a.Profile.Issuers[0], AnyAudience: a.Profile.Audiences, Time: attack.Now(),
	}, 0)
}

// goJoseSet returns what go-jose trusts.
func goJoseSet(a attack.Authority) (*jose.JSONWebKeySet, error) {
	set := new(jose.JSONWebKeySet)
	if a.KeySet != nil {
		if err := json.Unmarshal(a.KeySet, set); err != nil {
			return nil, err
		}
	}
	for _, k := range a.Keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Material, KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"})
	}
	for i := range set.Keys {
		// Valid knows public keys only.
		if k := &set.Keys[i]; !isSecret(k.Key) && !k.Valid() {
			return nil, errors.New("a key is not valid")
		}
	}
	return set, nil
}

func isSecret(key any) bool {
	_, ok := key.([]byte)
	return ok
}

// judge asks a peer about a row.
func (p peer) judge(r attack.Row) (v verdict) {
	defer func() {
		if recover() != nil {
			v = panicked
		}
	}()
	switch err := p.verify(r); {
	case errors.Is(err, errNotExpressible):
		return notExpressible
	case err != nil:
		return refused
	}
	return accepted
}

// A tally counts a peer's answers.
type tally struct {
	required, prudent, keys share
	good, goodRefused, left int
	byClass                 map[attack.Class]int // wrongly accepted
	names                   map[attack.Rule]map[attack.Class][]string
	refusedNames, panics    []string
}

// A share is how many of the rows to be refused were accepted.
type share struct{ accepted, all int }

func (s share) String() string { return fmt.Sprintf("%d of %d", s.accepted, s.all) }

func newTally() *tally {
	return &tally{
		byClass: make(map[attack.Class]int),
		names:   map[attack.Rule]map[attack.Class][]string{attack.Required: {}, attack.Prudent: {}},
	}
}

// share returns the count that a row which must be refused belongs to.
func (t *tally) share(r attack.Row) *share {
	switch {
	case r.Class == attack.ClassWeakKeys || r.Class == attack.ClassKeySets:
		return &t.keys
	case r.Rule == attack.Required:
		return &t.required
	}
	return &t.prudent
}

func (t *tally) count(r attack.Row, v verdict) {
	switch v {
	case notExpressible:
		t.left++
		return
	case panicked:
		t.panics = appendNew(t.panics, string(r.Class)+": "+r.Name)
	}
	if r.Accept() {
		t.good++
		if v != accepted {
			t.goodRefused++
			t.refusedNames = appendNew(t.refusedNames, string(r.Class)+": "+r.Name)
		}
		return
	}
	s := t.share(r)
	s.all++
	if v == accepted {
		s.accepted++
		t.byClass[r.Class]++
		t.names[r.Rule][r.Class] = appendNew(t.names[r.Rule][r.Class], r.Name)
	}
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func TestAttacks(t *testing.T) {
	jwxjwt.Settings(jwxjwt.WithNumericDateParsePedantic(true))
	rows := attack.Rows()
	tallies := make([]*tally, len(peers))
	for i, p := range peers {
		tallies[i] = newTally()
		for _, r := range rows {
			if r.Rule == attack.House {
				tallies[i].left++
				continue
			}
			tallies[i].count(r, p.judge(r))
		}
		t.Logf("%-11s wrongly accepted: required %s, prudent %s, keys %s; good refused %d of %d; panics %d; left out %d", p.name,
			tallies[i].required, tallies[i].prudent, tallies[i].keys, tallies[i].goodRefused, tallies[i].good, len(tallies[i].panics), tallies[i].left)
	}
	if own := tallies[0]; own.required.accepted+own.prudent.accepted+own.keys.accepted+own.goodRefused+len(own.panics) > 0 {
		t.Errorf("tokenauth itself: accepted %v, refused %v, panics %v", own.names, own.refusedNames, own.panics)
	}
	text := reportOf(t, tallies)
	if *write {
		if err := os.WriteFile(report, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, text) {
		t.Errorf("%s is not what was found: run go test -run Attacks -write", report)
	}
}

// versionOf returns the version of a module that go.mod asks for; nothing for this project itself.
func versionOf(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), module+" "); ok && module != peers[0].module {
			return " " + version
		}
	}
	return ""
}

// reportOf writes what was found. It tells nothing of when or where: the same corpus and the same versions are the same text.
func reportOf(t *testing.T, tallies []*tally) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(preface)
	b.WriteString("\n| library | required | prudent | keys | good refused | panics | left out |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for i, p := range peers {
		own := tallies[i]
		fmt.Fprintf(&b, "| %s%s | %s | %s | %s | %d of %d | %d | %d |\n", p.name, versionOf(t, p.module),
			own.required, own.prudent, own.keys, own.goodRefused, own.good, len(own.panics), own.left)
	}
	b.WriteString("\n## How each was set up\n\n")
	for _, p := range peers {
		fmt.Fprintf(&b, "- **%s**: %s.\n", p.name, p.setup)
	}
	b.WriteString("\n## Wrongly accepted tokens by class\n\n| class |")
	for _, p := range peers {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(peers)) + "\n")
	for _, class := range attack.Classes() {
		fmt.Fprintf(&b, "| %s |", class)
		for _, own := range tallies {
			fmt.Fprintf(&b, " %d |", own.byClass[class])
		}
		b.WriteString("\n")
	}
	b.WriteString("\n## Which rows\n\nEach row once, whatever the number of its algorithms.\n")
	for i, p := range peers {
		tallies[i].list(&b, p.name)
	}
	return b.Bytes()
}

// list writes the names of the rows a library answered wrongly.
func (t *tally) list(b *bytes.Buffer, name string) {
	fmt.Fprintf(b, "\n### %s\n\n", name)
	before := b.Len()
	for _, class := range attack.Classes() {
		for _, rule := range []attack.Rule{attack.Required, attack.Prudent} {
			if names := t.names[rule][class]; len(names) > 0 {
				fmt.Fprintf(b, "- %s, %s: %s\n", class, rule, quoted(names))
			}
		}
	}
	if len(t.refusedNames) > 0 {
		fmt.Fprintf(b, "- good, and refused: %s\n", quoted(t.refusedNames))
	}
	if len(t.panics) > 0 {
		fmt.Fprintf(b, "- panics: %s\n", quoted(t.panics))
	}
	if b.Len() == before {
		b.WriteString("None.\n")
	}
}

// quoted writes names as code, so that no letter in them is markup or invisible.
func quoted(names []string) string {
	readable := strings.NewReplacer("`", "'", `\\`, `\`, `\"`, `"`)
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = "`" + readable.Replace(strings.Trim(strconv.QuoteToASCII(name), `"`)) + "`"
	}
	return strings.Join(shown, ", ")
}

const preface = `# Attack tokens against this library and its peers

Written by ` + "`go test -run Attacks -write`" + ` in this directory. It runs the rows of [package attack](../attack) against each library, set
up as strictly as its documentation knows how to. A token counts for each algorithm it is made with.

- **required**: tokens that a standard says must be refused, and that were accepted, of all such tokens. Not each is a way in: some are
  accepted only if the trusted key signed something odd, or change no claim.
- **prudent**: the same where standards leave a choice or only recommend, above all about names that stand twice in JSON.
- **keys**: keys and sets of keys that are weak, broken or say two things, and were taken. Libraries that leave keys to the caller do
  worse here by design.
- **good refused**: tokens that are good by the standards and were refused.
- **left out**: rows that are this library's own idea (scopes, typ, required claims, limits, several authorities), and what the library
  has no form for, such as sets of keys in golang-jwt.

The corpus was written together with this library, and its rows were sorted into required and prudent by the same people. It is
meant to be checked: every row names its source.
`
