package replica_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

func TestReplicaKnowsWhatHasDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		s, ctx := d.f.store, d.ctx
		live, odd := d.create(s), record()
		odd.ID, odd.RootID = "not a UUID", "not a UUID"
		dead := d.buried(s)
		d.buried(s, odd)
		for _, sid := range []string{"s-1", "s-2"} {
			require.NoError(t, s.StartSession(ctx, "alice", sid, time.Now().Add(time.Hour)))
		}
		require.NoError(t, s.EndSession(ctx, "alice", "s-1"))
		_, err := s.BumpEpoch(ctx, "alice")
		require.NoError(t, err)
		_, err = s.RaiseNotBefore(ctx, "alice", time.Now().Add(-time.Hour))
		require.NoError(t, err)
		_, err = s.RaiseNotBefore(ctx, "bob", time.Now())
		require.NoError(t, err)
		d.everyone(s, time.Now().Add(-time.Minute))
		sleep(time.Second)

		d.dead(dead)
		d.dead(odd)
		d.alive(live)
		d.alive(record(), "an id without record is not known dead")
		for _, row := range []struct {
			subject, sid string
			want         bool
		}{{"alice", "s-1", false}, {"alice", "s-2", true}, {"bob", "s-1", true}, {"alic", "es-1", true}, {"alice", "never began", true}} {
			active, err := d.r.IsSessionActive(ctx, row.subject, row.sid)
			require.NoError(t, err)
			assert.Equal(t, row.want, active, row)
		}
		for subject, want := range map[string]tokenauth.Epoch{
			"alice":            {MinVersion: 1, NotBefore: time.Now().Add(-time.Minute - time.Second).Truncate(time.Second).UTC()},
			"bob":              {NotBefore: time.Now().Add(-time.Second).Truncate(time.Second).UTC()},
			"carol":            {NotBefore: time.Now().Add(-time.Minute - time.Second).Truncate(time.Second).UTC()},
			tokenauth.Everyone: {NotBefore: time.Now().Add(-time.Minute - time.Second).Truncate(time.Second).UTC()},
		} {
			got, err := d.r.Epoch(ctx, subject)
			require.NoError(t, err)
			assert.Equal(t, want, got, subject)
			stored, err := s.Epoch(ctx, subject)
			require.NoError(t, err)
			assert.Equal(t, stored, got, subject)
		}
		assert.Zero(t, d.asked(), "the source was asked")
		s1 := d.r.Stats()
		assert.Equal(t, replica.Stats{Tokens: 2, Sessions: 1, Epochs: 3, Loads: 1, Reads: s1.Reads, Woken: s1.Woken, Changes: s1.Changes}, s1)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	source := newFake()
	for _, row := range []struct {
		name   string
		source replica.Store
		cfg    replica.Config
		want   []string
	}{
		{"no source", nil, replica.Config{}, []string{"source"}},
		{"a nil pointer", (*fake)(nil), replica.Config{}, []string{"source"}},
		{"a negative bound", source, replica.Config{MaxStaleness: -1}, []string{"Config.MaxStaleness"}},
		{"negative times", source, replica.Config{Poll: -1, ReadTimeout: -1, LoadTimeout: -1, AskTimeout: -1},
			[]string{"Config.Poll", "Config.ReadTimeout", "Config.LoadTimeout", "Config.AskTimeout"}},
		{"a read that may come too late", source, replica.Config{MaxStaleness: time.Second, Poll: 600 * time.Millisecond},
			[]string{"Config.Poll"}},
		{"a read that may take too long", source, replica.Config{MaxStaleness: time.Second, ReadTimeout: 900 * time.Millisecond},
			[]string{"Config.Poll"}},
		{"a load that may take less than a read", source, replica.Config{LoadTimeout: time.Second}, []string{"Config.LoadTimeout"}},
		{"an answer older than the bound", source, replica.Config{MaxStaleness: time.Second, AskTimeout: 2 * time.Second},
			[]string{"Config.AskTimeout"}},
		{"negative memory", source, replica.Config{HoldLive: -1}, []string{"Config.HoldLive"}},
		{"one clock of two", source, replica.Config{Now: time.Now}, []string{"Config.Now"}},
		{"the other", source, replica.Config{Elapsed: func() time.Duration { return 0 }}, []string{"Config.Now"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := replica.New(row.source, row.cfg)
			require.Error(t, err)
			assert.Nil(t, r)
			for _, field := range row.want {
				assert.ErrorContains(t, err, "replica: "+field+": ")
			}
		})
	}
	for _, cfg := range []replica.Config{
		{}, {MaxStaleness: time.Millisecond}, {MaxStaleness: time.Hour},
		{MaxStaleness: time.Second, Poll: 500 * time.Millisecond, ReadTimeout: 500 * time.Millisecond},
	} {
		_, err := replica.New(source, cfg)
		require.NoError(t, err, cfg)
	}
}

