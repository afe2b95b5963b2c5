//go:build unix

package pgxstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What a replica is fed from: a change for each thing that has died, and whatever happens to it comes again.

// A death is a change as these tests write it. Moments are seconds after the test's beginning; always and never are theirs.
type death struct {
	kind        string
	subject, id string
	from, until int64
	minVersion  int64
}

const (
	always = -1 << 40 // From is not set, or an epoch's NotBefore is not
	never  = 1 << 40  // Until is not set
)

// A feed reads a store's changes as a replica does.
type feed struct {
	store tokenauth.Source
	start time.Time
	last  tokenauth.Cursor
}

// since returns what came after the last call, in order.
func (f *feed) since(t *testing.T) []death {
	t.Helper()
	var all []death
	next := tokenauth.Cursor("")
	for c, err := range f.store.Changes(t.Context(), f.last) {
		require.NoError(t, err)
		require.Empty(t, next, "a change after the last one")
		next = c.Next
		switch {
		case c.TokenID != "":
			all = append(all, death{"token", c.Subject, c.TokenID, f.moment(c.From, always), f.moment(c.Until, never), c.Epoch.MinVersion})
		case c.SessionID != "":
			all = append(all, death{"session", c.Subject, c.SessionID, f.moment(c.From, always), f.moment(c.Until, never), c.Epoch.MinVersion})
		case c.Subject != "":
			require.Zero(t, c.From)
			all = append(all, death{"epoch", c.Subject, "", f.moment(c.Epoch.NotBefore, always), f.moment(c.Until, never), c.Epoch.MinVersion})
		}
	}
	require.NotEmpty(t, next, "the read was not complete")
	f.last = next
	return all
}

func (f *feed) moment(at time.Time, zero int64) int64 {
	if at.IsZero() {
		return zero
	}
	return int64(at.Sub(f.start) / time.Second)
}

const (
	hour = 3600
	day  = 24 * hour
)

func TestFeedOfTokens(t *testing.T) {
	clock := newClock()
	now := clock.Now()
	s := migrated(t, newURL(t), pgxstore.Config{Now: clock.Now})
	feed := feed{store: s, start: now}
	root := create(t, s, now)
	child := childOf(root)
	require.NoError(t, s.Create(t.Context(), child))
	require.Empty(t, feed.since(t), "nothing has died")

	next := successorOf(child)
	require.NoError(t, s.Rotate(t.Context(), child.ID, now.Add(time.Hour), next))
	require.Equal(t, []death{{"token", "", child.ID, hour, day, 0}}, feed.since(t))

	revoke(t, s, next.ID, now.Add(time.Minute))
	require.ElementsMatch(t, []death{{"token", "", child.ID, always, day, 0}, {"token", "", next.ID, always, day, 0}}, feed.since(t),
		"the retiring one dies at once, and moves to the end")
	revoke(t, s, next.ID, now.Add(time.Hour))
	require.Empty(t, feed.since(t), "a second revocation")
	revoke(t, s, root.ID, now)
	require.Equal(t, []death{{"token", "", root.ID, always, day, 0}}, feed.since(t))
	feed.last = ""
	require.Len(t, feed.since(t), 3, "one row for each")

	n, err := s.DeleteExpired(t.Context(), now.AddDate(0, 0, 2), 100)
	require.NoError(t, err)
	require.NotZero(t, n)
	for n > 0 {
		n, err = s.DeleteExpired(t.Context(), now.AddDate(0, 0, 2), 100)
		require.NoError(t, err)
	}
	last := feed.last
	feed.last = ""
	require.Equal(t, []death{{"token", "", root.ID, always, day, 0}}, feed.since(t), "what has expired but for the last, by which a store that went back is known")
	feed.last = last
	another := create(t, s, now)
	revoke(t, s, another.ID, now)
	require.Equal(t, []death{{"token", "", another.ID, always, day, 0}}, feed.since(t))
}

