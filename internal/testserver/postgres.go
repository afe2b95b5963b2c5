//go:build unix

package testserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Postgres is a PostgreSQL server of one test: its data in a folder of its own, on a free port of this machine, with one superuser,
// postgres, who needs no password. It is a child of the test, which can kill it as a crash would, stop it, and copy its data behind its
// back. It speaks TCP only, so that no socket file of a server that was killed stands in the way of the next.
//
// PostgreSQL refuses to run as root: there it runs as the user postgres or nobody.
type Postgres struct {
	Dir  string // its data
	Port int    // where it listens, on this machine only; 0 before it is first started

	programs string // where initdb and postgres lie
	home     string // what is removed at the end: above Dir
	owner    *syscall.Credential
	settings []string
	server   *exec.Cmd
	ended    chan struct{} // closed when server has been waited for
	log      tail
}

// FastAndForgetful are settings for tests that do not look at what a crash leaves behind.
var FastAndForgetful = []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off"}

// StartPostgres starts a server that ends with the test, with settings as "name=value". A test on a machine without PostgreSQL is skipped,
// or fails where CI is set.
func StartPostgres(t testing.TB, settings ...string) *Postgres {
	t.Helper()
	p, err := NewPostgres(settings...)
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err) // "PostgreSQL is not installed": there is no server to test against, and whoever has only Go is to pass the tests
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// NewPostgres makes the data of a server and does not start it. The error wraps exec.ErrNotFound where PostgreSQL is not installed. Close
// removes it again.
func NewPostgres(settings ...string) (*Postgres, error) {
	programs, err := findPostgres()
	if err != nil {
		return nil, err
	}
	p := &Postgres{programs: programs, settings: settings}
	if p.owner, err = unprivileged(); err != nil {
		return nil, err
	}
	if p.home, err = os.MkdirTemp("", "postgres-"); err != nil {
		return nil, err
	}
	p.Dir = filepath.Join(p.home, "data")
	if err = p.give(p.home); err == nil {
		err = p.run("initdb", "--pgdata", p.Dir, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--wal-segsize=1",
			"--no-sync", "--no-instructions")
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// findPostgres returns the folder with the server's programs: the newest, where the distribution has several, since these are seldom in
// PATH.
func findPostgres() (string, error) {
	if name, err := exec.LookPath("postgres"); err == nil {
		if name, err = filepath.EvalSymlinks(name); err == nil { // the other programs lie beside the program itself
			return filepath.Dir(name), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL is not installed: %w: postgres", exec.ErrNotFound)
	}
	version := func(name string) float64 {
		v, _ := strconv.ParseFloat(strings.Split(name, "/")[4], 64) // 9.6 is below 10; what is no number is oldest
		return v
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return int(10 * (version(a) - version(b))) })), nil
}

// unprivileged returns whom the server runs as, or nil for the user of this process.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
	}
	return nil, errors.New("testserver: PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody")
}

// give hands a file over to the server's user.
func (p *Postgres) give(name string) error {
	if p.owner == nil {
		return nil
	}
	return os.Chown(name, int(p.owner.Uid), int(p.owner.Gid))
}

// command prepares one of PostgreSQL's programs.
func (p *Postgres) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.programs, program), args...)
	cmd.Dir = p.home
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner, Setpgid: true}
	return cmd
}

// run runs one of PostgreSQL's programs to its end.
func (p *Postgres) run(program string, args ...string) error {
	if out, err := p.command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("testserver: %s: %w\n%s", program, err, out)
	}
	return nil
}

