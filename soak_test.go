package tokenauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testkit"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A service runs for months, and in each second somebody mints, somebody revokes, tokens expire, keys rotate and strangers send
// garbage, all at once. The soak is that second, again and again: 64 goroutines do all of it to one issuer, one verifier and one
// store, and hold every answer against what they know about the token. Whoever asks while a revocation is under way may get either
// answer; whoever asks after Revoke returned may get one only.
//
// In the ordinary tests it takes moments; `make soak` gives it ten minutes and the race detector.

var soakTime = flag.Duration("soak", 2*time.Second, "how long TestSoak runs")

// The service's clock goes by what is done and not by what time it is, so that a slow machine sees the same mixture as a fast one:
// about half of the tokens that are sent are good.
const (
	soakers  = 64
	soakPool = 1024                   // tokens that are sent again and again
	soakLife = 30 * time.Minute       // of a token, at most
	soakTick = 130 * time.Millisecond // how long one step takes by that clock
	soakKeys = 3                      // that verify at one time; each signs half as many tokens as there are in the pool
	soakHeap = 64 << 20               // bytes that the heap may grow by
)

func TestSoak(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	s := newSoak(t)
	var working sync.WaitGroup
	for i := range soakers {
		working.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 6))
			for !s.isOver() && !t.Failed() {
				s.step(r)
			}
		})
	}
	<-time.After(*soakTime / 4) // by now there is as much of everything as there will be
	early := testkit.HeapInUse()
	working.Wait()

	late := testkit.HeapInUse()
	t.Logf("in %v: %s; heap %d KiB, a quarter in %d KiB", *soakTime, s.counts(), late>>10, early>>10)
	require.Less(t, late, early+soakHeap, "the heap grows")
	for i := 0; i < 1000 && runtime.NumGoroutine() > goroutines; i++ {
		runtime.Gosched()
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "goroutines are left")
	require.True(t, s.sawAll(), "the soak shows less than it says")
}

// A soak is one service and what is known about its tokens.
type soak struct {
	t        *testing.T
	began    time.Time    // by the machine's clock
	clock    atomic.Int64 // nanoseconds since noon
	store    *memstore.Store
	issuer   *tokenauth.Issuer
	verifier *tokenauth.Verifier
	ring     *tokenauth.KeyRing

	pool  [soakPool]atomic.Pointer[soakToken]
	count [len(soakKinds)]atomic.Int64

	rotating sync.Mutex
	keys     []*soakKey // oldest first
	byID     sync.Map   // id of a key: *soakKey
}

// What is counted.
var soakKinds = [...]string{"accepted", "expired", "revoked", "of a dropped key", "garbage", "minted", "revocations", "rotations", "records forgotten"}

const (
	soakAccepted = iota
	soakExpired
	soakRevoked
	soakKeyGone
	soakGarbage
	soakMinted
	soakRevocations
	soakRotations
	soakForgotten
)

// A stage is how far a change has come that takes effect at some moment between its begin and its end.
type stage struct{ begun, done atomic.Bool }

// around makes the change.
func (s *stage) around(change func()) {
	s.begun.Store(true)
	change()
	s.done.Store(true)
}

func (s *stage) hasBegun() bool { return s.begun.Load() }
func (s *stage) isDone() bool   { return s.done.Load() }

type soakKey struct {
	tokenauth.SigningKey
	dropped stage
}

type soakToken struct {
	text    string
	claims  *tokenauth.Claims
	key     *soakKey
	taken   atomic.Bool // somebody revokes it
	revoked stage
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, began: time.Now()}
	s.store = memstore.New(memstore.Config{Now: s.now})
	profile := profileOfTests()
	first := s.newKey("HS256")
	s.keys = []*soakKey{first}
	var err error
	s.ring, err = tokenauth.NewKeyRing(first.VerifyingKey())
	require.NoError(t, err)
	s.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: first.SigningKey, Tokens: s.store, Now: s.now})
	require.NoError(t, err)
	s.verifier = newVerifier(t, tokenauth.VerifierConfig{Profile: profile, Keys: s.ring, Revocation: s.store, Now: s.now})
	for i := range s.pool {
		s.mint(i, time.Second+soakLife*time.Duration(i)/soakPool)
	}
	return s
}

// now is the service's clock.
func (s *soak) now() time.Time { return noon.Add(time.Duration(s.clock.Load())) }

