package replica_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// A source that comes back without its end: a copy that was restored, a standby that was promoted. Its deaths are told apart here into
// those that the replica knows, known, and one that it never heard of, missed. Nobody may say of either that it lives.

// A past is a store with its deaths, and what a copy of it may have.
type past struct {
	*desk
	kept, known, missed, live *tokenauth.StoredAccessToken
}

// newPast runs a replica that knows kept and known. missed dies where it does not hear of it.
func newPast(t *testing.T, cfg replica.Config) *past {
	p := &past{desk: newDesk(t, cfg)}
	p.ready()
	p.kept, p.known, p.live = p.buried(p.f.store), p.buried(p.f.store), p.create(p.f.store)
	sleep(time.Second)
	p.f.set(func(f *fake) { f.down = errDown })
	p.missed = p.buried(p.f.store)
	sleep(time.Second)
	return p
}

// restore puts a copy in place of the store that knows nothing but kept, and that everybody else lives.
func (p *past) restore(prepare ...func(s *memstore.Store)) *memstore.Store {
	s := memstore.New(memstore.Config{})
	p.buried(s, p.kept)
	p.create(s, p.known)
	p.create(s, p.missed)
	p.create(s, p.live)
	for _, prepare := range prepare {
		prepare(s)
	}
	p.f.set(func(f *fake) { f.store, f.down = s, nil })
	return s
}

// isLost checks that nothing is believed but what is dead.
func (p *past) isLost(why ...any) {
	p.t.Helper()
	p.dead(p.kept, why...)
	p.dead(p.known, why...)
	p.unknown(p.missed, why...)
	p.unknown(p.live, why...)
	require.True(p.t, p.r.Stats().Lost, why...)
	_, err := p.r.IsSessionActive(p.ctx, "nobody", "s-1")
	require.ErrorContains(p.t, err, "re-seeded", why...)
}

// isBelieved checks that the source is, and that its tokens are all before everyone's NotBefore.
func (p *past) isBelieved(why ...any) {
	p.t.Helper()
	p.dead(p.kept, why...)
	p.dead(p.known, "what was dead stays dead")
	p.alive(p.live, why...)
	require.False(p.t, p.r.Stats().Lost, why...)
	epoch, err := p.r.Epoch(p.ctx, "alice")
	require.NoError(p.t, err)
	require.False(p.t, p.missed.CreatedAt.Truncate(time.Second).After(epoch.NotBefore), "missed lives on")
}

// neverAccepts checks for a while, from the very moment on, that missed is not accepted, and that known is dead.
func (p *past) neverAccepts(d time.Duration) {
	p.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); sleep(7 * time.Millisecond) {
		p.dead(p.known)
		dead, err := p.r.IsRevoked(p.ctx, p.missed.ID)
		require.True(p.t, dead || err != nil, "accepted")
	}
}

func TestSourceThatHasLostItsPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, replica.Config{})
		sleep(bound)
		s := p.restore()
		p.neverAccepts(3 * time.Second)
		p.isLost()
		sleep(time.Hour)
		p.isLost("it stays so")
		p.everyone(s, time.Now())
		sleep(2 * time.Second)
		p.isBelieved()
		later := p.buried(s)
		sleep(time.Second)
		p.dead(later, "it is listened to again")

		// What it lacks is not waited for a second time; what it loses again is.
		p.f.set(func(f *fake) { f.down = errDown })
		again := p.restore(func(s *memstore.Store) { p.buried(s, later); p.everyone(s, time.Now().Add(-time.Minute)) })
		p.everyone(again, time.Now())
		sleep(10 * time.Second)
		p.isBelieved()
		for range 3 {
			p.restore(func(s *memstore.Store) { p.buried(s, later); p.everyone(s, time.Now()) })
			sleep(10 * time.Second)
			p.isBelieved()
		}
		p.f.set(func(f *fake) { f.down = errDown })
		sleep(2 * time.Second)
		p.restore()
		sleep(10 * time.Second)
		p.isLost("later is missing")
	})
}

// A copy that is restored while the replica was not looking, and that is asked beyond the bound before it is read: its cursor tells it.
func TestCopyIsNotAskedBeforeItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, replica.Config{})
		require.ErrorIs(t, p.stop(), context.Canceled) // so that nothing is read
		sleep(bound)
		p.restore()
		p.neverAccepts(time.Second)
		p.unknown(p.missed)
		p.run()
		synctest.Wait()
		p.isLost()
		require.ErrorIs(t, p.stop(), context.Canceled)
	})
}

// cutOff is a time away after which the first reads are cut off.
const cutOff = 61 * time.Second

