package jwa

import (
	"crypto"
	"crypto/hmac"
	"hash"
	"sync"
)

// For HMAC, to begin costs as much as a token does: two hashes are made, and a block of each is spent on the secret alone. So what
// has begun is kept, and used again for the next signing input. golang-jwt's method begins anew each time; this is the one algorithm
// for which it is not asked.
//
// It is safe because a state is good for one secret only, and never outlives it: the pool belongs to the key, and is reachable
// through it alone. One goroutine has a state at a time. It is reset before it is used, so that nothing of the signing input before
// is in the next sum; and it comes back only from a sum that was finished, so that a state in which something panicked is dropped.

// A MAC makes HMACs with one secret, and may be used by many goroutines at once. What prints it must not see it: like the secret, it
// belongs behind a function value.
type MAC struct{ states sync.Pool }

// A macState is one HMAC in the making. It has room of its own, because what is handed to a hash behind its interface is moved to the
// heap, each time anew.
type macState struct {
	hash hash.Hash
	part [512]byte // of the signing input: a hash takes no string
	sum  [64]byte  // as long as the longest hash
}

// NewMAC returns a MAC by a hash with a secret, which nobody may change afterwards.
func NewMAC(by crypto.Hash, secret []byte) *MAC {
	m := new(MAC)
	m.states.New = func() any { return &macState{hash: hmac.New(by.New, secret)} }
	return m
}

// Verify says whether sig is the HMAC of signingInput. How long that takes does not depend on where the two differ.
func (m *MAC) Verify(signingInput string, sig []byte) bool {
	s := m.states.Get().(*macState)
	equal := hmac.Equal(s.compute(signingInput), sig)
	m.put(s)
	return equal
}

// AppendSum appends the HMAC of signingInput.
func (m *MAC) AppendSum(dst []byte, signingInput string) []byte {
	s := m.states.Get().(*macState)
	dst = append(dst, s.compute(signingInput)...)
	m.put(s)
	return dst
}

// compute returns the HMAC of signingInput, in the state's own memory.
func (s *macState) compute(signingInput string) []byte {
	s.hash.Reset()
	for signingInput != "" {
		n := copy(s.part[:], signingInput)
		s.hash.Write(s.part[:n])
		signingInput = signingInput[n:]
	}
	return s.hash.Sum(s.sum[:0])
}

// put gives a state back, without the sum: it is the signature of that input, whether or not the one that was sent is.
func (m *MAC) put(s *macState) {
	clear(s.sum[:])
	m.states.Put(s)
}
