package tokenauth

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Two services that agree about tokens agree about many small things: names, types, ages, sizes, which members there must be. A
// Profile is that agreement, written once. The Issuer holds its claims against it before they are signed, and the Verifier
// after: by the same functions below, so that what the one mints the other accepts.

// A Profile is what the tokens of one authority look like. Issuer and Verifier share it: what one mints the other accepts.
// The zero value is not usable: Issuers, and Audiences or NoAudience, must be set. Everything else is strict by default.
type Profile struct {
	Issuers         []string      // required: the names of this one authority (iss); the first is minted
	Audiences       []string      // required unless NoAudience: verifying wants one of them (aud), minting writes them
	NoAudience      bool          // tokens must carry no aud
	Types           []string      // nil: at+jwt, also as application/at+jwt; compared exactly, the first is minted; "" admits tokens without typ
	Algorithms      []string      // nil: whatever the keys say
	ClosedHeader    bool          // header members other than alg, kid and typ refuse the token
	MaxAhead        time.Duration // how far iat may lie in the future; 0: the verifier's Leeway
	MaxLifetime     time.Duration // exp - iat; 0: 365 d
	MaxScopes       int           // of scopes, roles, capabilities and audiences each; 0: 256
	MaxTokenBytes   int           // 0: 8 KiB
	RequireID       bool          // jti must be there
	MaxStateless    time.Duration // longest life of a token without jti, which nothing can revoke; 0: 24 h
	NoAdmin         bool          // role admin of this authority decides nothing here: it is dropped. Set it for authorities that are not yours
	RequireClientID bool          // client_id must be there
	AccountTypes    []string      // the closed set of account_type; nil: any
	ClosedClaims    bool          // members unknown here and not in KnownClaims are refused
	KnownClaims     []string      // further members that ClosedClaims lets pass
	// AdminCheck, if set, is asked about each token that carries the role or the claim admin. No is ErrAdminRefused, an error is
	// ErrUnavailable. The claims are a copy.
	AdminCheck func(context.Context, *Claims) (bool, error)
}

// Defaults of a Profile, and the bounds that nobody may move.
const (
	defaultMaxLifetime   = 365 * 24 * time.Hour
	defaultMaxStateless  = 24 * time.Hour
	defaultMaxScopes     = 256
	defaultMaxTokenBytes = 8 << 10
	mostTokenBytes       = 1 << 20
	mostLeeway           = 5 * time.Minute
)

// RFC9068 returns the strict profile of a platform whose access tokens follow RFC 9068: EdDSA, at+jwt, with jti and
// client_id, for at most 24 h, issued at most 60 s ahead, and with no member in header or claims that is not known. Add
// members of your own to KnownClaims, and the account types there are to AccountTypes.
func RFC9068(issuer, audience string) Profile {
	return Profile{
		Issuers:         []string{issuer},
		Audiences:       []string{audience},
		Types:           []string{"at+jwt", "application/at+jwt"},
		Algorithms:      []string{"EdDSA"},
		ClosedHeader:    true,
		MaxAhead:        time.Minute,
		MaxLifetime:     24 * time.Hour,
		MaxScopes:       defaultMaxScopes,
		MaxTokenBytes:   defaultMaxTokenBytes,
		RequireID:       true,
		RequireClientID: true,
		ClosedClaims:    true,
	}
}

// complete returns the profile with its defaults, sharing nothing with the caller's.
func (p Profile) complete() Profile {
	p.Issuers = slices.Clone(p.Issuers)
	p.Audiences = slices.Clone(p.Audiences)
	p.Algorithms = slices.Clone(p.Algorithms)
	p.AccountTypes = slices.Clone(p.AccountTypes)
	p.KnownClaims = slices.Clone(p.KnownClaims)
	if p.Types = slices.Clone(p.Types); len(p.Types) == 0 {
		p.Types = []string{"at+jwt", "application/at+jwt"}
	}
	p.MaxLifetime = orDefault(p.MaxLifetime, defaultMaxLifetime)
	p.MaxStateless = orDefault(p.MaxStateless, defaultMaxStateless)
	p.MaxScopes = orDefault(p.MaxScopes, defaultMaxScopes)
	p.MaxTokenBytes = orDefault(p.MaxTokenBytes, defaultMaxTokenBytes)
	return p
}

