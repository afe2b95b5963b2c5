//go:build unix

package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Redis is a redis-server of a test's own, in a temporary folder and on a port of its own. Its methods fail the test.
type Redis struct {
	Addr string // where it listens
	Dir  string // where it keeps its files

	t        testing.TB
	settings []string // of the command line
	cmd      *exec.Cmd
	log      bytes.Buffer
}

// redisPatience is how long a server may take to answer.
const redisPatience = 20 * time.Second

// StartRedis starts a redis-server and waits until it answers. settings are those of its command line, such as "--appendonly", "yes";
// nothing is kept on the disk unless they say so. It ends with the test. Without a redis-server the test is skipped, and fails where CI is
// set.
func StartRedis(t testing.TB, settings ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis-server")
	}
	r := &Redis{Addr: freeAddr(t), Dir: t.TempDir(), t: t, settings: settings}
	t.Cleanup(r.Kill)
	r.Start()
	return r
}

// StartSentinel starts a Sentinel that watches over a primary by a name, and promotes one of its replicas when it is gone for 200 ms.
func StartSentinel(t testing.TB, name string, primary *Redis) *Redis {
	t.Helper()
	r := &Redis{Addr: freeAddr(t), Dir: t.TempDir(), t: t}
	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.Dir, "sentinel.conf") // which it writes to, too
	config := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\n"+
		"sentinel down-after-milliseconds %[1]s 200\nsentinel failover-timeout %[1]s 2000\n", name, host, port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.settings = []string{file, "--sentinel"}
	t.Cleanup(r.Kill)
	r.Start()
	return r
}

// missing ends a test whose server is not installed.
func missing(t testing.TB, program string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and CI is set", program)
	}
	t.Skipf("%s is not installed", program) // there is no server to test against, and whoever has only Go is to pass the tests
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Start starts the server again, with the same files and on the same port, and waits until it answers.
func (r *Redis) Start() {
	r.t.Helper()
	if r.cmd != nil {
		r.t.Fatal("the redis-server runs already")
	}
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		r.t.Fatal(err)
	}
	arguments := []string{"--port", port, "--bind", "127.0.0.1", "--dir", r.Dir, "--daemonize", "no"}
	if slices.Contains(r.settings, "--sentinel") {
		arguments = slices.Concat(r.settings[:1], arguments, r.settings[1:]) // its file comes first
	} else {
		arguments = slices.Concat(arguments, []string{"--save", "", "--repl-diskless-sync-delay", "0"}, r.settings)
	}
	cmd := exec.Command("redis-server", arguments...)
	r.log.Reset()
	cmd.Stdout, cmd.Stderr = &r.log, &r.log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.cmd = cmd
	for began := time.Now(); !r.answers(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > redisPatience {
			r.Kill()
			r.t.Fatalf("the redis-server does not answer:\n%s", r.log.String())
		}
	}
}

// answers says whether the server has read its files and answers, and is the one that was started.
func (r *Redis) answers() bool {
	info, err := r.Do("INFO", "server")
	if err != nil || !strings.Contains(info, "process_id:"+strconv.Itoa(r.cmd.Process.Pid)+"\r\n") {
		return false
	}
	_, err = r.Do("PING") // which it refuses while it reads its files
	return err == nil
}

// Do sends a command on a connection of its own and returns the reply as it came, up to 64 KiB.
func (r *Redis) Do(words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(redisPatience)); err != nil {
		return "", err
	}
	var command strings.Builder
	fmt.Fprintf(&command, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write([]byte(command.String())); err != nil {
		return "", err
	}
	reply := make([]byte, 64<<10)
	n, err := conn.Read(reply)
	if err != nil {
		return "", err
	}
	if reply[0] == '-' {
		return "", errors.New(strings.TrimSpace(string(reply[1:n])))
	}
	return string(reply[:n]), nil
}

// Must is Do of a command that must succeed.
func (r *Redis) Must(words ...string) string {
	r.t.Helper()
	reply, err := r.Do(words...)
	if err != nil {
		r.t.Fatal(words[0], err)
	}
	return reply
}

// Pid returns the server's process id, or 0 if it does not run.
func (r *Redis) Pid() int {
	if r.cmd == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// Kill ends the server as kill -9 does, and waits for its end. A server that does not run is left alone.
func (r *Redis) Kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.cmd = nil
}

// Freeze stops the server as SIGSTOP does: its connections stay open and nobody answers.
func (r *Redis) Freeze() { r.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (r *Redis) Thaw() { r.signal(syscall.SIGCONT) }

func (r *Redis) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}
