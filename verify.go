package tokenauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// A Verifier turns text into a proven caller, in nine steps: cheap before dear, proof before trust, and nothing looked up for a
// token that is not proven. The steps stand in one function, judge, in their order. What each of them takes is the Profile's
// business (profile.go), what the stores say is asked in liveness below.
//
// It answers in one of three ways and never guesses: a token known to be bad is refused for good, one that is not enough is
// refused for this question, and where somebody who would have to be asked does not answer, the answer is that nobody knows.

// VerifierConfig configures one authority of a Verifier. Profile, Keys and Revocation are required; what is left out beyond these
// is refused in tokens, not ignored.
type VerifierConfig struct {
	Profile
	Keys       KeySet          // a Key, a *KeyRing, or keys that are fetched
	Revocation RevocationStore // a store, Unenforced("why") or EnforcedElsewhere("where")
	Sessions   SessionStore    // the same; nil: a token with sid is refused
	Epochs     EpochStore      // the same; nil: a token with sv is refused
	OneTime    OneTimeStore    // if set, each token works once, and must have a jti
	// Adapt, if set, puts a foreign token's words into this service's, once its signature, times, issuer and audience are proven:
	// drop or rename their roles, read their scp. It is pure, runs once per remembered token, and its error is ErrClaims. It cannot
	// change iss, exp, iat, nbf and jti, nor sid, sv and cnf where they were signed: the rest of the judgement is about these.
	Adapt func(*Claims) error
	// Confirm is asked about a token's cnf (RFC 7800). Without it a sender-constrained token is refused: it is never taken as a
	// plain bearer.
	Confirm      func(ctx context.Context, cnf json.RawMessage) (bool, error)
	Leeway       time.Duration // how far this clock and the issuer's may differ; at most 5 min
	StoreTimeout time.Duration // 0: 250 ms; the budget of all store calls and hooks of one Verify together
	// CacheSize bounds the remembered verifications, in bytes; 0: 16 MiB; negative: none. They belong to the whole Verifier, so it is
	// set in the first configuration only.
	CacheSize int64
	Now       func() time.Time // the clock; nil: time.Now
	// Observe is told of every answer about this authority's tokens. The first configuration's is also told of those about tokens
	// whose signature no key here made.
	Observe func(context.Context, Event)
}

// defaultStoreTimeout is how long all the stores of one call have together.
const defaultStoreTimeout = 250 * time.Millisecond

// oneTimeSlack is how long a one-time key outlives its token: longer than any leeway, so that no clock accepts the token after
// the store forgot it.
const oneTimeSlack = 2 * mostLeeway

// maxAuthorities is how many authorities one Verifier may have: a token is tried against the keys of each.
const maxAuthorities = 8

// A Verifier turns text into a Principal. It is safe for concurrent use. The zero Verifier refuses everything.
type Verifier struct {
	authorities []*authority
	trials      []*authority  // the same, those first whose keys are in memory: a stranger's key server delays no token of one's own
	maxBytes    int           // of the longest token any authority takes
	headers     headerMemory  // of those that have been read
	cache       *cache        // of remembered verifications; nil: none
	timeout     time.Duration // of one call; the shortest of the authorities'
	observed    bool          // somebody listens
}

// An authority is one configuration, checked and complete.
type authority struct {
	VerifierConfig
	enforceRevocation, enforceSessions, enforceEpochs bool
	memory                                            memoryMarks
}

// memoryMarks says who answers from memory, and so needs no deadline.
type memoryMarks struct{ keys, revocation, sessions, epochs, oneTime bool }

