//go:build unix

package redisstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// The marker, and what is noticed when the store is not what it was.

func TestNothingAnswersBeforeMigrate(t *testing.T) {
	now := time.Now()
	s := open(t, newClient(t, testserver.StartRedis(t).Addr), redisstore.Config{})
	allUnavailable(t, s, newRecord(now), now)
	allUnavailable(t, s, newRecord(now), now) // no write has made the marker
	_, err := s.Generation(t.Context())
	require.ErrorContains(t, err, "see Reseed")
	require.NoError(t, s.Migrate(t.Context()))
	create(t, s, now)
}

func TestMigrateByManyAtOnce(t *testing.T) {
	server := testserver.StartRedis(t)
	var group sync.WaitGroup
	generations := make([]string, 8)
	errs := make([]error, len(generations))
	for i := range generations {
		s := open(t, newClient(t, server.Addr), redisstore.Config{})
		group.Go(func() {
			if errs[i] = s.Migrate(t.Context()); errs[i] == nil {
				generations[i], errs[i] = s.Generation(t.Context())
			}
		})
	}
	group.Wait()
	for i := range generations {
		require.NoError(t, errs[i])
		require.Equal(t, generations[0], generations[i], "one of them began a generation of its own")
		require.NotEmpty(t, generations[i])
	}
}

func TestStoresWithPrefixesAreApart(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	a := migrated(t, server, redisstore.Config{Prefix: "a"})
	ab := migrated(t, server, redisstore.Config{Prefix: "ab"})
	record := create(t, a, now)
	_, err := ab.Get(t.Context(), record.ID)
	require.ErrorIs(t, err, tokenauth.ErrNotFound)
	require.NoError(t, ab.Create(t.Context(), record))
	revoke(t, ab, record.ID, now)
	revoked, err := a.IsRevoked(t.Context(), record.ID)
	require.NoError(t, err)
	require.False(t, revoked)
}

