package tokenauth

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
)

// After a token is minted two things can happen to it before it expires: it is replaced by a successor of the same authority, or it is
// revoked, with all that came of it. Both are asked for by somebody, and who that may be is decided here.
//
// A store's Rotate and Revoke ask nobody: call them from code that has authorized its caller.

// maxGrace is how long a rotated token may live beside its successor.
const maxGrace = 7 * 24 * time.Hour

// maxRotations is how many links of a rotation chain are followed to find whether one token came of another. Beyond that an ancestor has
// no say over what its predecessors minted; an admin, the system and the owner have.
const maxRotations = 64

// Rotate mints a successor with the same authority and lifetime, within the parent's, and lets the old token live for grace. by must be
// the token itself, its predecessor while that is in grace (so that a reply that was lost can be asked for again, on the
// successor), an admin, the system, or an ancestor or the owner's session, whose own authority must cover the whole record. Of two at
// once one wins; the other, and whoever comes later, gets ErrExists. A revoked or expired id is ErrNotFound: ErrRevoked would speak of
// the asker. grace is at most 7 d and what is left, otherwise ErrInvalidRequest.
//
// Asked by the token itself or its predecessor, the successor says all that the token says. Asked by another, it says what the
// record knows: subject, roles, scopes, client. What only the token knew is lost, be it more (capabilities) or less (a session, a key
// it was bound to, an actor), and its audience is the asker's or the profile's. So an admin and the system, who may mint anything,
// should rotate for others only what they would mint anew.
//
// Each successor may live as long as the first token did, so a token that rotates itself in time lives until it is revoked.
//
// If it fails after the store has rotated, the old token lives out its grace, and may ask again on the successor.
func (i *Issuer) Rotate(ctx context.Context, by Authority, id string, grace time.Duration) (Issued, error) {
	began := i.cfg.Now()
	issued, err := i.tryRotate(ctx, by, id, grace, began)
	about := issued
	if err != nil {
		about = asked(id, "")
	}
	i.tell(ctx, "rotate", by, err, about, 0, began)
	return issued, err
}

// asked is what an observer is told that a call was about, as far as these can be an id and a subject, and no lines of a log.
func asked(id, subject string) Issued {
	c := &Claims{}
	if CheckID("id", id) == nil && !strings.ContainsFunc(id, unicode.IsControl) {
		c.ID = id
	}
	if CheckSubject("subject", subject) == nil && !strings.ContainsFunc(subject, unicode.IsControl) {
		c.Subject = subject
	}
	return Issued{Claims: c}
}

// tryRotate is Rotate, unobserved. It keeps the order of mint: create, look again, sign.
func (i *Issuer) tryRotate(ctx context.Context, by Authority, id string, grace time.Duration, now time.Time) (Issued, error) {
	a, err := i.asker(by)
	if err != nil {
		return Issued{}, err
	}
	if i.cfg.Tokens == nil {
		return Issued{}, errNoTokens
	}
	b := &budget{parent: ctx, timeout: i.cfg.StoreTimeout}
	defer b.end()
	r, err := i.planRotation(b, a, id, now)
	if err != nil {
		return Issued{}, err
	}
	if grace < 0 || grace > maxGrace || grace > r.old.ExpiresAt.Sub(now) {
		return Issued{}, invalid("grace: not between 0 and 7 d, or longer than the token lives")
	}
	if err := i.stamp(b, r.claims, a); err != nil {
		return Issued{}, err
	}
	d := draft{signer: i.signer.Load()}
	if err := i.write(b, &d, r.claims, now); err != nil {
		return Issued{}, err
	}
	successor := r.successor(a)
	if err := successor.Validate(); err != nil {
		return Issued{}, err
	}
	// Create.
	err = i.cfg.Tokens.Rotate(b.context(i.memory.revocation), id, wholeSecond(now).Add(grace), successor)
	if err != nil {
		switch err = storeError(err, ErrNotFound); {
		case err == ErrRevoked && !r.self:
			err = ErrNotFound
		case err == ErrExists:
			err = errRotated
		}
		return Issued{}, err
	}
	// Look again.
	if err := i.judgeRotation(b, a, r, successor.ID); err != nil {
		return Issued{}, err
	}
	// Sign.
	return d.sign(r.claims, successor)
}

