package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The daemon is tested from outside: this test binary starts itself as the daemon, on a port of its own.

// asDaemon tells the test binary to be the daemon.
const asDaemon = "TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A daemon is one that runs.
type daemon struct {
	process *exec.Cmd
	address string
	admin   string // "" but at the first start
	log     *record
}

// A record is what a program writes, to be read while it still does.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// startDaemon starts the daemon and waits until it listens. It is killed at the end of the test, if it still runs.
func startDaemon(t testing.TB, data string) *daemon {
	t.Helper()
	d := &daemon{log: &record{}}
	d.process = exec.Command(os.Args[0], "-listen", "127.0.0.1:0", "-data", data)
	d.process.Env = append(os.Environ(), asDaemon+"=1")
	d.process.Stderr = d.log
	out, err := d.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.process.ProcessState == nil {
			_ = d.process.Process.Kill() // it may have ended by itself
			_ = d.process.Wait()
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if token, ok := strings.CutPrefix(lines.Text(), "admin token, told this once: "); ok {
			d.admin = token
		}
		if address, ok := strings.CutPrefix(lines.Text(), "listening at "); ok {
			d.address = address
			return d
		}
	}
	t.Fatalf("the daemon does not listen: %s", d.log)
	return nil
}

// stop asks the daemon to end, and waits for it.
func (d *daemon) stop(t testing.TB) {
	t.Helper()
	if err := d.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.process.Wait(); err != nil {
		t.Fatalf("it did not end well: %v\n%s", err, d.log)
	}
}

// kill ends the daemon at once.
func (d *daemon) kill(t testing.TB) {
	t.Helper()
	if err := d.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.process.Wait() // it was killed
}

func TestTheTranscript(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil { // the transcript is of curl, and nothing else would show that it is true
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("curl is not installed, so the transcript of README.md is not run")
	}
	steps := transcript(t)
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"))
	defer d.stop(t)

	const mark = "\x1e"
	var script strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&script, "printf '%s'\n%s\n", mark, strings.ReplaceAll(s.command, "localhost:8080", d.address))
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	shell.Env = append(os.Environ(), "ADMIN="+d.admin, "NO_PROXY=*")
	shell.Dir = t.TempDir()
	var problems bytes.Buffer
	shell.Stderr = &problems
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	got := strings.Split(string(out), mark)[1:]
	if len(got) != len(steps) {
		t.Fatalf("%d commands, %d outputs", len(steps), len(got))
	}
	here, there := reading{}, reading{}
	for i, s := range steps {
		if strings.TrimSuffix(here.alike(got[i]), "\n") != strings.TrimSuffix(there.alike(s.output), "\n") {
			t.Errorf("$ %s\nREADME.md shows:\n%s\nit is:\n%s", s.command, s.output, got[i])
		}
	}
	if log := d.log.String(); strings.Contains(log, "eyJ") || strings.Contains(log+string(out), d.admin) {
		t.Error("a token stands in the log, or the admin's in an answer")
	}
}

// A step is one command of the transcript, and what it prints.
type step struct{ command, output string }

// transcript reads the sh block of README.md: a command begins with $ and goes on in lines that are indented; a comment begins with #.
func transcript(t *testing.T) (steps []step) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "\n```sh\n")
	block, _, found := strings.Cut(block, "\n```\n")
	if !found {
		t.Fatal("README.md has no sh block")
	}
	for line := range strings.Lines(block + "\n") {
		command, isCommand := strings.CutPrefix(line, "$ ")
		last := len(steps) - 1
		switch {
		case isCommand:
			steps = append(steps, step{command: strings.TrimSuffix(command, "\n")})
		case strings.HasPrefix(line, "# ") || line == "\n":
		case strings.HasPrefix(line, "    ") && steps[last].output == "":
			steps[last].command += "\n" + strings.TrimSuffix(line, "\n")
		default:
			steps[last].output += line
		}
	}
	if len(steps) < 20 {
		t.Fatalf("README.md has %d commands", len(steps))
	}
	return steps
}

// What differs from run to run.
var differing = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`"(exp|iat)":\d{10}\b`), `"$1":SECONDS`},
	{regexp.MustCompile(`"(kid|x)":"[\w-]{20,}"`), `"$1":"KEY"`},
}

// uuid is an id of a record.
var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// A reading of a transcript numbers its ids in the order in which they come, so that two readings agree on which id is which.
type reading map[string]string

