package replica

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

// Only a UUID as RFC 9562 prints it is its bytes: no other text may have the name of one, or a revoked id could stand for a live one.
func TestNamesOfUUIDs(t *testing.T) {
	for range 1000 {
		id := uuid.New()
		n, ok := digitsOf(id.String())
		assert.True(t, ok)
		assert.Equal(t, n, nameOf(id.String()))
		assert.Equal(t, hex.EncodeToString(id[:]), digitsIn(n))
	}
	canonical := "01890a5d-ac96-774b-bcce-b302099a8057"
	want := nameOf(canonical)
	for place := range canonical {
		for c := range 256 {
			text := canonical[:place] + string([]byte{byte(c)}) + canonical[place+1:]
			parsed, err := uuid.Parse(text)
			proper := err == nil && parsed.String() == text
			_, ok := digitsOf(text)
			assert.Equal(t, proper, ok, "%q", text)
			if text != canonical {
				assert.NotEqual(t, want, nameOf(text), "%q", text)
			}
		}
	}
	for _, text := range []string{
		strings.ToUpper(canonical), "urn:uuid:" + canonical, "{" + canonical + "}", strings.ReplaceAll(canonical, "-", ""), canonical + " ", "",
		string(uuid.MustParse(canonical).NodeID()), "\x00" + canonical,
	} {
		assert.NotEqual(t, want, nameOf(text), "%q", text)
	}
}

// What looks like a UUID and is of no variant that RFC 9562 lays out is a text like any other: its name is no UUID's, nor the name of
// another that differs in the variant only.
func TestNamesOfWhatOnlyLooksLikeAUUID(t *testing.T) {
	seen := map[name]string{}
	for _, digit := range "0123456789abcdef" {
		text := "01890a5d-ac96-774b-" + string(digit) + "cce-b302099a8057"
		n := nameOf(text)
		assert.Empty(t, seen[n], text)
		seen[n] = text
		assert.Equal(t, strings.ContainsRune("89ab", digit), digitsIn(n) == strings.ReplaceAll(text, "-", ""), text)
	}
	for _, text := range []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "", "x"} {
		assert.Equal(t, uint64(variant), nameOf(text).second&variant, text)
		assert.Equal(t, uint64(variant), sessionName(text, text).second&variant, text)
	}
}

// digitsIn returns the digits of a name in the order in which they were written.
func digitsIn(n name) string {
	text := make([]byte, 0, 32)
	for _, half := range []uint64{n.first, n.second} {
		for _, quarter := range []uint64{half, half >> 4} {
			for i := range 8 {
				text = append(text, "0123456789abcdef"[quarter>>(8*i)&0xf])
			}
		}
	}
	return string(text)
}

func TestNamesOfSessionsTellSubjectFromID(t *testing.T) {
	seen := map[name]string{}
	for _, s := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a\x00", "bc"}, {"a", "\x00bc"}} {
		n := sessionName(s[0], s[1])
		assert.Empty(t, seen[n], "%q", s)
		seen[n] = s[0] + "/" + s[1]
	}
}

func TestNamesOfLongTexts(t *testing.T) {
	seen := map[name]bool{}
	for n := range 1000 {
		long := strings.Repeat("x", n)
		assert.False(t, seen[nameOf(long)])
		seen[nameOf(long)] = true
		assert.False(t, seen[sessionName(long, "s")])
		seen[sessionName(long, "s")] = true
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = nameOf("ci-runner/" + "0123456789"[rand.N(9):]) }))
}