// NewVerifier checks the whole configuration and reports every problem at once, each naming its field. Several configurations are
// several authorities, at most eight, each with its own keys, stances and rules: the one whose key made the signature judges the
// token. So no key may belong to two of them. StoreTimeout is a budget of the whole call: of several the shortest counts.
//
// It does not ask any store or key set; whether they answer shows with the first token.
func NewVerifier(cfg ...VerifierConfig) (*Verifier, error) {
	var problems []error
	if len(cfg) == 0 || len(cfg) > maxAuthorities {
		problems = append(problems, &configError{"VerifierConfig", "there must be 1 to 8 authorities"})
	}
	v := &Verifier{}
	for i := range cfg {
		list := problemList{prefix: "VerifierConfig"}
		if len(cfg) > 1 {
			list.prefix = fmt.Sprintf("VerifierConfig[%d]", i)
		}
		cfg[i].check(&list)
		list.when(i > 0 && cfg[i].CacheSize != 0, "CacheSize", "is of the whole Verifier: set it in the first configuration")
		problems = append(problems, list.problems...)
		v.add(cfg[i])
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	v.trials = slices.Clone(v.authorities)
	slices.SortStableFunc(v.trials, func(a, b *authority) int { return cmp.Compare(a.distance(), b.distance()) })
	v.cache = newCache(cfg[0].CacheSize)
	return v, nil
}

// check reports to problems what is missing or contradictory.
func (cfg *VerifierConfig) check(problems *problemList) {
	cfg.Profile.check(problems)
	if key, ok := cfg.Keys.(Key); ok {
		problems.when(key.isZero(), "Keys", "the zero Key")
	}
	problems.port("Keys", cfg.Keys, true, "what verifies the signatures")
	problems.port("Revocation", cfg.Revocation, true, `a store, Unenforced("why") or EnforcedElsewhere("where")`)
	problems.port("Sessions", cfg.Sessions, false, "")
	problems.port("Epochs", cfg.Epochs, false, "")
	problems.port("OneTime", cfg.OneTime, false, "")
	problems.when(cfg.Leeway < 0 || cfg.Leeway > mostLeeway, "Leeway", "not between 0 and 5 min")
	problems.when(cfg.StoreTimeout < 0, "StoreTimeout", "negative")
}

// port reports an interface that is missing, holds a nil pointer, or is a stance without its reason.
func (l *problemList) port(field string, port any, required bool, what string) {
	switch stance := port.(type) {
	case nil:
		l.when(required, field, "required: "+what)
		return
	case Unenforced:
		l.when(strings.TrimSpace(string(stance)) == "", field, "Unenforced needs a reason")
	case EnforcedElsewhere:
		l.when(strings.TrimSpace(string(stance)) == "", field, "EnforcedElsewhere needs the name of the gate")
	}
	switch v := reflect.ValueOf(port); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice:
		l.when(v.IsNil(), field, "a nil pointer")
	}
}

// add completes a configuration and makes it an authority.
func (v *Verifier) add(cfg VerifierConfig) {
	cfg.Profile = cfg.Profile.complete()
	cfg.StoreTimeout = orDefault(cfg.StoreTimeout, defaultStoreTimeout)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &authority{
		VerifierConfig:    cfg,
		enforceRevocation: isStore(cfg.Revocation),
		enforceSessions:   isStore(cfg.Sessions),
		enforceEpochs:     isStore(cfg.Epochs),
		memory: memoryMarks{
			keys:       answersFromMemory(cfg.Keys),
			revocation: answersFromMemory(cfg.Revocation),
			sessions:   answersFromMemory(cfg.Sessions),
			epochs:     answersFromMemory(cfg.Epochs),
			oneTime:    answersFromMemory(cfg.OneTime),
		},
	}
	v.authorities = append(v.authorities, a)
	v.maxBytes = max(v.maxBytes, cfg.MaxTokenBytes)
	v.observed = v.observed || cfg.Observe != nil
	if v.timeout == 0 || cfg.StoreTimeout < v.timeout {
		v.timeout = cfg.StoreTimeout
	}
}

// distance is 0 for an authority whose keys are in memory, and 1 for any other.
func (a *authority) distance() int {
	if a.memory.keys {
		return 0
	}
	return 1
}

// isStore says whether a port is set and is no stance.
func isStore(port any) bool {
	switch port.(type) {
	case nil, Unenforced, EnforcedElsewhere:
		return false
	}
	return true
}

// answersFromMemory says whether a port asks nobody outside this process.
func answersFromMemory(port any) bool {
	_, ok := port.(interface{ AnswersFromMemory() })
	return ok
}

// Verify proves a token. The error wraps ErrInvalidToken (401) or ErrUnavailable (503), and then the principal is nil. A token that
// works once is used up, if it gets that far.
//
// It does not decide what the bearer may do: ask the Principal, or Authorize.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	return v.answer(ctx, token, nil, useUp)
}

// Inspect is Verify without using up a one-time token: for introspection, revocation and leases. It does not see that a one-time
// token has been used.
func (v *Verifier) Inspect(ctx context.Context, token string) (*Principal, error) {
	return v.answer(ctx, token, nil, keep)
}

// Authorize is Verify with one scope question, asked before the stores are; no is an error wrapping ErrForbidden (403), and whether
// the token still lives was then not asked. An admin role decides the question and nothing else: a revoked admin is refused.
func (v *Verifier) Authorize(ctx context.Context, token, kind, id string, level PermissionLevel) (*Principal, error) {
	return v.answer(ctx, token, &question{kind, id, level}, useUp)
}