// Each loss is noticed by a process that saw more, whatever it asks first; Migrate does not hide it; and Reseed ends it.
func TestLossIsNoticed(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(t *testing.T, server *testserver.Redis)
	}{
		{"all keys gone", func(_ *testing.T, server *testserver.Redis) { server.Must("FLUSHALL") }},
		{"the marker gone", func(_ *testing.T, server *testserver.Redis) { server.Must("DEL", "{ta}:meta") }},
		{"restarted without its data", func(_ *testing.T, server *testserver.Redis) {
			server.Kill()
			server.Start()
		}},
		{"restarted with older data", func(t *testing.T, server *testserver.Redis) { restartOld(t, server) }},
		{"another store in its place", func(t *testing.T, server *testserver.Redis) {
			server.Must("FLUSHALL")
			migrated(t, server, redisstore.Config{})
		}},
		{"another store in its place, which has been reseeded before", func(t *testing.T, server *testserver.Redis) {
			server.Must("FLUSHALL")
			old := migrated(t, server, redisstore.Config{Now: func() time.Time { return time.Now().Add(-time.Hour) }})
			require.NoError(t, old.Reseed(t.Context(), "long ago"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			now, server := time.Now(), testserver.StartRedis(t)
			s := migrated(t, server, redisstore.Config{})
			require.NoError(t, s.Reseed(t.Context(), "a beginning"))
			create(t, s, now)
			server.Must("SAVE") // what is restored as older data
			record := create(t, s, now)
			revoke(t, s, record.ID, now)
			test.lose(t, server)
			allUnavailable(t, s, record, now)
			require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
			allUnavailable(t, s, record, now)

			require.NoError(t, s.Reseed(t.Context(), "the server lost its data"))
			revoked, err := s.IsRevoked(t.Context(), record.ID)
			require.NoError(t, err)
			require.True(t, revoked, "a record that was lost")
			epoch, err := s.Epoch(t.Context(), "anybody")
			require.NoError(t, err)
			require.False(t, epoch.NotBefore.Before(now.Truncate(time.Second)))
			create(t, s, now)
		})
	}
}

// restartOld lets a server come back with what it had when it was last told to SAVE.
func restartOld(t testing.TB, server *testserver.Redis) {
	t.Helper()
	server.Kill()
	_, err := os.Stat(filepath.Join(server.Dir, "dump.rdb"))
	require.NoError(t, err)
	server.Start()
}

// A store that has been rolled back is not believed again when its count has caught up: what was lost is still lost.
func TestRolledBackStoreIsNotBelievedLater(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	server.Must("SAVE")
	record := create(t, s, now)
	restartOld(t, server)
	allUnavailable(t, s, record, now)
	fresh := open(t, newClient(t, server.Addr), redisstore.Config{}) // of a process that knows nothing
	for range 10 {
		create(t, fresh, now)
	}
	allUnavailable(t, s, record, now)
	require.NoError(t, fresh.Reseed(t.Context(), "restored"))
	_, err := s.Get(t.Context(), record.ID)
	require.ErrorIs(t, err, tokenauth.ErrNotFound)
}

// Whatever is asked first notices the loss, writers included, and then nothing has been written.
func TestEveryCallNoticesARollBack(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	migrated(t, server, redisstore.Config{})
	server.Must("SAVE")
	names := calls(nil, newRecord(now), now)
	for i := range names {
		s := open(t, newClient(t, server.Addr), redisstore.Config{})
		record := create(t, s, now)
		restartOld(t, server)
		before := server.Must("HGET", "{ta}:meta", "seq")
		require.ErrorIs(t, calls(s, record, now)[i].do(t.Context()), tokenauth.ErrUnavailable, names[i].name)
		require.Equal(t, before, server.Must("HGET", "{ta}:meta", "seq"), names[i].name)
	}
}

func TestExpectGeneration(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	generation, err := s.Generation(t.Context())
	require.NoError(t, err)
	server.Must("FLUSHALL")
	expecting := open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: generation})
	require.ErrorIs(t, expecting.Migrate(t.Context()), tokenauth.ErrUnavailable)
	migrated(t, server, redisstore.Config{}) // by a program that always migrates
	allUnavailable(t, expecting, newRecord(now), now)
	require.NoError(t, expecting.Reseed(t.Context(), "lost"))
	create(t, expecting, now)
}

// What was expected is taken for what was seen: only what Reseed began later follows it.
func TestExpectGenerationAfterReseed(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	names := []string{generation(t, s)}
	require.NotContains(t, names[0], ".")
	for range 2 {
		require.NoError(t, s.Reseed(t.Context(), "once more"))
		names = append(names, generation(t, s))
		require.Contains(t, names[len(names)-1], ".", "the moment of the Reseed")
	}
	bare, _, _ := strings.Cut(names[2], ".") // as it was named before the moment was part of it
	for _, name := range append(names, bare, "") {
		expecting := open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: name})
		require.Equal(t, names[2], generation(t, expecting), "expected: %q", name)
	}

	// A copy from before the last Reseed is not believed, nor a store that was reseeded before it, nor one that never was.
	require.NoError(t, s.Reseed(t.Context(), "the last"))
	last := generation(t, s)
	server.Must("SAVE")
	for _, replace := range []func(){
		func() { server.Must("HSET", "{ta}:meta", "generation", bare, "reseeded", names[2][len(bare)+1:]) },
		func() { server.Must("FLUSHALL"); migrated(t, server, redisstore.Config{}) },
		func() {
			old := migrated(t, server, redisstore.Config{Now: func() time.Time { return now.Add(-time.Hour) }})
			require.NoError(t, old.Reseed(t.Context(), "long ago"))
		},
	} {
		replace()
		expecting := open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: last})
		allUnavailable(t, expecting, newRecord(now), now)
		_, err := expecting.Generation(t.Context())
		require.ErrorContains(t, err, "Config.ExpectGeneration names")
		require.NotContains(t, err.Error(), "this process saw")
	}
	// What has been seen since counts as seen.
	restartOld(t, server)
	expecting := open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: last})
	require.Equal(t, last, generation(t, expecting))
	server.Must("FLUSHALL")
	migrated(t, server, redisstore.Config{})
	_, err := expecting.Generation(t.Context())
	require.ErrorContains(t, err, "what this process saw")
}

