//go:build unix

package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The server dies, and comes back with all it had, with less, or with nothing. Nobody accepts what is known to be revoked, at any time; what
// nobody can know is a 503 once the bound is over; and after a loss only a new start helps.
func TestFleetAndAServerThatDies(t *testing.T) {
	for name, newServer := range servers {
		for _, c := range []struct {
			back string
			come func(s server)
			lost bool
		}{
			{"with all it had", func(server) {}, false},
			{"with what it had before", func(s server) { s.old() }, true},
			{"with nothing", func(s server) { s.empty() }, true},
		} {
			t.Run(name+" comes back "+c.back, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				f := newFleet(t, s, 4)
				f.dies(s.save, s.kill, func() { c.come(s); s.start() }, c.lost, c.back == "with nothing")
			})
		}
	}
}

// A standby that was promoted without the end of what the primary had acknowledged, as may happen where replication is asynchronous.
func TestFleetAndAStandby(t *testing.T) {
	t.Parallel()
	s := newPostgres(t).(*postgres)
	f := newFleet(t, s, 4)
	f.dies(s.follow, s.kill, s.promote, true, false)
}

// dies is the story of a server's death. save is called before the last revocations.
func (f *fleet) dies(save, kill, comeBack func(), lost, bare bool) {
	t := f.t
	live, dead, unseen := f.issueAll(5), f.issueAll(5), f.issueAll(5)
	f.until(append(append(live[:len(live):len(live)], dead...), unseen...), accepted, "tokens that live")
	save()
	f.until(live, accepted, "tokens that live")
	f.revokeAll(dead)
	f.until(dead, revoked, "tokens that are revoked")
	f.cut(f.ears)
	f.revokeAll(unseen) // some members may know by now, others not
	last := time.Now()
	kill()
	killed := time.Now()

	// Until the bound is over memory answers, and from then on nobody does.
	for time.Since(killed) < *staleness+*staleness/2 {
		f.verify(live, func(_ victim, began time.Time, err error) {
			if err != nil || began.Sub(killed) > *staleness {
				require.ErrorIs(t, err, tokenauth.ErrUnavailable, "a token that lives, %v after the kill", began.Sub(killed))
			}
		})
		f.never(dead, "revoked and seen")
		f.verify(unseen, func(_ victim, began time.Time, err error) {
			require.False(t, err == nil && began.Sub(last) > *staleness, "revoked and unseen, accepted after the bound")
		})
		time.Sleep(20 * time.Millisecond)
	}
	f.until(dead, revoked, "what is known to be dead stays dead")

	comeBack()
	f.mend(f.ears)
	if !lost {
		f.until(live, accepted, "tokens that live, when the server is back")
		f.until(append(dead, unseen...), revoked, "tokens that are revoked, when the server is back")
		return
	}
	operator := f.server.open(t, f.server.address())
	if bare {
		f.watch(live, dead, unseen) // a server without anything in it
		require.NoError(t, operator.Migrate(t.Context()))
	}
	f.watch(live, dead, unseen)
	time.Sleep(time.Second) // NotBefore has whole seconds, and speaks of tokens from before
	require.NoError(t, operator.Reseed(t.Context(), "the server has lost its past"))
	f.until(live, ended, "tokens from before the loss, when the store is re-seeded")
	f.until(append(dead, unseen...), ended, "tokens that were revoked before the loss")

	f.writer = operator
	time.Sleep(time.Second)
	f.until(f.issueAll(3), accepted, "tokens from after the loss")
}

// never asks about tokens that nobody may accept.
func (f *fleet) never(all []victim, what string) {
	f.verify(all, func(_ victim, _ time.Time, err error) {
		require.Error(f.t, err, "accepted: %s", what)
	})
}

// watch looks for a while whether anybody believes a source that has lost its past. Each member was stale before, so nothing is answered from
// what it had read.
func (f *fleet) watch(live, dead, unseen []victim) {
	for end := time.Now().Add(*staleness); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		f.never(dead, "revoked and seen, of a source that lost it")
		f.never(unseen, "revoked and perhaps unseen, of a source that lost it")
		f.never(live, "of a source that lost its past, so that nobody can know")
	}
}
