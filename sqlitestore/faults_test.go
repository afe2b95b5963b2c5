//go:build unix

package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// What a verifier says while its store is in trouble. There are three answers and no fourth: a live token is accepted or nobody knows, a
// revoked one is refused or nobody knows. `make faults` asks many more times than a test does.

const (
	storeTimeout = 20 * time.Millisecond
	// askers are more than the store has connections for, and few enough that each has its turn while another's budget lasts.
	askers, readers = 8, 4
)

// A service is a verifier and an issuer on one store, with tokens that are dead and tokens that are not.
type service struct {
	path       string
	store      *sqlitestore.Store
	verifier   *tokenauth.Verifier
	dead, live []string
	old        string // a copy from before the dead were revoked
}

func newService(t *testing.T) *service {
	t.Helper()
	v := &service{path: newPath(t)}
	v.store = migrated(t, v.path, sqlitestore.Config{Readers: readers})
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	require.NoError(t, err)
	profile := tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key, Tokens: v.store, Epochs: v.store, StoreTimeout: time.Minute})
	require.NoError(t, err)
	v.verifier, err = tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: v.store, Epochs: v.store, Sessions: v.store, StoreTimeout: storeTimeout,
	})
	require.NoError(t, err)
	var revoked []string
	for i := range 16 {
		token, err := issuer.Issue(t.Context(), tokenauth.TokenRequest{
			By: tokenauth.SystemAuthority("a test"), Name: "n", Subject: fmt.Sprint("user-", i), Roles: []string{"reader"},
		})
		require.NoError(t, err)
		if i%2 == 0 {
			v.live = append(v.live, token.Token.Reveal())
		} else {
			v.dead, revoked = append(v.dead, token.Token.Reveal()), append(revoked, token.Record.ID)
		}
	}
	v.old = backUp(t, v.path)
	for _, id := range revoked {
		revoke(t, v.store, id, time.Now())
	}
	for all := v.verify(t, 64); all.accepted.Load() == 0 || all.revoked.Load() == 0; all = v.verify(t, 64) {
		t.Log("the machine is too busy for the budget: once more")
	}
	return v
}

// A tally is what n verifies came to.
type tally struct {
	accepted, revoked, unknown atomic.Int64

	mu      sync.Mutex
	longest time.Duration
	late    []span // those that took longer than the budget
}

