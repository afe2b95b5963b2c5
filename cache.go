package tokenauth

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/maphash"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A token is usually presented many times, and checking its signature costs as much each time. So what passed steps 1 to 7 is
// remembered: successes only, and only what never changes about them. Everything that may change is asked again each time: whether the
// key is still there and the same, the clock, the scope question, and all of step 9. A failure is never remembered, so nothing that
// a stranger sends takes up memory.
//
// An entry holds the signing input, to be compared whole, and of the signature only a hash under a key of this Verifier's own: a dump of
// its memory is no heap of credentials.
//
// Readers take no lock and write nothing. Writers, which have just checked a signature, share a lock. When the memory is full the next
// slot in a round is emptied, whatever it holds: to keep the most used would be to write on every hit.

// A cache remembers proven tokens, up to a number of bytes. The nil cache remembers nothing.
type cache struct {
	seed  maphash.Seed
	key   [sha256.Size]byte // of the hash of signatures
	slots []atomic.Pointer[entry]
	limit int64

	mu   sync.Mutex // guards what follows, and the emptying and filling of slots
	used int64      // bytes
	hand int        // the slot to be emptied next
}

// An entry is one remembered verification. It never changes.
type entry struct {
	place     uint64            // hash of the input; where it differs, the input, which is memory elsewhere, need not be looked at
	input     string            // the signing input, in memory of its own
	signature [sha256.Size]byte // hash of the signature segment
	principal *Principal
	size      int64
}

const (
	defaultCacheSize = 16 << 20
	bytesPerSlot     = 512 // a quarter of what an entry usually takes, so that few entries meet in one bucket
	slotsPerBucket   = 4
	minCacheSize     = bytesPerSlot * slotsPerBucket * 16
)

// newCache returns a cache of about size bytes; 0 is 16 MiB, negative is none.
func newCache(size int64) *cache {
	switch {
	case size < 0:
		return nil
	case size == 0:
		size = defaultCacheSize
	}
	size = max(size, minCacheSize)
	c := &cache{
		seed:  maphash.MakeSeed(),
		slots: make([]atomic.Pointer[entry], 1<<(bits.Len64(uint64(size/bytesPerSlot))-1)),
	}
	c.limit = size - int64(len(c.slots))*int64(unsafe.Sizeof(c.slots[0]))
	_, _ = rand.Read(c.key[:]) // never fails
	return c
}

// place returns the hash of an input, by which its bucket is found.
func (c *cache) place(input string) uint64 { return maphash.Comparable(c.seed, input) }

// bucket returns the slots an input may stand in.
func (c *cache) bucket(place uint64) []atomic.Pointer[entry] {
	at := int(place&uint64(len(c.slots)-1)) &^ (slotsPerBucket - 1)
	return c.slots[at : at+slotsPerBucket]
}

// find returns the principal that exactly this token proved, or nil. The signature is hashed before the input is compared: meanwhile the
// processor waits for the entry, which among many is in none of its caches.
func (c *cache) find(token string) *Principal {
	if c == nil {
		return nil
	}
	dot := signatureDot(token)
	if dot < 0 {
		return nil
	}
	place := c.place(token[:dot])
	bucket := c.bucket(place)
	for i := range bucket {
		if e := bucket[i].Load(); e != nil && e.place == place && c.hash(token[dot+1:]) == e.signature && e.input == token[:dot] {
			return e.principal
		}
	}
	return nil
}

// add remembers that a token proved a principal. From now on many callers share it.
func (c *cache) add(token string, p *Principal) {
	dot := signatureDot(token)
	if c == nil || dot < 0 {
		return
	}
	p.index = newScopeIndex(p.claims.Scopes) // once for all who will ask; nobody else holds p yet
	input := strings.Clone(token[:dot])      // a part of the token would hold on to its signature
	e := &entry{place: c.place(input), input: input, signature: c.hash(token[dot+1:]), principal: p}
	e.size = int64(unsafe.Sizeof(*e)) + int64(len(input)) + p.memory(len(input))
	if e.size > c.limit/16 {
		return
	}
	bucket := c.bucket(e.place)
	c.mu.Lock()
	defer c.mu.Unlock()
	victim := c.victim(bucket, input)
	c.empty(victim)
	for c.used+e.size > c.limit {
		c.empty(&c.slots[c.hand])
		c.hand = (c.hand + 1) & (len(c.slots) - 1)
	}
	victim.Store(e)
	c.used += e.size
}

// signatureDot returns the index of the second dot, behind which the signature stands, or -1. There is no third one in a token that was
// remembered. To look for the last one, from the end, would take longer: nothing does so many bytes at a time.
func signatureDot(token string) int {
	first := strings.IndexByte(token, '.')
	second := strings.IndexByte(token[first+1:], '.')
	if first < 0 || second < 0 {
		return -1
	}
	return first + 1 + second
}

// victim returns the slot of a bucket to fill: one that holds the same input already, under a key that is gone, or an empty one, or
// any. The caller holds the lock.
func (c *cache) victim(bucket []atomic.Pointer[entry], input string) *atomic.Pointer[entry] {
	free := &bucket[c.hand%slotsPerBucket]
	for i := range bucket {
		switch held := bucket[i].Load(); {
		case held == nil:
			free = &bucket[i]
		case held.input == input:
			return &bucket[i]
		}
	}
	return free
}

// empty empties a slot. The caller holds the lock.
func (c *cache) empty(slot *atomic.Pointer[entry]) {
	if e := slot.Load(); e != nil {
		slot.Store(nil)
		c.used -= e.size
	}
}

// hash returns the keyed hash of a signature segment.
func (c *cache) hash(signature string) [sha256.Size]byte {
	var space [1024]byte
	return sha256.Sum256(append(append(space[:0], c.key[:]...), signature...))
}

// memory returns about how many bytes a principal takes, with all that only it holds. Its texts are parts of the payload, which is
// three quarters of the segment.
func (p *Principal) memory(payload int) int64 {
	c := &p.claims
	n := int(unsafe.Sizeof(*p)) + payload*3/4
	if texts := len(c.Audience) + len(c.Roles) + len(c.OAuthScopes) + len(c.Caps); texts > len(p.texts) {
		n += 2 * texts * int(unsafe.Sizeof("")) // they lie in one array, which may have grown more than once
	}
	if cap(c.Scopes) > len(p.scopes) {
		n += cap(c.Scopes) * int(unsafe.Sizeof(TokenScope{}))
	}
	if p.index != nil {
		n += len(c.Scopes) * indexOverhead
	}
	for name, value := range c.Extra {
		n += extraOverhead + len(name) + len(value)
	}
	return int64(n)
}

// indexOverhead is about what a map takes for one scope.
const indexOverhead = 64

// extraOverhead is about what a map takes for one further member.
const extraOverhead = 128
