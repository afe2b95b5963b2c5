//go:build unix

package pgxstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// What a verifier says while its store is in trouble. There are three answers and no fourth: a live token is accepted or nobody knows, a
// revoked one is refused or nobody knows. When the trouble is over it answers again, within 2 s. `make faults` asks many more times than a
// test does.

const (
	// storeTimeout is the budget of a verify where nobody answers, so that many of them can be waited for; where the server answers, and
	// with what it must not be believed for, it has the time to do so.
	storeTimeout, longTimeout = 20 * time.Millisecond, 250 * time.Millisecond
	// backWithin is how long a store may stay unavailable when its server is back.
	backWithin = 2 * time.Second
	// patience is what the machine itself may add to a deadline: it is a test's bound against a store that does not look at its
	// context, and no figure. The figures are logged.
	patience = 3 * time.Second
)

// A service is a verifier and an issuer on one store, behind proxies, with tokens that are dead and tokens that are not.
type service struct {
	server     *testserver.Postgres
	url        string // where the store lies, past the proxies
	proxy      *toxiproxy.Proxy
	hole       *hole
	store      *pgxstore.Store
	issuer     *tokenauth.Issuer
	verifier   *tokenauth.Verifier // whose budget is storeTimeout
	patient    *tokenauth.Verifier // whose is longTimeout
	dead, live []string
	revoked    []string // the ids of the dead
}

// newService makes one in a schema of its own.
func newService(t *testing.T, server *testserver.Postgres, schema string) *service {
	t.Helper()
	run(t, server.URL(), "CREATE SCHEMA "+schema)
	v := &service{server: server, url: server.URL("search_path=" + schema)}
	toxi := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	v.proxy = toxiproxy.NewProxy(toxi, "postgres", "127.0.0.1:0", v.server.Address())
	require.NoError(t, v.proxy.Start())
	t.Cleanup(v.proxy.Stop)
	v.hole = newHole(t, v.proxy.Listen)
	v.store = migrated(t, "postgres://postgres@"+v.hole.address+"/postgres?sslmode=disable&pool_max_conns=16&search_path="+schema, pgxstore.Config{})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	v.issuer, err = tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: v.store, Epochs: v.store, StoreTimeout: time.Minute})
	require.NoError(t, err)
	for verifier, budget := range map[**tokenauth.Verifier]time.Duration{&v.verifier: storeTimeout, &v.patient: longTimeout} {
		*verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
			Profile: profile, Keys: key.VerifyingKey(), Revocation: v.store, Epochs: v.store, Sessions: v.store, StoreTimeout: budget,
		})
		require.NoError(t, err)
	}
	for range 8 {
		token, _ := v.issue(t)
		v.live = append(v.live, token)
		token, id := v.issue(t)
		v.dead, v.revoked = append(v.dead, token), append(v.revoked, id)
	}
	return v
}

// issue issues a token.
func (v *service) issue(t *testing.T) (token, id string) {
	t.Helper()
	issued, err := v.issuer.Issue(t.Context(), tokenauth.TokenRequest{
		By: tokenauth.SystemAuthority("a test"), Name: "n", Subject: fmt.Sprint("user-", len(v.live)), Roles: []string{"reader"},
	})
	require.NoError(t, err)
	return issued.Token.Reveal(), issued.Record.ID
}

// revoke revokes those that are to be dead, and looks that all is well, with every connection that there may be.
func (v *service) revoke(t *testing.T) {
	t.Helper()
	for _, id := range v.revoked {
		revoke(t, v.store, id, time.Now())
	}
	v.verify(t, v.patient, 128, 64)
	v.recovers(t)
}

// recovers waits until the verifier knows both answers again, and says how long that took.
func (v *service) recovers(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	look := func() *tally { return v.verify(t, v.patient, 2, 1) }
	for all := look(); all.accepted.Load() == 0 || all.revoked.Load() == 0; all = look() {
		require.Less(t, time.Since(began), time.Minute, "it does not come back")
	}
	return time.Since(began)
}

