package tokenauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Nothing that a token, a secret or a store says comes out where people look: in errors, logs and events. Everything said here is
// a canary, and whatever comes out is searched for it.
//
// Two things are let out on purpose: an event names the subject and the id of a proven token, and an error names the member that
// was wrong, never its value.

const canary = "canary"

// canarySpecimen is a good token of which each value is a canary, at a verifier that checks everything.
func canarySpecimen() *specimen {
	s := newSpecimen()
	s.forge = newForge("HS256", "canary-kid", "")
	s.cfg.Keys, s.header = s.forge.key(), s.forge.header()
	s.payload = object{
		"iss": "https://canary.test", "sub": "canary-sub", "aud": []string{"canary-aud", "canary-other"}, "jti": "canary-jti",
		"iat": at(-60), "exp": at(3600), "nbf": at(-60), "roles": []string{"canary-role", "admin"}, "caps": []string{"canary-cap"},
		"scope": "canary-oauth", "scopes": []object{{"resource_kind": "canary-kind", "resource_id": "canary-id", "level": "read"}},
		"admin": true, "email": "canary@mail.test", "node_id": "canary-node", "client_id": "canary-client", "cat": "access",
		"account_type": "canary-type", "active_ppnum": "canary-ppnum", "delegator": "canary-delegator", "dlg_depth": 1,
		"act": object{"sub": "canary-act", "act": object{"sub": "canary-inner"}}, "cid": "canary-cid", "sid": "canary-sid", "sv": 3,
		"cnf": object{"jkt": "canary-cnf"}, "tenant": object{"name": "canary-tenant"},
	}
	s.cfg.Issuers, s.cfg.Audiences = []string{"https://canary.test"}, []string{"canary-aud"}
	s.cfg.AccountTypes, s.cfg.KnownClaims = []string{"canary-type"}, []string{"cnf", "tenant"}
	return s
}

// wrongValues are of every kind, so that each is the wrong one somewhere.
var wrongValues = []any{
	"canary", "", "*", "canary\x00", strings.Repeat("canary", 1000), 7, -1, 1.5, 1e300, true, nil,
	[]any{}, []any{"canary"}, []any{"canary", ""}, []any{"canary", 7}, []any{[]any{"canary"}}, []any{object{"canary": "canary"}},
	object{}, object{"canary": "canary"}, object{"sub": "canary", "canary": "canary"}, object{"sub": "canary\x00"},
	[]any{object{"resource_kind": "canary", "resource_id": "", "level": "read"}},
	[]any{object{"resource_kind": "canary", "resource_id": "canary", "level": "canary"}},
	[]any{object{"resource_kind": "canary", "resource_id": "canary", "level": "read", "canary": "canary"}},
	raw(`"canary\u0000"`), raw(`"\ud800canary"`), raw(`{"canary":1,"canary":2}`), raw(strings.Repeat("[", 40) + `"canary"` + strings.Repeat("]", 40)),
}

