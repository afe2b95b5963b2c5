package tokenapi

import (
	"context"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// How many live tokens an owner may have. No store counts for us, so it is counted before a token is made and again after: of those who
// make one at once, on whatever machine, each sees in the second count all that were made before its own, so that whoever makes
// one too many finds out and takes it back. Within one process they take turns, or a crowd that starts at once would see each
// other and all go away with nothing.
//
// How many records. A record stays until its token expires, however soon that is revoked or rotated, so that whoever does nothing else
// would fill the store. There are too many of them to be counted each time: a count is good for as many new ones as there is room for,
// but for a tenth of the bound at most, since others make some meanwhile.

// A queue lets one at a time through, for each owner. It knows those who wait or are served, and nobody else.
type queue struct {
	mu    sync.Mutex
	turns map[string]*turn
}

// A turn is one owner's.
type turn struct {
	taken chan struct{} // holds one while it is somebody's turn
	users int           // who wait or are served; guarded by the queue's mutex
}

func newQueue() *queue { return &queue{turns: map[string]*turn{}} }

// wait returns when it is the owner's turn, and what ends it; or the store is so slow that it does not come in time.
func (q *queue) wait(ctx context.Context, owner string) (end func(), err error) {
	t := q.join(owner)
	select {
	case t.taken <- struct{}{}:
		return func() { <-t.taken; q.leave(owner, t) }, nil
	case <-ctx.Done():
		q.leave(owner, t)
		return nil, errStoreDown
	}
}

func (q *queue) join(owner string) *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.turns[owner]
	if t == nil {
		t = &turn{taken: make(chan struct{}, 1)}
		q.turns[owner] = t
	}
	t.users++
	return t
}

func (q *queue) leave(owner string, t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(q.turns, owner)
	}
}

// issueInTurn makes a token, if its owner has room for it.
func (a *API) issueInTurn(ctx context.Context, owner string, request tokenauth.TokenRequest) (tokenauth.Issued, error) {
	end, err := a.queue.wait(ctx, owner)
	if err != nil {
		return tokenauth.Issued{}, err
	}
	defer end()
	if err := a.checkRoom(ctx, owner, a.cfg.MaxLive-1); err != nil {
		return tokenauth.Issued{}, err
	}
	if err := a.checkRecords(ctx, owner); err != nil {
		return tokenauth.Issued{}, err
	}
	issued, err := a.cfg.Issuer.Issue(ctx, request)
	if err != nil {
		return tokenauth.Issued{}, err
	}
	if err := a.checkRoom(ctx, owner, a.cfg.MaxLive); err != nil {
		if a.takeBack(ctx, issued.Record.ID) != nil {
			err = errStoreDown
		}
		return tokenauth.Issued{}, err
	}
	return issued, nil
}

// rotateInTurn makes a successor. It takes the place of the old one, but for the grace, in which there are two. There is no second
// count: taking back a successor would end its whole family.
func (a *API) rotateInTurn(
	ctx context.Context, t *tokenauth.StoredAccessToken, by tokenauth.Authority, grace time.Duration,
) (tokenauth.Issued, error) {
	if grace > 0 {
		end, err := a.queue.wait(ctx, t.Owner)
		if err != nil {
			return tokenauth.Issued{}, err
		}
		defer end()
		if err := a.checkRoom(ctx, t.Owner, a.cfg.MaxLive); err != nil {
			return tokenauth.Issued{}, err
		}
	}
	if err := a.checkRecords(ctx, t.Owner); err != nil {
		return tokenauth.Issued{}, err
	}
	return a.cfg.Issuer.Rotate(ctx, by, t.ID, grace)
}

// checkRoom says whether the owner has at most so many live tokens.
func (a *API) checkRoom(ctx context.Context, owner string, most int) error {
	live := 0
	for _, err := range a.cfg.Tokens.List(ctx, tokenauth.TokenFilter{Owner: owner, ActiveAt: a.cfg.Now(), Limit: most + 1}) {
		if err != nil {
			return errStoreDown
		}
		if live++; live > most {
			return errTooMany
		}
	}
	return nil
}

// A tally says for how many records more the last count of an owner's is good. It has a place for a fixed number of owners, found by a
// hash that nobody outside can compute. Of two that share one the later takes it, and the other is counted again: room that one has is
// not the other's.
type tally struct {
	seed   maphash.Seed
	places [slots]place
}

// A place holds the last count there. The zero place has room for nobody, so that the first is counted.
type place struct {
	mu    sync.Mutex
	owner uint64 // its hash
	left  int
}

func newTally() *tally { return &tally{seed: maphash.MakeSeed()} }

// take takes room for one record, if the last count was this owner's and leaves some.
func (p *place) take(owner uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner != owner || p.left == 0 {
		return false
	}
	p.left--
	return true
}

// note keeps a count.
func (p *place) note(owner uint64, left int) {
	p.mu.Lock()
	p.owner, p.left = owner, left
	p.mu.Unlock()
}

// checkRecords says whether the owner has room for one record more, and takes it.
func (a *API) checkRecords(ctx context.Context, owner string) error {
	hash := maphash.String(a.tally.seed, owner)
	place := &a.tally.places[hash%slots]
	if place.take(hash) {
		return nil
	}
	now, room := a.cfg.Now(), a.cfg.MaxRecords
	for t, err := range a.cfg.Tokens.List(ctx, tokenauth.TokenFilter{Owner: owner}) {
		if err != nil {
			return errStoreDown
		}
		if !now.Before(t.ExpiresAt) {
			continue // whether it is still there is the service's to say
		}
		if room--; room <= 0 {
			return errTooManyRecords
		}
	}
	place.note(hash, max(0, min(room, a.cfg.MaxRecords/10)-1))
	return nil
}

// takeBack revokes a token that nobody was told, even if the caller has gone away.
func (a *API) takeBack(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.Timeout)
	defer cancel()
	_, err := a.cfg.Issuer.Revoke(ctx, tokenauth.SystemAuthority("tokenapi"), id, "its owner has as many live tokens as it may")
	return err
}

// Refusals of this file.
var (
	errTooMany = &problem{
		status: http.StatusConflict, code: "too_many_tokens",
		message: "The owner has as many live tokens as it may. Revoke one first.",
	}
	errTooManyRecords = &problem{
		status: http.StatusConflict, code: "too_many_records",
		message: "The owner has as many tokens that have not expired, revoked and rotated ones included, as it may. Wait until one expires.",
	}
)