// The bound, for every way in which a line to a source can be bad: once Revoke has returned, and MaxStaleness after that, nobody says
// "live".
func TestBoundHolds(t *testing.T) {
	for _, row := range []struct {
		name string
		cut  func(f *fake)
		soon time.Duration // when the death is known at the latest; 0: by asking, after the bound
		ask  bool          // whether a direct question is answered
	}{
		{"nothing is wrong", func(*fake) {}, 11 * time.Millisecond, true},
		{"wake-ups are cut", func(f *fake) { f.deaf = true }, time.Second + time.Millisecond, true},
		{"reads fail", func(f *fake) { f.change = func(tokenauth.Change) error { return errDown } }, 0, false},
		{"reads yield nothing and no cursor", func(f *fake) {
			f.reads = func(context.Context, *memstore.Store, tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
				return func(func(tokenauth.Change, error) bool) {}
			}
		}, 0, false},
		{"the source is down", func(f *fake) { f.down = errDown }, 0, false},
		{"the source hangs", func(f *fake) { f.hangs = true }, 0, false},
		{"the source is gone, and its marker", func(f *fake) { f.store = &memstore.Store{} }, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, replica.Config{})
				known, live := d.buried(d.f.store), d.create(d.f.store)
				d.ready()
				sleep(3 * time.Second)
				dies := d.create(d.f.store)
				d.kill(d.f.store, dies)
				d.f.set(row.cut)
				returned := time.Now()
				if row.soon > 0 {
					sleep(row.soon)
					d.dead(dies)
				}
				for since := time.Duration(0); since < 30*time.Second; since = time.Since(returned) {
					dead, err := d.r.IsRevoked(d.ctx, dies.ID)
					if since > bound {
						require.True(t, dead || err != nil, "accepted %v after", since)
						if !row.ask {
							d.unknown(live)
						}
					}
					d.dead(known)
					sleep(97 * time.Millisecond)
				}
			})
		})
	}
}

// A line that is only too slow for its reads, and good enough for a question: questions are asked, and the answer vouched for.
func TestBeyondTheBoundTheSourceIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		live := d.create(d.f.store)
		require.NoError(t, d.f.store.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		require.ErrorIs(t, d.stop(), context.Canceled) // nobody runs it any more
		dies := d.buried(d.f.store)
		_, err := d.f.store.BumpEpoch(d.ctx, "alice")
		require.NoError(t, err)
		d.alive(dies, "within the bound")
		require.Zero(t, d.asked())
		sleep(bound + time.Millisecond)
		d.dead(dies)
		d.alive(live)
		active, err := d.r.IsSessionActive(d.ctx, "alice", "s-1")
		require.NoError(t, err)
		require.True(t, active)
		active, err = d.r.IsSessionActive(d.ctx, "alice", "s-2")
		require.NoError(t, err)
		require.False(t, active, "the store knows it better")
		epoch, err := d.r.Epoch(d.ctx, "alice")
		require.NoError(t, err)
		require.Equal(t, tokenauth.Epoch{MinVersion: 1}, epoch)
		require.Equal(t, 5, d.asked())

		// Run again, it goes on where it was.
		d.run()
		synctest.Wait()
		d.alive(live)
		require.Zero(t, d.asked())
		require.EqualValues(t, 1, d.r.Stats().Loads)
	})
}

func TestBeforeTheFirstReadTheSourceIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r, err := replica.New(f, replica.Config{})
		require.NoError(t, err)
		d := &desk{t: t, ctx: t.Context(), f: f, r: r}
		d.dead(d.buried(f.store))
		d.alive(d.create(f.store))
		require.Equal(t, time.Duration(math.MaxInt64), r.Staleness())
		f.set(func(f *fake) { f.down = errDown })
		d.unknown(record())

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d.run()
		err = r.WaitReady(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errDown, "it says why")
		f.set(func(f *fake) { f.down = nil })
		d.ready()
		require.Less(t, r.Staleness(), time.Second)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// Staleness counts from the beginning of a read, by the clock that says more.
func TestStalenessGoesByBothClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		d := newDesk(t, l.config(replica.Config{}))
		d.ready()
		live := d.create(d.f.store)
		d.alive(live)
		require.Zero(t, d.asked())

		// The machine sleeps for a minute: its monotonic clock stands still, and so do the timers.
		l.set(time.Minute)
		require.GreaterOrEqual(t, d.r.Staleness(), time.Minute)
		d.alive(live)
		require.Equal(t, 1, d.asked(), "nobody knows what was revoked meanwhile")
		sleep(time.Second)
		d.alive(live)
		require.Zero(t, d.asked(), "the next read has made up for it")

		// Somebody sets the clock back by a second.
		l.set(-time.Second)
		require.Equal(t, time.Duration(math.MaxInt64), d.r.Staleness())
		d.alive(live)
		require.Equal(t, 1, d.asked())
		sleep(time.Second)
		d.alive(live)
		require.Zero(t, d.asked())

		// And stops it: the monotonic clock goes on.
		d.f.set(func(f *fake) { f.reads = incomplete })
		for range 6 {
			sleep(time.Second)
			l.set(-time.Second)
		}
		require.Greater(t, d.r.Staleness(), bound)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// incomplete is a read that ends without a cursor.
func incomplete(context.Context, *memstore.Store, tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(func(tokenauth.Change, error) bool) {}
}

// hanging is a read that waits for its context.
func hanging(ctx context.Context, _ *memstore.Store, _ tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		<-ctx.Done()
		yield(tokenauth.Change{}, ctx.Err())
	}
}

// A read that takes long is as old as its beginning when it ends.
func TestStalenessCountsFromTheBeginningOfARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{}, func(f *fake) {
			f.change = func(tokenauth.Change) error { time.Sleep(2 * time.Second); return nil }
		})
		d.ready()
		require.Equal(t, 2*time.Second, d.r.Staleness())
	})
}

// A wall clock that was years ahead has had everything swept as over. Set right, it has everything read again before anything is answered.
func TestClockThatWasFarAheadHasForgottenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		d := newDesk(t, l.config(replica.Config{}))
		d.ready()
		dead, live := d.buried(d.f.store), d.create(d.f.store)
		l.set(10 * 365 * 24 * time.Hour)
		sleep(2 * time.Minute)
		require.Zero(t, d.r.Stats().Tokens, "the test needs entries that were swept")
		l.set(-10 * 365 * 24 * time.Hour)
		for range 50 {
			d.dead(dead)
			d.alive(live)
			sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 2, d.r.Stats().Loads)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A wall clock that is set back brings back what had expired, and what has been swept as over with it: in one step that is too small to read
// everything anew for, with the longest leeway, and in many that are not small together.
func TestClockThatIsSetBackFindsWhatWasSwept(t *testing.T) {
	for name, row := range map[string]struct {
		leeway, ahead time.Duration
		steps         []time.Duration
	}{
		"one step, at the end of the leeway": {5 * time.Minute, 0, []time.Duration{55 * time.Second}},
		"many steps, from far ahead":         {0, 16 * time.Minute, slices.Repeat([]time.Duration{58 * time.Second}, 18)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab()
				d := newDesk(t, l.config(replica.Config{}), func(f *fake) { f.store = memstore.New(memstore.Config{Now: l.Now}) }).ready()
				v, issuer := authority(t, d, l.Now, row.leeway)
				var tokens []string
				for range 100 { // of which some are swept in any case
					tokens = append(tokens, issueRevoked(t, issuer))
				}
				codes := func() map[string]int {
					n := map[string]int{}
					for _, token := range tokens {
						_, err := v.Verify(t.Context(), token)
						n[tokenauth.ErrorCode(err)]++
					}
					return n
				}
				sleep(2 * time.Second)
				require.Equal(t, map[string]int{"token_revoked": 100}, codes())
				if row.ahead > 0 {
					l.set(row.ahead)
					sleep(2 * time.Minute)
				} else {
					sleep(10*time.Minute + row.leeway + 40*time.Second)
				}
				require.Equal(t, map[string]int{"token_expired": 100}, codes())
				for _, step := range row.steps {
					l.set(-step)
					sleep(3 * time.Second)
				}
				for range 3 {
					sleep(2 * time.Second)
					require.Less(t, d.r.Staleness(), bound, "the test asks memory")
					require.Equal(t, map[string]int{"token_revoked": 100}, codes())
				}
				require.ErrorIs(t, d.stop(), context.Canceled)
			})
		})
	}
}