// canarySpecimens are tokens with something wrong in each place there is, and some that are good.
func canarySpecimens() map[string]*specimen {
	all := map[string]*specimen{"good": canarySpecimen()}
	add := func(name string, put func(s *specimen)) {
		s := canarySpecimen()
		put(s)
		all[name] = s
	}
	for _, f := range faults {
		add(f.name, f.put)
	}
	members := append(slices.Collect(keysOf(canarySpecimen().payload)), "SUB", "Roles", "ſub", "x")
	for _, name := range members {
		for i, value := range wrongValues {
			add(fmt.Sprint("claim ", name, " ", i), func(s *specimen) { s.says(name, value) })
		}
		add("claim "+name+" gone", func(s *specimen) { s.says(name, gone{}) })
	}
	for _, name := range []string{"alg", "kid", "typ", "crit", "b64", "jwk", "jku", "Alg", "KID", "x"} {
		for i, value := range wrongValues {
			add(fmt.Sprint("header ", name, " ", i), func(s *specimen) { s.header[name] = value })
		}
	}
	for i, json := range []string{
		`canary`, `"canary"`, `["canary"]`, `{"canary"`, `{"sub":"canary`, `{"canary":1,"canary":2}`, `{"sub":"canary","sub":"canary"}`, `{} canary`,
		"{\"sub\":\"canary\xff\"}", `{"sub":"canary\x"}`, "{\"sub\":\"canary\n\"}", `{"canary":canary}`, "\ufeff{\"canary\":1}", `{canary:1}`,
	} {
		whole := func(part int) func(*specimen) {
			return func(s *specimen) {
				s.after = append(s.after, func(token string) string {
					parts := strings.Split(token, ".")
					parts[part] = segment(json)
					return s.forge.sign(parts[0] + "." + parts[1])
				})
			}
		}
		add(fmt.Sprint("header text ", i), whole(0))
		add(fmt.Sprint("payload text ", i), whole(1))
	}
	for i, change := range []func(token string) string{
		func(string) string { return canary },
		func(string) string { return "canary.canary.canary" },
		func(token string) string { return "Bearer " + token },
		func(token string) string { return token + "=" },
		func(token string) string { return token + "\r\n" },
		func(token string) string { return "." + token },
		func(token string) string { return strings.ReplaceAll(token, ".", "..") },
		func(token string) string { return token[:len(token)-1] },
		func(token string) string { return token[1:] },
		func(token string) string { return strings.ToUpper(token) },
		func(token string) string { return strings.Repeat(token, 100) },
	} {
		add(fmt.Sprint("token ", i), func(s *specimen) { s.after = append(s.after, change) })
	}
	errCanary := fmt.Errorf("the store says %s", canary)
	for _, name := range askedInOrder {
		add(name+" speaks", func(s *specimen) { s.witness.before = failing(name, errCanary) })
	}
	add("Adapt speaks", func(s *specimen) { s.cfg.Adapt = func(*tokenauth.Claims) error { return errCanary } })
	add("the key set speaks", func(s *specimen) {
		s.cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) { return tokenauth.Key{}, errCanary })
	})
	add("the key set speaks of an unknown key", func(s *specimen) {
		s.cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) {
			return tokenauth.Key{}, fmt.Errorf("%w: %w", errCanary, tokenauth.ErrUnknownKey)
		})
	})
	return all
}

func keysOf(o object) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range o {
			if !yield(name) {
				return
			}
		}
	}
}

// spoken is all that err says, in the ways in which programs print it. A cause is a stranger's and speaks for itself, so that it is
// left out where an error is taken apart.
func spoken(err error) string {
	var all strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&all, nil), slog.NewJSONHandler(&all, nil)} {
		slog.New(handler).Info("refused", "err", err, slog.Group("g", "err", err))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&all, verb+"\n", err)
	}
	if encoded, failed := json.Marshal(err); failed == nil {
		all.Write(encoded)
	}
	for _, inner := range inside(err) {
		fmt.Fprintln(&all, inner)
	}
	return all.String()
}

// inside returns the errors of this package that err wraps.
func inside(err error) (found []error) {
	var wrapped []error
	switch e := err.(type) { // not errors.As, which would go on below: the tree is taken apart here, node by node
	case interface{ Unwrap() error }:
		wrapped = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		wrapped = e.Unwrap()
	}
	for _, inner := range wrapped {
		if inner != nil && tokenauth.ErrorCode(inner) != "internal" {
			found = append(append(found, inner), inside(inner)...)
		}
	}
	return found
}

// requireNoCanary searches what came out for a value, for a part of the token, and for the secret.
func requireNoCanary(t *testing.T, s *specimen, token, out string) {
	t.Helper()
	require.NotContains(t, strings.ToLower(out), canary)
	require.NotContains(t, out, "mail.test")
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 {
			require.NotContains(t, out, part)
			require.NotContains(t, out, fmt.Sprintf("%x", part))
		}
	}
	require.NotContains(t, out, string(s.forge.private.([]byte)))
	require.NotContains(t, out, base64.RawURLEncoding.EncodeToString(s.forge.private.([]byte)))
}

