package replica

import (
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
		n, ok := uuidBytes(id.String())
		assert.True(t, ok)
		assert.Equal(t, name(id), n)
	}
	canonical := "01890a5d-ac96-774b-bcce-b302099a8057"
	want := nameOf(canonical)
	for place := range canonical {
		for c := range 256 {
			text := canonical[:place] + string([]byte{byte(c)}) + canonical[place+1:]
			parsed, err := uuid.Parse(text)
			proper := err == nil && parsed.String() == text
			_, ok := uuidBytes(text)
			assert.Equal(t, proper, ok, "%q", text)
			if text != canonical {
				assert.NotEqual(t, want, nameOf(text), "%q", text)
			}
		}
	}
	for _, text := range []string{
		strings.ToUpper(canonical), "urn:uuid:" + canonical, "{" + canonical + "}", strings.ReplaceAll(canonical, "-", ""), canonical + " ", "",
		string(want[:]), "\x00" + canonical,
	} {
		assert.NotEqual(t, want, nameOf(text), "%q", text)
	}
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