// generation returns the name of a store's generation.
func generation(t *testing.T, s *redisstore.Store) string {
	t.Helper()
	name, err := s.Generation(t.Context())
	require.NoError(t, err)
	return name
}

// A store that an older version has left counts no deaths. It is refused until Migrate, and counts them from then on.
func TestMigrateOfAnOlderSchema(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := newFullStore(t, server, "ta", clock)
	server.Must("HSET", "{ta}:meta", "schema", "1")
	server.Must("HDEL", "{ta}:meta", "deaths")
	migrating := open(t, newClient(t, server.Addr), redisstore.Config{Now: clock.Now})
	allUnavailable(t, s.Store, s.live, s.now)
	allUnavailable(t, migrating, s.live, s.now)
	_, err := migrating.Generation(t.Context())
	require.ErrorContains(t, err, "see Migrate")
	require.NoError(t, migrating.Migrate(t.Context()))
	require.NoError(t, migrating.Migrate(t.Context()), "twice")
	for _, s := range []fullStore{s, {Store: migrating}} {
		epoch, err := s.Epoch(t.Context(), "alice")
		require.NoError(t, err)
		require.Equal(t, int64(1), epoch.MinVersion)
		told, err := s.told(t.Context())
		require.NoError(t, err)
		require.Len(t, told, 4)
	}
	revoke(t, migrating, s.live.ID, s.now)
	require.Equal(t, server.Must("HLEN", "{ta}:deadv"), ":"+ask(server, "HGET", "{ta}:meta", "deaths")+"\r\n")
	server.Must("DEL", "{ta}:deadv", "{ta}:dead")
	_, err = migrating.Epoch(t.Context(), "alice")
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
}

// A store that is not the one this process believes in is left as it is: only then is it told from one that is to be brought up to date.
func TestMigrateLooksBeforeItChanges(t *testing.T) {
	for _, test := range []struct {
		name string
		// replace puts a store in the place of s, whose name is given, and returns who is pointed at it.
		replace func(t *testing.T, server *testserver.Redis, s *redisstore.Store, name string) *redisstore.Store
		want    string // "": it is the one
	}{
		{"nothing is expected", func(t *testing.T, server *testserver.Redis, _ *redisstore.Store, _ string) *redisstore.Store {
			return open(t, newClient(t, server.Addr), redisstore.Config{})
		}, ""},
		{"it is expected", func(t *testing.T, server *testserver.Redis, _ *redisstore.Store, name string) *redisstore.Store {
			return open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: name})
		}, ""},
		{"reseeded since", func(t *testing.T, server *testserver.Redis, s *redisstore.Store, name string) *redisstore.Store {
			require.NoError(t, s.Reseed(t.Context(), "once more"))
			return open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: name})
		}, ""},
		{"seen, and lost, and reseeded since", func(t *testing.T, server *testserver.Redis, s *redisstore.Store, _ string) *redisstore.Store {
			server.Must("SAVE")
			create(t, s, time.Now())
			restartOld(t, server)
			allUnavailable(t, s, newRecord(time.Now()), time.Now())
			require.NoError(t, open(t, newClient(t, server.Addr), redisstore.Config{}).Reseed(t.Context(), "restored"))
			return s
		}, ""},
		{"another is expected", func(t *testing.T, server *testserver.Redis, _ *redisstore.Store, _ string) *redisstore.Store {
			return open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: "ANOTHER"})
		}, "Config.ExpectGeneration names"},
		{"a later one is expected", func(t *testing.T, server *testserver.Redis, _ *redisstore.Store, _ string) *redisstore.Store {
			return open(t, newClient(t, server.Addr), redisstore.Config{ExpectGeneration: "LATER.9000000000000000"})
		}, "Config.ExpectGeneration names"},
		{"another was seen", func(t *testing.T, server *testserver.Redis, s *redisstore.Store, _ string) *redisstore.Store {
			server.Must("FLUSHALL")
			create(t, migrated(t, server, redisstore.Config{}), time.Now())
			return s
		}, "what this process saw"},
		{"more was seen", func(t *testing.T, server *testserver.Redis, s *redisstore.Store, _ string) *redisstore.Store {
			server.Must("SAVE")
			create(t, s, time.Now())
			restartOld(t, server)
			return s
		}, "what this process saw"},
		{"more was seen, and it has caught up", func(t *testing.T, server *testserver.Redis, s *redisstore.Store, _ string) *redisstore.Store {
			server.Must("SAVE")
			create(t, s, time.Now())
			restartOld(t, server)
			allUnavailable(t, s, newRecord(time.Now()), time.Now())
			server.Must("HINCRBY", "{ta}:meta", "seq", "100")
			return s
		}, "what this process saw"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := testserver.StartRedis(t)
			s := migrated(t, server, redisstore.Config{})
			create(t, s, time.Now())
			pointed := test.replace(t, server, s, generation(t, s))
			server.Must("HSET", "{ta}:meta", "schema", "1")
			server.Must("HDEL", "{ta}:meta", "deaths")
			before := content(t, server)
			err := pointed.Migrate(t.Context())
			if test.want == "" {
				require.NoError(t, err)
				require.NotEqual(t, before, content(t, server))
				create(t, pointed, time.Now())
				return
			}
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
			require.ErrorContains(t, err, test.want)
			require.Equal(t, before, content(t, server))
			_, err = pointed.Generation(t.Context())
			require.ErrorContains(t, err, test.want, "and nobody is told to migrate it")
		})
	}
}