// authority returns a verifier that asks d's replica, and an issuer that writes to its source.
func authority(t *testing.T, d *desk, now func() time.Time, leeway time.Duration) (*tokenauth.Verifier, *tokenauth.Issuer) {
	t.Helper()
	key, err := tokenauth.GenerateSigningKey("HS256")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	v, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: d.r, Sessions: d.r, Epochs: d.r, Leeway: leeway, Now: now,
	})
	require.NoError(t, err)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: d.f.store, Sessions: d.f.store, Epochs: d.f.store, Now: now,
	})
	require.NoError(t, err)
	return v, issuer
}

// issueRevoked returns a token of ten minutes that was revoked.
func issueRevoked(t *testing.T, issuer *tokenauth.Issuer) string {
	t.Helper()
	by := tokenauth.SystemAuthority("a test")
	issued, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{By: by, Name: "ci", TTL: 10 * time.Minute, Roles: []string{"reader"}})
	require.NoError(t, err)
	_, err = issuer.Revoke(t.Context(), by, issued.Record.ID, "stolen")
	require.NoError(t, err)
	return issued.Token.Reveal()
}

// A session that is ended while only the leeway lets its tokens live is ended for a replica, too.
func TestSessionThatIsEndedInTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{}).ready()
		v, issuer := authority(t, d, time.Now, 5*time.Minute)
		until := time.Now().Add(time.Hour).Truncate(time.Second)
		require.NoError(t, d.f.store.StartSession(t.Context(), "alice", "s-1", until))
		by := tokenauth.SystemAuthority("a test")
		issued, err := issuer.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", SessionID: "s-1", ExpiresAt: until})
		require.NoError(t, err)
		sleep(time.Hour + 4*time.Minute)
		_, err = v.Verify(t.Context(), issued.Token.Reveal())
		require.NoError(t, err)
		require.NoError(t, d.f.store.EndSession(t.Context(), "alice", "s-1"))
		sleep(bound)
		_, err = v.Verify(t.Context(), issued.Token.Reveal())
		require.ErrorIs(t, err, tokenauth.ErrSessionEnded)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// Deaths come in any order and more than once; the earliest from and the latest until count, and an epoch never goes back.
func TestChangesCommute(t *testing.T) {
	now := time.Now()
	far := now.Add(time.Hour)
	early, late := tokenauth.Epoch{MinVersion: 1, NotBefore: now.Add(time.Minute)}, tokenauth.Epoch{MinVersion: 2, NotBefore: now}
	changes := []tokenauth.Change{
		{TokenID: "dead and retired", Until: far}, {TokenID: "dead and retired", From: far, Until: far},
		{TokenID: "retired twice", From: far, Until: far}, {TokenID: "retired twice", From: now.Add(time.Minute), Until: far},
		{SessionID: "s-1", Subject: "alice", Until: now.Add(-time.Hour)}, {SessionID: "s-1", Subject: "alice", Until: far},
		{Subject: "alice", Epoch: early}, {Subject: "alice", Epoch: late},
	}
	for _, order := range [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1, 0}, {1, 0, 0, 1, 3, 2, 3, 5, 4, 4, 6, 7, 6}} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab()
			l.wall = now
			d := newDesk(t, l.config(replica.Config{}), func(f *fake) {
				f.reads = func(context.Context, *memstore.Store, tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
					return func(yield func(tokenauth.Change, error) bool) {
						for _, i := range order {
							if !yield(changes[i], nil) {
								return
							}
						}
						yield(tokenauth.Change{Next: "next"}, nil)
					}
				}
			})
			d.ready()
			is := func(id string, want bool) {
				dead, err := d.r.IsRevoked(t.Context(), id)
				require.NoError(t, err)
				assert.Equal(t, want, dead, "%s, in order %v", id, order)
			}
			is("dead and retired", true)
			is("retired twice", false)
			active, err := d.r.IsSessionActive(t.Context(), "alice", "s-1")
			require.NoError(t, err)
			assert.False(t, active)
			epoch, err := d.r.Epoch(t.Context(), "alice")
			require.NoError(t, err)
			assert.Equal(t, tokenauth.Epoch{MinVersion: 2, NotBefore: early.NotBefore}, epoch)
			sleep(time.Minute)
			is("retired twice", true)
			assert.Equal(t, 1, d.r.Stats().Sessions, "kept until the later")
			require.ErrorIs(t, d.stop(), context.Canceled)
		})
	}
}

