package tokenauth_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A constructor that returns is a configuration that works: what is missing or contradicts itself is said at once, all of it, and
// each problem names its field.

// mapStore and its like are stores whose nil is not equal to nil.
type (
	mapStore     map[string]bool
	sliceStore   []string
	chanStore    chan bool
	funcStore    func() bool
	pointerStore struct{ dead bool }
)

func (m mapStore) IsRevoked(_ context.Context, jti string) (bool, error) { return m[jti], nil }
func (s sliceStore) IsRevoked(context.Context, string) (bool, error)     { return len(s) > 0, nil }
func (c chanStore) IsRevoked(context.Context, string) (bool, error)      { return <-c, nil }
func (f funcStore) IsRevoked(context.Context, string) (bool, error)      { return f(), nil }
func (p *pointerStore) IsRevoked(context.Context, string) (bool, error)  { return p.dead, nil }

type config = tokenauth.VerifierConfig

// configProblems are the things that can be wrong with a configuration: the field, what is said, and how it comes about.
var configProblems = []struct {
	field, says string
	put         func(*config)
}{
	{"Issuers", "required", func(c *config) { c.Issuers = nil }},
	{"Issuers", "entry 2 is empty", func(c *config) { c.Issuers = []string{"a", ""} }},
	{"Issuers", "entry 1 is empty or no proper text", func(c *config) { c.Issuers = []string{"a\x00"} }},
	{"Issuers", "entry 3 stands there twice", func(c *config) { c.Issuers = []string{"a", "b", "a"} }},
	{"Audiences", "required", func(c *config) { c.Audiences = nil }},
	{"Audiences", "entry 1 is empty", func(c *config) { c.Audiences = []string{""} }},
	{"Audiences", "entry 1 is empty or no proper text", func(c *config) { c.Audiences = []string{"\xff"} }},
	{"Audiences", "entry 2 stands there twice", func(c *config) { c.Audiences = []string{"a", "a"} }},
	{"NoAudience", "contradicts Audiences", func(c *config) { c.NoAudience = true }},
	{"Types", "entry 2 stands there twice", func(c *config) { c.Types = []string{"JWT", "JWT"} }},
	{"Algorithms", "entry 2 stands there twice", func(c *config) { c.Algorithms = []string{"HS256", "HS256"} }},
	{"Algorithms", "an entry is none of", func(c *config) { c.Algorithms = []string{"none"} }},
	{"Algorithms", "an entry is none of", func(c *config) { c.Algorithms = []string{"EdDSA", "hs256"} }},
	{"Algorithms", "an entry is none of", func(c *config) { c.Algorithms = []string{""} }},
	{"MaxAhead", "not between 0 and 5 min", func(c *config) { c.MaxAhead = -1 }},
	{"MaxAhead", "not between 0 and 5 min", func(c *config) { c.MaxAhead = 5*time.Minute + 1 }},
	{"MaxLifetime", "negative", func(c *config) { c.MaxLifetime = -1 }},
	{"MaxStateless", "negative", func(c *config) { c.MaxStateless = -1 }},
	{"MaxScopes", "negative", func(c *config) { c.MaxScopes = -1 }},
	{"MaxTokenBytes", "not between 0 and 1 MiB", func(c *config) { c.MaxTokenBytes = -1 }},
	{"MaxTokenBytes", "not between 0 and 1 MiB", func(c *config) { c.MaxTokenBytes = 1<<20 + 1 }},
	{"AccountTypes", "entry 1 is empty", func(c *config) { c.AccountTypes = []string{""} }},
	{"AccountTypes", "entry 2 stands there twice", func(c *config) { c.AccountTypes = []string{"human", "human"} }},
	{"KnownClaims", "needs ClosedClaims", func(c *config) { c.KnownClaims = []string{"tenant"} }},
	{"KnownClaims", "a name is, or looks like, scopes", func(c *config) { c.ClosedClaims, c.KnownClaims = true, []string{"Scopes"} }},
	{"KnownClaims", "no identifier", func(c *config) { c.ClosedClaims, c.KnownClaims = true, []string{`a"b`} }},
	{"KnownClaims", "not 1 to 128 bytes", func(c *config) { c.ClosedClaims, c.KnownClaims = true, []string{""} }},
	{"Keys", "required", func(c *config) { c.Keys = nil }},
	{"Keys", "a nil pointer", func(c *config) { c.Keys = (*tokenauth.KeyRing)(nil) }},
	{"Keys", "a nil pointer", func(c *config) { c.Keys = (*tokenauth.Key)(nil) }},
	{"Keys", "a nil pointer", func(c *config) { c.Keys = keysFunc(nil) }},
	{"Keys", "the zero Key", func(c *config) { c.Keys = tokenauth.Key{} }},
	{"Revocation", "required", func(c *config) { c.Revocation = nil }},
	{"Revocation", "a nil pointer", func(c *config) { c.Revocation = (*pointerStore)(nil) }},
	{"Revocation", "a nil pointer", func(c *config) { c.Revocation = mapStore(nil) }},
	{"Revocation", "a nil pointer", func(c *config) { c.Revocation = funcStore(nil) }},
	{"Revocation", "a nil pointer", func(c *config) { c.Revocation = sliceStore(nil) }},
	{"Revocation", "a nil pointer", func(c *config) { c.Revocation = chanStore(nil) }},
	{"Revocation", "needs a reason", func(c *config) { c.Revocation = tokenauth.Unenforced("") }},
	{"Revocation", "needs a reason", func(c *config) { c.Revocation = tokenauth.Unenforced(" \n") }},
	{"Revocation", "needs the name of the gate", func(c *config) { c.Revocation = tokenauth.EnforcedElsewhere("\t") }},
	{"Sessions", "a nil pointer", func(c *config) { c.Sessions = (*witness)(nil) }},
	{"Sessions", "needs a reason", func(c *config) { c.Sessions = tokenauth.Unenforced("") }},
	{"Sessions", "needs the name of the gate", func(c *config) { c.Sessions = tokenauth.EnforcedElsewhere("") }},
	{"Epochs", "a nil pointer", func(c *config) { c.Epochs = (*witness)(nil) }},
	{"Epochs", "needs a reason", func(c *config) { c.Epochs = tokenauth.Unenforced("") }},
	{"Epochs", "needs the name of the gate", func(c *config) { c.Epochs = tokenauth.EnforcedElsewhere("") }},
	{"OneTime", "a nil pointer", func(c *config) { c.OneTime = (*witness)(nil) }},
	{"Leeway", "not between 0 and 5 min", func(c *config) { c.Leeway = -1 }},
	{"Leeway", "not between 0 and 5 min", func(c *config) { c.Leeway = 5*time.Minute + 1 }},
	{"StoreTimeout", "negative", func(c *config) { c.StoreTimeout = -1 }},
}