// A question is what Authorize is asked beside the token.
type question struct {
	kind, id string
	level    PermissionLevel
}

// A usage says whether a one-time token is used up.
type usage bool

const (
	useUp usage = true
	keep  usage = false
)

// answer is judge, observed.
func (v *Verifier) answer(ctx context.Context, token string, q *question, use usage) (*Principal, error) {
	var began time.Time
	if v.observed {
		began = v.authorities[0].Now()
	}
	p, err := v.judge(ctx, token, q, use)
	if v.observed {
		v.observe(ctx, p, err, began)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// judge holds a token against the nine steps, in order. Beside an error it returns who the token is proven to be of, if it got that
// far: for the observer and for nobody else.
func (v *Verifier) judge(ctx context.Context, token string, q *question, use usage) (*Principal, error) {
	budget := budget{parent: ctx, timeout: v.timeout}
	defer budget.end()
	// 1: length, and shape.
	if token == "" {
		return nil, ErrMissingToken
	}
	if len(token) > v.maxBytes {
		return nil, reasonTooLong
	}
	p := v.recall(&budget, token) // a token that was seen before has passed all that cannot change
	seen, sure, e := p != nil, false, (*entry)(nil)
	if !seen {
		parts, err := jose.SplitCompact(token)
		if err != nil {
			return nil, malformed(token, err)
		}
		// 2: the header.
		header, known, err := v.headers.read(parts.Header)
		if err != nil {
			return nil, err
		}
		// 3: the key, which fixes the algorithm, and 4: the signature, over the segments as they were sent.
		var a *authority
		var key Key
		if a, key, sure, err = v.findSigner(&budget, len(token), header, parts); err != nil {
			return nil, err
		}
		if !known {
			v.headers.add(parts.Header, header)
		}
		// 5: the claims, only now.
		e = &entry{principal: Principal{judge: a, keyID: key.ID(), fingerprint: key.fingerprint(), typ: header.Type}}
		p = &e.principal
		if err := e.readPayload(parts, v.cache != nil); err != nil {
			return p, err
		}
	}
	// 6: times, issuer, audience, type.
	a, claims := p.judge, &p.claims
	if err := a.checkTimes(claims, a.Now(), a.Leeway); err != nil {
		return p, err
	}
	if !seen {
		if err := a.checkNames(claims, p.typ); err != nil {
			return p, err
		}
		// 7: what else the profile asks of the claims, in the words of this service.
		if err := a.checkDomain(claims); err != nil {
			return p, err
		}
		if err := a.adapt(claims); err != nil {
			return p, err
		}
		if err := a.checkStances(claims); err != nil {
			return p, err
		}
		if sure {
			v.cache.add(token, e)
		}
	}
	// 8: authority, if that was asked. An admin role short-circuits this step and no other.
	if q != nil {
		if err := p.Require(q.kind, q.id, q.level); err != nil {
			return p, err
		}
	}
	// 9: whether the token still counts.
	return p, a.checkLiveness(&budget, claims, use)
}

// recall returns whom this very token proved before, if the key that proved it is still there and the same. If it is not, or nobody
// can say, the token is judged like one that was never seen.
func (v *Verifier) recall(b *budget, token string) *Principal {
	p := v.cache.find(token)
	if p == nil {
		return nil
	}
	if key, err := p.judge.findKey(b, p.keyID); err != nil || !key.has(p.fingerprint) {
		return nil
	}
	return p
}

// malformed says what is wrong with the shape of a token. The most usual mistake has a sentence of its own.
func malformed(token string, err error) error {
	if strings.IndexByte(token, ' ') >= 0 {
		return ErrMalformed.(*reason).with("it holds a blank: pass the token alone, without the word Bearer")
	}
	return ErrMalformed.(*reason).with(err.Error())
}

// readPayload reads the payload segment of a token whose signature holds. If the token may be remembered, what was signed is kept beside
// what it says.
func (e *entry) readPayload(parts jose.Compact, remember bool) error {
	input := ""
	if remember {
		input = parts.SigningInput
	}
	text, input, err := jose.DecodeTextBeside(parts.Payload, input)
	if err != nil {
		return reasonPayloadEncoded.with(err.Error())
	}
	e.input = input
	p := &e.principal
	return p.claims.decode(text, &reading{texts: p.texts[:0], scopes: p.scopes[:0]})
}

// findSigner returns the authority whose key made the signature, that key, and whether every authority before it has answered: only then
// may the answer be remembered. If there is none it returns the refusal of the
// authority with which the token came farthest. If a key set did not answer, nobody knows: its key may have been the one.
func (v *Verifier) findSigner(b *budget, length int, h jose.Header, parts jose.Compact) (a *authority, key Key, sure bool, err error) {
	var space [512]byte
	signature, err := jose.AppendDecoded(space[:0], parts.Signature)
	if err != nil {
		return nil, Key{}, false, ErrMalformed.(*reason).with("signature: " + err.Error())
	}
	var unavailable error
	refusal, farthest := ErrUnknownKey, tryKeyID
	for _, a := range v.trials {
		key, tried, err := a.tryKey(b, length, h, parts.SigningInput, signature)
		switch {
		case err == nil:
			return a, key, unavailable == nil, nil
		case tried == tryNobody:
			unavailable = err
		case tried > farthest:
			refusal, farthest = err, tried
		}
	}
	if unavailable != nil {
		return nil, Key{}, false, unavailable
	}
	return nil, Key{}, false, refusal
}

// How far a token comes with the keys of one authority.
const (
	tryNobody = iota // the key set did not answer
	tryKeyID
	tryProfile
	tryAlgorithm
	trySignature
)

// tryKey looks up the key a token names and checks its signature, and says how far it came.
func (a *authority) tryKey(b *budget, length int, h jose.Header, signingInput string, signature []byte) (Key, int, error) {
	if length > a.MaxTokenBytes {
		return Key{}, tryProfile, reasonTooLong
	}
	if h.Open && a.ClosedHeader {
		return Key{}, tryProfile, reasonHeaderRefused.with("a member other than alg, kid and typ")
	}
	key, err := a.findKey(b, h.KeyID)
	switch {
	case err == ErrUnknownKey:
		return Key{}, tryKeyID, err
	case err != nil:
		return Key{}, tryNobody, err
	case key.Algorithm() != h.Algorithm || !a.admits(h.Algorithm):
		return Key{}, tryAlgorithm, reasonAlgorithm
	}
	signer := key.provenBy(signingInput, signature)
	if signer.isZero() {
		return Key{}, trySignature, ErrSignature
	}
	return signer, trySignature, nil
}

// findKey asks the key set. A key of another id, or none, is not the one that was asked for. The error is ErrUnknownKey itself, or wraps
// ErrUnavailable.
func (a *authority) findKey(b *budget, id string) (Key, error) {
	key, err := a.Keys.Key(b.context(a.memory.keys), id)
	switch {
	case err == ErrUnknownKey: // what most sets answer needs no look into it
		return Key{}, ErrUnknownKey
	case err != nil && (errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrUnknownKey)):
		return Key{}, reasonKeysDown.because(err)
	case err != nil:
		return Key{}, ErrUnknownKey
	case key.isZero() || key.ID() != id:
		return Key{}, ErrUnknownKey
	}
	return key, nil
}

// adapt lets the service's hook translate the claims, and drops the role admin of an authority that has none to give. What the
// steps before have proven stays as it was signed.
func (a *authority) adapt(c *Claims) error {
	if a.Adapt != nil {
		given := c.Clone()
		if err := a.Adapt(given); err != nil {
			return reasonAdapt.because(err)
		}
		given.Issuer, given.ID = c.Issuer, c.ID
		given.ExpiresAt, given.IssuedAt, given.NotBefore = c.ExpiresAt, c.IssuedAt, c.NotBefore
		given.keepBounds(c)
		if err := given.validate(); err != nil {
			return reasonAdapt.with(detailOf(err))
		}
		*c = *given.Clone() // the hook may have kept what it was given
	}
	if a.NoAdmin {
		c.Roles = slices.DeleteFunc(c.Roles, func(role string) bool { return role == RoleAdmin })
	}
	return nil
}

// keepBounds keeps in c what binds the signed claims: a session, its version, a sender. A hook may find such a bound in a foreign member;
// to forget one, as whoever writes the claims anew would, is not for it to do.
func (c *Claims) keepBounds(signed *Claims) {
	c.SessionID = orDefault(signed.SessionID, c.SessionID)
	c.SessionVersion = orDefault(signed.SessionVersion, c.SessionVersion)
	if cnf, bound := signed.Extra["cnf"]; bound {
		if c.Extra == nil {
			c.Extra = make(map[string]json.RawMessage, 1)
		}
		c.Extra["cnf"] = cnf
	}
}

// checkStances refuses a token that asks for a check this authority says nothing about: to leave the check out would be to
// believe the token more than its issuer does.
func (a *authority) checkStances(c *Claims) error {
	_, bound := c.Extra["cnf"]
	switch {
	case c.ID == "" && a.OneTime != nil:
		return reasonNoID
	case c.SessionID != "" && a.Sessions == nil:
		return reasonNoSessions
	case c.SessionVersion != 0 && a.Epochs == nil:
		return reasonNoEpochs
	case c.AdminHint && a.AdminCheck == nil:
		return reasonNoAdminCheck
	case bound && a.Confirm == nil:
		return reasonNoConfirm
	}
	return nil
}

// checkLiveness is step 9. Nobody is exempt from it, and a token is used up last, so that no refusal costs it.
func (a *authority) checkLiveness(b *budget, c *Claims, use usage) error {
	if err := a.checkRevocation(b, c); err != nil {
		return err
	}
	if err := a.checkSession(b, c); err != nil {
		return err
	}
	if err := a.checkEpoch(b, c); err != nil {
		return err
	}
	if err := a.checkAdmin(b, c); err != nil {
		return err
	}
	if err := a.checkConfirmation(b, c); err != nil {
		return err
	}
	if use == useUp && a.OneTime != nil {
		return a.consume(b, c)
	}
	return nil
}

// checkRevocation asks about the jti. A token without one cannot be revoked by itself; the profile bounds its life.
func (a *authority) checkRevocation(b *budget, c *Claims) error {
	if !a.enforceRevocation || c.ID == "" {
		return nil
	}
	revoked, err := a.Revocation.IsRevoked(b.context(a.memory.revocation), c.ID)
	switch {
	case err != nil:
		return reasonRevocationDown.because(err)
	case revoked:
		return ErrRevoked
	}
	return nil
}

// checkSession asks about the sid.
func (a *authority) checkSession(b *budget, c *Claims) error {
	if !a.enforceSessions || c.SessionID == "" {
		return nil
	}
	active, err := a.Sessions.IsSessionActive(b.context(a.memory.sessions), c.Subject, c.SessionID)
	switch {
	case err != nil:
		return reasonSessionsDown.because(err)
	case !active:
		return ErrSessionEnded
	}
	return nil
}

// checkEpoch asks since when the subject's tokens count.
func (a *authority) checkEpoch(b *budget, c *Claims) error {
	if !a.enforceEpochs {
		return nil
	}
	epoch, err := a.Epochs.Epoch(b.context(a.memory.epochs), c.Subject)
	switch {
	case err != nil:
		return reasonEpochsDown.because(err)
	case !epoch.admits(c):
		return ErrStaleEpoch
	}
	return nil
}

// admits says whether claims were made late enough to count. A token of the very second of NotBefore is dead: which came first
// cannot be told.
func (e Epoch) admits(c *Claims) bool {
	return c.SessionVersion >= e.MinVersion && (e.NotBefore.IsZero() || c.IssuedAt.After(e.NotBefore))
}

// checkAdmin asks the hook about a token that says it is an admin's, by role or by hint.
func (a *authority) checkAdmin(b *budget, c *Claims) error {
	if a.AdminCheck == nil || !c.AdminHint && !c.IsAdmin() {
		return nil
	}
	confirmed, err := a.AdminCheck(b.context(false), c.Clone())
	switch {
	case err != nil:
		return reasonAdminCheckDown.because(err)
	case !confirmed:
		return ErrAdminRefused
	}
	return nil
}

// checkConfirmation asks the hook whether the sender is whom the token is bound to.
func (a *authority) checkConfirmation(b *budget, c *Claims) error {
	cnf, bound := c.Extra["cnf"]
	if !bound {
		return nil
	}
	confirmed, err := a.Confirm(b.context(false), slices.Clone(cnf))
	switch {
	case err != nil:
		return reasonConfirmDown.because(err)
	case !confirmed:
		return reasonConfirm
	}
	return nil
}

// consume uses a token up. What is remembered is a hash of who made it and its id, since two authorities may share a store.
func (a *authority) consume(b *budget, c *Claims) error {
	sum := sha256.Sum256([]byte(c.Issuer + "\x00" + c.ID))
	key := base64.RawURLEncoding.EncodeToString(sum[:])
	err := a.OneTime.Consume(b.context(a.memory.oneTime), key, c.ExpiresAt.Add(oneTimeSlack))
	switch {
	case errors.Is(err, ErrReplayed):
		return ErrReplayed
	case err != nil:
		return reasonOneTimeDown.because(err)
	}
	return nil
}

// Recheck judges a principal again, now: its key, times, revocation, session, epoch, AdminCheck and Confirm; it uses nothing up. The
// error wraps ErrInvalidToken or ErrUnavailable. A principal of another Verifier is refused.
func (v *Verifier) Recheck(ctx context.Context, p *Principal) error {
	if p.isNobody() {
		return ErrMissingToken
	}
	a := p.judge
	if !slices.Contains(v.authorities, a) {
		return reasonStranger
	}
	budget := budget{parent: ctx, timeout: v.timeout}
	defer budget.end()
	key, err := a.findKey(&budget, p.keyID)
	if err != nil {
		return err
	}
	if !key.has(p.fingerprint) {
		return ErrUnknownKey
	}
	if err := a.checkTimes(&p.claims, a.Now(), a.Leeway); err != nil {
		return err
	}
	return a.checkLiveness(&budget, &p.claims, keep)
}

// A budget is the time that everybody who is asked during one call has together. The clock starts when first somebody is asked who
// does not answer from memory; for those who do no timer is made.
type budget struct {
	parent  context.Context
	timeout time.Duration
	timed   context.Context
	cancel  context.CancelFunc
}

// context returns the context to ask somebody with.
func (b *budget) context(fromMemory bool) context.Context {
	if fromMemory {
		return b.parent
	}
	if b.timed == nil {
		b.timed, b.cancel = context.WithTimeout(b.parent, b.timeout)
	}
	return b.timed
}

// end frees the timer, if there is one.
func (b *budget) end() {
	if b.cancel != nil {
		b.cancel()
	}
}

// observe tells the authority that judged the token, or the first one if none did.
func (v *Verifier) observe(ctx context.Context, p *Principal, err error, began time.Time) {
	a, claims, keyID := v.authorities[0], (*Claims)(nil), ""
	took := a.Now().Sub(began)
	if p != nil {
		a, claims, keyID = p.judge, &p.claims, p.keyID
	}
	if a.Observe != nil {
		tell(a.Observe, ctx, newEvent("verify", err, claims, keyID, took))
	}
}

// Describe says in one line each what is enforced here and what is not; log it at start.
func (v *Verifier) Describe() []string {
	var lines []string
	for _, a := range v.authorities {
		for _, line := range a.describe() {
			lines = append(lines, a.Issuers[0]+" "+line)
		}
	}
	return lines
}

// describe is Describe for one authority.
func (a *authority) describe() []string {
	audience := "none, tokens must carry no aud"
	if !a.NoAudience {
		audience = strings.Join(a.Audiences, ", ")
	}
	return []string{
		"audience: " + audience,
		"type: " + strings.Join(a.Types, ", "),
		"revocation: " + describePort(a.Revocation, ""),
		"sessions: " + describePort(a.Sessions, "none, a token with sid is refused"),
		"epochs: " + describePort(a.Epochs, "none, a token with sv is refused"),
		"one-time use: " + describePort(a.OneTime, "none, a token works until it dies"),
		"admin: " + a.describeAdmin(),
		"cnf: " + describeHook(a.Confirm != nil, "Confirm", "a token with it is refused"),
		fmt.Sprintf("lifetime: at most %v, without jti %v, leeway %v", a.MaxLifetime, min(a.MaxStateless, a.MaxLifetime), a.Leeway),
	}
}

// describeAdmin says what the role admin and the claim admin are worth.
func (a *authority) describeAdmin() string {
	role := "the role decides every scope question"
	if a.NoAdmin {
		role = "the role is dropped"
	}
	return role + ", the claim " + describeHook(a.AdminCheck != nil, "AdminCheck", "is refused")
}

// describePort says who answers for a port.
func describePort(port any, absent string) string {
	switch stance := port.(type) {
	case nil:
		return absent
	case Unenforced:
		return "NOT enforced: " + string(stance)
	case EnforcedElsewhere:
		return "NOT enforced here, but by: " + string(stance)
	case interface{ Describe() string }: // a store that answers less than its port asks says so
		return fmt.Sprintf("enforced by %T, %s", port, stance.Describe())
	}
	return fmt.Sprintf("enforced by %T", port)
}

// describeHook says who answers for a hook.
func describeHook(set bool, name, absent string) string {
	if set {
		return "enforced by " + name
	}
	return absent
}
