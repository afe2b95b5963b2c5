package memstore

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// members returns what an ordered set yields from x on.
func members(o *ordered[int], x int) []int { return slices.Collect(o.from(x)) }

func TestOrderedYieldsInOrderWhateverTheInsertions(t *testing.T) {
	const n = 5 * pageSize
	for name, order := range map[string]func(i int) int{
		"ascending":  func(i int) int { return i },
		"descending": func(i int) int { return n - 1 - i },
		"two ends":   func(i int) int { return (i%2)*(n-1-i/2) + (1-i%2)*(i/2) },
		"scattered":  func(i int) int { return i * 7 % n }, // 7 and n have no common divisor
	} {
		t.Run(name, func(t *testing.T) {
			o := &ordered[int]{compare: cmp.Compare[int]}
			for i := range n {
				o.insert(order(i))
			}
			all := members(o, 0)
			require.Len(t, all, n)
			require.True(t, slices.IsSorted(all))
			for _, page := range o.pages {
				require.LessOrEqual(t, len(page), pageSize)
				require.NotEmpty(t, page)
			}
		})
	}
}

// Everything an ordered set does, against a slice that is sorted again each time.
func TestOrderedAgainstSortedSlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	o := &ordered[int]{compare: cmp.Compare[int]}
	var want []int
	for range 20_000 {
		x := random.IntN(3 * pageSize)
		at, found := slices.BinarySearch(want, x)
		switch {
		case random.IntN(3) == 0:
			o.remove(x)
			if found {
				want = slices.Delete(want, at, at+1)
			}
		case !found:
			o.insert(x)
			want = slices.Insert(want, at, x)
		}
		from := random.IntN(3 * pageSize)
		at, _ = slices.BinarySearch(want, from)
		var first []int
		for y := range o.from(from) {
			if first = append(first, y); len(first) == 3 {
				break
			}
		}
		require.True(t, slices.Equal(want[at:min(at+3, len(want))], first))
	}
	require.True(t, slices.Equal(want, members(o, 0)))
	for _, x := range want {
		got, ok := o.first()
		require.True(t, ok)
		require.Equal(t, x, got)
		o.remove(x)
	}
	_, ok := o.first()
	require.False(t, ok)
	require.Empty(t, o.pages)
}

func TestOrderedFillsItsPagesWhenIdsAscend(t *testing.T) {
	o := &ordered[int]{compare: cmp.Compare[int]}
	for i := range 10 * pageSize {
		o.insert(i)
	}
	require.Len(t, o.pages, 10)
}