// errRotated is what whoever comes second is told.
var errRotated = ErrExists.(*reason).with("it was rotated already, and may be again at its successor")

// A rotation is one token on its way to a successor.
type rotation struct {
	old    *StoredAccessToken
	claims *Claims // of the successor
	self   bool    // the token itself asks, or its predecessor
}

// planRotation looks at the record and at the asker, and says what the successor will say.
func (i *Issuer) planRotation(b *budget, a *asker, id string, now time.Time) (*rotation, error) {
	old, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), id)
	if err != nil {
		return nil, storeError(err, ErrNotFound)
	}
	r := &rotation{old: old}
	if r.self, err = i.isSelf(b, a, old); err != nil {
		return nil, err
	}
	if err := i.judgeAsker(b, a); err != nil {
		return nil, err
	}
	if r.self {
		r.claims = a.claims.Clone()
	} else {
		r.claims = i.claimsOf(old, a)
	}
	if err := i.mayRotate(b, a, r); err != nil {
		return nil, err
	}
	switch {
	case !old.RevokedAt.IsZero() && r.self:
		return nil, ErrRevoked
	case !old.RevokedAt.IsZero() || !now.Before(old.ExpiresAt):
		return nil, ErrNotFound
	case old.SuccessorID != "":
		return nil, errRotated
	}
	if !r.self {
		if err := i.checkOldEpoch(b, old); err != nil {
			return nil, err
		}
	}
	return r, i.fillSuccessor(b, r, now)
}

// checkOldEpoch refuses to bring back a token that died with all its subject's. The record knows when it was created and not its sv, so
// that a subject whose version alone moved is not found out.
func (i *Issuer) checkOldEpoch(b *budget, old *StoredAccessToken) error {
	if !isStore(i.cfg.Epochs) {
		return nil
	}
	epoch, err := i.cfg.Epochs.Epoch(b.context(i.memory.epochs), old.Subject)
	switch {
	case err != nil:
		return reasonEpochsDown.because(err)
	case !epoch.NotBefore.IsZero() && !old.CreatedAt.After(epoch.NotBefore):
		return ErrNotFound
	}
	return nil
}

// isSelf says whether the asker's token is the one of the record, or became it by rotation.
func (i *Issuer) isSelf(b *budget, a *asker, t *StoredAccessToken) (bool, error) {
	if a.claims == nil || a.claims.ID == "" {
		return false, nil
	}
	if a.claims.ID == t.ID {
		return true, nil
	}
	return i.becomes(b, a.claims.ID, t)
}

// becomes says whether the token id became t by rotation.
func (i *Issuer) becomes(b *budget, id string, t *StoredAccessToken) (bool, error) {
	for range maxRotations {
		record, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), id)
		switch err = storeErrorOrNil(err); {
		case err == ErrNotFound:
			return false, nil
		case err != nil:
			return false, err
		case record.SuccessorID == "" || record.RootID != t.RootID:
			return false, nil
		case record.SuccessorID == t.ID:
			return true, nil
		}
		id = record.SuccessorID
	}
	return false, nil
}

// storeErrorOrNil is storeError for a Get whose success is as good as its ErrNotFound.
func storeErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return storeError(err, ErrNotFound)
}

