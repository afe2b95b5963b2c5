package tokenauth

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Every path to a signature ends in one private function, mint, and names who asks. It holds what is asked for against what the
// asker holds (attenuate.go) and against what the profile's own verifier would say (profile.go), writes the token out but for its
// signature (draft.go), and then does three things in an order that no revocation can slip through: it creates the record, looks at
// the asker again, and signs.
//
// The order matters because a token can be revoked while it mints a child. Revoke marks the parent first and sweeps for children
// until it finds none alive; mint writes the child first and looks at the parent afterwards. Whoever comes second sees the other:
// either the sweep finds the child, or the look finds the parent dead and nothing is signed.

// An Authority is who asks for something to be minted or revoked: a *Principal or a SystemAuthority. A nil one may do nothing.
type Authority interface{ authority() }

// SystemAuthority is the service itself; the string says why and is kept as created_by. It may mint anything: reviewers search
// for it. Never make one on behalf of a caller that was not authorized first. The empty string is refused.
type SystemAuthority string

// systemName begins the name of a SystemAuthority in records.
const systemName = "system: "

func (SystemAuthority) authority() {}
func (*Principal) authority()      {}

// IssuerConfig configures an Issuer. Profile and Key are required.
type IssuerConfig struct {
	Profile
	Key      SigningKey   // what signs, until UseKey
	Tokens   TokenStore   // where records go; whatever gets a jti gets a record first. Issue and Rotate need it
	Sessions SessionStore // asked afresh about an asker with a sid; nil: such an asker is refused. A store itself, never a replica
	Epochs   EpochStore   // asked afresh too; if set, sv is stamped: the asker's own for its own subject, else the subject's MinVersion
	Askers   *Verifier    // whose Principals, of this Profile's Issuers, may ask; nil: only the system may
	// DefaultTTL is the life of a token that asks for none. 0: 1 h
	DefaultTTL time.Duration
	// PrivilegedRoles may be granted by an admin or the system only; nil: admin, operator, node. Admin is always among them.
	PrivilegedRoles []string
	// MayGrant answers, from your permission table, for an asker that is a person's session: no scopes of either kind, nobody who
	// acts in the person's stead (act, delegator, dlg_depth), and a sid or no jti. It is
	// asked for no other: a narrowed token must not get its owner's authority back. It is asked when minting only: the session itself
	// has no scopes, and a Verifier answers its scope questions with no. nil: such an asker can grant no scope.
	MayGrant     func(ctx context.Context, by *Principal, scope TokenScope) (bool, error)
	StoreTimeout time.Duration                // 0: 250 ms; the budget of all store calls and hooks of one call together, but for revoking
	Now          func() time.Time             // the clock; nil: time.Now
	Observe      func(context.Context, Event) // told of each mint, rotate and revoke
}

// mostTTL is the longest life anybody may ask for, whatever the profile admits.
const mostTTL = 365 * 24 * time.Hour

// An Issuer mints tokens, never with more authority than whoever asks. It is safe for concurrent use.
type Issuer struct {
	cfg    IssuerConfig
	signer atomic.Pointer[signer]
	memory memoryMarks // revocation stands for the token store
}

// NewIssuer checks the whole configuration and reports every problem at once, each naming its field.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	problems := problemList{prefix: "IssuerConfig"}
	cfg.check(&problems)
	if len(problems.problems) > 0 {
		return nil, errors.Join(problems.problems...)
	}
	cfg.Profile = cfg.Profile.complete()
	cfg.DefaultTTL = orDefault(cfg.DefaultTTL, time.Hour)
	cfg.StoreTimeout = orDefault(cfg.StoreTimeout, defaultStoreTimeout)
	if cfg.PrivilegedRoles == nil {
		cfg.PrivilegedRoles = []string{RoleAdmin, "operator", RoleNode}
	}
	cfg.PrivilegedRoles = append([]string{RoleAdmin}, cfg.PrivilegedRoles...)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	i := &Issuer{cfg: cfg, memory: memoryMarks{
		revocation: answersFromMemory(cfg.Tokens),
		sessions:   answersFromMemory(cfg.Sessions),
		epochs:     answersFromMemory(cfg.Epochs),
	}}
	i.signer.Store(newSigner(cfg.Key, &i.cfg.Profile))
	return i, nil
}