func TestFeedOfSessions(t *testing.T) {
	clock := newClock()
	now := clock.Now()
	s := migrated(t, newURL(t), pgxstore.Config{Now: clock.Now})
	feed := feed{store: s, start: now}
	in := func(d time.Duration) time.Time { return now.Add(d) }
	begin := func(sid string, until time.Time) {
		require.NoError(t, s.StartSession(t.Context(), "alice", sid, until))
	}

	begin("moved", in(time.Hour))
	begin("moved", in(2*time.Hour))
	require.Empty(t, feed.since(t), "a session that is moved on dies with its tokens")
	begin("moved", in(30*time.Minute))
	require.Equal(t, []death{{"session", "alice", "moved", hour / 2, 2 * hour, 0}}, feed.since(t), "one that is cut short before them")
	require.NoError(t, s.EndSession(t.Context(), "alice", "moved"))
	require.Equal(t, []death{{"session", "alice", "moved", always, 2 * hour, 0}}, feed.since(t))

	begin("often", in(5*time.Hour))
	begin("often", in(time.Hour))
	begin("often", in(3*time.Hour))
	begin("often", in(2*time.Hour))
	require.Equal(t, []death{{"session", "alice", "often", hour, 5 * hour, 0}}, feed.since(t), "of two deaths the earlier counts, and for the longer")
	require.NoError(t, s.EndSession(t.Context(), "alice", "often"))
	begin("often", in(2*time.Hour))
	begin("often", in(time.Hour))
	require.Equal(t, []death{{"session", "alice", "often", always, 5 * hour, 0}}, feed.since(t), "a replica knows no resurrection")
	require.NoError(t, s.EndSession(t.Context(), "alice", "often"))
	feed.since(t)

	require.NoError(t, s.EndSession(t.Context(), "alice", "moved"))
	require.NoError(t, s.EndSession(t.Context(), "alice", "unknown"))
	require.Empty(t, feed.since(t), "what does not live does not die")

	begin("s-1", in(time.Hour))
	begin("s-2", in(3*time.Hour))
	require.NoError(t, s.StartSession(t.Context(), "bob", "s-1", in(time.Hour)))
	clock.move(time.Hour)
	n, err := s.EndSessions(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []death{{"session", "alice", "s-1", always, hour, 0}, {"session", "alice", "s-2", always, 3 * hour, 0}}, feed.since(t),
		"one had just come to its until, by this clock")

	// Deaths of sessions go when their tokens have expired for a while, a few with each write.
	for _, left := range []struct {
		after time.Duration
		ids   []string
	}{
		{time.Hour + 9*time.Minute + 59*time.Second, []string{"s-1", "s-2", "often", "moved"}},
		{time.Second, []string{"s-1", "s-2", "often"}}, // which was to live for 2 h
		{time.Hour, []string{"s-1", "s-2", "often"}},   // the last deaths stay: by them a store that went back is known
		{2 * time.Hour, []string{"s-1", "s-2"}},
	} {
		clock.move(left.after)
		begin("s-3", clock.Now().Add(time.Minute))
		feed.last = ""
		var ids []string
		for _, d := range feed.since(t) {
			ids = append(ids, d.id)
		}
		require.ElementsMatch(t, left.ids, ids)
	}
}

func TestFeedOfEpochs(t *testing.T) {
	clock := newClock()
	now := clock.Now()
	s := migrated(t, newURL(t), pgxstore.Config{Now: clock.Now})
	feed := feed{store: s, start: now}
	_, err := s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, []death{{"epoch", "alice", "", always, never, 1}}, feed.since(t))
	_, err = s.RaiseNotBefore(t.Context(), "alice", now)
	require.NoError(t, err)
	require.Equal(t, []death{{"epoch", "alice", "", 0, never, 1}}, feed.since(t))
	_, err = s.RaiseNotBefore(t.Context(), "alice", now.Add(-time.Hour))
	require.NoError(t, err)
	require.Empty(t, feed.since(t), "an epoch that did not move")
	_, err = s.RaiseNotBefore(t.Context(), tokenauth.Everyone, now)
	require.NoError(t, err)
	require.Equal(t, []death{{"epoch", tokenauth.Everyone, "", 0, never, 0}}, feed.since(t))
	clock.move(time.Minute)
	require.NoError(t, s.Reseed(t.Context(), "a drill"))
	feed.last = ""
	require.Equal(t, []death{{"epoch", "alice", "", 0, never, 1}, {"epoch", tokenauth.Everyone, "", 60, never, 0}}, feed.since(t))
}

// What is over is dropped by those who write, or the tables would grow for as long as the store lives.
func TestTablesDoNotGrowWithTheirPast(t *testing.T) {
	clock, url := newClock(), newURL(t)
	s := migrated(t, url, pgxstore.Config{Now: clock.Now})
	conn := connect(t, url)
	for range 60 {
		clock.move(2 * time.Minute) // what is kept longest is so for eleven
		record := newRecord(clock.Now())
		require.NoError(t, s.StartSession(t.Context(), "alice", record.ID, clock.Now().Add(time.Minute)))
		require.NoError(t, s.StartSession(t.Context(), "bob", record.ID, clock.Now().Add(time.Minute)))
		_, err := s.EndSessions(t.Context(), "bob")
		require.NoError(t, err)
		require.NoError(t, s.Consume(t.Context(), record.ID, clock.Now().Add(time.Minute)))
	}
	for _, table := range []string{"ta_session", "ta_once", "ta_dead"} {
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		require.LessOrEqual(t, n, 10, table)
	}
}
