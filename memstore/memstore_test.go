package memstore_test

import (
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Config{
		Races: 2000,
		New: func(_ testing.TB, now func() time.Time) storetest.Stores {
			s := memstore.New(memstore.Config{Now: now})
			return storetest.Stores{
				Tokens: s, Sessions: s, Epochs: s, OneTime: s,
				Lose: func() { *s = memstore.Store{} },
			}
		},
	})
}
