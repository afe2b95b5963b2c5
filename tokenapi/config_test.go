package tokenapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth/httpauth"
	"github.com/a74cfa30/tokenauth/memstore"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// jsonText is a further member of a token.
type jsonText = json.RawMessage

func TestNewNamesEveryProblem(t *testing.T) {
	good := newOffice(t).config
	for field, change := range map[string]func(*tokenapi.Config){
		"Guard: httpauth: Config.Realm":    func(c *tokenapi.Config) { c.Guard.Realm = "" },
		"Guard: httpauth: Config.Verifier": func(c *tokenapi.Config) { c.Guard.Verifier = nil },
		"Guard.Optional":                   func(c *tokenapi.Config) { c.Guard.Optional = true },
		"Issuer":                           func(c *tokenapi.Config) { c.Issuer = nil },
		"Issuers":                          func(c *tokenapi.Config) { c.Issuers = nil },
		"Tokens":                           func(c *tokenapi.Config) { c.Tokens = (*memstore.Store)(nil) },
		"Prefix":                           func(c *tokenapi.Config) { c.Prefix = "auth" },
		"MaxLive":                          func(c *tokenapi.Config) { c.MaxLive = -1 },
		"MaxRecords":                       func(c *tokenapi.Config) { c.MaxRecords = -1 },
		"MaxBodyBytes":                     func(c *tokenapi.Config) { c.MaxBodyBytes = 3 << 20 },
		"Timeout":                          func(c *tokenapi.Config) { c.Timeout = -time.Second },
	} {
		c := good
		change(&c)
		api, err := tokenapi.New(c)
		assert.Nil(t, api, field)
		assert.ErrorContains(t, err, "tokenapi: Config."+field+":", field)
	}
	_, err := tokenapi.New(tokenapi.Config{Guard: httpauth.Config{Optional: true}, MaxLive: -1})
	for _, field := range []string{"Guard:", "Guard.Optional:", "Issuer:", "Issuers:", "Tokens:", "MaxLive:"} {
		assert.ErrorContains(t, err, "Config."+field)
	}
}

func TestPrefix(t *testing.T) {
	good := newOffice(t).config
	for prefix, ok := range map[string]bool{
		"": true, "/auth": true, "/v1/auth.tokens_~-": true,
		"/": false, "auth": false, "/auth/": false, "//auth": false, "/a/../b": false, "/{x}": false, "/a b": false, "/%41": false,
		`/"`: false, "/ä": false, "/\x00": false,
	} {
		c := good
		c.Prefix = prefix
		_, err := tokenapi.New(c)
		assert.Equal(t, ok, err == nil, "%q", prefix)
	}
}

// A caller's slice is its own.
func TestNewKeepsNothingOfTheCallers(t *testing.T) {
	o := newOffice(t)
	o.config.Issuers[0] = "changed"
	require.Equal(t, 200, o.get(t, o.session(t, "alice"), "/tokens").status)
}

// What a guard writes elsewhere is not asked for here, where every answer has a body of its own.
func TestTheGuardsBodyIsNotUsed(t *testing.T) {
	o := newOffice(t, func(c *tokenapi.Config) {
		c.Guard.Body = func(*http.Request, int, string) (string, []byte) { panic("asked") }
	})
	assert.Equal(t, 401, o.get(t, "", "/tokens").status)
}
