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
// What is remembered is the signing input, to be compared whole, and of the signature only a hash under a key of this Verifier's own: a
// dump of its memory is no heap of credentials.
//
// Readers take no lock and write nothing. Writers, which have just checked a signature, share a lock. When the memory is full the next
// slot in a round is emptied, whatever it holds: to keep the most used would be to write on every hit.

// A cache remembers proven tokens, up to a number of bytes. The nil cache remembers nothing.
type cache struct {
	seed    maphash.Seed
	key     [sha256.Size]byte // of the hash of signatures
	buckets []bucket
	limit   int64

	mu   sync.Mutex // guards what follows, and the emptying and filling of slots
	used int64      // bytes
	hand int        // the slot to be emptied next
}

// A bucket is the slots that a token may stand in; each holds one, or none. What their places are is a hint: an entry of another place,
// which is memory elsewhere, need not be looked at. While a slot is filled anew a reader may see the place of the one and the entry of
// the other, and then finds that they are different.
//
// Eight are enough: most slots are empty, since an entry takes as much room as four of them are meant for, and so nine tokens hardly ever
// meet. If they do, they push each other out.
type bucket struct {
	places  [slotsPerBucket]atomic.Uint64
	entries [slotsPerBucket]atomic.Pointer[entry]
}

// An entry is a principal, and what the cache compares before it believes that a token is the one that proved it. They lie together, so
// that there is one place less to look at; who prints a principal does not print the entry around it. It never changes once it is in a slot.
type entry struct {
	input     string            // the signing input, in the memory that also holds the texts of the claims
	signature [sha256.Size]byte // hash of the signature segment
	principal Principal
}

const (
	defaultCacheSize = 16 << 20
	bytesPerSlot     = 512 // a quarter of what an entry usually takes, so that few entries meet in one bucket
	slotsPerBucket   = 8
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
		seed:    maphash.MakeSeed(),
		buckets: make([]bucket, 1<<(bits.Len64(uint64(size/(bytesPerSlot*slotsPerBucket)))-1)),
	}
	c.limit = size - int64(len(c.buckets))*int64(unsafe.Sizeof(bucket{}))
	_, _ = rand.Read(c.key[:]) // never fails
	return c
}

// find returns the principal that exactly this token proved, or nil.
func (c *cache) find(token string) *Principal {
	if c == nil {
		return nil
	}
	dot := signatureDot(token)
	if dot < 0 {
		return nil
	}
	signature := token[dot+1:]
	place := c.place(signature)
	b := c.bucket(place)
	for i := range b.places {
		if b.places[i].Load() != place {
			continue
		}
		if e := b.entries[i].Load(); e != nil && e.input == token[:dot] && e.signature == c.hash(signature) {
			return &e.principal
		}
	}
	return nil
}

// add remembers that a token proved the principal of an entry, which holds the signing input already: a part of the token would hold on to
// its signature. From now on many callers share the principal.
func (c *cache) add(token string, e *entry) {
	dot := signatureDot(token)
	if c == nil || dot < 0 {
		return
	}
	signature := token[dot+1:]
	e.principal.index = newScopeIndex(e.principal.claims.Scopes) // once for all who will ask; nobody else holds it yet
	e.input, e.signature = e.input[:dot], c.hash(signature)
	size := e.size()
	if size > c.limit/16 {
		return
	}
	place := c.place(signature)
	b := c.bucket(place)
	c.mu.Lock()
	defer c.mu.Unlock()
	victim := c.victim(b, place)
	c.empty(b, victim)
	for c.used+size > c.limit {
		c.empty(&c.buckets[c.hand/slotsPerBucket], c.hand%slotsPerBucket)
		c.hand = (c.hand + 1) % (len(c.buckets) * slotsPerBucket)
	}
	b.entries[victim].Store(e)
	b.places[victim].Store(place)
	c.used += size
}