// A tally is what n verifies came to.
type tally struct {
	accepted, revoked, unknown atomic.Int64
	longest                    atomic.Int64
}

// verify verifies n tokens, dead and live in turn, so many at once, and checks each answer.
func (v *service) verify(t *testing.T, verifier *tokenauth.Verifier, n, atOnce int) *tally {
	t.Helper()
	var all tally
	var group sync.WaitGroup
	var next atomic.Int64
	for range atOnce {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				tokens := v.live
				dead := i%2 == 0
				if dead {
					tokens = v.dead
				}
				began := time.Now()
				_, err := verifier.Verify(context.Background(), tokens[int(i/2)%len(tokens)])
				all.note(time.Since(began))
				switch {
				case err == nil && !dead:
					all.accepted.Add(1)
				case errors.Is(err, tokenauth.ErrRevoked) && dead:
					all.revoked.Add(1)
				case errors.Is(err, tokenauth.ErrUnavailable) && !errors.Is(err, tokenauth.ErrInvalidToken):
					all.unknown.Add(1)
				default:
					t.Errorf("a token, dead: %v, was answered by %v", dead, err)
				}
			}
		})
	}
	group.Wait()
	return &all
}

func (all *tally) note(took time.Duration) {
	for {
		longest := all.longest.Load()
		if int64(took) <= longest || all.longest.CompareAndSwap(longest, int64(took)) {
			return
		}
	}
}