// mayRotate says whether the asker may have the successor: it holds the token itself, or could have minted all of it.
func (i *Issuer) mayRotate(b *budget, a *asker, r *rotation) error {
	if r.self || a.free {
		return nil
	}
	owner, err := i.ownerOf(b, a)
	if err != nil {
		return err
	}
	// A token that acts for itself keeps its subject through every rotation, so that this names the first of them.
	first, actsForItself := strings.CutPrefix(r.old.Subject, tokenSubject(""))
	if r.old.Owner != owner || r.old.Subject != a.claims.Subject && !actsForItself {
		return reasonNotYours
	}
	if !a.session {
		// The successor is taken for the old one, at its place in the family. In the hands of a brother, or of a token without record, it
		// would live on when its new holder and all above that are revoked.
		if above, err := i.descends(b, a.claims.ID, r.old); err != nil {
			return err
		} else if !above {
			return reasonNotYours
		}
	}
	wish := r.claims.Clone()
	wish.ID = first // whose own subject is no other's
	if err := attenuate(a.claims, wish, a.session, i.cfg.PrivilegedRoles, i.cfg.KnownClaims); err != nil {
		return err
	}
	if a.session {
		for _, s := range r.claims.Scopes {
			if err := i.mayGrant(b, a, s); err != nil {
				return err
			}
		}
	}
	*r.claims = *wish
	return nil
}

// ownerOf returns whose tokens the asker's are.
func (i *Issuer) ownerOf(b *budget, a *asker) (string, error) {
	if !a.isParent() {
		return a.claims.Subject, nil
	}
	record, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), a.claims.ID)
	if err != nil {
		return "", storeError(err, ErrRevoked)
	}
	return record.Owner, nil
}

// claimsOf returns what a record knows of its token.
func (i *Issuer) claimsOf(t *StoredAccessToken, a *asker) *Claims {
	c := &Claims{
		Issuer: i.cfg.Issuers[0], Subject: t.Subject, Roles: slices.Clone(t.Roles), Scopes: slices.Clone(t.Scopes), ClientID: t.ClientID,
	}
	if node, ok := strings.CutPrefix(t.Subject, "node:"); ok && c.HasRole(RoleNode) {
		c.NodeID = node
	}
	// The audience was checked at minting; an asker that has fewer gets fewer.
	_ = i.fillAudience(c, a)
	return c
}

// fillSuccessor gives the successor its id and times: as long a life as the old token had, within the parent's and so within that of
// every ancestor.
func (i *Issuer) fillSuccessor(b *budget, r *rotation, now time.Time) error {
	c, old := r.claims, r.old
	now = wholeSecond(now)
	c.ID = newID()
	if old.Subject == tokenSubject(old.ID) {
		// The subject of a token that acts for itself stays what it was: it is what others know it by.
		c.Subject = old.Subject
	}
	c.IssuedAt = now
	c.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
	if old.ParentID != "" {
		parent, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), old.ParentID)
		if err != nil {
			return storeError(err, ErrNotFound)
		}
		c.ExpiresAt = earlier(c.ExpiresAt, parent.ExpiresAt)
	}
	return nil
}

// successor returns the record of the new token: of the old one's family, at the old one's place in it.
func (r *rotation) successor(a *asker) *StoredAccessToken {
	c, old := r.claims, r.old
	t := newRecord(c.ID, old.Name, c.Subject, c.Roles, c.Scopes, c.IssuedAt, c.ExpiresAt, a.name())
	t.ParentID, t.RootID, t.Owner, t.Depth = old.ParentID, old.RootID, old.Owner, old.Depth
	t.ClientID, t.SessionID = c.ClientID, old.SessionID
	if !r.self && !a.free {
		t.SessionID = orDefault(a.claims.SessionID, old.SessionID) // it ends with the session that asked for it
	}
	return t
}

// judgeRotation is the second look: at the successor, which a Revoke of any member of its chain reaches, and at the asker. An asker that
// has just been retired by its own rotation is looked at by its session and epoch alone: its record is of the same chain.
func (i *Issuer) judgeRotation(b *budget, a *asker, r *rotation, successorID string) error {
	revoked, err := i.cfg.Tokens.IsRevoked(b.context(i.memory.revocation), successorID)
	switch {
	case err != nil:
		return reasonTokensDown.because(err)
	case revoked && r.self:
		return ErrRevoked
	case revoked:
		return ErrNotFound
	case r.self:
		return i.judgeStanding(b, a.claims)
	}
	return i.judgeAsker(b, a)
}