// place returns the hash of a signature, by which its bucket is found. Signatures are as good as random, and shorter than what they sign.
// That a slot holds 64 bits of such a hash tells nobody the signature.
func (c *cache) place(signature string) uint64 { return maphash.Comparable(c.seed, signature) }

// bucket returns the bucket of a place.
func (c *cache) bucket(place uint64) *bucket { return &c.buckets[place&uint64(len(c.buckets)-1)] }

// signatureLengths are those of nearly all signature segments: of EdDSA and ES256, HS256, RSA keys of 2048 bits.
var signatureLengths = [...]int{86, 43, usualSignature}

// signatureDot returns the index of the second dot, behind which the signature stands, or -1. It looks where that usually is, and only
// then for it. Another dot would do as well, should one be there: no signature has one, and what is before it and behind it is compared.
func signatureDot(token string) int {
	for _, n := range signatureLengths {
		if dot := len(token) - n - 1; dot >= 0 && token[dot] == '.' {
			return dot
		}
	}
	first := strings.IndexByte(token, '.')
	second := strings.IndexByte(token[first+1:], '.')
	if first < 0 || second < 0 {
		return -1
	}
	return first + 1 + second
}

// victim returns the slot of a bucket to fill: one that holds the same token already, under a key that is gone, or an empty one, or any.
// The caller holds the lock.
func (c *cache) victim(b *bucket, place uint64) int {
	free := c.hand % slotsPerBucket
	for i := range b.places {
		switch {
		case b.entries[i].Load() == nil:
			free = i
		case b.places[i].Load() == place:
			return i
		}
	}
	return free
}

// empty empties a slot. The caller holds the lock.
func (c *cache) empty(b *bucket, slot int) {
	if e := b.entries[slot].Load(); e != nil {
		b.entries[slot].Store(nil)
		c.used -= e.size()
	}
}

// The signature is put behind the key on the stack. On the heap it would lie about until somebody else needs the room, and once more with
// each hit.
const (
	usualSignature = 342  // characters, of an RSA key of 2048 bits
	mostSignature  = 1366 // of the largest key there is, an RSA key of 8192 bits
)

// hash returns the keyed hash of a signature segment. To clear room for the longest each time would be felt.
func (c *cache) hash(signature string) [sha256.Size]byte {
	if len(signature) > usualSignature {
		return c.hashLong(signature)
	}
	var space [sha256.Size + usualSignature]byte
	return sha256.Sum256(append(append(space[:0], c.key[:]...), signature...))
}

// hashLong is hash for a signature longer than usual.
func (c *cache) hashLong(signature string) [sha256.Size]byte {
	var space [sha256.Size + mostSignature]byte
	return sha256.Sum256(append(append(space[:0], c.key[:]...), signature...))
}

// size returns about how many bytes an entry takes, with all that only it holds. The texts of its claims are parts of the payload, which
// is three quarters of its segment.
func (e *entry) size() int64 {
	p, c := &e.principal, &e.principal.claims
	n := int(unsafe.Sizeof(*e)) + len(e.input) + len(e.input)*3/4
	if texts := len(c.Audience) + len(c.Roles) + len(c.OAuthScopes) + len(c.Caps); texts > len(p.texts) {
		n += 2 * texts * int(unsafe.Sizeof("")) // they lie in one array, which may have grown more than once
	}
	if cap(c.Scopes) > len(p.scopes) {
		n += cap(c.Scopes) * int(unsafe.Sizeof(TokenScope{}))
	}
	if p.index != nil {
		n += len(c.Scopes)*indexOverhead + len(p.index)*mapOverhead // each kind has a map of its own
	}
	if len(c.Extra) > 0 {
		n += mapOverhead
	}
	for name, value := range c.Extra {
		n += extraOverhead + len(name) + len(value)
	}
	return int64(n)
}

// mapOverhead is about what a map takes if there is anything in it, beside what is counted for each thing.
const mapOverhead = 256

// indexOverhead is about what a map takes for one scope.
const indexOverhead = 64

// extraOverhead is about what a map takes for one further member.
const extraOverhead = 128