// alike returns text without what differs from run to run.
func (ids reading) alike(text string) string {
	for _, d := range differing {
		text = d.pattern.ReplaceAllString(text, d.name)
	}
	return uuid.ReplaceAllStringFunc(text, func(id string) string {
		if ids[id] == "" {
			ids[id] = fmt.Sprint("ID", len(ids)+1)
		}
		return ids[id]
	})
}

// ask sends a request with a token and returns the status.
func (d *daemon) ask(t testing.TB, method, path, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

// What was acknowledged outlives a kill: tokens, revocations, and that there is an admin.
func TestItOutlivesAKill(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, data)
	if d.admin == "" {
		t.Fatal("no admin token at the first start")
	}
	revoked, _ := create(t, d, d.admin, `{"name":"x","roles":["x"]}`)
	if got := d.ask(t, http.MethodPost, "/auth/tokens/"+idOf(t, revoked)+"/revoke", d.admin); got != http.StatusOK {
		t.Fatal("revoke:", got)
	}
	d.kill(t)

	again := startDaemon(t, data)
	if again.admin != "" {
		t.Error("an admin token was told again")
	}
	if got := again.ask(t, http.MethodGet, "/whoami", d.admin); got != http.StatusOK {
		t.Error("the admin's token:", got)
	}
	if got := again.ask(t, http.MethodGet, "/whoami", revoked); got != http.StatusUnauthorized {
		t.Error("the revoked token:", got)
	}
	again.stop(t)

	var out bytes.Buffer
	if err := run(t.Context(), &out, "", "http://localhost:8080", data, true); err != nil || !strings.Contains(out.String(), "eyJ") {
		t.Errorf("-admin: %v, %q", err, out.String())
	}
}

// A request under way is finished, and no new one is taken.
func TestAStopLetsRequestsFinish(t *testing.T) {
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"))
	feed := newFeed()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+d.address+"/notes/slow", feed)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.admin)
	r.Header.Set("Expect", "100-continue") // so that the body is not asked for before the handler reads it
	status := make(chan int, 1)
	go func() {
		response, err := (&http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}).Do(r)
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		_ = response.Body.Close()
		status <- response.StatusCode
	}()
	<-feed.wanted // the handler is at work
	if err := d.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for refused := false; !refused; { // until it has begun to stop
		c, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.address+"/whoami", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(c)
		if refused = err != nil; !refused {
			_ = response.Body.Close()
		}
	}
	close(feed.release)
	if got := <-status; got != http.StatusNoContent {
		t.Error("the request under way:", got)
	}
	if err := d.process.Wait(); err != nil {
		t.Errorf("%v: %s", err, d.log)
	}
}

// A feed is a body that tells when it is wanted, and comes when it is let go.
type feed struct {
	wanted, release chan struct{}
	once            sync.Once
}

func newFeed() *feed { return &feed{wanted: make(chan struct{}), release: make(chan struct{})} }

func (f *feed) Read(b []byte) (int, error) {
	f.once.Do(func() { close(f.wanted) })
	<-f.release
	return copy(b, "done"), io.EOF
}

// Records that are gone, or another service's, know of no revocation of this one's.
func TestItDoesNotStartWithoutItsRecords(t *testing.T) {
	data, other := t.TempDir(), t.TempDir()
	start := func(data string) error {
		var out bytes.Buffer
		return run(t.Context(), &out, "", "http://localhost:8080", data, true)
	}
	for range 2 {
		if err := start(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := start(other); err != nil {
		t.Fatal(err)
	}
	records := filepath.Join(data, "tokens.db")
	if err := os.Remove(records); err != nil {
		t.Fatal(err)
	}
	if err := start(data); !errors.Is(err, tokenauth.ErrUnavailable) {
		t.Error("without its records:", err)
	}
	generation := filepath.Join(other, "generation")
	if err := os.WriteFile(generation, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := start(other); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Error("with a generation that was cut off:", err)
	}
	if err := os.Rename(filepath.Join(other, "tokens.db"), records); err != nil {
		t.Fatal(err)
	}
	if err := start(data); !errors.Is(err, tokenauth.ErrUnavailable) {
		t.Error("with another's:", err)
	}
}

func TestWhatItRefusesToStartWith(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	spoilt := t.TempDir()
	if err := os.WriteFile(filepath.Join(spoilt, "key.jwk"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"nothing": "", "a file": file, "a key that is none": spoilt} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // it would serve for so long
		var out bytes.Buffer
		if err := run(ctx, &out, "127.0.0.1:0", "http://localhost:8080", data, false); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
		cancel()
	}
}
