package tokenauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// How long a verify may take is bounded, whoever is asked: all of them share one budget, and a store that takes too long has not
// answered. Time in these tests is synctest's, so that to the millisecond nothing here depends on the machine.

// after answers once d has passed, or when the context ends.
func after(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// slowKeys answer after d.
func slowKeys(f forge, d time.Duration) tokenauth.KeySet {
	return keysFunc(func(ctx context.Context, id string) (tokenauth.Key, error) {
		if err := after(d)(ctx, ""); err != nil {
			return tokenauth.Key{}, err
		}
		return f.key().Key(ctx, id)
	})
}

// took runs do and says how long it took.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func TestX5OneBudgetForAllWhoAreAsked(t *testing.T) {
	const ms = time.Millisecond
	for _, row := range []struct {
		name    string
		each    time.Duration // what each of the six takes
		keys    time.Duration // what the key set takes
		timeout time.Duration // StoreTimeout
		caller  time.Duration // the caller's own deadline; 0: none
		code    string
		took    time.Duration
	}{
		{"all in time", 40 * ms, 0, 0, 0, "ok", 240 * ms},
		{"the first takes too long", time.Hour, 0, 0, 0, "revocation_unavailable", 250 * ms},
		{"the third has what the two before left", 100 * ms, 0, 0, 0, "epochs_unavailable", 250 * ms},
		{"the last, by a hair", 42 * ms, 0, 0, 0, "one_time_unavailable", 250 * ms},
		{"the key set takes of it too", 40 * ms, 50 * ms, 0, 0, "one_time_unavailable", 250 * ms},
		{"the key set takes all", 40 * ms, time.Hour, 0, 0, "keys_unavailable", 250 * ms},
		{"a longer budget", 100 * ms, 0, time.Second, 0, "ok", 600 * ms},
		{"a shorter budget", 40 * ms, 0, 90 * ms, 0, "epochs_unavailable", 90 * ms},
		{"the caller has less time", 40 * ms, 0, 0, 50 * ms, "sessions_unavailable", 50 * ms},
		{"the caller has more time", 100 * ms, 0, 0, time.Hour, "epochs_unavailable", 250 * ms},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpecimen()
				s.witness.before = after(row.each)
				s.cfg.StoreTimeout = row.timeout
				if row.keys > 0 {
					s.cfg.Keys = slowKeys(s.forge, row.keys)
				}
				ctx := t.Context()
				if row.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, row.caller)
					defer cancel()
				}
				v, token := newVerifier(t, s.cfg), s.token()
				var p *tokenauth.Principal
				var err error
				require.Equal(t, row.took, took(func() {
					p, err = v.Authorize(ctx, token, "deployment", "web", tokenauth.LevelWrite)
				}))
				require.Equal(t, row.code, codeOf(err))
				if row.code == "ok" {
					requireAccepted(t, p, err)
					return
				}
				requireRefused(t, p, err, tokenauth.ErrUnavailable, row.code)
				require.ErrorIs(t, err, context.DeadlineExceeded, "the cause can be asked for")
			})
		})
	}
}

func TestRecheckHasABudgetToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpecimen()
		v := newVerifier(t, s.cfg)
		p, err := v.Verify(t.Context(), s.token())
		requireAccepted(t, p, err)
		s.witness.before = after(100 * time.Millisecond)
		require.Equal(t, 250*time.Millisecond, took(func() { err = v.Recheck(t.Context(), p) }))
		requireError(t, err, tokenauth.ErrUnavailable, "epochs_unavailable")
	})
}

