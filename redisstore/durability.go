package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// What Redis promises depends on settings of the server, which somebody else may have made and may change at any time.

// ErrNotDurable is what CheckDurability wraps if a write that was acknowledged may be lost.
var ErrNotDurable = errors.New("redisstore: an acknowledged write may be lost")

// The settings that durability depends on, but for those that checkServer asks for.
var durabilitySettings = []string{"appendonly", "appendfsync", "no-appendfsync-on-rewrite"}

// checkServer refuses a server that is too old or that may evict what it was given, and returns what it says of itself.
func (s *Store) checkServer(ctx context.Context) (map[string]string, error) {
	if err := s.inUse(ctx); err != nil {
		return nil, err
	}
	node, err := s.primary(ctx)
	if err != nil {
		return nil, clientError(ctx, "finding the primary", err)
	}
	said, err := node.Info(ctx).Result()
	if err != nil {
		return nil, clientError(ctx, "asking for INFO", err)
	}
	info := map[string]string{}
	for line := range strings.Lines(said) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	major, _, _ := strings.Cut(info["redis_version"], ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		return nil, refuse("the server must be Redis 7.0 or later", tokenauth.ErrUnavailable)
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		return nil, refuse(fmt.Sprintf("maxmemory-policy is %q and must be noeviction: an evicted death would be a resurrection", policy),
			tokenauth.ErrUnavailable)
	}
	if info["role"] != "master" {
		return nil, errReplica()
	}
	return info, nil
}

// CheckDurability reports, a line for the log each, what the server promises. The error wraps ErrNotDurable if a write that was
// acknowledged may be lost by a kill -9, a crash of the system or a power loss, or if the server does not let itself be asked; whether to
// go on is the caller's to decide. It wraps tokenauth.ErrUnavailable if the server does not answer, is a replica, is too old, or may evict
// keys.
//
// It speaks of one server. A failover may lose acknowledged writes whatever it says. It does not know whether the disk keeps what it says
// it has written.
func (s *Store) CheckDurability(ctx context.Context) ([]string, error) {
	info, err := s.checkServer(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	lines := []string{"maxmemory-policy = noeviction: nothing is evicted; a server that is full refuses new records, and still revokes"}
	durable := true
	say := func(good bool, setting, value, yes, no string) {
		verdict := "durable, " + yes
		if !good {
			verdict, durable = "NOT durable, "+no, false
		}
		lines = append(lines, setting+" = "+value+": "+verdict)
	}
	say(info["aof_enabled"] == "1", "aof_enabled", info["aof_enabled"],
		"each write goes to the append-only file", "a crash forgets what came after the last snapshot, or everything; it is noticed")
	if settings == nil {
		lines = append(lines, "appendfsync = unknown: NOT known to be durable, the server refuses CONFIG GET; ask whoever runs it")
		durable = false
	} else {
		say(settings["appendfsync"] == "always", "appendfsync", settings["appendfsync"],
			"it is flushed to the disk before the write is acknowledged", "a power loss forgets about a second of writes, or more")
		say(settings["no-appendfsync-on-rewrite"] == "no", "no-appendfsync-on-rewrite", settings["no-appendfsync-on-rewrite"],
			"also while the file is rewritten", "but not while the file is rewritten")
		if settings["appendonly"] == "yes" && info["aof_enabled"] != "1" {
			lines = append(lines, "appendonly = yes, but the file has not been begun")
		}
	}
	if n := info["connected_slaves"]; n != "0" || s.wait > 0 {
		lines = append(lines, fmt.Sprintf(
			"connected replicas = %s, WaitReplicas = %d: a failover may lose what the promoted replica has not received", n, s.wait))
	}
	if !durable {
		return lines, ErrNotDurable
	}
	return lines, nil
}

// settings asks for the settings that durability depends on. nil: the server does not tell.
func (s *Store) settings(ctx context.Context) (map[string]string, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return nil, clientError(ctx, "finding the primary", err)
	}
	all := map[string]string{}
	for _, name := range durabilitySettings {
		got, err := node.ConfigGet(ctx, name).Result()
		if redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown") {
			return nil, nil
		}
		if err != nil {
			return nil, clientError(ctx, "asking for CONFIG", err)
		}
		all[name] = got[name]
	}
	return all, nil
}
