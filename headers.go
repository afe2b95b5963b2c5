package tokenauth

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// All tokens that one key signs have the same header, to the byte, so that reading it anew for each is work for nothing. What was read
// is remembered under the segment as it was sent, and a segment that is known is looked up instead of being decoded and parsed.
//
// It saves the reading and decides nothing: the key is looked up, and the algorithm compared, for each token. Only headers of tokens
// whose signature held get in, so a stranger's never do; and none is ever pushed out, so that a signer who writes each header
// differently makes no work either. When the memory is full, headers that are not in it are read as they always were.

// A headerMemory remembers the headers of tokens that were signed by a key of its Verifier. Reading takes no lock. The zero
// headerMemory is empty and ready.
type headerMemory struct {
	known atomic.Pointer[map[string]jose.Header] // by segment; a map never changes once it is here
	mu    sync.Mutex                             // guards the making of the next map
}

const (
	maxHeaders       = 64  // more than there are keys at one time, nearly everywhere
	maxHeaderSegment = 256 // bytes, of the longest segment to be remembered
)

// read returns what a header segment says, and whether that was known.
func (m *headerMemory) read(segment string) (header jose.Header, known bool, err error) {
	if headers := m.known.Load(); headers != nil {
		if header, known = (*headers)[segment]; known {
			return header, true, nil
		}
	}
	header, err = readHeader(segment)
	return header, false, err
}

// add remembers the header of a token whose signature held.
func (m *headerMemory) add(segment string, header jose.Header) {
	if len(segment) > maxHeaderSegment || m.isFull() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.isFull() {
		return
	}
	next := make(map[string]jose.Header)
	if headers := m.known.Load(); headers != nil {
		maps.Copy(next, *headers)
	}
	next[strings.Clone(segment)] = header // a part of the token would hold on to all of it
	m.known.Store(&next)
}

// isFull says whether nothing more gets in.
func (m *headerMemory) isFull() bool {
	headers := m.known.Load()
	return headers != nil && len(*headers) >= maxHeaders
}

// readHeader reads a header segment.
func readHeader(segment string) (jose.Header, error) {
	text, err := jose.DecodeText(segment)
	if err != nil {
		return jose.Header{}, ErrMalformed.(*reason).with("header: " + err.Error())
	}
	header, err := jose.ParseHeader(text)
	switch {
	case errors.Is(err, jose.ErrHeaderRefused):
		return header, reasonHeaderRefused.with(err.Error())
	case err != nil:
		return header, reasonHeader.with(err.Error())
	}
	return header, nil
}