// poison adds a toxic to the proxy, in both directions.
func (v *service) poison(t *testing.T, toxic string) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		_, err := v.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"type": %q, "stream": %q, "attributes": {"timeout": 0}}`, toxic, stream)))
		require.NoError(t, err)
	}
}

// lock locks in a transaction of its own, until the test ends or it is told to.
func lock(t *testing.T, url string, statement string) (unlock func()) {
	t.Helper()
	conn := connect(t, url)
	for _, statement := range []string{`BEGIN`, statement} {
		_, err := conn.Exec(context.Background(), statement)
		require.NoError(t, err)
	}
	return func() { require.NoError(t, conn.Close(context.Background())) }
}

// A fault is how it comes, and how it goes, if it does so by itself.
type fault struct {
	name   string
	before func(t *testing.T, v *service) // done before anybody is revoked
	begin  func(t *testing.T, v *service)
	end    func(t *testing.T, v *service)
	known  bool // the store answers; otherwise nobody knows anything
	ends   bool // the server is no use afterwards
	silent bool // the server does not answer at all, so that a verify may take its whole budget
}

// faults are all there are.
func faults() []fault {
	var old, standby *testserver.Postgres
	var unlock func()
	poison := func(toxic string) func(t *testing.T, v *service) {
		return func(t *testing.T, v *service) { v.poison(t, toxic) }
	}
	cure := func(_ *testing.T, v *service) { v.proxy.Toxics.ResetToxics(context.Background()) }
	statements := func(statements ...string) func(t *testing.T, v *service) {
		return func(t *testing.T, v *service) { run(t, v.url, statements...) }
	}
	locks := func(statement string) func(t *testing.T, v *service) {
		return func(t *testing.T, v *service) { unlock = lock(t, v.url, statement) }
	}
	unlocks := func(*testing.T, *service) { unlock() }
	start := func(t *testing.T, v *service) { require.NoError(t, v.server.Start()) }
	return []fault{
		{name: "none", begin: func(*testing.T, *service) {}, known: true},
		{name: "a writer holds every record", begin: locks(`SELECT FROM ta_token FOR UPDATE`), end: unlocks, known: true},
		{name: "somebody holds the tables", begin: locks(`LOCK TABLE ta_meta, ta_token`), end: unlocks, silent: true},
		{name: "server killed", begin: func(_ *testing.T, v *service) { v.server.Kill() }, end: start, silent: true},
		{name: "server ended", begin: func(_ *testing.T, v *service) { v.server.Stop() }, end: start, silent: true},
		{name: "server stopped", begin: func(_ *testing.T, v *service) { v.server.Freeze() }, end: func(_ *testing.T, v *service) { v.server.Thaw() }, silent: true},
		{name: "connections reset", begin: poison("reset_peer"), end: cure, silent: true},
		{name: "network a black hole", begin: poison("timeout"), end: cure, silent: true},
		{name: "network forgets its connections", begin: func(_ *testing.T, v *service) { v.hole.turn() }, end: func(_ *testing.T, v *service) { v.hole.turn() },
			silent: true},
		{name: "restarted with an older copy",
			before: func(t *testing.T, v *service) { old = copied(t, v.server) },
			begin:  func(t *testing.T, v *service) { restore(t, v.server, old) }, ends: true},
		{name: "restarted empty", begin: func(t *testing.T, v *service) { restore(t, v.server, shared.template) }, ends: true},
		{name: "restarted empty, and a new store in it", begin: func(t *testing.T, v *service) {
			restore(t, v.server, shared.template)
			run(t, v.server.URL(), `CREATE SCHEMA fault`)
			migrated(t, v.url, pgxstore.Config{})
		}, ends: true},
		{name: "standby promoted without the last revocations",
			before: func(t *testing.T, v *service) {
				var err error
				standby, err = v.server.Standby()
				require.NoError(t, err)
				t.Cleanup(standby.Close)
				standby.Stop()
			},
			begin: func(t *testing.T, v *service) {
				v.server.Kill()
				require.NoError(t, standby.Start())
				require.NoError(t, standby.Promote())
				require.NoError(t, standby.TakeOver(v.server))
			}, ends: true},
		{name: "rows gone", begin: func(t *testing.T, v *service) { empty(t, v.url) }},
		{name: "marker gone", begin: statements(`DELETE FROM ta_meta`)},
		{name: "tables gone", begin: statements(`DROP TABLE ta_token, ta_dead`)},
		{name: "revocations undone by SQL", begin: statements(`UPDATE ta_token SET revoked_at = NULL`, `DELETE FROM ta_dead WHERE kind = 0`)},
	}
}

func TestFaultIsNeverAnAccept(t *testing.T) {
	n := testserver.Count(t, "FAULT_VERIFIES", 500)
	server := newServer(t)
	for i, fault := range faults() {
		t.Run(fault.name, func(t *testing.T) {
			var v *service
			if fault.ends {
				v = newService(t, newServer(t), "fault")
			} else {
				v = newService(t, server, fmt.Sprint("fault_", i))
			}
			if fault.before != nil {
				fault.before(t, v)
			}
			v.revoke(t)
			fault.begin(t, v)
			verifier, budget, atOnce := v.patient, longTimeout, 8
			if fault.silent {
				verifier, budget, atOnce = v.verifier, storeTimeout, 256
			}
			began := time.Now()
			all := v.verify(t, verifier, n, atOnce)
			longest := time.Duration(all.longest.Load())
			t.Logf("%d verifies: %d accepted, %d refused as revoked, %d unknown; the longest took %v, of a budget of %v",
				n, all.accepted.Load(), all.revoked.Load(), all.unknown.Load(), longest, budget)
			assert.Less(t, longest, budget+patience)
			for fault.silent && time.Since(began) < 1500*time.Millisecond { // long enough for the pool to grow suspicious
				v.verify(t, verifier, atOnce, atOnce)
			}
			if fault.known {
				assert.NotZero(t, all.accepted.Load())
				assert.NotZero(t, all.revoked.Load())
			} else {
				assert.Equal(t, int64(n), all.unknown.Load())
			}
			if fault.end != nil {
				fault.end(t, v)
				took := v.recovers(t)
				t.Logf("back after %v", took)
				assert.Less(t, took, backWithin+patience)
			}
		})
	}
}