// neverWrong are the fields of which every value can be meant, CacheSize in the first configuration.
var neverWrong = []string{
	"ClosedHeader", "RequireID", "NoAdmin", "RequireClientID", "ClosedClaims", "AdminCheck", "Adapt", "Confirm", "Now", "Observe",
	"CacheSize",
}

func TestConfigProblemsNameTheirField(t *testing.T) {
	f := newForge("HS256", "k1", "")
	for _, row := range configProblems {
		t.Run(row.field+" "+row.says, func(t *testing.T) {
			cfg := configOf(f)
			row.put(&cfg)
			v, err := tokenauth.NewVerifier(cfg)
			require.Nil(t, v)
			require.Error(t, err)
			problems := strings.Split(err.Error(), "\n")
			require.Len(t, problems, 1, "only this is wrong")
			require.True(t, strings.HasPrefix(problems[0], "tokenauth: VerifierConfig."+row.field+": "), problems[0])
			require.Contains(t, problems[0], row.says)
			require.Empty(t, answersOf(err), "nobody's token was judged")

			v, err = tokenauth.NewVerifier(configOf(f), cfg)
			require.Nil(t, v)
			require.Equal(t, strings.Replace(problems[0], "VerifierConfig.", "VerifierConfig[1].", 1), err.Error())
		})
	}
}

