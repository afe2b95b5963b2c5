//go:build unix

package sqlitestore_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some tests need another process: one that holds a lock, one that dies, one that may not write. This program is started again as that,
// by name of its role; what it has to say it says a line at a time, and it ends when its input does, or when it is killed.

const (
	roleVariable = "SQLITESTORE_TEST_ROLE"
	pathVariable = "SQLITESTORE_TEST_PATH"
)

// TestMain plays another process, where a test has started this program as one.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play plays a role and returns the exit code.
func play(role string) int {
	path := os.Getenv(pathVariable)
	roles := map[string]func(ctx context.Context, path string, out io.Writer) error{
		"hold the write lock": holdWriteLock,
		"write until killed":  writeUntilKilled,
		"open without rights": openWithoutRights,
	}
	if err := roles[role](context.Background(), path, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, role+":", err)
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// A process is another one, playing a role.
type process struct {
	*exec.Cmd
	says *bufio.Scanner
}

// start starts a process. It is killed and waited for with the test at the latest.
func start(t testing.TB, role, path string, change ...func(*exec.Cmd)) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.Background(), program)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe() // it ends when this does, and this when the test does
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	for _, c := range change {
		c(cmd)
	}
	require.NoError(t, cmd.Start())
	p := &process{cmd, bufio.NewScanner(out)}
	t.Cleanup(p.kill)
	return p
}

// hears waits for a line.
func (p *process) hears(t testing.TB) string {
	t.Helper()
	require.True(t, p.says.Scan(), "the other process has ended and said nothing")
	return p.says.Text()
}

// kill ends the process at once, as a kill -9 does, and waits for it.
func (p *process) kill() {
	if p.ProcessState == nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// holdWriteLock holds SQLite's write lock, in the middle of a change.
func holdWriteLock(ctx context.Context, path string, out io.Writer) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	for _, statement := range []string{`BEGIN IMMEDIATE`, `DELETE FROM ta_meta`, `DELETE FROM ta_token`} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(out, "holding")
	return err
}