// orDefault returns value, or fallback if value is zero.
func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// check reports to problems what is missing or contradictory.
func (p *Profile) check(problems *problemList) {
	problems.names("Issuers", p.Issuers)
	problems.when(len(p.Issuers) == 0, "Issuers", "required: who makes the tokens (iss)")
	problems.names("Audiences", p.Audiences)
	problems.when(len(p.Audiences) == 0 && !p.NoAudience, "Audiences", "required: whom the tokens are meant for (aud); or set NoAudience")
	problems.when(len(p.Audiences) > 0 && p.NoAudience, "NoAudience", "contradicts Audiences")
	problems.unique("Types", p.Types)
	problems.unique("Algorithms", p.Algorithms)
	for _, name := range p.Algorithms {
		_, ok := jwa.Lookup(name)
		problems.when(!ok, "Algorithms", "an entry is none of HS, RS, PS, ES256 to 512 and EdDSA")
	}
	problems.when(p.MaxAhead < 0 || p.MaxAhead > mostLeeway, "MaxAhead", "not between 0 and 5 min")
	problems.when(p.MaxLifetime < 0, "MaxLifetime", "negative")
	problems.when(p.MaxStateless < 0, "MaxStateless", "negative")
	problems.when(p.MaxScopes < 0, "MaxScopes", "negative")
	problems.when(p.MaxTokenBytes < 0 || p.MaxTokenBytes > mostTokenBytes, "MaxTokenBytes", "not between 0 and 1 MiB")
	problems.names("AccountTypes", p.AccountTypes)
	problems.when(len(p.KnownClaims) > 0 && !p.ClosedClaims, "KnownClaims", "needs ClosedClaims")
	for _, name := range p.KnownClaims {
		if err := checkExtraName(name); err != nil {
			problems.add("KnownClaims", detailOf(err))
		}
	}
}

// admits says whether tokens of this profile may be signed with an algorithm.
func (p *Profile) admits(algorithm string) bool {
	return len(p.Algorithms) == 0 || slices.Contains(p.Algorithms, algorithm)
}

// checkTimes is the first half of step 6: what a clock decides.
func (p *Profile) checkTimes(c *Claims, now time.Time, leeway time.Duration) error {
	early, late := now, now
	if leeway != 0 { // to add nothing takes as long as to add something
		early, late = now.Add(-leeway), now.Add(leeway)
	}
	ahead := late
	if p.MaxAhead != 0 {
		ahead = now.Add(p.MaxAhead)
	}
	switch lifetime := c.ExpiresAt.Unix() - c.IssuedAt.Unix(); { // in seconds, of which the wire has whole ones
	case c.ExpiredAt(early):
		return ErrExpired
	case c.NotBefore.After(late):
		return ErrNotYetValid
	case c.IssuedAt.After(ahead):
		return reasonIssuedInFuture
	case lifetime > int64(p.MaxLifetime/time.Second):
		return reasonLifetime
	case lifetime > int64(p.MaxStateless/time.Second) && c.ID == "":
		return reasonStateless
	}
	return nil
}

// checkNames is the second half of step 6: who made the token, for whom, and of what type it is.
func (p *Profile) checkNames(c *Claims, typ string) error {
	switch {
	case !slices.Contains(p.Issuers, c.Issuer):
		return ErrIssuer
	case p.NoAudience && len(c.Audience) > 0:
		return ErrAudience
	case !p.NoAudience && !intersect(p.Audiences, c.Audience):
		return ErrAudience
	case !slices.Contains(p.Types, typ):
		return reasonType
	}
	return nil
}

// intersect says whether two lists have an entry in common.
func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// checkDomain is step 7 without the hooks: what the claims hold beyond the registered ones. Unknown members are named last,
// so that nobody adds a member to KnownClaims only to meet the next refusal.
func (p *Profile) checkDomain(c *Claims) error {
	switch {
	case max(len(c.Scopes)+len(c.OAuthScopes), len(c.Roles), len(c.Caps), len(c.Audience)) > p.MaxScopes:
		return reasonTooMany
	case c.ID == "" && p.RequireID:
		return reasonNoID
	case c.AccountType != "" && len(p.AccountTypes) > 0 && !slices.Contains(p.AccountTypes, c.AccountType):
		return reasonAccountType
	case c.ClientID == "" && p.RequireClientID:
		return reasonClientID
	case c.Category != "" && c.Category != "access":
		return reasonCategory
	}
	if p.ClosedClaims {
		for _, name := range sortedNames(c.Extra) {
			if !slices.Contains(p.KnownClaims, name) {
				return reasonUnknownClaims.with(name)
			}
		}
	}
	return nil
}

// A problemList collects what is wrong with a configuration, so that all of it is told at once.
type problemList struct {
	prefix   string // the name of the configuration, such as "VerifierConfig"
	problems []error
}

func (l *problemList) add(field, what string) {
	l.problems = append(l.problems, &configError{l.prefix + "." + field, what})
}

func (l *problemList) when(bad bool, field, what string) {
	if bad {
		l.add(field, what)
	}
}

// unique reports entries that stand twice.
func (l *problemList) unique(field string, entries []string) {
	for i, entry := range entries {
		l.when(slices.Contains(entries[:i], entry), field, "entry "+strconv.Itoa(i+1)+" stands there twice")
	}
}

// names reports entries that are empty or stand twice.
func (l *problemList) names(field string, entries []string) {
	l.unique(field, entries)
	for i, entry := range entries {
		l.when(checkText("", entry, maxTextBytes, true) != nil, field, "entry "+strconv.Itoa(i+1)+" is empty or no proper text")
	}
}

// A configError is one field of a configuration and what is wrong with it.
type configError struct{ field, what string }

func (e *configError) Error() string { return "tokenauth: " + e.field + ": " + e.what }