// Everyone's NotBefore ends the loss if it was made for that, and an older one does not.
func TestReseeding(t *testing.T) {
	now := func(d time.Duration) func(p *past, s *memstore.Store) {
		return func(p *past, s *memstore.Store) { p.everyone(s, time.Now().Add(d)) }
	}
	for _, row := range []struct {
		name    string
		known   time.Duration // what the replica knew of everyone's NotBefore, when it still listened; 0: nothing
		away    time.Duration // from the last word to the copy's first
		offline func(p *past, s *memstore.Store)
		online  func(p *past, s *memstore.Store) // two seconds after the loss was seen
		want    bool
	}{
		{"not at all", 0, time.Minute, nil, nil, false},
		{"before anybody sees the copy", 0, time.Minute, now(0), nil, true},
		{"before anybody sees it, some time ago", 0, time.Minute, now(-50 * time.Second), nil, true},
		{"to a moment at which the source was still heard of", 0, time.Minute, now(-time.Minute), nil, false},
		{"to what a NotBefore may have been ahead then", 0, time.Minute, now(-time.Minute + 5*time.Second), nil, false},
		{"so soon after the last word that it may be an old one", 0, time.Second, now(0), nil, false},
		{"the same, and again", 0, time.Second, now(0), now(0), true},
		{"before a first read of the copy that is cut off, and a second", 0, cutOff, now(0), nil, true},
		{"after the loss was seen", 0, time.Second, nil, now(0), true},
		{"after the loss was seen, to a moment before", 0, time.Second, nil, now(-5 * time.Second), false},
		{"after the loss was seen, long after", 0, time.Hour, nil, now(0), true},
		{"after the loss was seen, to a moment before, long after", 0, time.Hour, nil, now(-time.Hour), false},
		{"what the replica knew already, and the copy still has", 5 * time.Second, time.Minute, now(-time.Minute + 4*time.Second), nil, false},
		{"what the replica knew already, of a store whose clock is ahead", 4 * time.Second, 0, now(3 * time.Second), now(0), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &past{desk: newDesk(t, replica.Config{})}
				p.ready()
				p.kept, p.known, p.live, p.missed = p.buried(p.f.store), p.buried(p.f.store), p.create(p.f.store), p.create(p.f.store)
				if row.known > 0 {
					p.everyone(p.f.store, time.Now().Add(row.known))
				}
				sleep(500 * time.Millisecond)
				p.f.set(func(f *fake) { f.down = errDown })
				p.kill(p.f.store, p.missed)
				if row.away == cutOff {
					failures := 2
					p.f.set(func(f *fake) {
						f.change = func(change tokenauth.Change) error {
							if failures--; failures >= 0 && change.Next != "" {
								return errDown
							}
							failures++
							return nil
						}
					})
				}
				sleep(row.away)
				s := p.restore(func(s *memstore.Store) {
					if row.offline != nil {
						row.offline(p, s)
					}
				})
				sleep(2 * time.Second)
				if row.online != nil {
					p.isLost("before it is re-seeded")
					row.online(p, s)
					sleep(2 * time.Second)
				}
				if row.want {
					p.isBelieved()
				} else {
					p.isLost()
				}
				require.ErrorIs(t, p.stop(), context.Canceled)
			})
		})
	}
}

// What may be missing: sessions and epochs as well as tokens. And what is no loss.
func TestWhatALossIs(t *testing.T) {
	type world struct {
		d      *desk
		dead   *tokenauth.StoredAccessToken
		expiry time.Time
	}
	prepare := func(w *world, s *memstore.Store, without string) {
		ctx := w.d.ctx
		w.d.buried(s, w.dead)
		require.NoError(w.d.t, s.StartSession(ctx, "alice", "s-1", w.expiry))
		if without != "session" {
			require.NoError(w.d.t, s.EndSession(ctx, "alice", "s-1"))
		}
		for i := range 2 {
			if without != "version" || i == 0 {
				_, err := s.BumpEpoch(ctx, "bob")
				require.NoError(w.d.t, err)
			}
		}
		_, err := s.RaiseNotBefore(ctx, "carol", w.expiry.Add(-2*time.Hour))
		require.NoError(w.d.t, err)
		if without != "moment" {
			_, err = s.RaiseNotBefore(ctx, "carol", w.expiry.Add(-time.Hour))
			require.NoError(w.d.t, err)
		}
	}
	for _, row := range []struct {
		name, without string
		later         time.Duration // when the copy comes
		want          bool
	}{
		{"nothing", "", time.Minute, false},
		{"a session's end", "session", time.Minute, true},
		{"a session's end that nobody needs any more", "session", time.Hour + 10*time.Second, false},
		{"a subject's version", "version", time.Minute, true},
		{"a subject's moment", "moment", time.Minute, true},
		{"a subject's moment, long after", "moment", 24 * time.Hour, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{d: newDesk(t, replica.Config{}), dead: record(), expiry: time.Now().Add(time.Hour)}
				w.d.ready()
				prepare(w, w.d.f.store, "")
				sleep(time.Second)
				w.d.f.set(func(f *fake) { f.down = errDown })
				sleep(row.later)
				s := memstore.New(memstore.Config{})
				prepare(w, s, row.without)
				w.d.f.set(func(f *fake) { f.store, f.down = s, nil })
				sleep(2 * time.Second)
				assert.Equal(t, row.want, w.d.r.Stats().Lost)
				assert.EqualValues(t, 2, w.d.r.Stats().Loads)
				require.ErrorIs(t, w.d.stop(), context.Canceled)
			})
		})
	}
}