// What has data and no marker has lost it, and nobody makes it a new store.
func TestMigrateSeesWhatIsLeft(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	create(t, s, now)
	server.Must("DEL", "{ta}:meta")
	require.ErrorIs(t, open(t, newClient(t, server.Addr), redisstore.Config{}).Migrate(t.Context()), tokenauth.ErrUnavailable)
}

func TestNewerSchemaIsRefused(t *testing.T) {
	now, server := time.Now(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{})
	record := create(t, s, now)
	server.Must("HSET", "{ta}:meta", "schema", "4")
	for _, s := range []*redisstore.Store{s, open(t, newClient(t, server.Addr), redisstore.Config{})} {
		allUnavailable(t, s, record, now)
		require.ErrorIs(t, s.Migrate(t.Context()), tokenauth.ErrUnavailable)
		require.ErrorIs(t, s.Reseed(t.Context(), "it looks odd"), tokenauth.ErrUnavailable)
	}
	server.Must("HSET", "{ta}:meta", "schema", "3")
	_, err := s.Get(t.Context(), record.ID)
	require.NoError(t, err, "what was refused has not been changed")
}

// What this package did not write is not understood, and not guessed at.
func TestDamageIsUnavailable(t *testing.T) {
	now := time.Now()
	for _, damage := range [][]string{
		{"HSET", "{ta}:meta", "seq", "many"},
		{"HSET", "{ta}:meta", "schema", "one"},
		{"HDEL", "{ta}:meta", "seq"},
		{"SET", "{ta}:meta", "a marker"},
	} {
		server := testserver.StartRedis(t)
		s := migrated(t, server, redisstore.Config{})
		record := create(t, s, now)
		server.Must(damage...)
		allUnavailable(t, s, record, now)
	}
}