// A field that nobody thought of here could hold anything.
func TestConfigProblemsKnowEveryField(t *testing.T) {
	for _, structure := range []reflect.Type{reflect.TypeFor[tokenauth.Profile](), reflect.TypeFor[config]()} {
		for field := range structure.Fields() {
			if field.Anonymous {
				continue
			}
			known := slices.Contains(neverWrong, field.Name)
			for _, row := range configProblems {
				known = known || row.field == field.Name
			}
			require.True(t, known, "what can be wrong with %s?", field.Name)
		}
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := tokenauth.NewVerifier(config{
		Profile: tokenauth.Profile{
			NoAudience: true, Audiences: []string{"", ""}, Types: []string{"a", "a"}, Algorithms: []string{"x"}, KnownClaims: []string{"sub"},
			MaxAhead: -1, MaxLifetime: -1, MaxStateless: -1, MaxScopes: -1, MaxTokenBytes: -1, AccountTypes: []string{""},
		},
		Keys: tokenauth.Key{}, Sessions: tokenauth.Unenforced(""), Epochs: (*witness)(nil), OneTime: (*witness)(nil),
		Leeway: time.Hour, StoreTimeout: -1,
	}, config{})
	require.Error(t, err)
	var fields []string
	for _, problem := range strings.Split(err.Error(), "\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(problem, "tokenauth: "), ":")
		fields = append(fields, name)
	}
	slices.Sort(fields)
	var want []string
	for _, field := range []string{
		"Algorithms", "AccountTypes", "Audiences", "Epochs", "Issuers", "Keys", "KnownClaims", "Leeway", "MaxAhead", "MaxLifetime",
		"MaxScopes", "MaxStateless", "MaxTokenBytes", "NoAudience", "OneTime", "Revocation", "Sessions", "StoreTimeout", "Types",
	} {
		want = append(want, "VerifierConfig[0]."+field)
	}
	for _, field := range []string{"Audiences", "Issuers", "Keys", "Revocation"} {
		want = append(want, "VerifierConfig[1]."+field)
	}
	slices.Sort(want)
	require.Equal(t, want, slices.Compact(fields))
}

func TestCacheSizeIsOfTheWholeVerifier(t *testing.T) {
	first, second := twoConfigs(twoForges())
	first.CacheSize = -1
	newVerifier(t, first, second)
	second.CacheSize = 1 << 20
	v, err := tokenauth.NewVerifier(first, second)
	require.Nil(t, v)
	require.ErrorContains(t, err, "tokenauth: VerifierConfig[1].CacheSize: ")
}

func TestOneToEightAuthorities(t *testing.T) {
	cfg := configOf(newForge("HS256", "k1", ""))
	for n, possible := range map[int]bool{0: false, 1: true, 8: true, 9: false} {
		v, err := tokenauth.NewVerifier(slices.Repeat([]config{cfg}, n)...)
		require.Equal(t, possible, v != nil, n)
		if !possible {
			require.ErrorContains(t, err, "there must be 1 to 8 authorities", n)
		}
	}
}

func TestExtremeConfigurationsWork(t *testing.T) {
	f := newForge("HS256", "k1", "")
	for name, change := range map[string]func(*config){
		"least":      func(*config) {},
		"most":       func(c *config) { c.MaxAhead, c.Leeway, c.MaxTokenBytes = 5*time.Minute, 5*time.Minute, 1<<20 },
		"own stores": func(c *config) { c.Revocation = mapStore{} },
		"a pointer to a key": func(c *config) {
			key := f.key()
			c.Keys = &key
		},
		"own clock": func(c *config) { c.Now = func() time.Time { return noon } },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configOf(f)
			change(&cfg)
			p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload()))
			requireAccepted(t, p, err)
		})
	}
	t.Run("the clock of this machine", func(t *testing.T) {
		cfg := configOf(f)
		cfg.Now = nil
		v := newVerifier(t, cfg)
		now := time.Now().Unix()
		p, err := v.Verify(t.Context(), f.good(payload().with(object{"iat": now - 60, "exp": now + 60})))
		requireAccepted(t, p, err)
		p, err = v.Verify(t.Context(), f.good(payload().with(object{"iat": now - 60, "exp": now})))
		requireRefused(t, p, err, tokenauth.ErrExpired, "token_expired")
	})
}

// To make a verifier is to ask nobody: whether the stores answer shows with the first token.
func TestNewVerifierAsksNobody(t *testing.T) {
	s := newSpecimen()
	s.cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) { panic("asked") })
	newVerifier(t, s.cfg)
	require.Empty(t, s.witness.calls())
}