// A full read that is cut off says nothing about what it did not yield, and hides nothing from the next.
func TestFullReadThatIsCutOff(t *testing.T) {
	for name, lost := range map[string]bool{"of a source that has everything": false, "of one that has lost its past": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPast(t, replica.Config{})
				failures := 3
				p.f.set(func(f *fake) {
					f.change = func(change tokenauth.Change) error {
						if change.Next != "" && failures > 0 {
							failures--
							return errDown
						}
						return nil
					}
				})
				p.restore(func(s *memstore.Store) {
					if !lost {
						p.kill(s, p.known)
					}
				})
				sleep(100 * time.Millisecond)
				require.False(t, p.r.Stats().Lost, "an incomplete read says nothing about what is missing")
				sleep(2 * time.Second)
				require.Zero(t, failures)
				require.Equal(t, lost, p.r.Stats().Lost)
				require.ErrorIs(t, p.stop(), context.Canceled)
			})
		})
	}
}

// What a full read had shown before it was cut off may be missing in the next, of another copy.
func TestCopyAfterACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, replica.Config{})
		p.f.set(func(f *fake) {
			f.change = func(change tokenauth.Change) error {
				if change.Next != "" {
					return errDown
				}
				return nil
			}
		})
		p.restore(func(s *memstore.Store) { p.kill(s, p.known) })
		sleep(3 * time.Second)
		require.EqualValues(t, 1, p.r.Stats().Loads)
		p.restore()
		p.f.set(func(f *fake) { f.change = nil })
		sleep(3 * time.Second)
		p.isLost()
		require.ErrorIs(t, p.stop(), context.Canceled)
	})
}

// A store's clock may be ahead of the replica's. A NotBefore that was known before the loss is none that was made after it, then too.
func TestClockOfAStoreThatIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.set(-10 * time.Minute)
		p := &past{desk: newDesk(t, l.config(replica.Config{}))}
		p.ready()
		p.kept, p.known, p.live, p.missed = p.buried(p.f.store), p.buried(p.f.store), p.create(p.f.store), p.create(p.f.store)
		noted := time.Now()
		p.everyone(p.f.store, noted)
		sleep(time.Second)
		p.f.set(func(f *fake) { f.down = errDown })
		p.kill(p.f.store, p.missed)
		sleep(time.Second)
		s := p.restore(func(s *memstore.Store) { p.everyone(s, noted) })
		sleep(2 * time.Second)
		p.isLost()
		p.everyone(s, time.Now())
		sleep(2 * time.Second)
		p.isBelieved()
		require.ErrorIs(t, p.stop(), context.Canceled)
	})
}

// What counts is when the source was last heard of, even if that read broke off: the copy may be from just before.
func TestLastWordOfASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &past{desk: newDesk(t, replica.Config{})}
		p.ready()
		p.kept, p.live, p.missed = p.buried(p.f.store), p.create(p.f.store), p.create(p.f.store)
		sleep(time.Second)
		p.f.set(func(f *fake) {
			f.change = func(change tokenauth.Change) error {
				if change.Next != "" || change.Subject != "" {
					return errDown
				}
				return nil
			}
		})
		sleep(10 * time.Second)
		noted := time.Now()
		sleep(10 * time.Second)
		p.known = p.buried(p.f.store) // this is heard of, and the NotBefore of ten seconds before is not
		sleep(2 * time.Second)
		p.f.set(func(f *fake) { f.down = errDown })
		p.kill(p.f.store, p.missed)
		sleep(time.Second)
		p.restore(func(s *memstore.Store) { p.everyone(s, noted) })
		p.f.set(func(f *fake) { f.change = nil })
		sleep(2 * time.Second)
		p.isLost()
		require.ErrorIs(t, p.stop(), context.Canceled)
	})
}

// A cursor that goes stale while the source has kept everything, as after a planned failover, costs a full read and nothing else.
func TestStaleCursorIsAFullRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPast(t, replica.Config{})
		s := p.restore(func(s *memstore.Store) { p.kill(s, p.known); p.kill(s, p.missed) })
		sleep(time.Second)
		p.dead(p.missed)
		p.alive(p.live)
		require.EqualValues(t, 2, p.r.Stats().Loads)
		dead := p.buried(s)
		sleep(time.Second)
		p.dead(dead)
		require.EqualValues(t, 2, p.r.Stats().Loads)
		require.ErrorIs(t, p.stop(), context.Canceled)
	})
}

// A source that takes none of its own cursors is read in full each time, and no more often than is polled.
func TestSourceThatTakesNoCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, replica.Config{}, func(f *fake) {
			f.reads = func(ctx context.Context, s *memstore.Store, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
				if since != "" {
					return s.Changes(ctx, "nonsense")
				}
				return s.Changes(ctx, since)
			}
		})
		d.ready()
		dead := d.buried(d.f.store)
		sleep(10 * time.Second)
		d.dead(dead)
		require.LessOrEqual(t, d.r.Stats().Loads, uint64(14))
		require.ErrorIs(t, d.stop(), context.Canceled)
	})
}
