//go:build unix

package pgxstore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/pgxstore"
)

// A service opens its store, makes it ready, and says in its log what a write that was acknowledged is worth.
func Example() {
	ctx := context.Background()
	store, err := pgxstore.Open(os.Getenv("DATABASE_URL"), pgxstore.Config{})
	must(err)
	must(store.Migrate(ctx))
	promises, err := store.CheckDurability(ctx)
	for _, line := range promises {
		log.Print(line)
	}
	must(err) // or go on, if the last writes are worth less than the server's time

	record := tokenauth.NewStoredAccessToken("ci-runner", "alice", []string{"reader"}, nil, time.Now().Add(time.Hour), "alice")
	must(store.Create(ctx, record))
	_, err = store.Revoke(ctx, record.ID, tokenauth.Revocation{At: time.Now(), By: "alice", Reason: "leaked"})
	must(err)
	fmt.Println(store.IsRevoked(ctx, record.ID))
	must(store.Close())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