// Whoever keeps the configuration may change it afterwards: the verifier has its own.
func TestCallersConfigurationMayChangeAfterwards(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	cfg.Types, cfg.Algorithms, cfg.AccountTypes = []string{"at+jwt"}, []string{"HS256"}, []string{"human"}
	cfg.ClosedClaims, cfg.KnownClaims = true, []string{"tenant"}
	cfgs := []config{cfg}
	v := newVerifier(t, cfgs...)
	describe := v.Describe()
	for _, list := range [][]string{cfg.Issuers, cfg.Audiences, cfg.Types, cfg.Algorithms, cfg.AccountTypes, cfg.KnownClaims} {
		list[0] = "changed"
	}
	cfgs[0] = config{}
	p, err := v.Verify(t.Context(), f.good(payload().with(object{"account_type": "human", "tenant": "t"})))
	requireAccepted(t, p, err)
	for name, token := range map[string]string{
		"issuer_wrong":         f.good(payload().with(object{"iss": "changed"})),
		"audience_wrong":       f.good(payload().with(object{"aud": "changed"})),
		"type_wrong":           f.token(f.header().with(object{"typ": "changed"}), payload()),
		"account_type_unknown": f.good(payload().with(object{"account_type": "changed"})),
		"claims_unknown":       f.good(payload().with(object{"changed": 1})),
	} {
		_, err := v.Verify(t.Context(), token)
		require.Equal(t, name, codeOf(err))
	}
	require.Equal(t, describe, v.Describe())
}

func TestDescribeSaysWhatIsEnforcedAndWhatIsNot(t *testing.T) {
	f := newForge("HS256", "k1", "")
	line := func(v *tokenauth.Verifier, about string) string {
		for _, l := range v.Describe() {
			if rest, ok := strings.CutPrefix(l, "https://issuer.test "+about+": "); ok {
				return rest
			}
		}
		return "no line"
	}
	for _, row := range []struct {
		about  string
		change func(*config)
		want   string
	}{
		{"audience", func(*config) {}, "api"},
		{"audience", func(c *config) { c.NoAudience, c.Audiences = true, nil }, "none, tokens must carry no aud"},
		{"type", func(*config) {}, "at+jwt, application/at+jwt"},
		{"revocation", func(*config) {}, "NOT enforced: a test"},
		{"revocation", func(c *config) { c.Revocation = described{&witness{}} }, "enforced by tokenauth_test.described, a deny-list"},
		{"revocation", func(c *config) { c.Revocation = &witness{} }, "enforced by *tokenauth_test.witness"},
		{"revocation", func(c *config) { c.Revocation = tokenauth.EnforcedElsewhere("the gateway") }, "NOT enforced here, but by: the gateway"},
		{"sessions", func(*config) {}, "none, a token with sid is refused"},
		{"sessions", func(c *config) { c.Sessions = &witness{} }, "enforced by *tokenauth_test.witness"},
		{"epochs", func(*config) {}, "none, a token with sv is refused"},
		{"epochs", func(c *config) { c.Epochs = tokenauth.Unenforced("nobody logs in") }, "NOT enforced: nobody logs in"},
		{"one-time use", func(*config) {}, "none, a token works until it dies"},
		{"one-time use", func(c *config) { c.OneTime = &witness{} }, "enforced by *tokenauth_test.witness"},
		{"admin", func(*config) {}, "the role decides every scope question, the claim is refused"},
		{"admin", func(c *config) { c.NoAdmin = true }, "the role is dropped, the claim is refused"},
		{"admin", func(c *config) { c.AdminCheck = (&witness{}).AdminCheck }, "the role decides every scope question, the claim enforced by AdminCheck"},
		{"cnf", func(*config) {}, "a token with it is refused"},
		{"cnf", func(c *config) { c.Confirm = (&witness{}).Confirm }, "enforced by Confirm"},
		{"lifetime", func(*config) {}, "at most 8760h0m0s, without jti 24h0m0s, leeway 0s"},
		{"lifetime", func(c *config) { c.MaxLifetime, c.Leeway = time.Hour, time.Second }, "at most 1h0m0s, without jti 1h0m0s, leeway 1s"},
	} {
		t.Run(fmt.Sprint(row.about, ": ", row.want), func(t *testing.T) {
			cfg := configOf(f)
			row.change(&cfg)
			require.Equal(t, row.want, line(newVerifier(t, cfg), row.about))
		})
	}
	require.Len(t, newVerifier(t, configOf(f), configOf(f)).Describe(), 2*len(newVerifier(t, configOf(f)).Describe()))
}

// described is a store that says what it answers.
type described struct{ *witness }

func (described) Describe() string { return "a deny-list" }