// isOver says whether the time is up. On a machine that is busy with other things it takes longer to see everything once.
func (s *soak) isOver() bool {
	beyond := time.Since(s.began) - *soakTime
	return beyond > time.Minute || beyond > 0 && s.sawAll()
}

// sawAll says whether everything happened at least once.
func (s *soak) sawAll() bool {
	for kind := range s.count {
		if s.count[kind].Load() == 0 {
			return false
		}
	}
	return true
}

// step does one thing, and most often it asks the verifier.
func (s *soak) step(r *rand.Rand) {
	s.clock.Add(int64(soakTick))
	token := s.pool[r.IntN(soakPool)].Load()
	switch n := r.IntN(200); {
	case n < 1:
		s.forget()
	case n < 7:
		s.revoke(token)
	case n < 37:
		s.mint(r.IntN(soakPool), time.Second+time.Duration(r.Int64N(int64(soakLife))))
		s.rotate(r)
	case n < 67:
		s.askGarbage(r, token)
	default:
		s.ask(token)
	}
}

// ask sends a token and fails the test if the answer is none of those that are right.
func (s *soak) ask(token *soakToken) {
	certain := token.fate(s.now(), (*stage).isDone)
	p, err := s.verifier.Verify(context.Background(), token.text)
	possible := token.fate(s.now(), (*stage).hasBegun)
	for _, right := range rightAnswers(certain, possible) {
		if right == nil && err == nil && p.TokenID() == token.claims.ID || right != nil && errors.Is(err, right) && p == nil {
			s.countAnswer(err)
			return
		}
	}
	s.t.Errorf("wrong answer: got %v (%v), before the call %+v, after it %+v", err, p, certain, possible)
}

// A fate is what has become of a token.
type fate struct{ dropped, expired, revoked bool }

// fate returns what has become of a token by now, where a change counts from one of its two moments on.
func (t *soakToken) fate(now time.Time, counts func(*stage) bool) fate {
	return fate{counts(&t.key.dropped), t.claims.ExpiredAt(now), counts(&t.revoked)}
}

// rightAnswers returns the answers that are right, by what was certain before the call and possible until after it, in the order in
// which the verifier looks; nil is an accept.
func rightAnswers(certain, possible fate) (right []error) {
	for _, step := range []struct {
		certain, possible bool
		refusal           error
	}{
		{certain.dropped, possible.dropped, tokenauth.ErrUnknownKey},
		{certain.expired, possible.expired, tokenauth.ErrExpired},
		// Who expires while he is judged may even be forgotten meanwhile, on a busy machine, and has no record then.
		{certain.revoked, possible.revoked || possible.expired, tokenauth.ErrRevoked},
	} {
		if step.possible {
			right = append(right, step.refusal)
		}
		if step.certain {
			return right
		}
	}
	return append(right, nil)
}

// countAnswer counts an answer that was right.
func (s *soak) countAnswer(err error) {
	switch {
	case err == nil:
		s.count[soakAccepted].Add(1)
	case errors.Is(err, tokenauth.ErrExpired):
		s.count[soakExpired].Add(1)
	case errors.Is(err, tokenauth.ErrRevoked):
		s.count[soakRevoked].Add(1)
	default:
		s.count[soakKeyGone].Add(1)
	}
}

