package sqlitestore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A write that began on a file which has been replaced since undoes nothing that was noticed meanwhile.
func TestALateWriteDoesNotBringBackBelief(t *testing.T) {
	var w watch
	first := marker{generation: "A", schema: schemaVersion, writes: 7}
	require.NoError(t, w.check(w.seen(), first), "a writer begins")
	reseeded := marker{generation: "B", schema: schemaVersion, reseeded: 100, writes: 50}
	require.NoError(t, w.check(w.seen(), reseeded), "another file stands in the place of the first")
	older := reseeded
	older.writes--
	require.ErrorIs(t, w.check(w.seen(), older), tokenauth.ErrUnavailable, "and then an older copy of it")
	first.writes++
	w.wrote(first) // the writer ends
	require.ErrorIs(t, w.check(w.seen(), older), tokenauth.ErrUnavailable)
	reseeded.writes++
	w.wrote(reseeded)
	require.ErrorIs(t, w.check(w.seen(), reseeded), tokenauth.ErrUnavailable, "nor does a write to the copy")
	later := marker{generation: "C", schema: schemaVersion, reseeded: 101, writes: 1}
	w.wrote(later)
	require.NoError(t, w.check(w.seen(), later), "only Reseed does")
}
