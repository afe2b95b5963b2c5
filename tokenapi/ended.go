package tokenapi

import (
	"crypto/sha256"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// Whoever holds a token may end it without any other credential, also when it is dead, and a store that is asked walks the whole family each
// time. So for a while it is remembered which tokens were ended, by a hash of each. What is dead stays dead: the answer is right for as long.
const (
	endings       = 1 << 10
	endingsRemain = 5 * time.Second
)

// An endingList remembers. Tokens share a place by a hash that nobody outside can compute, and the later one takes it.
type endingList struct {
	seed   maphash.Seed
	places [endings]atomic.Pointer[ending]
}

// An ending says which token was ended, and when.
type ending struct {
	token [sha256.Size]byte
	at    time.Time
}

func newEndingList() *endingList { return &endingList{seed: maphash.MakeSeed()} }

func (l *endingList) place(token string) *atomic.Pointer[ending] {
	return &l.places[maphash.String(l.seed, token)%endings]
}

// add notes that a token was ended with all its family.
func (l *endingList) add(token string, now time.Time) {
	l.place(token).Store(&ending{sha256.Sum256([]byte(token)), now})
}

// knows says whether that was so a moment ago. What was written before the clock was set back does not count.
func (l *endingList) knows(token string, now time.Time) bool {
	e := l.place(token).Load()
	if e == nil {
		return false
	}
	passed := now.Sub(e.at)
	return passed >= 0 && passed < endingsRemain && e.token == sha256.Sum256([]byte(token))
}
