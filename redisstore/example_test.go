package redisstore_test

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/redisstore"
)

// A service connects, asks what the server promises, and decides whether that is enough.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{
		Addr:                  "localhost:6379",
		ContextTimeoutEnabled: true, // or deadlines are ignored
		MaxRetries:            1,    // or a dead server costs each verify its whole budget
		DialerRetries:         1,
		DialTimeout:           250 * time.Millisecond,
	})
	store, err := redisstore.New(ctx, client, redisstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	promises, err := store.CheckDurability(ctx)
	for _, promise := range promises {
		log.Print(promise)
	}
	if errors.Is(err, redisstore.ErrNotDurable) {
		log.Print("a crash may forget revocations: they will be noticed as lost, and have to be made again")
	}
	record := tokenauth.NewStoredAccessToken("ci-runner", "alice", []string{"reader"}, nil, time.Now().Add(time.Hour), "alice")
	if err := store.Create(ctx, record); err != nil {
		log.Fatal(err)
	}
}