// check reports to problems what is missing or contradictory.
func (cfg *IssuerConfig) check(problems *problemList) {
	cfg.Profile.check(problems)
	if err := cfg.checkKey(cfg.Key); err != nil {
		problems.add("Key", detailOf(err))
	}
	problems.port("Tokens", cfg.Tokens, false, "")
	problems.port("Sessions", cfg.Sessions, false, "")
	problems.port("Epochs", cfg.Epochs, false, "")
	cfg.checkAskers(problems)
	problems.when(cfg.DefaultTTL < 0 || cfg.DefaultTTL > mostTTL, "DefaultTTL", "not between 0 and 365 d")
	problems.when(cfg.DefaultTTL > orDefault(cfg.MaxLifetime, defaultMaxLifetime), "DefaultTTL", "longer than MaxLifetime")
	problems.when(cfg.StoreTimeout < 0, "StoreTimeout", "negative")
}

// checkAskers reports authorities of Askers whose principals say something else than was signed, or may be made again and again from
// one token that works once.
func (cfg *IssuerConfig) checkAskers(problems *problemList) {
	if cfg.Askers == nil {
		return
	}
	for _, a := range cfg.Askers.authorities {
		if intersect(a.Issuers, cfg.Issuers) {
			problems.when(a.Adapt != nil, "Askers", "has Adapt for this issuer: what an asker holds must be what was signed")
			problems.when(a.OneTime != nil, "Askers", "has OneTime for this issuer: a token that works once mints nothing")
		}
	}
}

// checkKey says whether the profile admits a key.
func (cfg *IssuerConfig) checkKey(key SigningKey) error {
	if key.isZero() {
		return invalid("required: what signs the tokens")
	}
	if !cfg.admits(key.Algorithm()) {
		return invalid("its algorithm is not among Profile.Algorithms")
	}
	return nil
}

// UseKey signs with key from now on: the second step of a key rotation, see KeyRing. The error wraps ErrInvalidRequest.
func (i *Issuer) UseKey(key SigningKey) error {
	if err := i.cfg.checkKey(key); err != nil {
		return err
	}
	i.signer.Store(newSigner(key, &i.cfg.Profile))
	return nil
}

// A TokenRequest asks for a recorded token. By and at least one scope or role are required.
type TokenRequest struct {
	By       Authority // who asks
	Name     string    // for people: "ci-runner"; at most 1 KiB
	ClientID string    // "": the asker's; any other only from an admin or the system
	// Subject is "" for token:{id}, a token that acts for nobody but itself; or the asker's own, where handlers need the person and the
	// token is to die when that person's epoch moves; any other only from an admin or the system.
	Subject   string
	Scopes    []TokenScope  // each covered by one of the asker's
	Roles     []string      // each held by the asker, privileged ones only from an admin
	Audiences []string      // nil: the profile's, as far as the asker has them; else a part of them
	TTL       time.Duration // 0: DefaultTTL, or what is left; never beyond the asker's own expiry, unless that is a person's session

	problem error // what ContainerRequest found wrong
}

// ContainerRequest asks for a container's default token: subject container:{deployment}:{service}:{id}, deployment:{deployment}:read,
// 24 h. Only the system may make it. Parts that are empty, or that hold a colon and so could be read in two ways, are refused by Issue.
func ContainerRequest(deployment, service, id string) TokenRequest {
	r := TokenRequest{
		By:      SystemAuthority("default token of a container"),
		Name:    "container " + id,
		Subject: "container:" + deployment + ":" + service + ":" + id,
		Scopes:  []TokenScope{{ResourceKind: "deployment", ResourceID: deployment, Level: LevelRead}},
		TTL:     24 * time.Hour,
	}
	for _, part := range []string{deployment, service, id} {
		if part == "" || strings.Contains(part, ":") {
			r.problem = invalid("deployment, service and id of a container are not empty and hold no colon")
		}
	}
	return r
}

// Issued is a fresh token, its claims and, where one was kept, its record.
type Issued struct {
	Token  Token              // the credential: hand it out once
	Claims *Claims            // what it says
	Record *StoredAccessToken // nil if the token has no jti, or the issuer no store

	keyID string // of the key that signed it
}