// Entries outlive what they are of by more than any leeway, by six minutes and the bound; and then they leave.
func TestEntriesOutliveTheLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		dead := record()
		dead.ExpiresAt = time.Now().Add(time.Hour)
		d.buried(d.f.store, dead)
		require.NoError(t, d.f.store.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		require.NoError(t, d.f.store.EndSession(d.ctx, "alice", "s-1"))
		expiry := dead.ExpiresAt
		sleep(time.Until(expiry.Add(6*time.Minute + bound)))
		d.dead(dead)
		require.Equal(t, 1, d.r.Stats().Sessions)
		// 8 s by which it is rounded, a minute in which each part is looked at once, and the next read.
		sleep(8*time.Second + time.Minute + 2*time.Second)
		require.Zero(t, d.r.Stats().Tokens)
		require.Zero(t, d.r.Stats().Sessions)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// M10: the predecessor of a rotation dies when its grace ends, with nobody telling the replica anything then.
func TestM10GraceEndsOnTimeBehindAReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		old, next := d.create(d.f.store), record()
		next.RootID, next.Owner = old.ID, old.Owner
		ends := time.Now().Add(90 * time.Second)
		require.NoError(t, d.f.store.Rotate(d.ctx, old.ID, ends, next))
		sleep(time.Second)
		d.alive(old)
		sleep(time.Until(ends) - time.Microsecond)
		d.alive(old)
		sleep(time.Microsecond)
		d.dead(old)
		d.alive(next)
		sleep(10 * time.Minute) // and after sweeps
		d.dead(old)

		// Revoked in grace it is dead at once.
		old, next = d.create(d.f.store), record()
		next.RootID, next.Owner = old.ID, old.Owner
		require.NoError(t, d.f.store.Rotate(d.ctx, old.ID, time.Now().Add(time.Hour), next))
		sleep(time.Second)
		d.alive(old)
		d.kill(d.f.store, next)
		sleep(time.Second)
		d.dead(old)
		d.dead(next)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A session whose until was moved back has ended then.
func TestSessionThatWasCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		require.NoError(t, d.f.store.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Hour)))
		require.NoError(t, d.f.store.StartSession(d.ctx, "alice", "s-1", time.Now().Add(time.Minute)))
		for _, want := range []bool{true, false} {
			sleep(30 * time.Second)
			active, err := d.r.IsSessionActive(d.ctx, "alice", "s-1")
			require.NoError(t, err)
			require.Equal(t, want, active)
			sleep(30 * time.Second)
		}
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// What a read has brought before it broke off is dead all the same, and the next read brings it again.
func TestReadThatBreaksOffCountsForItsDeathsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		sleep(time.Millisecond * 500)
		yielded := 0
		d.f.set(func(f *fake) {
			f.change = func(tokenauth.Change) error {
				if yielded++; yielded%2 == 0 {
					return errDown
				}
				return nil
			}
		})
		first, second := d.buried(d.f.store), d.buried(d.f.store)
		before := d.r.Staleness()
		sleep(time.Second)
		d.dead(first)
		d.alive(second, "within the bound")
		require.Greater(t, d.r.Staleness(), before, "an incomplete read counted")
		d.f.set(func(f *fake) { f.change = nil })
		sleep(time.Second)
		d.dead(second)
		require.NotZero(t, d.r.Stats().Failures)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A backlog that takes longer than a read may is caught up with: the next read may take longer.
func TestBacklogIsCaughtUpWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		d.f.set(func(f *fake) {
			f.change = func(tokenauth.Change) error { time.Sleep(10 * time.Millisecond); return nil }
		})
		for range 1500 { // of which the store looks to its context after each five hundred
			d.buried(d.f.store)
		}
		sleep(time.Minute)
		require.Equal(t, 1500, d.r.Stats().Tokens)
		require.GreaterOrEqual(t, d.r.Stats().Reads, uint64(2))
		require.Less(t, d.r.Staleness(), bound)
		require.EqualValues(t, 1, d.r.Stats().Loads)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A source that hung is listened to soon after it hangs no more: no read is waited for longer because the last one hung.
func TestSourceThatHungIsHeardSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		d.f.set(func(f *fake) { f.hangs = true })
		sleep(time.Minute)
		d.f.set(func(f *fake) { f.hangs = false })
		sleep(bound/2 + time.Second)
		require.Less(t, d.r.Staleness(), bound)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// A source whose Wait does not work is polled, and one that never waits is not asked without end.
func TestWaitsThatDoNotWork(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		most uint64 // reads in ten seconds
	}{{"an error", errors.New("no session connection"), 13}, {"at once", nil, 557}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				r, err := replica.New(restless{f, row.err}, replica.Config{})
				require.NoError(t, err)
				d := &desk{t: t, ctx: t.Context(), f: f, r: r}
				d.run()
				d.ready()
				dead := d.buried(f.store)
				sleep(time.Second)
				d.dead(dead)
				sleep(9 * time.Second)
				require.LessOrEqual(t, r.Stats().Reads, row.most)
				require.GreaterOrEqual(t, r.Stats().Reads, uint64(10))
				require.ErrorIs(t, d.stop(), context.Canceled)
			})
		})
	}
}

// A death after a quiet time is read at once. A stream of them is read in steps, each soon, without being waited for each time; one that
// nobody was woken for is read every Poll.
func TestStreamIsReadInSteps(t *testing.T) {
	for _, row := range []struct {
		name        string
		deaf        bool
		soon        time.Duration // when the last of the stream is known
		reads, most uint64        // in its two seconds
	}{{"woken", false, 20 * time.Millisecond, 100, 114}, {"polled", true, time.Second, 1, 4}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, replica.Config{}, func(f *fake) { f.deaf = row.deaf })
				d.ready()
				for range 3 {
					sleep(3 * time.Second)
					before := d.r.Stats()
					dead := d.buried(d.f.store)
					if !row.deaf {
						sleep(0)
						d.dead(dead, "after a quiet time")
					}
					for range 400 {
						sleep(5 * time.Millisecond)
						dead = d.buried(d.f.store)
					}
					stats := d.r.Stats()
					require.GreaterOrEqual(t, stats.Reads-before.Reads, row.reads)
					require.LessOrEqual(t, stats.Reads-before.Reads, row.most)
					require.LessOrEqual(t, stats.Woken-before.Woken, uint64(1), "waited for in the stream")
					sleep(row.soon)
					d.dead(dead, "the last of a stream")
				}
				require.ErrorIs(t, d.stop(), context.Canceled)
			})
		})
	}
}

// restless is a store that does not wait.
type restless struct {
	*fake
	err error
}

func (r restless) Wait(context.Context, tokenauth.Cursor) error { return r.err }

func TestRunIsForOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{})
		d.ready()
		require.ErrorContains(t, d.r.Run(t.Context()), "Run runs already")
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

// Run comes back whatever its source is doing, and leaves nothing behind: the bubble would not end.
func TestRunEndsWithItsContext(t *testing.T) {
	for name, cut := range map[string]func(f *fake){
		"waiting": func(*fake) {}, "hanging": func(f *fake) { f.hangs = true }, "failing": func(f *fake) { f.down = errDown },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, replica.Config{}, cut)
				sleep(10 * time.Second)
				began := time.Now()
				require.ErrorIs(t, d.stop(), context.Canceled)
				require.Zero(t, time.Since(began))
			})
		})
	}
}

func TestCallersWhoHaveGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{}).ready()
		dead := d.buried(d.f.store)
		sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.r.IsRevoked(ctx, dead.ID)
		require.ErrorIs(t, err, context.Canceled)
		_, err = d.r.IsSessionActive(ctx, "alice", "s-1")
		require.ErrorIs(t, err, context.Canceled)
		_, err = d.r.Epoch(ctx, "alice")
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}

func TestReplicaSaysWhatItIs(t *testing.T) {
	r, err := replica.New(newFake(), replica.Config{})
	require.NoError(t, err)
	assert.Equal(t, "a replica that says not known dead, at most 5s old", r.Describe())
	r, err = replica.New(newFake(), replica.Config{HoldLive: 10, MaxStaleness: time.Second})
	require.NoError(t, err)
	assert.Equal(t, "a replica that says live only of what the store said so of, at most 1s old", r.Describe())
	_, ok := any(r).(interface{ AnswersFromMemory() })
	assert.True(t, ok)
}