// Start starts the server, if it does not run, and waits until it takes connections. It keeps the port it had before, so that clients find
// it again.
func (p *Postgres) Start() error {
	if p.server != nil {
		return nil
	}
	if p.Port == 0 {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.Port = port
	}
	args := []string{"-D", p.Dir, "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(p.Port), "-c", "unix_socket_directories="}
	for _, setting := range p.settings {
		args = append(args, "-c", setting)
	}
	cmd := p.command("postgres", args...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		p.log.follow(out, "database system is ready to accept", ready) // connections, or a standby's read-only connections
		_ = cmd.Wait()                                                 // it was killed, or says why in its log
	}()
	p.server, p.ended = cmd, ended
	select {
	case <-ready:
		return nil
	case <-ended:
		p.server = nil
		return fmt.Errorf("testserver: postgres did not start:\n%s", p.log.text())
	case <-time.After(time.Minute):
		p.Kill()
		return fmt.Errorf("testserver: postgres is not ready after a minute:\n%s", p.log.text())
	}
}

// Set replaces the settings with which the server starts next.
func (p *Postgres) Set(settings ...string) { p.settings = settings }

// URL names the server to a client, with parameters as "name=value".
func (p *Postgres) URL(parameters ...string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.Address(), Path: "postgres"}
	query := url.Values{"sslmode": {"disable"}}
	for _, parameter := range parameters {
		name, value, _ := strings.Cut(parameter, "=")
		query.Set(name, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // pgx takes a plus for itself
	return u.String()
}

// Address is where the server listens, as host:port.
func (p *Postgres) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// Stop lets the server write down what it holds and end, as an operator would.
func (p *Postgres) Stop() {
	if p.server != nil {
		_ = p.server.Process.Signal(syscall.SIGINT)
		p.wait()
	}
}

// Kill ends the server and all its processes by kill -9, in the middle of whatever they do, and waits until none is left.
func (p *Postgres) Kill() {
	if p.server == nil {
		return
	}
	all := p.Freeze()
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.wait()
	for _, pid := range all {
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	_ = os.Remove(filepath.Join(p.Dir, "postmaster.pid")) // of a process that is gone, whose number may be given out again
}

// wait waits for the server's first process, whose child everybody else is.
func (p *Postgres) wait() {
	<-p.ended
	p.server = nil
}

// Freeze stops all processes of the server, as a machine without time for them does, and returns them. Connections stay open, and new ones
// are taken by the kernel alone. Thaw lets them go on.
func (p *Postgres) Freeze() []int {
	first := p.server.Process.Pid
	_ = syscall.Kill(first, syscall.SIGSTOP) // so that it makes no more
	all := append(children(first), first)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	return all
}

// Thaw lets the processes go on that Freeze has stopped.
func (p *Postgres) Thaw() {
	first := p.server.Process.Pid
	for _, pid := range append(children(first), first) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// children returns the processes whose parent is pid.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var all []int
	for _, name := range stats {
		if state, parent := stat(name); state != "" && parent == pid {
			child, _ := strconv.Atoi(strings.Split(name, "/")[2])
			all = append(all, child)
		}
	}
	return all
}

// alive says whether a process runs. One that has ended and that nobody has waited for does not.
func alive(pid int) bool {
	state, _ := stat("/proc/" + strconv.Itoa(pid) + "/stat")
	return state != "" && state != "Z" && state != "X"
}

// stat returns the state and the parent of the process whose /proc/PID/stat it is given.
func stat(name string) (state string, parent int) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // the name before may hold anything
	if len(fields) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return string(fields[0]), parent
}

// Copy makes another server of this one's data, which must not run, with settings of its own. It is quicker than NewPostgres. Restore puts
// such a copy back in the place of the data.
func (p *Postgres) Copy(settings ...string) (*Postgres, error) {
	home, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	c := &Postgres{Dir: filepath.Join(home, "data"), programs: p.programs, home: home, owner: p.owner, settings: settings}
	if err = c.give(home); err == nil {
		err = c.copyFolder(p.Dir, c.Dir)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Restore puts the data of old, a copy, in the place of this server's. Neither may run.
func (p *Postgres) Restore(old *Postgres) error {
	if err := os.RemoveAll(p.Dir); err != nil {
		return err
	}
	return p.copyFolder(old.Dir, p.Dir)
}

// Standby makes another server, and starts it: one that follows this server, which runs, until Promote.
func (p *Postgres) Standby() (*Postgres, error) {
	home, err := os.MkdirTemp("", "postgres-")
	if err != nil {
		return nil, err
	}
	s := &Postgres{Dir: filepath.Join(home, "data"), programs: p.programs, home: home, owner: p.owner, settings: p.settings}
	if err = s.give(home); err == nil {
		err = s.run("pg_basebackup", "--pgdata", s.Dir, "--dbname", p.URL(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Promote makes a standby a server that follows nobody.
func (p *Postgres) Promote() error { return p.run("pg_ctl", "promote", "--wait", "--pgdata", p.Dir) }

// TakeOver makes this server listen where other did, which must not run: what a name or an address that moves does for a client.
func (p *Postgres) TakeOver(other *Postgres) error {
	p.Stop()
	p.Port = other.Port
	return p.Start()
}

// copyFolder copies a folder of data, for the server's user.
func (p *Postgres) copyFolder(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o600)
		if entry.IsDir() {
			mode = 0o700
		}
		return errors.Join(os.Chmod(name, mode), p.give(name))
	})
}

// Close kills the server and removes its data.
func (p *Postgres) Close() {
	p.Kill()
	_ = os.RemoveAll(p.home)
}

// Log returns the end of what the server has said.
func (p *Postgres) Log() string { return p.log.text() }

// freePort returns a port that nobody listens on. Somebody else may take it before it is used.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// A tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

// follow reads a log to its end, and closes seen at the first line with word in it.
func (l *tail) follow(log io.Reader, word string, seen chan<- struct{}) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if seen != nil && strings.Contains(lines.Text(), word) {
			close(seen)
			seen = nil
		}
		l.mu.Lock()
		l.lines = append(l.lines, lines.Text())
		if len(l.lines) > 100 {
			l.lines = l.lines[1:]
		}
		l.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, log) // of a line too long to be kept
}

func (l *tail) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}