// verify verifies n tokens, dead and live in turn, from many goroutines, and checks each answer and when it came.
func (v *service) verify(t *testing.T, n int) *tally {
	t.Helper()
	var all tally
	var group sync.WaitGroup
	var next atomic.Int64
	machine := watchLag()
	for range askers {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				tokens := v.live
				dead := i%2 == 0
				if dead {
					tokens = v.dead
				}
				began := time.Now()
				_, err := v.verifier.Verify(context.Background(), tokens[int(i/2)%len(tokens)])
				all.note(span{began, time.Now()})
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
	machine.end()
	machine.assertInTime(t, all.late, storeTimeout)
	return &all
}

func (all *tally) note(call span) {
	took := call.to.Sub(call.from)
	if took <= storeTimeout {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.longest = max(all.longest, took)
	all.late = append(all.late, call)
}

func TestFaultIsNeverAnAccept(t *testing.T) {
	t.Parallel()
	n := testserver.Count(t, "FAULT_VERIFIES", 200)
	overwrite := func(content string) func(t *testing.T, v *service) {
		return func(t *testing.T, v *service) {
			remove(t, v.path)
			require.NoError(t, os.WriteFile(v.path, []byte(content), 0o600))
		}
	}
	held := func(change ...func(*process)) func(t *testing.T, v *service) {
		return func(t *testing.T, v *service) {
			p := start(t, "hold the write lock", v.path)
			p.hears(t)
			for _, c := range change {
				c(p)
			}
		}
	}
	for _, fault := range []struct {
		name  string
		begin func(t *testing.T, v *service)
		known bool // the store answers; otherwise nobody knows anything
	}{
		{"none", func(*testing.T, *service) {}, true},
		{"a writer holds the lock", held(), true},
		{"a writer that holds the lock is stopped", held(func(p *process) { _ = p.Process.Signal(syscall.SIGSTOP) }), true},
		{"a writer that holds the lock is killed", held((*process).kill), true},
		{"file deleted", func(t *testing.T, v *service) { remove(t, v.path) }, false},
		{"file moved away", func(t *testing.T, v *service) { require.NoError(t, os.Rename(v.path, v.path+".away")) }, false},
		{"file replaced by an older copy", func(t *testing.T, v *service) { restore(t, v.old, v.path) }, false},
		{"file replaced by an older copy, its log forgotten", func(t *testing.T, v *service) { require.NoError(t, os.Rename(v.old, v.path)) }, false},
		{"file replaced by a new store", func(t *testing.T, v *service) {
			remove(t, v.path)
			migrated(t, v.path, sqlitestore.Config{})
		}, false},
		{"file replaced by an empty one", overwrite(""), false},
		{"file replaced by no database", overwrite("this is no database, and long enough to be told from one by its first bytes alone\n"), false},
		{"a folder in its place", func(t *testing.T, v *service) {
			remove(t, v.path)
			require.NoError(t, os.Mkdir(v.path, 0o700))
		}, false},
		{"rows gone", func(t *testing.T, v *service) { empty(t, v.path) }, false},
		{"marker gone", func(t *testing.T, v *service) { run(t, v.path, `DELETE FROM ta_meta`) }, false},
		{"tables gone", func(t *testing.T, v *service) { run(t, v.path, `DROP TABLE ta_token`, `DROP TABLE ta_dead`) }, false},
		{"older copy through SQLite itself", func(t *testing.T, v *service) {
			run(t, v.path, `ATTACH '`+v.old+`' AS old`, `DELETE FROM ta_token`, `INSERT INTO ta_token SELECT * FROM old.ta_token`,
				`DELETE FROM ta_meta`, `INSERT INTO ta_meta SELECT * FROM old.ta_meta`)
		}, false},
	} {
		t.Run(fault.name, func(t *testing.T) {
			v := newService(t)
			fault.begin(t, v)
			all := v.verify(t, n)
			t.Logf("%d verifies: %d accepted, %d refused as revoked, %d unknown; %d took longer than the budget of %v, the longest %v",
				n, all.accepted.Load(), all.revoked.Load(), all.unknown.Load(), len(all.late), storeTimeout, all.longest)
			if fault.known {
				assert.NotZero(t, all.accepted.Load())
				assert.NotZero(t, all.revoked.Load())
			} else {
				assert.Equal(t, int64(n), all.unknown.Load())
			}
		})
	}
}

// Whoever moves the file while it is asked for is answered from before or after, and never by a mixture.
func TestFaultThatComesAndGoes(t *testing.T) {
	t.Parallel()
	n := testserver.Count(t, "FAULT_VERIFIES", 200)
	for _, fault := range []struct {
		name string
		in   string // what lies in the file's place meanwhile
	}{
		{"away", ""},
		{"an older copy in its place", "old"},
	} {
		t.Run(fault.name, func(t *testing.T) {
			v := newService(t)
			ctx, stop := context.WithCancel(t.Context())
			var moving sync.WaitGroup
			moves := 0
			moving.Go(func() {
				for ctx.Err() == nil {
					moves++
					assert.NoError(t, os.Rename(v.path, v.path+".away"))
					if fault.in != "" {
						assert.NoError(t, os.Rename(v.old, v.path))
						assert.NoError(t, os.Rename(v.path, v.old))
					}
					assert.NoError(t, os.Rename(v.path+".away", v.path))
				}
			})
			all := v.verify(t, n)
			stop()
			moving.Wait()
			t.Logf("%d verifies, %d moves: %d accepted, %d refused as revoked, %d unknown", n, moves, all.accepted.Load(), all.revoked.Load(), all.unknown.Load())
		})
	}
}

// A disk that is full refuses what it cannot keep, and goes on answering.
func TestFaultFullDisk(t *testing.T) {
	t.Parallel()
	now, path := time.Now(), newPath(t)
	s, err := sqlitestore.New(t.Context(), openSQL(t, path, goodSettings+"&_pragma=max_page_count(48)"), sqlitestore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Migrate(t.Context()))
	var kept []*tokenauth.StoredAccessToken
	for {
		record := newRecord(now)
		if err := s.Create(t.Context(), record); err != nil {
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
			require.ErrorContains(t, err, "full")
			break
		}
		kept = append(kept, record)
		require.Less(t, len(kept), 10_000, "the disk is never full")
	}
	require.Greater(t, len(kept), 10)
	var revoked []string
	for _, record := range kept {
		if _, err := s.Revoke(t.Context(), record.ID, tokenauth.Revocation{At: now, By: "alice"}); err == nil {
			revoked = append(revoked, record.ID)
		} else {
			require.ErrorIs(t, err, tokenauth.ErrUnavailable)
		}
	}
	roomy := open(t, path, sqlitestore.Config{})
	for _, record := range kept {
		_, err := roomy.Get(t.Context(), record.ID)
		require.NoError(t, err, "acknowledged, and not there")
	}
	for _, id := range revoked {
		dead, err := s.IsRevoked(t.Context(), id)
		require.NoError(t, err)
		require.True(t, dead, "acknowledged, and not there")
	}
	checkInvariants(t, path)
	for _, record := range kept {
		revoke(t, roomy, record.ID, now)
	}
	checkInvariants(t, path)
}

// A file that may not be written is refused when it is opened. Root may write everything, so the test is another user then.
func TestFaultReadOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens.db")
	s, err := sqlitestore.Open(t.Context(), path, sqlitestore.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	require.NoError(t, s.Close())
	require.NoError(t, os.Chmod(path, 0o444))
	require.NoError(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed

	p := start(t, "open without rights", path, func(cmd *exec.Cmd) {
		if os.Getuid() != 0 {
			return
		}
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		cmd.Path = forOthers(t, cmd.Path)
		require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	})
	require.Equal(t, "unavailable: true", p.hears(t))
}

// forOthers copies a program to where every user may run it.
func forOthers(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	to := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(to, content, 0o755))
	return to
}

// openWithoutRights is the other user.
func openWithoutRights(ctx context.Context, path string, out io.Writer) error {
	_, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	_, err = fmt.Fprintln(out, "unavailable:", errors.Is(err, tokenauth.ErrUnavailable))
	return err
}