func TestReseed(t *testing.T) {
	clock, server := newClock(), testserver.StartRedis(t)
	s := migrated(t, server, redisstore.Config{Now: clock.Now})
	other := open(t, newClient(t, server.Addr), redisstore.Config{Now: clock.Now}) // of another process, as far as the store knows
	first, err := other.Generation(t.Context())
	require.NoError(t, err)
	_, err = s.BumpEpoch(t.Context(), "alice")
	require.NoError(t, err)

	clock.move(1500 * time.Millisecond)
	for what, reason := range map[string]string{"no reason": "", "no text": "\xff", "NUL": "a\x00b"} {
		require.ErrorIs(t, s.Reseed(t.Context(), reason), tokenauth.ErrInvalidRequest, what)
	}
	require.NoError(t, s.Reseed(t.Context(), "restored from last night's copy"))
	for _, s := range []*redisstore.Store{s, other} {
		generation, err := s.Generation(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, first, generation)
		for _, subject := range []string{tokenauth.Everyone, "alice", "bob"} {
			epoch, err := s.Epoch(t.Context(), subject)
			require.NoError(t, err)
			require.Equal(t, clock.Now().Truncate(time.Second), epoch.NotBefore, subject)
		}
	}
	epoch, err := s.Epoch(t.Context(), "alice")
	require.NoError(t, err)
	require.Equal(t, int64(1), epoch.MinVersion, "what was not lost stays")

	// Twice in one microsecond are two, and the other process can tell which is the later.
	require.NoError(t, s.Reseed(t.Context(), "again"))
	second, err := other.Generation(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoError(t, other.Reseed(t.Context(), "again"))
	create(t, s, clock.Now()) // a writer finds the new generation as well
}

// A replica that is promoted without the last writes has lost them, whatever it was that they said.
func TestPromotionThatLostWritesIsNoticed(t *testing.T) {
	now := time.Now()
	primary, replica := testserver.StartRedis(t), testserver.StartRedis(t)
	writer := migrated(t, primary, redisstore.Config{})
	record := create(t, writer, now)
	replication := newProxy(t, primary.Addr)
	follow(t, replica, replication.Listen)
	proxy := newProxy(t, primary.Addr)
	s := open(t, newClient(t, proxy.Listen), redisstore.Config{})
	poison(t, replication, "timeout", `{"timeout":0}`)
	revoke(t, s, record.ID, now)
	primary.Kill()
	replica.Must("REPLICAOF", "NO", "ONE")
	pointAt(t, proxy, replica.Addr)
	allUnavailable(t, s, record, now)
	require.NoError(t, s.Reseed(t.Context(), "the promoted replica lacked writes"))
	epoch, err := s.Epoch(t.Context(), record.Subject)
	require.NoError(t, err)
	require.False(t, epoch.NotBefore.IsZero())
}

// One that has received everything is believed: nothing is lost.
func TestPromotionThatLostNothingIsBelieved(t *testing.T) {
	now := time.Now()
	primary, replica := testserver.StartRedis(t), testserver.StartRedis(t)
	follow(t, replica, primary.Addr)
	proxy := newProxy(t, primary.Addr)
	s := open(t, newClient(t, proxy.Listen), redisstore.Config{WaitReplicas: 1, WaitTimeout: 5 * time.Second})
	require.NoError(t, s.Migrate(t.Context()))
	record := create(t, s, now)
	revoke(t, s, record.ID, now)
	var cursor tokenauth.Cursor
	for change, err := range s.Changes(t.Context(), "") {
		require.NoError(t, err)
		cursor = change.Next
	}
	primary.Kill()
	replica.Must("REPLICAOF", "NO", "ONE")
	pointAt(t, proxy, replica.Addr)
	_, err := s.IsRevoked(t.Context(), record.ID) // perhaps on a connection that was cut
	if err != nil {
		require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	}
	s = open(t, newClient(t, proxy.Listen), redisstore.Config{})
	revoked, err := s.IsRevoked(t.Context(), record.ID)
	require.NoError(t, err)
	require.True(t, revoked)
	// Its numbers may be other ones, so what was read before counts no more.
	for _, err := range s.Changes(t.Context(), cursor) {
		require.ErrorIs(t, err, tokenauth.ErrStaleCursor)
	}
}
