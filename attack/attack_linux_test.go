package attack_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/attack"
)

// X16: a header that says where to get a key is not followed. Everything that could follow it is watched: an address, a file, the
// name service and the two doors of net/http. Linux says afterwards who opened a file, so this test is for Linux.

// traces counts what a verifier that follows a header leaves behind.
type traces struct {
	address, file string
	connections   atomic.Int64 // to the address
	requests      atomic.Int64 // through http.DefaultTransport or http.DefaultClient
	lookups       atomic.Int64 // of names
	watch         int          // inotify, of the file and its directory
}

// RoundTrip implements http.RoundTripper.
func (w *traces) RoundTrip(*http.Request) (*http.Response, error) {
	w.requests.Add(1)
	return nil, errors.New("watched")
}

// dial stands for the name service.
func (w *traces) dial(context.Context, string, string) (net.Conn, error) {
	w.lookups.Add(1)
	return nil, errors.New("watched")
}

// opened returns how often the file was opened, or the directory looked into, since the last call.
func (w *traces) opened(t *testing.T) int {
	t.Helper()
	buffer := make([]byte, 64<<10)
	n, err := syscall.Read(w.watch, buffer)
	if errors.Is(err, syscall.EAGAIN) {
		return 0
	}
	require.NoError(t, err)
	return n / syscall.SizeofInotifyEvent
}

func watchEverything(t *testing.T) *traces {
	t.Helper()
	w := &traces{file: filepath.Join(t.TempDir(), "keys.json")}
	require.NoError(t, os.WriteFile(w.file, []byte(`{"keys":[]}`), 0o600))

	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	w.address = server.URL

	transport, client, resolver := http.DefaultTransport, *http.DefaultClient, net.DefaultResolver
	t.Cleanup(func() { http.DefaultTransport, *http.DefaultClient, net.DefaultResolver = transport, client, resolver })
	http.DefaultTransport, http.DefaultClient.Transport = w, w
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: w.dial}

	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(watch) })
	w.watch = watch
	_, err = syscall.InotifyAddWatch(watch, filepath.Dir(w.file), syscall.IN_OPEN|syscall.IN_ACCESS|syscall.IN_CREATE)
	require.NoError(t, err)
	return w
}

func TestX16NoHeaderIsFollowed(t *testing.T) {
	w := watchEverything(t)
	for _, row := range attack.HeaderKeyRows(w.address, w.file) {
		answer, err := attack.Judge(t.Context(), row)
		require.Equal(t, row.Want, answer, "%s: %v", row, err)
	}
	require.Zero(t, w.connections.Load(), "somebody connected to the address in a header")
	require.Zero(t, w.requests.Load(), "somebody sent a request")
	require.Zero(t, w.lookups.Load(), "somebody looked up a name")
	require.Zero(t, w.opened(t), "somebody opened the file in a header")

	// Whoever does follow is seen.
	client := &http.Client{Transport: &http.Transport{}}
	response, err := client.Get(w.address)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	client.CloseIdleConnections()
	require.NotZero(t, w.connections.Load())

	_, err = http.Get("https://attacker.invalid/jwks.json") // there is no body to close: no answer comes back
	require.Error(t, err)
	require.NotZero(t, w.requests.Load())

	_, err = net.DefaultResolver.LookupHost(t.Context(), "attacker.invalid")
	require.Error(t, err)
	require.NotZero(t, w.lookups.Load())

	_, err = os.ReadFile(w.file)
	require.NoError(t, err)
	require.NotZero(t, w.opened(t))
}
