package pgxstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/pgxstore"
)

// endedSessions returns the sessions that a source calls dead at once, with until when.
func endedSessions(t *testing.T, s *pgxstore.Store) map[string]time.Time {
	t.Helper()
	all := map[string]time.Time{}
	for c, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		if c.SessionID != "" {
			require.True(t, c.From.IsZero(), "it is dead from some moment on, and not at once")
			all[c.Subject+" "+c.SessionID] = c.Until
		}
	}
	return all
}

// A verifier that allows for its clock to be behind takes the tokens of a session that has come to its until by the store's. Whoever ends
// the session then ends them.
func TestSessionThatIsEndedLate(t *testing.T) {
	clock := newClock()
	url := newURL(t)
	s := migrated(t, url, pgxstore.Config{Now: clock.Now})
	until := clock.Now().Add(time.Hour)
	for _, subject := range []string{"alice", "bob", "carol", "dave"} {
		require.NoError(t, s.StartSession(t.Context(), subject, "s-1", until))
	}
	require.NoError(t, s.StartSession(t.Context(), "bob", "s-2", until.Add(time.Hour)))
	want := map[string]time.Time{}

	clock.move(time.Hour + time.Second)
	for _, subject := range []string{"alice", "bob"} {
		active, err := s.IsSessionActive(t.Context(), subject, "s-1")
		require.NoError(t, err)
		require.False(t, active, "it is over, ended or not")
	}
	require.NoError(t, s.EndSession(t.Context(), "alice", "s-1"))
	want["alice s-1"] = until
	require.Equal(t, want, endedSessions(t, s))
	n, err := s.EndSessions(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, 1, n, "one of the two lived")
	want["bob s-1"], want["bob s-2"] = until, until.Add(time.Hour)
	require.Equal(t, want, endedSessions(t, s))

	clock.move(4 * time.Minute)
	require.NoError(t, s.EndSession(t.Context(), "carol", "s-1"))
	want["carol s-1"] = until
	require.Equal(t, want, endedSessions(t, s))

	// One that is not there is not ended, and leaves nothing.
	require.NoError(t, s.EndSession(t.Context(), "erin", "s-1"))
	// Five minutes are enough for two clocks: it is nobody's any more, and neither is the note that it was ended.
	clock.move(time.Minute)
	require.NoError(t, s.EndSession(t.Context(), "dave", "s-1"))
	require.NotContains(t, endedSessions(t, s), "dave s-1")
	require.NotContains(t, endedSessions(t, s), "erin s-1")
}

// A row that is over is dropped when it is of no use any more, and not before; meanwhile its name is free for a session that begins.
func TestSessionsThatAreOverAreDropped(t *testing.T) {
	clock := newClock()
	url := newURL(t)
	s := migrated(t, url, pgxstore.Config{Now: clock.Now})
	rows := func() (n int) {
		require.NoError(t, connect(t, url).QueryRow(t.Context(), `SELECT count(*) FROM ta_session`).Scan(&n))
		return n
	}
	until := clock.Now().Add(time.Hour)
	for _, sid := range []string{"s-1", "s-2", "s-3"} {
		require.NoError(t, s.StartSession(t.Context(), "alice", sid, until))
	}
	clock.move(time.Hour + 5*time.Minute - time.Microsecond)
	require.NoError(t, s.StartSession(t.Context(), "bob", "s-1", until.Add(time.Hour)))
	require.Equal(t, 4, rows())
	require.NoError(t, s.StartSession(t.Context(), "alice", "s-3", until.Add(time.Hour)), "anew")
	require.Empty(t, endedSessions(t, s), "it was over, and so was not cut short")
	active, err := s.IsSessionActive(t.Context(), "alice", "s-3")
	require.NoError(t, err)
	require.True(t, active)

	clock.move(time.Microsecond)
	require.NoError(t, s.StartSession(t.Context(), "bob", "s-1", until.Add(2*time.Hour)))
	require.Equal(t, 2, rows(), "the two of alice's that are over have gone")
}
