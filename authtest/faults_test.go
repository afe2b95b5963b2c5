package authtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/storetest"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// A switch that is on must change nothing: the ports behind it keep the contract as the store itself does.
func TestHealedPortsKeepTheContract(t *testing.T) {
	storetest.Run(t, storetest.Config{
		Races: 5,
		New: func(_ testing.TB, now func() time.Time) storetest.Stores {
			s, f := memstore.New(memstore.Config{Now: now}), new(authtest.Faults)
			return storetest.Stores{Tokens: f.Tokens(s), Sessions: f.Sessions(s), Epochs: f.Epochs(s), OneTime: f.OneTime(s)}
		},
	})
}

// calls are all that can be asked of the ports, each returning what came of it.
func calls(ctx context.Context, k *authtest.Kit) map[string]func() error {
	one := func(_ any, err error) error { return err }
	at := k.Clock.Now()
	record := func() *tokenauth.StoredAccessToken {
		r := tokenauth.NewStoredAccessToken("a record", "", nil, []tokenauth.TokenScope{authtest.Asked()}, at.Add(time.Hour), "alice")
		r.CreatedAt = at
		return r
	}
	return map[string]func() error{
		"IsRevoked":  func() error { return one(k.Tokens.IsRevoked(ctx, "id")) },
		"Revocation": func() error { return one(k.Stores.Revocation(k.Store).IsRevoked(ctx, "id")) },
		"Create":     func() error { return k.Tokens.Create(ctx, record()) },
		"Get":        func() error { return one(k.Tokens.Get(ctx, "id")) },
		"List":       func() error { return listError(k.Tokens.List(ctx, tokenauth.TokenFilter{})) },
		"Revoke":     func() error { return one(k.Tokens.Revoke(ctx, "id", tokenauth.Revocation{At: at})) },
		"RevokeAll": func() error {
			return one(k.Tokens.RevokeAll(ctx, tokenauth.TokenFilter{Owner: "a"}, tokenauth.Revocation{At: at}))
		},
		"Rotate":          func() error { return k.Tokens.Rotate(ctx, "id", at.Add(time.Hour), record()) },
		"IsSessionActive": func() error { return one(k.Sessions.IsSessionActive(ctx, "alice", "sid")) },
		"StartSession":    func() error { return k.Sessions.StartSession(ctx, "alice", "sid", at.Add(time.Hour)) },
		"EndSession":      func() error { return k.Sessions.EndSession(ctx, "alice", "sid") },
		"EndSessions":     func() error { return one(k.Sessions.EndSessions(ctx, "alice")) },
		"Epoch":           func() error { return one(k.Epochs.Epoch(ctx, "alice")) },
		"BumpEpoch":       func() error { return one(k.Epochs.BumpEpoch(ctx, "alice")) },
		"RaiseNotBefore":  func() error { return one(k.Epochs.RaiseNotBefore(ctx, "alice", at)) },
		"Consume":         func() error { return k.OneTime.Consume(ctx, "key", at.Add(time.Hour)) },
		"Key":             func() error { return one(k.Keys.Key(ctx, "id")) },
	}
}

func listError(list func(func(*tokenauth.StoredAccessToken, error) bool)) (failure error) {
	list(func(_ *tokenauth.StoredAccessToken, err error) bool { failure = err; return true })
	return failure
}

func TestEveryCallOfEveryPortFailsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := authtest.New(t, authtest.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		boom := errors.New("boom")
		for name, call := range calls(ctx, k) {
			k.Stores.Fail(boom)
			k.KeyFaults.Fail(boom)
			require.ErrorIs(t, call(), boom, name)
			k.Stores.Fail(nil)
			k.KeyFaults.Fail(nil)
			require.ErrorIs(t, call(), authtest.ErrFault, name)
			k.Stores.Heal()
			k.KeyFaults.Heal()
			require.NotErrorIs(t, call(), authtest.ErrFault, name)
		}
		k.Stores.Hang()
		k.KeyFaults.Hang()
		for name, call := range calls(ctx, k) {
			require.ErrorIs(t, call(), context.DeadlineExceeded, name)
		}
		require.Equal(t, 3+1, k.KeyFaults.Calls())
	})
}

func TestSlowIsLateAndHealedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := authtest.New(t, authtest.Config{})
		k.Stores.Slow(time.Minute)
		began := time.Now()
		_, err := k.Tokens.IsRevoked(t.Context(), "id")
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(began))

		go func() { time.Sleep(time.Second); k.Stores.Heal() }()
		_, err = k.Tokens.IsRevoked(t.Context(), "id")
		require.NoError(t, err)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
	})
}

