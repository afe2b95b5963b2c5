//go:build unix

package fleet

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/replica"
)

var (
	verifiers   = flag.Int("fleet-verifiers", 16, "how many verifiers there are")
	revocations = flag.Int("fleet-revocations", 500, "how many tokens are revoked while one looks who knows")
	rate        = flag.Int("fleet-rate", 200, "how many of them a second")
	staleness   = flag.Duration("fleet-staleness", 2*time.Second, "MaxStaleness of each replica")
	history     = flag.Duration("fleet-history", 6*time.Second, "how long each history is")
)

// A store is what a service writes to and a replica reads from.
type store interface {
	replica.Store
	tokenauth.TokenStore
	Migrate(ctx context.Context) error
	Reseed(ctx context.Context, reason string) error
}

// A server is one that can be treated badly. Its methods end the test if they cannot do what they say.
type server interface {
	address() string
	open(t *testing.T, address string) store // through a client of its own
	save()                                   // remembers the data as they are
	kill()                                   // as kill -9 does
	start()                                  // after kill, with what is on the disk
	empty()                                  // after kill: what is on the disk is gone
	old()                                    // after kill: what is on the disk is what save remembered
	freeze()                                 // as SIGSTOP does
	thaw()
}

// A fleet is many verifiers with a replica each. They read over one line, and are woken over another, that can be cut.
type fleet struct {
	t           *testing.T
	server      server
	lines, ears *toxiproxy.Proxy
	writer      store // the service that mints and revokes, with a line of its own
	profile     tokenauth.Profile
	key         tokenauth.SigningKey
	members     []*member
}

// A member is one verifier, and the source of its replica: it reads over one line, is woken over another, and tells a log what it has learnt.
type member struct {
	store
	ear      tokenauth.Source
	replica  *replica.Replica
	verifier *tokenauth.Verifier
	log      atomic.Pointer[log] // nil: nobody wants to know
}

func (m *member) Wait(ctx context.Context, since tokenauth.Cursor) error {
	return m.ear.Wait(ctx, since)
}

func (m *member) Changes(ctx context.Context, since tokenauth.Cursor) iter.Seq2[tokenauth.Change, error] {
	return func(yield func(tokenauth.Change, error) bool) {
		for change, err := range m.store.Changes(ctx, since) {
			if !yield(change, err) {
				return
			}
			if log := m.log.Load(); log != nil && err == nil {
				log.learn(ctx, m.replica, change.TokenID)
			}
		}
	}
}

// IsRevoked is what a replica asks that does not know. While there is a log it is told nothing, so that what is logged is what it has read.
func (m *member) IsRevoked(ctx context.Context, jti string) (bool, error) {
	if m.log.Load() != nil {
		return false, tokenauth.ErrUnavailable
	}
	return m.store.IsRevoked(ctx, jti)
}

func newFleet(t *testing.T, s server, count int) *fleet {
	t.Helper()
	f := &fleet{t: t, server: s, profile: tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}}
	f.writer = s.open(t, s.address())
	require.NoError(t, f.writer.Migrate(t.Context()))
	f.lines, f.ears = f.line("lines"), f.line("ears")
	var err error
	f.key, err = tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)

	for range count {
		m := &member{store: s.open(t, f.lines.Listen), ear: s.open(t, f.ears.Listen)}
		m.replica, err = replica.New(m, replica.Config{MaxStaleness: *staleness})
		require.NoError(t, err)
		m.verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
			Profile: f.profile, Keys: f.key.VerifyingKey(), Revocation: m.replica, Sessions: m.replica, Epochs: m.replica,
		})
		require.NoError(t, err)
		f.members = append(f.members, m)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() }) // before the stores are closed, which wait for who waits
	for _, m := range f.members {
		running.Go(func() { _ = m.replica.Run(ctx) })
	}
	for _, m := range f.members {
		ready, cancel := context.WithTimeout(t.Context(), time.Minute)
		require.NoError(t, m.replica.WaitReady(ready))
		cancel()
	}
	return f
}

// line returns a way to the server that can be cut.
func (f *fleet) line(name string) *toxiproxy.Proxy {
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), name, "127.0.0.1:0", f.server.address())
	require.NoError(f.t, p.Start())
	f.t.Cleanup(p.Stop)
	return p
}

// cut lets nothing through a line any more, and closes nothing: nobody on either side is told.
func (f *fleet) cut(line *toxiproxy.Proxy) {
	for _, stream := range []string{"upstream", "downstream"} {
		_, err := line.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`, stream)))
		require.NoError(f.t, err)
	}
}

// mend undoes cut.
func (f *fleet) mend(line *toxiproxy.Proxy) { line.Toxics.ResetToxics(context.Background()) }

// A victim is a token, and its record's id.
type victim struct{ token, id string }

// issue mints a token of the service.
func (f *fleet) issue(ctx context.Context) (victim, error) {
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: f.profile, Key: f.key, Tokens: f.writer, Epochs: f.writer, StoreTimeout: 10 * time.Second,
	})
	if err != nil {
		return victim{}, err
	}
	i, err := issuer.Issue(ctx, tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("a test"), Name: "n", Roles: []string{"reader"}, TTL: time.Hour,
	})
	if err != nil {
		return victim{}, err
	}
	return victim{i.Token.Reveal(), i.Record.ID}, nil
}

// issueAll mints tokens.
func (f *fleet) issueAll(count int) []victim {
	f.t.Helper()
	all := make([]victim, count)
	for i := range all {
		var err error
		all[i], err = f.issue(f.t.Context())
		require.NoError(f.t, err)
	}
	return all
}

// revoke revokes a token.
func (f *fleet) revoke(ctx context.Context, v victim) error {
	_, err := f.writer.Revoke(ctx, v.id, tokenauth.Revocation{At: time.Now(), By: "alice", Reason: "leaked"})
	return err
}

func (f *fleet) revokeAll(all []victim) {
	f.t.Helper()
	for _, v := range all {
		require.NoError(f.t, f.revoke(f.t.Context(), v))
	}
}

// verify asks every member about every token.
func (f *fleet) verify(all []victim, judge func(v victim, began time.Time, err error)) {
	for _, m := range f.members {
		for _, v := range all {
			began := time.Now()
			_, err := m.verifier.Verify(f.t.Context(), v.token)
			judge(v, began, err)
		}
	}
}

// until asks every member about every token, again and again, until all answer as they should.
func (f *fleet) until(all []victim, good func(err error) bool, what string) {
	f.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var last error
		ok := true
		f.verify(all, func(_ victim, _ time.Time, err error) {
			if !good(err) {
				ok, last = false, err
			}
		})
		if ok {
			return
		}
		require.True(f.t, time.Now().Before(deadline), "%s: %v", what, last)
	}
}

func accepted(err error) bool { return err == nil }
func revoked(err error) bool  { return errors.Is(err, tokenauth.ErrRevoked) }
func ended(err error) bool    { return errors.Is(err, tokenauth.ErrInvalidToken) }

// servers are those that there are.
var servers = map[string]func(t *testing.T) server{"PostgreSQL": newPostgres, "Redis": newRedis}