// Revoke revokes a token and its descendants, as of now, and says how many. by must be an admin, the system, an ancestor, the token
// itself, a person's session of the owner, creator or subject, or hold token:{id}:write (which never allows rotating). Any but the
// token itself must be alive. The error wraps
// ErrNotFound, ErrForbidden, or ErrUnavailable: the token is then to be assumed alive, and Revoke to be called again.
//
// It takes as long as ctx allows, not StoreTimeout: a family may be large.
func (i *Issuer) Revoke(ctx context.Context, by Authority, id, reason string) (int, error) {
	began := i.cfg.Now()
	n, err := i.tryRevoke(ctx, by, id, reason)
	i.tell(ctx, "revoke", by, err, asked(id, ""), n, began)
	return n, err
}

// tryRevoke is Revoke, unobserved.
func (i *Issuer) tryRevoke(ctx context.Context, by Authority, id, reason string) (int, error) {
	a, err := i.asker(by)
	if err != nil {
		return 0, err
	}
	if i.cfg.Tokens == nil {
		return 0, errNoTokens
	}
	b := &budget{parent: ctx, timeout: i.cfg.StoreTimeout}
	defer b.end()
	t, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), id)
	if err != nil {
		return 0, storeError(err, ErrNotFound)
	}
	if a.claims != nil && a.claims.ID != id { // a dead token may still be ended for good by its holder
		if err := i.judgeAsker(b, a); err != nil {
			return 0, err
		}
	}
	if may, err := i.mayRevoke(b, a, t); err != nil {
		return 0, err
	} else if !may {
		return 0, reasonNotYours
	}
	n, err := i.cfg.Tokens.Revoke(ctx, id, i.revocation(a, reason))
	if err != nil {
		return n, storeError(err, ErrNotFound)
	}
	return n, nil
}

// RevokeToken ends a token for good, with its predecessors and successors by rotation and all that came of them, and says how many it
// newly ended: whoever holds a token may do that, as with POST /revoke of RFC 7009. Askers proves the token, but for its dates, and
// nobody is asked whether it lives: what is retired, expired, or was of a session that has ended may have successors and children that
// live, of a thief perhaps. A cnf is not confirmed and a one-time token not used up, so that whoever finds a token can end it too, and
// nothing else. No Principal comes of this.
//
// The error wraps what a Verifier says of a token it cannot prove; ErrForbidden for one of another authority; ErrInvalidRequest for one
// without jti and ErrNotFound for one without record, which live on wherever nobody asks the store; or ErrUnavailable. Whatever the
// error, the token is to be assumed alive. Where there is no jti or record and no leeway admits the token any more, it is 0 and nil.
//
// It takes as long as ctx allows, not StoreTimeout: a family may be large.
func (i *Issuer) RevokeToken(ctx context.Context, token, reason string) (int, error) {
	began := i.cfg.Now()
	p, err := i.prove(ctx, token)
	n := 0
	if err == nil {
		n, err = i.tryRevokeToken(ctx, p, reason, began)
	}
	var revoked Issued
	if err == nil {
		revoked.Claims = &Claims{ID: p.TokenID()}
	}
	i.tell(ctx, "revoke", p, err, revoked, n, began)
	return n, err
}

// prove returns who the token is proven to be of, at whatever time: steps 1 to 7 of Askers without the clock, and without step 9.
func (i *Issuer) prove(ctx context.Context, token string) (*Principal, error) {
	if i.cfg.Askers == nil {
		return nil, errNoAskers
	}
	// No scope answers the empty question, nor does an admin: judge ends at step 8, before anybody is asked whether the token lives.
	p, err := i.cfg.Askers.judge(ctx, token, &question{}, keep)
	switch {
	case errors.Is(err, reasonQuestion):
		return p, nil
	case !errors.Is(err, ErrExpired) && !errors.Is(err, ErrNotYetValid):
		return nil, err
	}
	// The clock is looked at first, so that what else the claims must hold is still to be seen.
	if err := p.judge.checkNames(&p.claims, p.typ); err != nil {
		return nil, err
	}
	if err := p.judge.checkDomain(&p.claims); err != nil {
		return nil, err
	}
	return p, nil
}