// askGarbage sends what nobody signed.
func (s *soak) askGarbage(r *rand.Rand, token *soakToken) {
	header, rest, _ := strings.Cut(token.text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	var text string
	switch r.IntN(6) {
	case 0:
		text = fmt.Sprintf("%x.%x.%x", r.Uint64(), r.Uint64(), r.Uint64())
	case 1:
		text = token.text[:r.IntN(len(token.text))]
	case 2:
		text = header + "." + payload + "." + otherText(r, signature)
	case 3:
		text = header + "." + otherText(r, payload) + "." + signature
	case 4:
		text = segment(`{"alg":"none","typ":"at+jwt"}`) + "." + payload + "."
	case 5:
		text = segment(fmt.Sprintf(`{"alg":"EdDSA","kid":"%x"}`, r.Uint64())) + "." + payload + "." + signature
	}
	p, err := s.verifier.Verify(context.Background(), text)
	if p != nil || !errors.Is(err, tokenauth.ErrInvalidToken) {
		s.t.Errorf("wrong answer to garbage: %v (%v)", err, p)
	}
	s.count[soakGarbage].Add(1)
}

// otherText changes one character of a segment, and not the last one, some of whose bits may be none of the content's.
func otherText(r *rand.Rand, segment string) string {
	at := r.IntN(len(segment) - 1)
	c := byte('A')
	if segment[at] == c {
		c = 'B'
	}
	return segment[:at] + string(c) + segment[at+1:]
}

// mint puts a new token into the pool.
func (s *soak) mint(place int, ttl time.Duration) {
	issued, err := s.issuer.Issue(context.Background(), tokenauth.TokenRequest{
		By:     tokenauth.SystemAuthority("soak"),
		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}},
		TTL:    ttl,
	})
	if err != nil {
		s.t.Errorf("minting: %v", err)
		return
	}
	text := issued.Token.Reveal()
	s.pool[place].Store(&soakToken{text: text, claims: issued.Claims, key: s.keyOf(text)})
	s.count[soakMinted].Add(1)
}

// keyOf returns the key that a token of the issuer names.
func (s *soak) keyOf(token string) *soakKey {
	segment, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(segment)
	var header struct{ Kid string }
	if err = errors.Join(err, json.Unmarshal(text, &header)); err != nil {
		s.t.Errorf("the header of a token that was minted: %v", err)
	}
	if key, ok := s.byID.Load(header.Kid); ok {
		return key.(*soakKey)
	}
	gone := new(soakKey) // it was dropped while the token was being made
	gone.dropped.around(func() {})
	return gone
}

// revoke revokes a token, unless somebody has. One that expired long ago may be forgotten already.
func (s *soak) revoke(token *soakToken) {
	if token.taken.Swap(true) {
		return
	}
	token.revoked.around(func() {
		_, err := s.issuer.Revoke(context.Background(), tokenauth.SystemAuthority("soak"), token.claims.ID, "soak")
		if err != nil && !(errors.Is(err, tokenauth.ErrNotFound) && token.claims.ExpiredAt(s.now())) {
			s.t.Errorf("revoking: %v", err)
		}
	})
	s.count[soakRevocations].Add(1)
}

// forget drops records that nobody will ask for.
func (s *soak) forget() {
	n, err := s.store.DeleteExpired(context.Background(), s.now(), 1000)
	if err != nil {
		s.t.Errorf("forgetting: %v", err)
	}
	s.count[soakForgotten].Add(int64(n))
}

// rotate is the recipe of KeyRing's documentation without its patience, so that tokens of a dropped key are still around. It does so
// only when the last key has signed enough.
func (s *soak) rotate(r *rand.Rand) {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	if s.count[soakMinted].Load() < (s.count[soakRotations].Load()+3)*soakPool/2 {
		return
	}
	next := s.newKey([]string{"HS256", "EdDSA", "ES256"}[r.IntN(3)])
	keys := append(s.keys, next)
	s.replace(keys)
	if err := s.issuer.UseKey(next.SigningKey); err != nil {
		s.t.Errorf("use of a new key: %v", err)
	}
	if len(keys) > soakKeys {
		oldest := keys[0]
		keys = keys[1:]
		oldest.dropped.around(func() { s.replace(keys) })
		s.byID.Delete(oldest.ID())
	}
	s.keys = keys
	s.count[soakRotations].Add(1)
}

// replace makes keys those that verify.
func (s *soak) replace(keys []*soakKey) {
	verifying := make([]tokenauth.Key, len(keys))
	for i, key := range keys {
		verifying[i] = key.VerifyingKey()
	}
	if err := s.ring.Replace(verifying...); err != nil {
		s.t.Errorf("other keys: %v", err)
	}
}

// newKey makes a key that can be found by its id.
func (s *soak) newKey(alg string) *soakKey {
	key, err := tokenauth.GenerateSigningKey(alg)
	if err != nil {
		s.t.Fatal(err)
	}
	k := &soakKey{SigningKey: key}
	s.byID.Store(key.ID(), k)
	return k
}

// counts tells what happened how often.
func (s *soak) counts() string {
	var list []string
	for kind, name := range soakKinds {
		list = append(list, fmt.Sprintf("%d %s", s.count[kind].Load(), name))
	}
	return strings.Join(list, ", ")
}
