package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
	"github.com/a74cfa30/tokenauth/redisstore"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// Where records and keys are kept. All stores keep one contract, so the story is the same with each; what differs is what there is left of
// it tomorrow.

// A keeper keeps records, until it is closed.
type keeper struct {
	tokenauth.TokenStore
	close func() error
}

// openStore opens the store that the flag names.
func openStore(ctx context.Context, where string) (keeper, error) {
	if where == "" {
		return openTemporary(ctx)
	}
	kind, rest, _ := strings.Cut(where, ":")
	switch kind {
	case "sqlite":
		return openSQLite(ctx, rest)
	case "postgres", "postgresql":
		return openPostgres(ctx, where)
	case "redis", "rediss":
		return openRedis(ctx, where)
	default:
		return keeper{}, errors.New("-store: neither sqlite:FILE, postgres://… nor redis://…")
	}
}

// openTemporary opens a SQLite file that goes with the program.
func openTemporary(ctx context.Context) (keeper, error) {
	dir, err := os.MkdirTemp("", "tokenauth-quickstart-")
	if err != nil {
		return keeper{}, err
	}
	k, err := openSQLite(ctx, filepath.Join(dir, "tokens.db"))
	if err != nil {
		return keeper{}, errors.Join(err, os.RemoveAll(dir))
	}
	closeFile := k.close
	k.close = func() error { return errors.Join(closeFile(), os.RemoveAll(dir)) }
	return k, nil
}

func openSQLite(ctx context.Context, file string) (keeper, error) {
	s, err := sqlitestore.Open(ctx, file, sqlitestore.Config{})
	if err != nil {
		return keeper{}, err
	}
	if err := s.Migrate(ctx); err != nil {
		return keeper{}, errors.Join(err, s.Close())
	}
	return keeper{s, s.Close}, nil
}

func openPostgres(ctx context.Context, url string) (keeper, error) {
	s, err := pgxstore.Open(url, pgxstore.Config{})
	if err != nil {
		return keeper{}, err
	}
	if err := s.Migrate(ctx); err != nil {
		return keeper{}, errors.Join(err, s.Close())
	}
	return keeper{s, s.Close}, nil
}

func openRedis(ctx context.Context, url string) (keeper, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return keeper{}, errors.New("-store: no URL of Redis") // what ParseURL says may hold the password
	}
	options.ContextTimeoutEnabled = true                                                        // the store insists on it
	options.MaxRetries, options.DialerRetries, options.DialTimeout = 1, 1, 250*time.Millisecond // or a dead server costs each verify its whole budget
	client := redis.NewClient(options)
	s, err := redisstore.New(ctx, client, redisstore.Config{})
	if err == nil {
		err = s.Migrate(ctx)
	}
	if err != nil {
		return keeper{}, errors.Join(err, client.Close())
	}
	return keeper{s, client.Close}, nil
}

// signingKey returns the key that the tokens of a store are signed with. For a named SQLite file it lies beside it, for this user only, so
// that a token outlives the program; otherwise it is made anew. A service keeps it where it keeps its other secrets.
func signingKey(where string) (tokenauth.SigningKey, error) {
	file, named := strings.CutPrefix(where, "sqlite:")
	if !named {
		return tokenauth.GenerateSigningKey("EdDSA")
	}
	file += ".key"
	text, err := os.ReadFile(file)
	if err == nil {
		return tokenauth.ParseSigningKey(text)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return tokenauth.SigningKey{}, err
	}
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		return key, err
	}
	if text, err = key.RevealJWK(); err != nil {
		return key, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return key, fmt.Errorf("keeping the key: %w", err)
	}
	return key, nil
}
