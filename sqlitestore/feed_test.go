package sqlitestore_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// What a replica is fed from: a row for each thing that has died, and whatever happens to it moves it to the end.

// A death is a row of ta_dead. Moments are seconds after the test's beginning; always and never are theirs.
type death struct {
	kind        string
	subject, id string
	from, until int64
	minVersion  int64
}

const (
	always = -1 << 40 // dead_from is NULL
	never  = 1 << 40  // expires is NULL
)

// A feed reads ta_dead behind the store's back.
type feed struct {
	db    *sql.DB
	start time.Time
	last  int64
}

func newFeed(t *testing.T, path string, start time.Time) *feed {
	return &feed{db: openSQL(t, path, ""), start: start}
}

// since returns what came after the last call, in order.
func (f *feed) since(t *testing.T) []death {
	t.Helper()
	rows, err := f.db.QueryContext(context.Background(), `SELECT seq, kind, subject, id, dead_from, expires, min_version FROM ta_dead WHERE seq > ? ORDER BY seq`, f.last)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var all []death
	for rows.Next() {
		var d death
		var kind int
		var from, until sql.NullInt64
		require.NoError(t, rows.Scan(&f.last, &kind, &d.subject, &d.id, &from, &until, &d.minVersion))
		d.kind = []string{"token", "session", "epoch"}[kind]
		d.from, d.until = f.moment(from, always), f.moment(until, never)
		all = append(all, d)
	}
	require.NoError(t, rows.Err())
	return all
}

func (f *feed) moment(at sql.NullInt64, null int64) int64 {
	if !at.Valid {
		return null
	}
	return int64(time.UnixMicro(at.Int64).Sub(f.start) / time.Second)
}

const (
	hour = 3600
	day  = 24 * hour
)

func TestFeedOfTokens(t *testing.T) {
	clock, path := newClock(), newPath(t)
	now := clock.Now()
	s := migrated(t, path, sqlitestore.Config{Now: clock.Now})
	feed := newFeed(t, path, now)
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
	feed.last = 0
	require.Len(t, feed.since(t), 3, "one row for each")

	n, err := s.DeleteExpired(t.Context(), now.AddDate(0, 0, 2), 100)
	require.NoError(t, err)
	require.NotZero(t, n)
	for n > 0 {
		n, err = s.DeleteExpired(t.Context(), now.AddDate(0, 0, 2), 100)
		require.NoError(t, err)
	}
	last := feed.last
	feed.last = 0
	require.Empty(t, feed.since(t), "what has expired")

	// Numbers are not given out a second time: a cursor goes on from where it was.
	feed.last = last
	another := create(t, s, now)
	revoke(t, s, another.ID, now)
	require.Equal(t, []death{{"token", "", another.ID, always, day, 0}}, feed.since(t))
}

func TestFeedOfSessions(t *testing.T) {
	clock, path := newClock(), newPath(t)
	now := clock.Now()
	s := migrated(t, path, sqlitestore.Config{Now: clock.Now})
	feed := newFeed(t, path, now)
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
	require.Equal(t, []death{{"session", "alice", "s-2", always, 3 * hour, 0}}, feed.since(t), "one had come to its until")

	// Deaths of sessions go when their tokens have expired for a while, a few with each write.
	for _, left := range []struct {
		after time.Duration
		ids   []string
	}{
		{time.Hour + 4*time.Minute + 59*time.Second, []string{"s-2", "often", "moved"}},
		{time.Second, []string{"s-2", "often"}}, // which was to live for 2 h
		{time.Hour, []string{"often"}},
		{2 * time.Hour, nil},
	} {
		clock.move(left.after)
		begin("s-3", clock.Now().Add(time.Minute))
		feed.last = 0
		var ids []string
		for _, d := range feed.since(t) {
			ids = append(ids, d.id)
		}
		require.ElementsMatch(t, left.ids, ids)
	}
}

func TestFeedOfEpochs(t *testing.T) {
	clock, path := newClock(), newPath(t)
	now := clock.Now()
	s := migrated(t, path, sqlitestore.Config{Now: clock.Now})
	feed := newFeed(t, path, now)
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
	require.Equal(t, []death{{"epoch", tokenauth.Everyone, "", 60, never, 0}}, feed.since(t))
}

// What is over is dropped by those who write, or the tables would grow for as long as the store lives.
func TestTablesDoNotGrowWithTheirPast(t *testing.T) {
	clock, path := newClock(), newPath(t)
	s := migrated(t, path, sqlitestore.Config{Now: clock.Now, NotPowerSafe: true})
	db := openSQL(t, path, "")
	for range 60 {
		clock.move(time.Minute)
		record := newRecord(clock.Now())
		require.NoError(t, s.StartSession(t.Context(), "alice", record.ID, clock.Now().Add(time.Minute)))
		require.NoError(t, s.StartSession(t.Context(), "bob", record.ID, clock.Now().Add(time.Minute)))
		_, err := s.EndSessions(t.Context(), "bob")
		require.NoError(t, err)
		require.NoError(t, s.Consume(t.Context(), record.ID, clock.Now().Add(time.Minute)))
	}
	for _, table := range []string{"ta_session", "ta_once", "ta_dead"} {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		require.LessOrEqual(t, n, 10, table)
	}
}
