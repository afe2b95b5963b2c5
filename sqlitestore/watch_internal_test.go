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

// The expected store may come after another: a volume that was not mounted yet.
func TestOneLookAtAnotherStoreIsForgottenWhereNothingWasSeen(t *testing.T) {
	first, err := expected("A")
	require.NoError(t, err)
	w := watch{last: first}
	require.ErrorContains(t, w.check(w.seen(), marker{generation: "B", schema: schemaVersion}), "Config.ExpectGeneration")
	require.NoError(t, w.check(w.seen(), marker{generation: "A", schema: schemaVersion, writes: 3}))
	require.Error(t, w.check(w.seen(), marker{generation: "A", schema: schemaVersion, writes: 2}), "and from then on it is held to what it showed")
}

// A copy from before a migration is an older one, even if it is then migrated and has caught up.
func TestACopyFromBeforeAMigrationIsNotBelieved(t *testing.T) {
	var w watch
	require.NoError(t, w.check(w.seen(), marker{generation: "A", schema: schemaVersion, writes: 12}))
	require.ErrorContains(t, w.check(w.seen(), marker{generation: "A", schema: schemaVersion - 1, writes: 10}), "Migrate")
	require.ErrorContains(t, w.check(w.seen(), marker{generation: "A", schema: schemaVersion, writes: 12}), "has lost")
}
