package redisstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// see has a watch check a marker, of a call that begins now.
func see(w *watch, m marker) error {
	before, _ := w.seen()
	return w.check(before, m)
}

// A copy from before a migration is an older one, even if it is then migrated and has caught up.
func TestACopyFromBeforeAMigrationIsNotBelieved(t *testing.T) {
	var w watch
	require.NoError(t, see(&w, marker{generation: "A", schema: schemaVersion, seq: 12}))
	require.ErrorContains(t, see(&w, marker{generation: "A", schema: schemaVersion - 1, seq: 10}), "has lost")
	require.ErrorContains(t, see(&w, marker{generation: "A", schema: schemaVersion, seq: 12}), "has lost")
}

// The expected store may come after another: a name that pointed elsewhere for a while.
func TestOneLookAtAnotherStoreIsForgottenWhereNothingWasSeen(t *testing.T) {
	w := watch{last: marker{generation: "A"}}
	require.ErrorContains(t, see(&w, marker{generation: "B", schema: schemaVersion}), "Config.ExpectGeneration")
	require.NoError(t, see(&w, marker{generation: "A", schema: schemaVersion, seq: 3}))
	require.Error(t, see(&w, marker{generation: "A", schema: schemaVersion, seq: 2}), "and from then on it is held to what it showed")
}