func TestALieIsTheOpposite(t *testing.T) {
	k := authtest.New(t, authtest.Config{})
	ctx, token := t.Context(), k.Token("alice", "deployment:web:write")
	require.NoError(t, k.Sessions.StartSession(ctx, "alice", "sid", k.Clock.Now().Add(time.Hour)))
	k.Stores.Lie()
	_, err := k.Verifier.Verify(ctx, token)
	require.ErrorIs(t, err, tokenauth.ErrRevoked)
	active, err := k.Sessions.IsSessionActive(ctx, "alice", "sid")
	require.NoError(t, err)
	require.False(t, active)
	epoch, err := k.Epochs.Epoch(ctx, "alice")
	require.NoError(t, err)
	require.Positive(t, epoch.MinVersion)
	require.ErrorIs(t, k.OneTime.Consume(ctx, "key", k.Clock.Now().Add(time.Hour)), tokenauth.ErrReplayed)
	require.NoError(t, k.OneTime.Consume(ctx, "key", k.Clock.Now().Add(time.Hour)))
	_, err = k.Epochs.BumpEpoch(ctx, "bob")
	require.NoError(t, err)
	k.KeyFaults.Lie()
	_, err = k.Verifier.Verify(ctx, token)
	require.ErrorIs(t, err, tokenauth.ErrUnknownKey)

	k.Stores.Heal()
	k.KeyFaults.Heal()
	epoch, err = k.Epochs.Epoch(ctx, "bob")
	require.NoError(t, err)
	require.Zero(t, epoch, "what was written to a liar is forgotten")
	_, err = k.Verifier.Verify(ctx, token)
	require.NoError(t, err)
}

func TestTheKitsLife(t *testing.T) {
	k := authtest.New(t, authtest.Config{})
	token := k.Token("alice", "deployment:web:write", "secret:read")
	p := k.Verify(token)
	require.Equal(t, "alice", p.Subject())
	require.True(t, p.Satisfies("secret", "any", tokenauth.LevelRead))

	old := k.Ring.Keys()
	key := k.RotateKey()
	k.Verify(token)
	k.Verify(k.Token("bob"))
	require.NoError(t, k.Ring.Replace(key.VerifyingKey()))
	_, err := k.Verifier.Verify(t.Context(), token)
	require.ErrorIs(t, err, tokenauth.ErrUnknownKey)
	require.NoError(t, k.Ring.Replace(append(old, key.VerifyingKey())...))

	k.Revoke(token)
	_, err = k.Verifier.Verify(t.Context(), token)
	require.ErrorIs(t, err, tokenauth.ErrRevoked)

	token = k.Token("alice")
	k.Clock.Advance(time.Hour - time.Second)
	k.Verify(token)
	k.Clock.Advance(time.Second)
	_, err = k.Verifier.Verify(t.Context(), token)
	require.ErrorIs(t, err, tokenauth.ErrExpired)
}

func TestTheKeyServerPublishesAndMisbehaves(t *testing.T) {
	k := authtest.New(t, authtest.Config{})
	s := k.KeyServer()
	get := func() (int, string) {
		response, err := http.Get(s.URL)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text)
	}
	status, text := get()
	require.Equal(t, http.StatusOK, status)
	keys, err := tokenauth.ParseKeys([]byte(text))
	require.NoError(t, err)
	require.Equal(t, k.Ring.Keys()[0].ID(), keys[0].ID())

	s.AnswerText(http.StatusTeapot, "no keys here")
	status, text = get()
	require.Equal(t, http.StatusTeapot, status)
	require.Equal(t, "no keys here", text)
	s.Answer(nil)
	status, _ = get()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 3, s.Fetches())
}

// A recorder is a testing.TB that can be failed without failing.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, _ ...any) {
	r.message = format
	runtime.Goexit()
}

func TestMisuseEndsTheTestWithAMessage(t *testing.T) {
	for name, misuse := range map[string]func(testing.TB){
		"a scope that is none": func(t testing.TB) { authtest.New(t, authtest.Config{}).Token("alice", "deployment") },
		"no subject":           func(t testing.TB) { authtest.New(t, authtest.Config{}).Principal("") },
		"no algorithm":         func(t testing.TB) { authtest.New(t, authtest.Config{Algorithm: "none"}) },
		"a profile that is none": func(t testing.TB) {
			authtest.New(t, authtest.Config{Profile: tokenauth.Profile{Issuers: []string{"i"}}})
		},
		"claims that are none":     func(t testing.TB) { authtest.New(t, authtest.Config{}).Sign(nil) },
		"a bad token to verify":    func(t testing.TB) { authtest.New(t, authtest.Config{}).Verify("garbage") },
		"a bad token to revoke":    func(t testing.TB) { authtest.New(t, authtest.Config{}).Revoke("garbage") },
		"a broken token not there": func(t testing.TB) { authtest.New(t, authtest.Config{}).BrokenToken("no such") },
		"a nil ring":               func(t testing.TB) { authtest.NewKeyServer(t, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r, ended := &recorder{TB: t}, make(chan bool)
			go func() {
				defer close(ended)
				misuse(r)
			}()
			<-ended
			require.True(t, strings.HasPrefix(r.message, "authtest: "), "%q", r.message)
		})
	}
}