// Issue keeps the record, then signs. Any error means: no token, and no live record. It wraps ErrInvalidRequest for what can never be
// minted, ErrForbidden for more than the asker holds, ErrInvalidToken if the asker is dead, ErrUnavailable if nobody knows. A
// store that fails at the very end may keep a record that lives; no token belongs to it.
func (i *Issuer) Issue(ctx context.Context, r TokenRequest) (Issued, error) {
	c := &Claims{
		Subject: r.Subject, Audience: slices.Clone(r.Audiences), ClientID: r.ClientID,
		Scopes: slices.Clone(r.Scopes), Roles: slices.Clone(r.Roles),
	}
	m := minting{by: r.By, claims: c, name: r.Name, ttl: r.TTL, recorded: true, problem: r.check()}
	if i.cfg.Tokens == nil {
		m.problem = errNoTokens
	}
	return i.mint(ctx, m)
}

// errNoAskers is what an issuer says to every principal if it was told of nobody who may ask.
var errNoAskers = reasonAsker.with("IssuerConfig.Askers is not set, so that only the system may ask")

// errNoTokens is what an issuer without a store says to whoever wants a record.
var errNoTokens = invalid("IssuerConfig.Tokens is not set: Issue, Rotate, Revoke and RevokeAll need it")

// check says what is wrong with a request whoever makes it.
func (r *TokenRequest) check() error {
	switch {
	case r.problem != nil:
		return r.problem
	case len(r.Scopes) == 0 && len(r.Roles) == 0:
		return invalid("Scopes, Roles: a token needs at least one")
	}
	return nil
}

// IssueNode mints a node's token: sub node:{id}, role node, node_id. Only an admin or the system may, unless PrivilegedRoles says
// otherwise. It is recorded where the issuer has a store. ttl 0 is DefaultTTL.
func (i *Issuer) IssueNode(ctx context.Context, by Authority, nodeID string, ttl time.Duration) (Issued, error) {
	c := &Claims{Subject: "node:" + nodeID, NodeID: nodeID, Roles: []string{RoleNode}}
	m := minting{by: by, claims: c, name: "node " + nodeID, ttl: ttl, recorded: i.cfg.Tokens != nil}
	if nodeID == "" {
		m.problem = invalid("nodeID: empty")
	}
	return i.mint(ctx, m)
}

// Sign mints everything else, a person's session above all, under the same rules. It fills iss, aud, iat, exp and sv where empty, and
// jti where the profile requires one. With Tokens set, a token that has a jti gets a record, and what a Principal asks for gets
// both: a child without record would outlive its parent. c is not changed; Issued.Claims is what was signed.
func (i *Issuer) Sign(ctx context.Context, by Authority, c *Claims) (Issued, error) {
	m := minting{by: by, claims: c.Clone(), name: "signed"}
	if c == nil {
		m.problem = invalid("claims: nil")
	} else {
		m.recorded = i.cfg.RequireID || c.ID != ""
	}
	return i.mint(ctx, m)
}

// A minting is one wish on its way to a signature.
type minting struct {
	by       Authority
	claims   *Claims // the issuer's own copy, filled in on the way
	name     string
	ttl      time.Duration
	recorded bool  // it gets a jti
	fresh    bool  // the jti was made here, so that no other token has it
	problem  error // what was wrong with it before anybody looked at the asker
}

// mint is the one way to a signature for a token of its own; Rotate is the other, for a successor. What it does is written above.
func (i *Issuer) mint(ctx context.Context, m minting) (Issued, error) {
	began := i.cfg.Now()
	issued, err := i.tryMint(ctx, m, began)
	i.tell(ctx, "mint", m.by, err, issued, 0, began)
	return issued, err
}

// tell tells the observer how a call ended. What was asked about is told where whoever asked is known.
func (i *Issuer) tell(ctx context.Context, op string, by Authority, err error, issued Issued, revoked int, began time.Time) {
	if i.cfg.Observe == nil {
		return
	}
	e := newEvent(op, err, issued.Claims, issued.keyID, i.cfg.Now().Sub(began))
	if a, err := i.asker(by); err == nil {
		e.By = cut(a.name())
	} else {
		e.TokenID, e.Subject = "", ""
	}
	e.Revoked = revoked
	tell(i.cfg.Observe, ctx, e)
}

