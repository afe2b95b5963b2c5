package sqlitestore_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/sqlitestore"
)

// Open makes the file, Migrate makes it a store, and what it is told outlives the process.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	must(err)
	path := filepath.Join(dir, "tokens.db")

	store, err := sqlitestore.Open(ctx, path, sqlitestore.Config{})
	must(err)
	must(store.Migrate(ctx))
	record := tokenauth.NewStoredAccessToken("ci-runner", "alice", []string{"reader"}, nil, time.Now().Add(time.Hour), "alice")
	must(store.Create(ctx, record))
	_, err = store.Revoke(ctx, record.ID, tokenauth.Revocation{At: time.Now(), By: "alice", Reason: "leaked"})
	must(err)
	must(store.Close())

	store, err = sqlitestore.Open(ctx, path, sqlitestore.Config{})
	must(err)
	fmt.Println(store.IsRevoked(ctx, record.ID))
	must(store.Close())
	must(os.RemoveAll(dir))
	// Output: true <nil>
}

// A service asks at start what its store promises, and decides whether that is enough.
func ExampleStore_CheckDurability() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	must(err)

	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "tokens.db"), sqlitestore.Config{NotPowerSafe: true})
	must(err)
	_, err = store.CheckDurability(ctx)
	fmt.Println(err)
	must(store.Close())
	must(os.RemoveAll(dir))
	// Output: sqlitestore: an acknowledged write may be lost
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