func TestCanaryInErrorsAndEvents(t *testing.T) {
	codes := map[string]int{}
	for name, s := range canarySpecimens() {
		t.Run(name, func(t *testing.T) {
			cfg, seen := observing(s.cfg)
			token := s.token()
			p, err := newVerifier(t, cfg).Authorize(t.Context(), token, s.kind, "web", tokenauth.LevelWrite)
			codes[codeOf(err)]++
			require.Len(t, *seen, 1)
			e := (*seen)[0]
			e.TokenID, e.Subject, e.KeyID, e.Cause = "", "", "", nil
			requireNoCanary(t, s, token, fmt.Sprintf("%v %+v %#v", e, e, e))
			if err != nil {
				requireNoCanary(t, s, token, spoken(err))
				return
			}
			for _, err := range []error{p.Require("secret", canary, tokenauth.LevelRead), p.RequireRole(canary), p.RequireOAuthScope(canary)} {
				if err != nil { // an admin may do everything
					requireNoCanary(t, s, token, spoken(err))
				}
			}
		})
	}
	require.Greater(t, codes["ok"], 5, "some of these are good, or the others prove little")
	for _, f := range faults {
		if f.code != "scope_insufficient" { // the canary's is an admin's
			require.Positive(t, codes[f.code], "no token was refused for %s", f.code)
		}
	}
}

// The error of a Recheck is one of Verify's, but for two.
func TestCanaryInRecheck(t *testing.T) {
	s := canarySpecimen()
	s.cfg.OneTime = nil
	v, token := newVerifier(t, s.cfg), s.token()
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	requireNoCanary(t, s, token, spoken(newVerifier(t, s.cfg).Recheck(t.Context(), p)))
	for _, name := range askedInOrder[:5] {
		s.witness.before = failing(name, errors.New(canary))
		requireNoCanary(t, s, token, spoken(v.Recheck(t.Context(), p)))
	}
}

// Whoever swaps two fields may put a secret where a name belongs.
func TestCanaryInConfigurationErrors(t *testing.T) {
	s := canarySpecimen()
	twice := []string{"canary", "canary", "canary\x00"}
	profile := tokenauth.Profile{
		Issuers: twice, Audiences: twice, NoAudience: true, Types: twice, Algorithms: twice, AccountTypes: twice,
		KnownClaims: []string{"canary\x00", `canary"`, strings.Repeat("canary", 30)},
	}
	_, err := tokenauth.NewVerifier(config{Profile: profile, Keys: s.forge.key(), Revocation: tokenauth.Unenforced("")})
	require.Error(t, err)
	requireNoCanary(t, s, "", spoken(err))
	_, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile})
	require.Error(t, err)
	requireNoCanary(t, s, "", spoken(err))
}

// hidden holds a value where no method of it is called: fmt and encoders look at the fields instead.
type hidden[T any] struct{ value T }

// exhibit returns the ways in which a program may hold a value.
func exhibit[T any](v T) []any {
	return []any{v, &v, hidden[T]{v}, &hidden[T]{v}, hidden[*T]{&v}, hidden[any]{v}, []T{v}, []*T{&v}, map[string]T{"v": v}, struct{ V T }{v}}
}

