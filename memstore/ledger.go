package memstore

import (
	"cmp"
	"strings"
	"time"
)

// A ledger remembers names until a moment each: sessions, those that were ended before their time, and the keys of one-time tokens.
// What is over is dropped by those who write, a little with each write, so that a ledger is about as large as what it has to remember
// and nobody has to sweep it.
type ledger struct {
	entries map[name]*entry
	byName  ordered[*entry] // what is one subject's lies together
	byUntil ordered[*entry] // what is over first lies first
}

// A name is a session's, or a one-time key without subject.
type name struct{ subject, id string }

func (n name) compare(m name) int {
	return cmp.Or(strings.Compare(n.subject, m.subject), strings.Compare(n.id, m.id))
}

// An entry is a name and how long it is remembered. It never changes.
type entry struct {
	name
	until time.Time
	from  time.Time // of a session that was ended before its time: when; zero: already
	death *death    // of such a session
}

func newLedger() ledger {
	return ledger{
		entries: map[name]*entry{},
		byName:  ordered[*entry]{compare: func(a, b *entry) int { return a.compare(b.name) }},
		byUntil: ordered[*entry]{compare: func(a, b *entry) int { return cmp.Or(a.until.Compare(b.until), a.compare(b.name)) }},
	}
}

// put remembers e instead of what was remembered by its name.
func (l *ledger) put(e *entry) {
	l.drop(e.name)
	l.entries[e.name] = e
	l.byName.insert(e)
	l.byUntil.insert(e)
}

// drop forgets the name and says whether it was there.
func (l *ledger) drop(n name) bool {
	e := l.entries[n]
	if e == nil {
		return false
	}
	delete(l.entries, n)
	l.byName.remove(e)
	l.byUntil.remove(e)
	return true
}

// prune drops up to two entries that are over at now, and returns them. One write adds one, so two are enough to catch up.
func (l *ledger) prune(now time.Time) (over []*entry) {
	for range 2 {
		e, ok := l.byUntil.first()
		if !ok || now.Before(e.until) {
			break
		}
		l.drop(e.name)
		over = append(over, e)
	}
	return over
}
