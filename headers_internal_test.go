package tokenauth

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

// mintedBy returns a verifier and a token it takes.
func mintedBy(t *testing.T) (*Verifier, string) {
	t.Helper()
	key, err := GenerateSigningKey("HS256")
	require.NoError(t, err)
	profile := Profile{Issuers: []string{"i"}, Audiences: []string{"a"}}
	issuer, err := NewIssuer(IssuerConfig{Profile: profile, Key: key})
	require.NoError(t, err)
	issued, err := issuer.Sign(t.Context(), SystemAuthority("test"), NewClaims("alice", time.Hour, []string{"r"}, ""))
	require.NoError(t, err)
	v, err := NewVerifier(VerifierConfig{Profile: profile, Keys: key.VerifyingKey(), Revocation: Unenforced("test"), CacheSize: -1})
	require.NoError(t, err)
	return v, issued.Token.Reveal()
}

// rememberedHeaders returns how many headers a verifier remembers.
func (v *Verifier) rememberedHeaders() int {
	if known := v.headers.known.Load(); known != nil {
		return len(*known)
	}
	return 0
}

func TestOnlyProvenHeadersAreRemembered(t *testing.T) {
	v, token := mintedBy(t)
	parts := strings.Split(token, ".")
	flip := "A"
	if strings.HasPrefix(parts[2], flip) {
		flip = "B"
	}
	for name, bad := range map[string]string{
		"a bad signature":   parts[0] + "." + parts[1] + "." + flip + parts[2][1:],
		"an unknown key":    segmentOf(`{"alg":"HS256","kid":"x"}`) + "." + parts[1] + "." + parts[2],
		"another algorithm": segmentOf(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2],
		"no header":         segmentOf(`{`) + "." + parts[1] + "." + parts[2],
	} {
		_, err := v.Verify(t.Context(), bad)
		require.ErrorIs(t, err, ErrInvalidToken, name)
		require.Zero(t, v.rememberedHeaders(), name)
	}
	for range 3 {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, 1, v.rememberedHeaders())
	}
}

// A header that is known says nothing about the rest of the token.
func TestAKnownHeaderProvesNothing(t *testing.T) {
	v, token := mintedBy(t)
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	other, foreign := mintedBy(t)
	_, err = other.Verify(t.Context(), foreign)
	require.NoError(t, err)
	header, _, _ := strings.Cut(token, ".")
	_, rest, _ := strings.Cut(foreign, ".")
	_, err = v.Verify(t.Context(), header+"."+rest)
	require.ErrorIs(t, err, ErrSignature)
}

func TestHeaderMemoryStaysSmall(t *testing.T) {
	var m headerMemory
	var wg sync.WaitGroup
	for hand := range 8 {
		wg.Go(func() {
			for n := range 100 {
				m.add(segmentOf(fmt.Sprintf(`{"alg":"HS256","kid":"%d.%d"}`, hand, n)), jose.Header{Algorithm: "HS256"})
			}
		})
	}
	wg.Wait()
	require.Len(t, *m.known.Load(), maxHeaders)

	m = headerMemory{}
	m.add(strings.Repeat("a", maxHeaderSegment+1), jose.Header{})
	require.Nil(t, m.known.Load(), "what is long is read anew each time")
}

// The memory must not hold on to a token, whose signature would then be in it.
func TestHeaderMemoryKeepsItsOwnCopy(t *testing.T) {
	v, token := mintedBy(t)
	segment, _, _ := strings.Cut(token, ".")
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	for known := range *v.headers.known.Load() {
		require.Equal(t, segment, known)
		require.NotSame(t, unsafe.StringData(segment), unsafe.StringData(known))
	}
	header, known, err := v.headers.read(segment)
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, "HS256", header.Algorithm)
}

// segmentOf encodes a part of a token.
func segmentOf(json string) string { return string(jose.AppendEncoded(nil, []byte(json))) }