// tryRevokeToken is RevokeToken of a token that is proven, unobserved.
func (i *Issuer) tryRevokeToken(ctx context.Context, p *Principal, reason string, now time.Time) (int, error) {
	a, err := i.asker(p)
	switch {
	case err != nil:
		return 0, err
	case i.cfg.Tokens == nil:
		return 0, errNoTokens
	}
	id, over := a.claims.ID, a.claims.ExpiredAt(now.Add(-mostLeeway))
	if id == "" {
		if over {
			return 0, nil
		}
		return 0, invalid("token: it has no jti, so that nothing can end it")
	}
	n, err := i.cfg.Tokens.Revoke(ctx, id, i.revocation(a, reason))
	if err == nil {
		return n, nil
	}
	if err = storeError(err, ErrNotFound); err == ErrNotFound && over {
		return 0, nil
	}
	return n, err
}

// revocation is what is written beside each record.
func (i *Issuer) revocation(a *asker, reason string) Revocation {
	return Revocation{At: i.cfg.Now().UTC(), By: a.name(), Reason: reason}
}

// mayRevoke says whether the asker may revoke t. Ending something is allowed to more than starting it: whoever holds a token may
// end it and all it made.
func (i *Issuer) mayRevoke(b *budget, a *asker, t *StoredAccessToken) (bool, error) {
	switch {
	case a.free:
		return true, nil
	case a.session && slices.Contains([]string{t.Owner, t.CreatedBy, t.Subject}, a.claims.Subject):
		return true, nil
	case a.claims.Satisfies("token", t.ID, LevelWrite):
		return true, nil
	}
	return i.descends(b, a.claims.ID, t)
}

// descends says whether t is the token id, came of it by rotation, or has such a one above it.
func (i *Issuer) descends(b *budget, id string, t *StoredAccessToken) (bool, error) {
	if id == "" {
		return false, nil
	}
	for range maxDepth + 1 {
		if t.ID == id {
			return true, nil
		}
		if same, err := i.becomes(b, id, t); same || err != nil {
			return same, err
		}
		if same, err := i.becomes(b, t.ID, &StoredAccessToken{ID: id, RootID: t.RootID}); same || err != nil {
			return same, err
		}
		if t.ParentID == "" {
			return false, nil
		}
		parent, err := i.cfg.Tokens.Get(b.context(i.memory.revocation), t.ParentID)
		if err != nil {
			return false, storeError(err, ErrNotFound)
		}
		t = parent
	}
	return false, nil
}

// RevokeAll revokes every recorded token the filter selects by Subject, Owner, CreatedBy or SessionID, with all their descendants, and
// says how many. by must be an admin, the system or a person's session of the Owner or Subject named. It takes as long as ctx allows.
func (i *Issuer) RevokeAll(ctx context.Context, by Authority, f TokenFilter, reason string) (int, error) {
	began := i.cfg.Now()
	n, err := i.tryRevokeAll(ctx, by, f, reason)
	i.tell(ctx, "revoke", by, err, asked("", cmp.Or(f.Owner, f.Subject)), n, began)
	return n, err
}

// tryRevokeAll is RevokeAll, unobserved.
func (i *Issuer) tryRevokeAll(ctx context.Context, by Authority, f TokenFilter, reason string) (int, error) {
	a, err := i.asker(by)
	switch {
	case err != nil:
		return 0, err
	case i.cfg.Tokens == nil:
		return 0, errNoTokens
	case !a.free && (!a.session || f.Owner != a.claims.Subject && f.Subject != a.claims.Subject):
		return 0, reasonNotYours
	}
	if err := f.CheckRevokeAll(); err != nil {
		return 0, err
	}
	b := &budget{parent: ctx, timeout: i.cfg.StoreTimeout}
	defer b.end()
	if err := i.judgeAsker(b, a); err != nil {
		return 0, err
	}
	n, err := i.cfg.Tokens.RevokeAll(ctx, f, i.revocation(a, reason))
	if err != nil {
		return n, storeError(err, ErrNotFound)
	}
	return n, nil
}
