//go:build unix

package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
	"github.com/a74cfa30/tokenauth/redisstore"
)

func TestCheckDurability(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings []string
		durable  bool
		says     []string
	}{
		{"nothing is kept", nil, false,
			[]string{"aof_enabled = 0: NOT durable", "appendfsync = everysec: NOT durable"}},
		{"snapshots", []string{"--save", "60 1"}, false, []string{"aof_enabled = 0: NOT durable"}},
		{"flushed every second", []string{"--appendonly", "yes"}, false,
			[]string{"aof_enabled = 1: durable", "appendfsync = everysec: NOT durable"}},
		{"flushed by the system", []string{"--appendonly", "yes", "--appendfsync", "no"}, false, []string{"appendfsync = no: NOT durable"}},
		{"flushed always, but while rewriting", append([]string{"--no-appendfsync-on-rewrite", "yes"}, durable...), false,
			[]string{"appendfsync = always: durable", "no-appendfsync-on-rewrite = yes: NOT durable"}},
		{"flushed always", durable, true,
			[]string{"noeviction", "aof_enabled = 1: durable", "appendfsync = always: durable", "no-appendfsync-on-rewrite = no: durable"}},
		{"CONFIG renamed away", append([]string{"--rename-command", "CONFIG", ""}, durable...), false,
			[]string{"aof_enabled = 1: durable", "appendfsync = unknown"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, newClient(t, testserver.StartRedis(t, test.settings...).Addr), redisstore.Config{})
			lines, err := s.CheckDurability(t.Context())
			if test.durable {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, redisstore.ErrNotDurable)
			}
			for _, says := range test.says {
				require.Contains(t, strings.Join(lines, "\n"), says)
			}
			require.Equal(t, test.durable, !strings.Contains(strings.Join(lines, "\n"), "NOT"))
		})
	}
}

// A user who has no rights but those in the README can do everything, and CheckDurability says what it may not ask.
func TestRightsThatAreNeeded(t *testing.T) {
	server := testserver.StartRedis(t, durable...)
	server.Must("ACL", "SETUSER", "tokens", "on", ">pass", "~{ta}:*", "&{ta}:*", "+@hash", "+@sortedset", "+@string",
		"+@connection", "+@scripting", "+exists", "+del", "+spublish", "+ssubscribe", "+info", "+wait")
	client := func() *redis.Client {
		return newClient(t, server.Addr, func(o *redis.Options) { o.Username, o.Password = "tokens", "pass" })
	}
	s := open(t, client(), redisstore.Config{})
	require.NoError(t, s.Migrate(t.Context()))
	now := time.Now()
	record := create(t, s, now)
	for _, call := range calls(s, record, now) {
		require.NoError(t, ignore(call.do(t.Context()), tokenauth.ErrNotFound, tokenauth.ErrRevoked), call.name)
	}
	require.NoError(t, s.Wait(t.Context(), ""))
	require.NoError(t, s.Reseed(t.Context(), "without the right to UNLINK"))
	server.Must("ACL", "SETUSER", "tokens", "+unlink")
	require.NoError(t, s.Reseed(t.Context(), "with it"))
	lines, err := s.CheckDurability(t.Context())
	require.ErrorIs(t, err, redisstore.ErrNotDurable)
	require.Contains(t, strings.Join(lines, "\n"), "refuses CONFIG GET")

	server.Must("ACL", "SETUSER", "tokens", "+config|get")
	_, err = s.CheckDurability(t.Context())
	require.NoError(t, err)

	server.Must("ACL", "SETUSER", "tokens", "-@hash")
	for _, call := range calls(s, record, now) {
		require.ErrorIs(t, call.do(t.Context()), tokenauth.ErrUnavailable, call.name)
	}
	server.Must("ACL", "SETUSER", "tokens", "-info")
	_, err = redisstore.New(t.Context(), client(), redisstore.Config{})
	require.ErrorIs(t, err, tokenauth.ErrUnavailable)
	require.ErrorContains(t, err, "README")
}

// ignore returns err unless it is one of those.
func ignore(err error, those ...error) error {
	for _, one := range those {
		if errors.Is(err, one) {
			return nil
		}
	}
	return err
}

// A server that lacks a command quotes what it was asked. That is in no text of ours.
func TestErrorsQuoteNoArguments(t *testing.T) {
	server := testserver.StartRedis(t, "--rename-command", "EVALSHA", "")
	s := open(t, newClient(t, server.Addr), redisstore.Config{Prefix: "canary"})
	for _, call := range calls(s, newRecord(time.Now()), time.Now()) {
		err := call.do(t.Context())
		require.ErrorIs(t, err, tokenauth.ErrUnavailable, call.name)
		require.NotContains(t, err.Error(), "canary", call.name)
		var answer redis.Error
		require.ErrorAs(t, err, &answer, call.name)
	}
}
