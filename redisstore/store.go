// Package redisstore keeps every port of package tokenauth in Redis 7.0 or later: one server, a primary that Sentinel watches over, or one
// slot of a cluster.
//
//	client := redis.NewClient(&redis.Options{
//		Addr: "localhost:6379", ContextTimeoutEnabled: true,
//		MaxRetries: 1, DialerRetries: 1, DialTimeout: 250 * time.Millisecond, // or a dead server costs each verify its whole budget
//	})
//	store, err := redisstore.New(ctx, client, redisstore.Config{})
//	...
//	err = store.Migrate(ctx)
//
// go-redis writes a line to stderr for each connection that it cannot make, unless redis.SetLogger says where else.
//
// # What it promises
//
// As much as the server's settings do. With appendonly yes and appendfsync always a call that returned nil is on the server's disk; with
// less a crash forgets the last writes, or everything. CheckDurability says which. Nothing here makes a failover safe: a replica is
// promoted with what it has received, which may lack the last writes that were acknowledged. Config.WaitReplicas narrows that window and
// does not close it.
//
// Every write but a revocation is one step. A revocation goes down a family in steps of at most 500 records, because the server does
// nothing else meanwhile; the record itself dies in the first, and nothing is born below what has died. It is complete when it returned
// nil. A call that returned tokenauth.ErrUnavailable may have counted: call again.
//
// # How a loss is noticed
//
// Migrate writes a marker, once. A store without it answers every call with tokenauth.ErrUnavailable, and no write brings the marker back.
// Beside it the store counts its writes, and each process remembers the highest count it saw: a server that came back with an older file,
// and a replica that was promoted without the last writes, are not believed from then on, until Reseed. A process that starts afterwards
// has seen nothing, so it cannot know; Config.ExpectGeneration tells it at least a fresh store from the one that was lost. What lies in
// several keys is compared, so that most keys that are gone are noticed; the README names those that are not.
//
// # What must not be
//
// No record has a time to live, because a server under memory pressure may evict exactly what has one; a store that forgets deaths would
// resurrect. So the server must refuse writes when it is full, which is its default: maxmemory-policy noeviction. Only used one-time keys
// leave by the server's clock, ten minutes late.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
)

// A Config configures a Store. The zero Config is ready for use.
type Config struct {
	// Now is the store's clock; nil: time.Now. It must be safe for concurrent use. It decides when a rotated token retires, when a session
	// is over, how far ahead a NotBefore may lie, how long a one-time key and a session that is over are remembered, and the NotBefore that
	// Reseed writes. It never decides whether a token has expired: that is the verifier's to judge.
	Now func() time.Time
	// Prefix is what all keys begin with, in braces, so that they lie in one slot of a cluster; "": ta. 1 to 64 letters, digits, dots,
	// hyphens and underscores. Stores of several issuers on one server have one each.
	Prefix string
	// ExpectGeneration, if set, is what Generation answered when the store was set up, or later. A store of another generation, that no
	// Reseed has begun since, is ErrUnavailable: a server that came back empty and was migrated by a program that always migrates is not
	// believed, and neither is a copy from before the last Reseed.
	ExpectGeneration string
	// WaitReplicas is how many replicas must have received a write before the call returns; 0: none. Fewer within WaitTimeout is
	// ErrUnavailable: the write stands, and may be lost; call again. They have received it, and not yet written it to a disk.
	WaitReplicas int
	// WaitTimeout is how long to wait for them at most; 0: 1 s. The call's context ends it earlier.
	WaitTimeout time.Duration
	// AssertPrimary accepts a client of a type that New does not know. Who sets it vouches that every command goes to one primary, never
	// to a replica or a cache, and that the deadline of a context is honoured.
	AssertPrimary bool
}

// A Store is every port of package tokenauth, with its writers, in Redis. It is safe for concurrent use. New makes it; the zero Store
// answers tokenauth.ErrUnavailable. It holds nothing that must be closed but the client, which is the caller's.
type Store struct {
	client redis.UniversalClient
	now    func() time.Time
	base   string   // what all keys begin with: {prefix}:
	keys   []string // KEYS of every script
	wait   int
	within time.Duration

	watch watch
}