// tryMint is mint, unobserved.
func (i *Issuer) tryMint(ctx context.Context, m minting, now time.Time) (Issued, error) {
	asker, err := i.asker(m.by)
	if err != nil {
		return Issued{}, err
	}
	if m.problem != nil {
		return Issued{}, m.problem
	}
	b := &budget{parent: ctx, timeout: i.cfg.StoreTimeout}
	defer b.end()
	if err := i.fill(&m, asker, now); err != nil {
		return Issued{}, err
	}
	if err := i.grant(b, &m, asker); err != nil {
		return Issued{}, err
	}
	if err := i.stamp(b, m.claims, asker); err != nil {
		return Issued{}, err
	}
	d := draft{signer: i.signer.Load()}
	if err := i.write(b, &d, m.claims, now); err != nil {
		return Issued{}, err
	}
	// Create.
	record, err := i.create(b, &m, asker)
	if err != nil {
		return Issued{}, err
	}
	// Look again.
	if err := i.judgeAsker(b, asker); err != nil {
		i.undo(ctx, record)
		return Issued{}, err
	}
	// Sign.
	issued, err := d.sign(m.claims, record)
	if err != nil {
		i.undo(ctx, record)
		return Issued{}, err
	}
	return issued, nil
}

// An asker is who asks, proven and looked at.
type asker struct {
	system    SystemAuthority // "" for a principal
	principal *Principal      // nil for the system
	claims    *Claims         // a copy of the principal's: what is minted carries parts of it; nil for the system
	free      bool            // an admin or the system: bound by no attenuation
	session   bool            // a person's session: asks by standing authority, and is no parent
}

// asker says who asks, or refuses whoever may not ask here.
func (i *Issuer) asker(by Authority) (*asker, error) {
	switch by := by.(type) {
	case SystemAuthority:
		if strings.TrimSpace(string(by)) == "" {
			return nil, invalid("SystemAuthority needs a reason")
		}
		return &asker{system: by, free: true}, nil
	case *Principal:
		if by.isNobody() {
			return nil, reasonNobody
		}
		if i.cfg.Askers == nil {
			return nil, errNoAskers
		}
		if !slices.Contains(i.cfg.Askers.authorities, by.judge) || !slices.Contains(i.cfg.Issuers, by.claims.Issuer) {
			return nil, reasonAsker
		}
		if strings.HasPrefix(by.claims.Subject, systemName) {
			return nil, reasonAsker.with("in a record its subject would read as the system")
		}
		c := by.Claims()
		return &asker{principal: by, claims: c, free: c.IsAdmin(), session: isPersonsSession(c)}, nil
	}
	return nil, reasonNobody
}

// name is what events and created_by call the asker.
func (a *asker) name() string {
	if a.claims != nil {
		return a.claims.Subject
	}
	return systemName + string(a.system)
}

// isParent says whether what the asker mints is a child of its token.
func (a *asker) isParent() bool { return a.claims != nil && !a.session && a.claims.ID != "" }

// isOrphan says whether the asker should be a parent and cannot, because its token has no record. What it minted could rotate for
// ever.
func (a *asker) isOrphan() bool { return a.claims != nil && !a.session && a.claims.ID == "" }

// mustRecord says whether what the asker mints has to have a record. What has none is not found when its asker is revoked, or when
// the asker's session ends. So where there is a store, only the system mints without, and orphans, for as long as they live.
func (i *Issuer) mustRecord(a *asker) bool {
	return i.cfg.Tokens != nil && a.claims != nil && !a.isOrphan()
}

// fill sets what the wish leaves open and is the issuer's to say: id, names, times.
func (i *Issuer) fill(m *minting, a *asker, now time.Time) error {
	c := m.claims
	if m.recorded = m.recorded || i.mustRecord(a); m.recorded && a.isOrphan() {
		return reasonNotHeld.with("jti: the asker has none, so that it can be the parent of nothing that has a record")
	}
	if m.recorded && c.ID == "" {
		c.ID, m.fresh = newID(), true
	} else if c.ID != "" && !a.free {
		return reasonNotHeld.with("jti: only an admin or the system chooses one")
	}
	if c.Subject == "" && c.ID != "" {
		c.Subject = tokenSubject(c.ID)
	}
	c.Issuer = orDefault(c.Issuer, i.cfg.Issuers[0])
	if err := i.fillAudience(c, a); err != nil {
		return err
	}
	if c.ClientID == "" && a.claims != nil {
		c.ClientID = a.claims.ClientID
	}
	if c.SessionID == "" && a.claims != nil {
		c.SessionID = inheritedSession(a.claims, c, a.session)
	}
	return i.fillTimes(m, a, now)
}

