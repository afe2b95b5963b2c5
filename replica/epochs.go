package replica

import (
	"sync"
	"sync/atomic"

	"github.com/a74cfa30/tokenauth"
)

// Epochs only ever move forward and never expire. There are as many as subjects that were ever logged out everywhere.

// An epochRow is one subject's own epoch, and which full read has shown it last.
type epochRow struct {
	tokenauth.Epoch
	mark mark
}

// epochs is what is known of all of them. Run's goroutine alone writes, as with graves.
type epochs struct {
	parts    [64]epochPart
	everyone atomic.Pointer[tokenauth.Epoch]
	any      atomic.Bool // there is one at all
}

type epochPart struct {
	mu   sync.RWMutex
	rows map[name]epochRow
	_    [32]byte // to a cache line
}

func newEpochs() *epochs {
	e := &epochs{}
	e.everyone.Store(&tokenauth.Epoch{})
	for i := range e.parts {
		e.parts[i].rows = map[name]epochRow{}
	}
	return e
}

// of returns subject's epoch, merged with Everyone's.
func (e *epochs) of(subject string) tokenauth.Epoch {
	if !e.any.Load() {
		return tokenauth.Epoch{}
	}
	n := nameOf(subject)
	p := e.part(n)
	p.mu.RLock()
	row := p.rows[n]
	p.mu.RUnlock()
	return merge(row.Epoch, *e.everyone.Load())
}

func (e *epochs) part(n name) *epochPart { return &e.parts[n.fold()%64] }

// raise adds an epoch. Of each member the later counts. A full read has shown it only if it showed no less than was known: an epoch that
// has gone back is one that was lost.
func (e *epochs) raise(subject string, epoch tokenauth.Epoch, m mark) {
	n := nameOf(subject)
	p := e.part(n)
	p.mu.Lock()
	old, known := p.rows[n]
	merged := merge(old.Epoch, epoch)
	if known && (merged.MinVersion > epoch.MinVersion || merged.NotBefore.After(epoch.NotBefore)) {
		m = old.mark
	}
	p.rows[n] = epochRow{merged, m}
	p.mu.Unlock()
	if subject == tokenauth.Everyone {
		e.everyone.Store(&merged)
	}
	e.any.Store(true)
}

// merge takes of each member the later.
func merge(a, b tokenauth.Epoch) tokenauth.Epoch {
	a.MinVersion = max(a.MinVersion, b.MinVersion)
	if b.NotBefore.After(a.NotBefore) {
		a.NotBefore = b.NotBefore
	}
	return a
}

// settle is what it is for graves.
func (e *epochs) settle(m mark) (missing int) {
	return e.remark(m.other(), orphan)
}

// forget is what it is for graves.
func (e *epochs) forget(m mark) { e.remark(m, m.other()) }

// remark gives all rows of one mark another, and counts them.
func (e *epochs) remark(from, to mark) (n int) {
	for i := range e.parts {
		p := &e.parts[i]
		p.mu.Lock()
		for name, row := range p.rows {
			if row.mark == from {
				row.mark = to
				p.rows[name] = row
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}

// count says how many there are.
func (e *epochs) count() (n int) {
	for i := range e.parts {
		p := &e.parts[i]
		p.mu.RLock()
		n += len(p.rows)
		p.mu.RUnlock()
	}
	return n
}