var (
	_ tokenauth.TokenStore    = (*Store)(nil)
	_ tokenauth.SessionWriter = (*Store)(nil)
	_ tokenauth.EpochWriter   = (*Store)(nil)
	_ tokenauth.OneTimeStore  = (*Store)(nil)
	_ tokenauth.Source        = (*Store)(nil)
)

// defaultWait is Config.WaitTimeout where it is not set.
const defaultWait = time.Second

// New makes a store of what client talks to: a *redis.Client, of one server or of redis.NewFailoverClient, or a *redis.ClusterClient. It
// refuses one whose Options have not ContextTimeoutEnabled, since deadlines would be ignored; have no ReadTimeout; cache on the client's
// side; or route reads to replicas. It asks the server for its version and its maxmemory-policy, and refuses any but noeviction.
//
// Recommended beside it: MaxRetries 1, DialerRetries 1 and a DialTimeout no longer than the verifier's StoreTimeout, or a dead server costs
// each verify its whole budget.
func New(ctx context.Context, client redis.UniversalClient, cfg Config) (*Store, error) {
	if err := checkClient(client, cfg); err != nil {
		return nil, err
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "ta"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.WaitTimeout <= 0 {
		cfg.WaitTimeout = defaultWait
	}
	first, _ := expected(cfg.ExpectGeneration)
	s := &Store{
		client: client, now: cfg.Now, base: "{" + cfg.Prefix + "}:", wait: cfg.WaitReplicas, within: cfg.WaitTimeout,
		watch: watch{last: first},
	}
	// A node of a cluster that hands its slot over key by key refuses a script that declares a key it has and one it has not, and so does the
	// node that takes the slot. So a second key is declared that nobody ever writes: no script runs on half a store, which would look like one
	// where nothing was ever revoked.
	s.keys = []string{s.base + "meta", s.base + "nothing"}
	if _, err := s.checkServer(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// checkClient names all that is wrong with a client and a configuration.
func checkClient(client redis.UniversalClient, cfg Config) error {
	var problems []error
	wrong := func(is bool, problem string) {
		if is {
			problems = append(problems, errors.New("redisstore: "+problem))
		}
	}
	switch c := client.(type) {
	case nil:
		return errors.New("redisstore: client: nil")
	case *redis.Client:
		if c == nil {
			return errors.New("redisstore: client: nil")
		}
		o := c.Options()
		wrong(!o.ContextTimeoutEnabled, "client: ContextTimeoutEnabled must be set, or it ignores deadlines")
		wrong(o.ReadTimeout <= 0 || o.WriteTimeout <= 0, "client: ReadTimeout and WriteTimeout must not be switched off")
		wrong(o.ClientSideCache != nil || o.ClientSideCacheConfig != nil, "client: a cache on the client's side would answer from the past")
	case *redis.ClusterClient:
		if c == nil {
			return errors.New("redisstore: client: nil")
		}
		o := c.Options()
		wrong(!o.ContextTimeoutEnabled, "client: ContextTimeoutEnabled must be set, or it ignores deadlines")
		wrong(o.ReadTimeout <= 0 || o.WriteTimeout <= 0, "client: ReadTimeout and WriteTimeout must not be switched off")
		wrong(o.ReadOnly || o.RouteByLatency || o.RouteRandomly,
			"client: ReadOnly, RouteByLatency and RouteRandomly ask replicas, which lag behind")
	case *redis.Ring:
		wrong(true, "client: a Ring moves a key to another server when one is gone, and so forgets it")
	default:
		wrong(!cfg.AssertPrimary, fmt.Sprintf("client: a %T is not known, see Config.AssertPrimary", client))
		wrong(cfg.WaitReplicas > 0, "WaitReplicas: needs a *redis.Client or a *redis.ClusterClient")
	}
	wrong(cfg.WaitReplicas < 0, "WaitReplicas: negative")
	wrong(len(cfg.Prefix) > 64 || strings.TrimLeft(cfg.Prefix, letters) != "",
		"Prefix: not 1 to 64 letters, digits, dots, hyphens and underscores")
	_, ok := expected(cfg.ExpectGeneration)
	wrong(!ok, "ExpectGeneration: not what Generation answers")
	return errors.Join(problems...)
}

// letters are what a prefix may consist of.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_"