// fillAudience sets aud, or checks that it is a part of the profile's.
func (i *Issuer) fillAudience(c *Claims, a *asker) error {
	if len(c.Audience) > 0 {
		if !isSubset(c.Audience, i.cfg.Audiences) {
			return invalid("aud: not a part of Profile.Audiences")
		}
		return nil
	}
	c.Audience = slices.Clone(i.cfg.Audiences)
	if !a.free {
		c.Audience = slices.DeleteFunc(c.Audience, func(s string) bool { return !slices.Contains(a.claims.Audience, s) })
	}
	return nil
}

// fillTimes sets iat and exp. An expiry beyond what may be asked for is refused and not cut: whoever asks for 90 days should not find
// out on the second that they were one.
func (i *Issuer) fillTimes(m *minting, a *asker, now time.Time) error {
	c := m.claims
	now = wholeSecond(now)
	if c.IssuedAt.After(now) {
		return invalid("iat: in the future")
	}
	if !c.IssuedAt.IsZero() && now.Sub(c.IssuedAt) > mostLeeway {
		return invalid("iat: more than 5 min ago, which would make the token's life look longer than it is")
	}
	c.IssuedAt = wholeSecond(orDefault(c.IssuedAt, now))
	if !c.NotBefore.IsZero() {
		c.NotBefore = wholeSecond(c.NotBefore)
	}
	bound := now.Add(min(i.cfg.MaxLifetime, mostTTL))
	if c.ID == "" {
		bound = earlier(bound, now.Add(i.cfg.MaxStateless))
	}
	if !a.outlives(c) {
		bound = earlier(bound, a.claims.ExpiresAt)
	}
	switch {
	case m.ttl < 0:
		return invalid("ttl: negative")
	case m.ttl > mostTTL:
		return invalid("ttl: longer than 365 d")
	case m.ttl > 0:
		c.ExpiresAt = wholeSecond(now.Add(m.ttl))
	case c.ExpiresAt.IsZero():
		c.ExpiresAt = earlier(bound, now.Add(i.cfg.DefaultTTL))
	}
	c.ExpiresAt = wholeSecond(c.ExpiresAt)
	switch {
	case !c.ExpiresAt.After(now):
		return invalid("ttl: less than a second")
	case !a.outlives(c) && c.ExpiresAt.After(a.claims.ExpiresAt):
		return reasonNotHeld.with("ttl: longer than the asker's own token lives")
	case c.ExpiresAt.After(bound):
		return invalid("ttl: longer than the profile admits")
	}
	return nil
}

// outlives says whether what the asker mints may live longer than its own token. A person's session lends what MayGrant vouches for,
// which are scopes; roles and capabilities it only holds itself, and so no longer than it lives.
func (a *asker) outlives(c *Claims) bool {
	return a.claims == nil || a.session && (a.free || len(c.Roles)+len(c.Caps)+len(c.OAuthScopes) == 0)
}

// earlier returns the earlier of two moments.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// grant decides whether the asker may hand on what the claims say.
func (i *Issuer) grant(b *budget, m *minting, a *asker) error {
	if c := m.claims; max(len(c.Scopes), len(c.Roles), len(c.Caps), len(c.OAuthScopes)) > i.cfg.MaxScopes {
		return invalid(refusalText(reasonTooMany)) // before anybody looks at each
	}
	for n, s := range m.claims.Scopes {
		if err := s.Validate(); err != nil {
			return invalid("scopes[" + strconv.Itoa(n) + "]: " + detailOf(err))
		}
	}
	if a.free {
		return nil
	}
	if err := attenuate(a.claims, m.claims, a.session, i.cfg.PrivilegedRoles, i.cfg.KnownClaims); err != nil {
		return err
	}
	if !a.session {
		return nil
	}
	for _, s := range m.claims.Scopes {
		if err := i.mayGrant(b, a, s); err != nil {
			return err
		}
	}
	return nil
}

// mayGrant asks the service's own table whether a person may hand on a scope.
func (i *Issuer) mayGrant(b *budget, a *asker, s TokenScope) error {
	if i.cfg.MayGrant == nil {
		return reasonNotHeld.with("scopes: a person's session holds none, and IssuerConfig.MayGrant is not set")
	}
	may, err := i.cfg.MayGrant(b.context(false), a.principal, s)
	switch {
	case err != nil:
		return reasonMayGrantDown.because(err)
	case !may:
		return reasonNotHeld.with("scopes: MayGrant says no")
	}
	return nil
}

