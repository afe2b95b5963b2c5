package replica

import (
	"sync"
	"sync/atomic"
)

// What the source has called live, for Config.HoldLive: a bounded memory, and one that may forget. It answers nothing by itself: what is
// dead is dead, whatever stands here.

// living is the ids and the sessions that live.
type living struct{ tokens, sessions liveNames }

// liveNames are those of one kind.
type liveNames struct {
	parts [64]livePart
	most  int           // of one part
	reads atomic.Uint64 // how often everything was forgotten
}

type livePart struct {
	mu    sync.RWMutex
	names map[name]struct{}
	_     [32]byte // to a cache line
}

func newLiving(most int) *living {
	l := &living{}
	for _, names := range []*liveNames{&l.tokens, &l.sessions} {
		names.most = max(1, most/len(names.parts))
		for i := range names.parts {
			names.parts[i].names = map[name]struct{}{}
		}
	}
	return l
}

func (l *liveNames) of(n name) *livePart { return &l.parts[n.fold()%64] }

// has says whether a name is remembered.
func (l *liveNames) has(n name) bool {
	p := l.of(n)
	p.mu.RLock()
	_, has := p.names[n]
	p.mu.RUnlock()
	return has
}

// add remembers a name, in the place of any other if there is no room. asked is what reads was before the source was asked: if everything
// was read anew since, the answer is of the time before.
func (l *liveNames) add(n name, asked uint64) {
	p := l.of(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.reads.Load() != asked {
		return
	}
	if len(p.names) >= l.most {
		for other := range p.names {
			delete(p.names, other)
			break
		}
	}
	p.names[n] = struct{}{}
}

// remove forgets a name.
func (l *liveNames) remove(n name) {
	if !l.has(n) {
		return
	}
	p := l.of(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.names, n)
}

// clear forgets all names.
func (l *liveNames) clear() {
	l.reads.Add(1)
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.Lock()
		clear(p.names)
		p.mu.Unlock()
	}
}

// count says how many are remembered.
func (l *liveNames) count() (n int) {
	for i := range l.parts {
		p := &l.parts[i]
		p.mu.RLock()
		n += len(p.names)
		p.mu.RUnlock()
	}
	return n
}