// Every type of this package, holding what a program's would after a token was minted and verified.
func TestNoValuePrintsACredential(t *testing.T) {
	secret := []byte("canary-of-32-bytes-never-printed")
	f := forge{"HS256", "k1", secret}
	signing, err := tokenauth.NewSigningKey(f.kid, f.alg, secret)
	require.NoError(t, err)
	ring, err := tokenauth.NewKeyRing(signing.VerifyingKey())
	require.NoError(t, err)
	clock := func() time.Time { return noon }

	issuerConfig := tokenauth.IssuerConfig{Profile: profileOfTests(), Key: signing, Now: clock}
	issuer, err := tokenauth.NewIssuer(issuerConfig)
	require.NoError(t, err)
	issued, err := issuer.Sign(t.Context(), tokenauth.SystemAuthority("a test"), &tokenauth.Claims{
		Subject: "alice", Email: "alice@example.com", IssuedAt: noon, ExpiresAt: noon.Add(time.Hour), Actor: &tokenauth.Actor{Subject: "agent"},
	})
	require.NoError(t, err)
	issued.Record = tokenauth.NewStoredAccessToken("ci", "alice", nil, nil, noon.Add(time.Hour), "alice")
	token := issued.Token.Reveal()
	require.Len(t, strings.Split(token, "."), 3)

	cfg, seen := observing(configOf(f))
	cfg.Keys = ring
	verifier := newVerifier(t, cfg)
	p, err := verifier.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	_, err = verifier.Verify(t.Context(), token[:len(token)-4]+"AAAA")
	require.ErrorIs(t, err, tokenauth.ErrSignature)
	queue := tokenauth.NewEventQueue(2)
	queue.Observe(t.Context(), (*seen)[0])
	claims := *p.Claims()

	scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}
	exhibits := slices.Concat(
		exhibit(verifier), exhibit(cfg), exhibit(p), exhibit((*seen)[0]), exhibit((*seen)[1]), exhibit(queue),
		exhibit(issuer), exhibit(issuerConfig), exhibit(issued), exhibit(issued.Token), exhibit(*issued.Record),
		exhibit(signing), exhibit(signing.VerifyingKey()), exhibit(ring), exhibit(cfg.Profile),
		exhibit(claims), exhibit(*issued.Claims.Actor), exhibit(scope), exhibit(scope.Level),
		exhibit(tokenauth.TokenRequest{By: p, Name: "ci", Scopes: []tokenauth.TokenScope{scope}}), exhibit(tokenauth.SystemAuthority("a test")),
		exhibit(tokenauth.TokenFilter{Subject: "alice"}), exhibit(tokenauth.Revocation{At: noon, By: "alice"}), exhibit(tokenauth.Epoch{MinVersion: 1}),
		exhibit(tokenauth.Change{TokenID: "t-1"}), exhibit(tokenauth.Cursor("c")),
		exhibit(tokenauth.Unenforced("a test")), exhibit(tokenauth.EnforcedElsewhere("a test")),
		exhibit(tokenauth.WithPrincipal(t.Context(), p)),
	)
	part := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	require.NoError(t, err)
	credentials := slices.Concat(tokenauth.Renderings(secret), tokenauth.Renderings(signature), part[1:])
	for _, v := range exhibits {
		out := tokenauth.Prints(v)
		for _, credential := range credentials {
			if strings.Contains(out, credential) {
				t.Errorf("a credential comes out of a %T", v)
				break
			}
		}
	}
	for name := range typesOf(t) {
		require.True(t, slices.ContainsFunc(exhibits, func(v any) bool {
			typ := reflect.TypeOf(v)
			return typ.Name() == name || typ.Kind() == reflect.Pointer && typ.Elem().Name() == name
		}), "%s is not among the exhibits", name)
	}

	// The test can fail: what holds a credential is found out.
	require.Contains(t, tokenauth.Prints(hidden[string]{token}), part[2])
	require.Contains(t, tokenauth.Prints(hidden[[]byte]{secret}), string(secret))
}

// typesOf returns the names of the exported types of this package that have values of their own.
func typesOf(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for _, file := range readTree(t).files["."] {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				if _, port := spec.Type.(*ast.InterfaceType); !port {
					names[spec.Name.Name] = true
				}
			}
			return true
		})
	}
	require.Contains(t, names, "Verifier")
	return names
}

// A log line about a principal, an event or a fresh token says who, and nothing of the credential or of the person.
func TestCanaryInLogLines(t *testing.T) {
	s := canarySpecimen()
	cfg, seen := observing(s.cfg)
	token := s.token()
	p, err := newVerifier(t, cfg).Verify(t.Context(), token)
	requireAccepted(t, p, err)
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("call", "by", p, "event", (*seen)[0], "verifier", newVerifier(t, s.cfg), "key", s.cfg.Keys)
	}
	for _, kept := range []string{"mail.test", "canary-role", "canary-node", "canary-sid", "canary-client", "canary-cnf", strings.Split(token, ".")[2]} {
		require.NotContains(t, out.String(), kept)
	}
	require.Contains(t, out.String(), "canary-sub", "who it was is said")
}