// stamp writes sv, so that the token dies when its subject's epoch moves on, and makes sure that it is not born dead: it waits out
// the second of a NotBefore that has just passed.
func (i *Issuer) stamp(b *budget, c *Claims, a *asker) error {
	own := a.claims != nil && a.claims.Subject == c.Subject
	if !isStore(i.cfg.Epochs) {
		var held int64
		if own {
			held = a.claims.SessionVersion
		}
		if !a.free && !carry(&c.SessionVersion, held) {
			return reasonNotHeld.with("sv")
		}
		return nil
	}
	if err := CheckSubject("sub", c.Subject); err != nil {
		return err
	}
	epoch, err := i.cfg.Epochs.Epoch(b.context(i.memory.epochs), c.Subject)
	if err != nil {
		return reasonEpochsDown.because(err)
	}
	version := epoch.MinVersion
	if own {
		version = a.claims.SessionVersion
	}
	if !carry(&c.SessionVersion, version) {
		return reasonNotHeld.with("sv: it is the issuer's to stamp")
	}
	return i.outwait(b, c, epoch.NotBefore)
}

// outwait waits until a token issued now counts under a NotBefore, at most a second, and moves its iat there.
func (i *Issuer) outwait(b *budget, c *Claims, notBefore time.Time) error {
	if notBefore.IsZero() || c.IssuedAt.After(notBefore) {
		return nil
	}
	now := i.cfg.Now()
	first := wholeSecond(notBefore).Add(time.Second)
	if wait := first.Sub(now); wait > time.Second {
		return reasonEpochsDown.with("the subject's tokens are dead until a moment that is more than a second away")
	} else if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-b.parent.Done():
			return reasonEpochsDown.because(context.Cause(b.parent))
		}
		b.end()
		*b = budget{parent: b.parent, timeout: b.timeout} // the wait was not the stores'
		now = i.cfg.Now()
	}
	if now = wholeSecond(now); !now.After(notBefore) {
		return reasonEpochsDown.with("the clock did not pass the second in which the subject's tokens died")
	}
	c.IssuedAt = now
	return nil
}

// write writes the token of claims out in d, all but its signature. It refuses what the profile's own verifier would, and once it has
// succeeded the claims are not to be changed.
func (i *Issuer) write(b *budget, d *draft, c *Claims, now time.Time) error {
	if err := c.validate(); err != nil {
		return err
	}
	if later := c.IssuedAt; later.After(now) {
		now = later
	}
	p := &i.cfg.Profile
	for _, err := range []error{p.checkTimes(c, now, 0), p.checkNames(c, p.Types[0]), p.checkDomain(c)} {
		if err != nil {
			return invalid(refusalText(err))
		}
	}
	switch {
	case !d.write(c, p):
		return invalid("the token would be longer than Profile.MaxTokenBytes")
	case strings.HasPrefix(c.Subject, systemName):
		return invalid("sub: in a record it would read as the system")
	case p.NoAdmin && c.IsAdmin():
		return invalid("roles: Profile.NoAdmin drops admin")
	case c.AdminHint && p.AdminCheck == nil:
		return invalid("admin: Profile.AdminCheck is not set")
	}
	if p.AdminCheck == nil || !c.AdminHint && !c.IsAdmin() {
		return nil
	}
	confirmed, err := p.AdminCheck(b.context(false), c.Clone())
	switch {
	case err != nil:
		return reasonAdminCheckDown.because(err)
	case !confirmed:
		return reasonNotHeld.with("admin: AdminCheck would refuse the token")
	}
	return nil
}

// refusalText returns what a verifier would say, without the name of the package.
func refusalText(err error) string {
	return "the profile's own verifier would refuse it: " + strings.TrimPrefix(err.Error(), "tokenauth: ")
}

