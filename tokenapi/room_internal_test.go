package tokenapi

import (
	"context"
	"hash/maphash"
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A shelf has so many records of each owner.
type shelf struct {
	tokenauth.TokenStore
	records map[string]int
	lists   int
}

func (s *shelf) List(_ context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	s.lists++
	return func(yield func(*tokenauth.StoredAccessToken, error) bool) {
		for range s.records[f.Owner] {
			if !yield(&tokenauth.StoredAccessToken{Owner: f.Owner, ExpiresAt: time.Now().Add(time.Hour)}, nil) {
				return
			}
		}
	}
}

// There are more owners than places to count them in. What one has room for is no room of its neighbour's.
func TestOwnersThatShareAPlaceShareNoRoom(t *testing.T) {
	const most = 100
	a := &API{cfg: Config{MaxRecords: most, Now: time.Now}, tally: newTally()}
	place := func(owner string) uint64 { return maphash.String(a.tally.seed, owner) % slots }
	neighbour := ""
	for n := 0; neighbour == ""; n++ {
		if name := "user" + strconv.Itoa(n); place(name) == place("thief") {
			neighbour = name
		}
	}
	shelf := &shelf{records: map[string]int{"thief": most}}
	a.cfg.Tokens = shelf
	require.ErrorIs(t, a.checkRecords(t.Context(), "thief"), errTooManyRecords)
	for range 3 {
		require.NoError(t, a.checkRecords(t.Context(), neighbour))
		require.ErrorIs(t, a.checkRecords(t.Context(), "thief"), errTooManyRecords)
	}
	shelf.lists = 0
	for range most / 10 {
		require.NoError(t, a.checkRecords(t.Context(), neighbour))
	}
	require.LessOrEqual(t, shelf.lists, 1, "not counted each time, for all that")
}

// Owners wait for themselves and for nobody else: whoever makes each of their requests slow, by asking for what it takes long to look up, does
// not keep others from theirs.
func TestOwnersDoNotWaitForEachOther(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	q := newQueue()
	var ends []func()
	for n := range 200 {
		end, err := q.wait(ctx, "user"+strconv.Itoa(n))
		require.NoError(t, err, n)
		ends = append(ends, end)
	}
	over, stop := context.WithCancel(ctx)
	stop()
	for n := range ends {
		_, err := q.wait(over, "user"+strconv.Itoa(n))
		require.Equal(t, errStoreDown, err, "it is this owner's turn already")
	}
	for _, end := range ends {
		end()
	}
	require.Empty(t, q.turns, "nobody waits, and nobody is remembered")
}