// It is a budget of the call, so of several authorities the shortest counts, whichever judges.
func TestShortestStoreTimeoutCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := twoForges()
		for _, shorter := range []int{0, 1} {
			cfg := make([]tokenauth.VerifierConfig, 2)
			cfg[0], cfg[1] = twoConfigs(a, b)
			for i := range cfg {
				cfg[i].Revocation = &witness{before: after(time.Hour)}
				cfg[i].StoreTimeout = time.Second
			}
			cfg[shorter].StoreTimeout = 70 * time.Millisecond
			v := newVerifier(t, cfg...)
			for _, token := range []string{a.good(from("https://a.test", nil)), b.good(from("https://b.test", nil))} {
				var err error
				require.Equal(t, 70*time.Millisecond, took(func() { _, err = v.Verify(t.Context(), token) }))
				require.ErrorIs(t, err, tokenauth.ErrUnavailable)
			}
		}
	})
}

func TestCallerWhoGivesUp(t *testing.T) {
	for _, f := range []func(*specimen){
		func(s *specimen) { s.witness.before = after(time.Hour) },
		func(s *specimen) { s.cfg.Keys = slowKeys(s.forge, time.Hour) },
	} {
		s := newSpecimen()
		f(s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p, err := newVerifier(t, s.cfg).Verify(ctx, s.token())
		require.Nil(t, p)
		require.Equal(t, []error{tokenauth.ErrUnavailable}, answersOf(err))
		require.ErrorIs(t, err, context.Canceled)
	}
}

// A timer costs more than a look into a map, so that none is made for those who answer from memory; and one for all others.
func TestOneTimerAndNoneForMemory(t *testing.T) {
	callers := t.Context()
	contexts := func(s *specimen) map[string]context.Context {
		p, err := newVerifier(t, s.cfg).Verify(callers, s.token())
		requireAccepted(t, p, err)
		return s.witness.contexts
	}
	t.Run("all outside", func(t *testing.T) {
		got := contexts(newSpecimen())
		for _, name := range askedInOrder {
			_, has := got[name].Deadline()
			require.True(t, has, name)
			require.Same(t, got[askedRevocation], got[name], "%s: one budget, one context", name)
			require.ErrorIs(t, got[name].Err(), context.Canceled, "its timer is freed with the answer")
		}
	})
	t.Run("stores in memory", func(t *testing.T) {
		s := newSpecimen()
		m := memoryWitness{s.witness}
		s.cfg.Revocation, s.cfg.Sessions, s.cfg.Epochs, s.cfg.OneTime = m, m, m, m
		got := contexts(s)
		for _, name := range []string{askedRevocation, askedSession, askedEpoch, askedOneTime} {
			require.Same(t, callers, got[name], "%s: the caller's own", name)
		}
		for _, name := range []string{askedAdmin, askedConfirm} {
			_, has := got[name].Deadline()
			require.True(t, has, "%s: nobody knows whom a hook asks", name)
		}
	})
	t.Run("only the last outside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSpecimen()
			m := memoryWitness{s.witness}
			s.cfg.Revocation, s.cfg.Sessions, s.cfg.Epochs = m, m, m
			s.says("admin", gone{})
			s.says("cnf", gone{})
			s.witness.before = after(200 * time.Millisecond)
			var err error
			require.Equal(t, 800*time.Millisecond, took(func() { _, err = newVerifier(t, s.cfg).Verify(t.Context(), s.token()) }))
			require.NoError(t, err, "the budget begins when first somebody outside is asked")
		})
	})
	t.Run("a key set in memory, and one outside", func(t *testing.T) {
		f := newForge("HS256", "k1", "")
		for name, memory := range map[string]bool{"memory": true, "outside": false} {
			var got context.Context
			keys := keysFunc(func(ctx context.Context, id string) (tokenauth.Key, error) {
				got = ctx
				return f.key().Key(ctx, id)
			})
			cfg := configOf(f)
			cfg.Keys = keys
			if memory {
				cfg.Keys = memoryKeys{keys}
			}
			p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload()))
			requireAccepted(t, p, err)
			_, has := got.Deadline()
			require.Equal(t, !memory, has, name)
		}
	})
}

// memoryKeys says that it answers from memory.
type memoryKeys struct{ keysFunc }

func (memoryKeys) AnswersFromMemory() {}
