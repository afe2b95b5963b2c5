package replica_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/replica"
)

// Everything at once, by this machine's clock: what a writer has ended is known in the end, and by then everybody has asked everything.
func TestConcurrentUse(t *testing.T) {
	store := memstore.New(memstore.Config{})
	r, err := replica.New(store, replica.Config{HoldLive: 100, AskTimeout: 4 * time.Second}) // a busy machine schedules late
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(running) }()

	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				_, _ = r.IsSessionActive(ctx, "alice", fmt.Sprint("s-", i%100))
				_, _ = r.IsRevoked(ctx, record().ID)
				_, _ = r.Stats(), r.Staleness()
			}
		})
	}
	for w := range 4 {
		writing.Go(func() {
			subject := fmt.Sprint("subject-", w)
			for i := range 20 {
				t1, sid := record(), fmt.Sprint("s-", i)
				ok := assert.NoError(t, store.Create(ctx, t1)) &&
					assert.NoError(t, store.StartSession(ctx, subject, sid, time.Now().Add(time.Hour)))
				dead, err := r.IsRevoked(ctx, t1.ID)
				ok = ok && assert.NoError(t, err) && assert.False(t, dead)
				_, err = store.Revoke(ctx, t1.ID, tokenauth.Revocation{At: time.Now()})
				ok = ok && assert.NoError(t, err) && assert.NoError(t, store.EndSession(ctx, subject, sid))
				_, err = store.BumpEpoch(ctx, subject)
				ok = ok && assert.NoError(t, err)
				for known := false; ok && !known; runtime.Gosched() {
					dead, err1 := r.IsRevoked(ctx, t1.ID)
					active, err2 := r.IsSessionActive(ctx, subject, sid)
					epoch, err3 := r.Epoch(ctx, subject)
					ok = assert.NoError(t, err1) && assert.NoError(t, err2) && assert.NoError(t, err3)
					known = dead && !active && epoch.MinVersion == int64(i+1)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	stop()
	require.ErrorIs(t, <-stopped, context.Canceled)
	require.Equal(t, 80, r.Stats().Tokens)
}