// create keeps the record of a token that has a jti, where there is a store for it.
func (i *Issuer) create(b *budget, m *minting, a *asker) (*StoredAccessToken, error) {
	c := m.claims
	if i.cfg.Tokens == nil || c.ID == "" {
		return nil, nil
	}
	record := newRecord(c.ID, m.name, c.Subject, c.Roles, c.Scopes, c.IssuedAt, c.ExpiresAt, a.name())
	record.ClientID, record.SessionID = c.ClientID, c.SessionID
	if a.claims != nil {
		record.Owner, record.SessionID = a.claims.Subject, a.claims.SessionID
	}
	ctx := b.context(i.memory.revocation)
	if a.isParent() {
		parent, err := i.cfg.Tokens.Get(ctx, a.claims.ID)
		if err != nil {
			return nil, storeError(err, ErrRevoked)
		}
		if err := record.bornOf(parent); err != nil {
			return nil, err
		}
	}
	if err := record.Validate(); err != nil {
		return nil, err
	}
	if err := i.cfg.Tokens.Create(ctx, record); err != nil {
		if m.fresh && !isKnown(err) { // cut off, perhaps after it was written
			i.undo(b.parent, record)
		}
		return nil, storeError(err, ErrRevoked)
	}
	return record, nil
}

// bornOf makes t a child of parent.
func (t *StoredAccessToken) bornOf(parent *StoredAccessToken) error {
	t.ParentID, t.RootID, t.Owner, t.Depth = parent.ID, parent.RootID, parent.Owner, parent.Depth+1
	t.SessionID = orDefault(t.SessionID, parent.SessionID)
	if t.Depth > maxDepth {
		return reasonNotHeld.with("depth: a family grows at most 8 deep")
	}
	return nil
}

// isKnown says whether a store's error says what is the case, so that nothing was written.
func isKnown(err error) bool {
	return errors.Is(err, ErrExists) || errors.Is(err, ErrRevoked) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalidRequest)
}

// storeError translates what a token store reports. notFound is what an unknown id means here.
func storeError(err, notFound error) error {
	switch {
	case errors.Is(err, ErrUnavailable):
		return reasonTokensDown.because(err)
	case errors.Is(err, ErrExists):
		return ErrExists
	case errors.Is(err, ErrRevoked):
		return ErrRevoked
	case errors.Is(err, ErrNotFound):
		return notFound
	case errors.Is(err, ErrInvalidRequest):
		return invalid("the token store refuses the record")
	}
	return reasonTokensDown.because(err)
}

// judgeAsker asks the stores themselves, now, whether the asker still counts.
func (i *Issuer) judgeAsker(b *budget, a *asker) error {
	c := a.claims
	if c == nil {
		return nil
	}
	if c.ExpiredAt(i.cfg.Now()) {
		return ErrExpired
	}
	if p := a.principal; p != nil {
		switch key, err := p.judge.findKey(b, p.keyID); {
		case err != nil:
			return err
		case !key.has(p.fingerprint):
			return ErrUnknownKey
		}
	}
	if c.ID != "" {
		if i.cfg.Tokens == nil {
			return reasonAsker.with("it has a jti, and IssuerConfig.Tokens is not set")
		}
		revoked, err := i.cfg.Tokens.IsRevoked(b.context(i.memory.revocation), c.ID)
		switch {
		case err != nil:
			return reasonTokensDown.because(err)
		case revoked:
			return ErrRevoked
		}
	}
	return i.judgeStanding(b, c)
}

// judgeStanding asks about the asker's session, epoch and admin role.
func (i *Issuer) judgeStanding(b *budget, c *Claims) error {
	switch {
	case c.SessionID != "" && i.cfg.Sessions == nil:
		return reasonAsker.with("it has a sid, and IssuerConfig.Sessions is not set")
	case c.SessionVersion != 0 && i.cfg.Epochs == nil:
		return reasonAsker.with("it has an sv, and IssuerConfig.Epochs is not set")
	}
	a := authority{
		VerifierConfig:  VerifierConfig{Profile: i.cfg.Profile, Sessions: i.cfg.Sessions, Epochs: i.cfg.Epochs},
		enforceSessions: isStore(i.cfg.Sessions),
		enforceEpochs:   isStore(i.cfg.Epochs),
		memory:          i.memory,
	}
	if err := a.checkSession(b, c); err != nil {
		return err
	}
	if err := a.checkEpoch(b, c); err != nil {
		return err
	}
	return a.checkAdmin(b, c)
}

// undo revokes the record of a token that was not signed. It does so even if the caller has gone away, within the time stores have.
// If it fails too, a record lives to which no token belongs.
func (i *Issuer) undo(ctx context.Context, record *StoredAccessToken) {
	if record == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), i.cfg.StoreTimeout)
	defer cancel()
	_, _ = i.cfg.Tokens.Revoke(ctx, record.ID, Revocation{At: i.cfg.Now().UTC(), By: systemName + "issuer", Reason: "the token was not signed"})
}
