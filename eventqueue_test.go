package tokenauth_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// A queue of events keeps their order, counts what it drops, blocks nobody, and loses nothing of what it has taken.

// numbered returns the n-th event of a test.
func numbered(n int) tokenauth.Event {
	return tokenauth.Event{Op: "verify", Code: "ok", TokenID: strconv.Itoa(n)}
}

// drain runs the queue until what waits is handed over, and returns the ids.
func drain(t *testing.T, q *tokenauth.EventQueue) (ids []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, q.Run(ctx, func(e tokenauth.Event) { ids = append(ids, e.TokenID) }), context.Canceled)
	return ids
}

func TestEventQueueKeepsTheOrderAndCountsWhatItDrops(t *testing.T) {
	q := tokenauth.NewEventQueue(3)
	for n := range 5 {
		q.Observe(t.Context(), numbered(n))
	}
	require.EqualValues(t, 2, q.Dropped(), "the queue holds three")
	require.Equal(t, []string{"0", "1", "2"}, drain(t, q), "who came first is kept")
	require.Empty(t, drain(t, q), "each is handed over once")
	q.Observe(t.Context(), numbered(5))
	require.Equal(t, []string{"5"}, drain(t, q), "there is room again")
	require.EqualValues(t, 2, q.Dropped(), "the count stays")
}

func TestEventQueueHandsOverTheWholeEvent(t *testing.T) {
	q := tokenauth.NewEventQueue(1)
	want := tokenauth.Event{
		Op: "mint", Code: "tokens_unavailable", Err: tokenauth.ErrUnavailable, Cause: errOfStore, TokenID: "id-1", Subject: "alice",
		KeyID: "k1", Took: 7,
	}
	q.Observe(t.Context(), want)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got tokenauth.Event
	require.Error(t, q.Run(ctx, func(e tokenauth.Event) { got = e }))
	require.Equal(t, want, got)
}

func TestEventQueueSize(t *testing.T) {
	for size, want := range map[int]int{-1: 1024, 0: 1024, 1: 1, 7: 7} {
		q := tokenauth.NewEventQueue(size)
		for n := range 1030 {
			q.Observe(t.Context(), numbered(n))
		}
		require.Len(t, drain(t, q), want)
		require.EqualValues(t, 1030-want, q.Dropped())
	}
}

// A sink that hangs costs events and no request; when the program ends, those that wait are handed over before Run returns.
func TestEventQueueNeverBlocksAndDrainsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := tokenauth.NewEventQueue(4)
		ctx, cancel := context.WithCancel(t.Context())
		hangs := make(chan struct{})
		var handled []string
		ended := make(chan error, 1)
		go func() {
			ended <- q.Run(ctx, func(e tokenauth.Event) {
				<-hangs
				handled = append(handled, e.TokenID)
			})
		}()
		q.Observe(t.Context(), numbered(0))
		synctest.Wait() // the first is with the sink, which hangs
		for n := 1; n < 8; n++ {
			q.Observe(t.Context(), numbered(n))
		}
		require.EqualValues(t, 3, q.Dropped())
		cancel()
		synctest.Wait()
		require.Empty(t, ended, "Run waits for the sink")
		close(hangs)
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Equal(t, []string{"0", "1", "2", "3", "4"}, handled)
	})
}

// Events of many requests at once: none is lost without being counted, none comes twice, and those of one request keep their order.
func TestEventQueueUnderManyObservers(t *testing.T) {
	const observers, each = 8, 2000
	q := tokenauth.NewEventQueue(16)
	ctx, cancel := context.WithCancel(t.Context())
	last, handled := map[string]int{}, 0
	ended := make(chan error, 1)
	go func() {
		ended <- q.Run(ctx, func(e tokenauth.Event) {
			n, _ := strconv.Atoi(e.TokenID)
			if n <= last[e.Subject] {
				t.Errorf("%s: %d after %d", e.Subject, n, last[e.Subject])
			}
			last[e.Subject] = n
			handled++
		})
	}()
	var group sync.WaitGroup
	for i := range observers {
		group.Go(func() {
			for n := 1; n <= each; n++ {
				q.Observe(ctx, tokenauth.Event{Subject: strconv.Itoa(i), TokenID: strconv.Itoa(n)})
				if n%16 == 0 {
					runtime.Gosched() // or the one who drains has no turn
				}
			}
		})
	}
	group.Wait()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.EqualValues(t, observers*each, uint64(handled)+q.Dropped())
	require.Positive(t, handled)
}

// A queue may stand behind a verifier and an issuer at once.
func TestEventQueueBehindVerifierAndIssuer(t *testing.T) {
	q := tokenauth.NewEventQueue(8)
	o := openPlatform(t, &handClock{now: noon}, func(cfg *tokenauth.IssuerConfig) { cfg.Observe = q.Observe })
	v := verifierOf(t, o, func(cfg *tokenauth.VerifierConfig) { cfg.Observe = q.Observe })
	issued := o.mint(t, platformClaims("alice"))
	_, err := v.Verify(t.Context(), issued.Token.Reveal())
	require.NoError(t, err)
	_, err = o.Revoke(t.Context(), bySystem, issued.Record.ID, "a test")
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), issued.Token.Reveal())
	require.ErrorIs(t, err, tokenauth.ErrRevoked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got []string
	require.Error(t, q.Run(ctx, func(e tokenauth.Event) { got = append(got, e.Op+" "+e.Code) }))
	require.Equal(t, []string{"mint ok", "verify ok", "revoke ok", "verify token_revoked"}, got)
}
