package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/httpauth"
	"github.com/a74cfa30/tokenauth/jwks"
	"github.com/a74cfa30/tokenauth/sqlitestore"
	"github.com/a74cfa30/tokenauth/tokenapi"
)

// How the parts belong together: one profile for issuer and verifier, one store for both, one guard configuration for the token API and for
// the service's own resources.

// A service is all of it.
type service struct {
	store   *sqlitestore.Store
	issuer  *tokenauth.Issuer
	audit   *tokenauth.EventQueue // what was minted, rotated and revoked
	handler http.Handler
}

// openService opens the records and the key in a directory, and puts the service together.
func openService(ctx context.Context, url, data string) (_ *service, err error) {
	if data == "" {
		return nil, errors.New("-data: required")
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	store, err := openStore(ctx, filepath.Join(data, "tokens.db"), filepath.Join(data, "generation"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	key, err := signingKey(filepath.Join(data, "key.jwk"))
	if err != nil {
		return nil, err
	}
	return newService(url, store, key)
}

// openStore opens the records. Beside them it keeps their generation, as a service keeps it with its settings: records that are gone and
// were made anew would know of no revocation, and are not served by.
func openStore(ctx context.Context, file, generationFile string) (_ *sqlitestore.Store, err error) {
	expected, err := os.ReadFile(generationFile)
	switch {
	case err == nil && len(expected) == 0:
		return nil, fmt.Errorf("%s: empty", generationFile) // it would mean any
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	store, err := sqlitestore.Open(ctx, file, sqlitestore.Config{ExpectGeneration: string(expected)})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	if err = store.Migrate(ctx); err != nil {
		return nil, err
	}
	generation, err := store.Generation(ctx) // an error if it is another than was expected, and no Reseed made it
	if err == nil && generation != string(expected) {
		err = writeWhole(generationFile, []byte(generation))
	}
	return store, err
}

// storeTimeout is longer than usual: a small machine may take its time to flush the disk, and nobody else here can answer meanwhile.
const storeTimeout = 2 * time.Second

func newService(url string, store *sqlitestore.Store, key tokenauth.SigningKey) (*service, error) {
	profile := tokenauth.Profile{Issuers: []string{url}, Audiences: []string{url}, RequireID: true}
	ring, err := tokenauth.NewKeyRing(key.VerifyingKey())
	if err != nil {
		return nil, err
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: ring, Revocation: store, Epochs: store, StoreTimeout: storeTimeout,
	})
	if err != nil {
		return nil, err
	}
	audit := tokenauth.NewEventQueue(0)
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{
		Profile: profile, Key: key, Tokens: store, Epochs: store, Askers: verifier, Observe: audit.Observe, StoreTimeout: storeTimeout,
	})
	if err != nil {
		return nil, err
	}
	guardConfig := httpauth.Config{Verifier: verifier, Realm: "daemon"}
	guard, err := httpauth.New(guardConfig)
	if err != nil {
		return nil, err
	}
	api, err := tokenapi.New(tokenapi.Config{
		Guard: guardConfig, Issuer: issuer, Issuers: profile.Issuers, Tokens: store, Prefix: "/auth",
	})
	if err != nil {
		return nil, err
	}
	keys, err := jwks.Publish(ring, 5*time.Minute)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", api)
	mux.Handle("/.well-known/jwks.json", keys)
	mux.Handle("GET /whoami", guard.Handler(http.HandlerFunc(whoami)))
	protect(mux, guard)
	return &service{store, issuer, audit, mux}, nil
}

// protect mounts the two resources. What a request is about and what it needs stands beside its path, and nowhere else.
func protect(mux *http.ServeMux, guard *httpauth.Guard) {
	name := httpauth.PathValue("name")
	var notes notebook
	mux.Handle("GET /notes/{name}", guard.Require("note", name, tokenauth.LevelRead)(http.HandlerFunc(notes.read)))
	mux.Handle("PUT /notes/{name}", guard.Require("note", name, tokenauth.LevelWrite)(http.HandlerFunc(notes.write)))
	mux.Handle("POST /jobs/{name}", guard.Require("job", name, tokenauth.LevelExecute)(http.HandlerFunc(runJob)))
}

// adminLife is how long an admin token lives, and so the longest that what it mints does.
const adminLife = 30 * 24 * time.Hour

// welcome prints an admin token if there is no record yet, or if it was asked for one.
func (s *service) welcome(ctx context.Context, out io.Writer, asked bool) error {
	why := tokenauth.SystemAuthority("asked for by -admin")
	if !asked {
		why = "the first start"
		for _, err := range s.store.List(ctx, tokenauth.TokenFilter{Limit: 1}) {
			return err // there is one, or nobody knows
		}
	}
	issued, err := s.issuer.Issue(ctx, tokenauth.TokenRequest{By: why, Name: "admin", Roles: []string{tokenauth.RoleAdmin}, TTL: adminLife})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "admin token, told this once: %s\n", issued.Token.Reveal())
	return err
}

// dropExpired drops records that nobody asks about any more.
func (s *service) dropExpired(ctx context.Context, now time.Time) error {
	for {
		if n, err := s.store.DeleteExpired(ctx, now, 1000); n == 0 || err != nil {
			return err
		}
	}
}

// note writes a line of the audit log: who did what to which token, and never the token.
func note(e tokenauth.Event) { log.Printf("%s %q by %q: %s", e.Op, e.TokenID, e.By, e.Code) }

// whoami tells callers what was proven about them.
func whoami(w http.ResponseWriter, r *http.Request) {
	p := tokenauth.PrincipalFrom(r.Context())
	tell(w, struct {
		Subject   string    `json:"subject"`
		ExpiresAt time.Time `json:"expires_at"`
	}{p.Subject(), p.ExpiresAt()})
}

// tell writes JSON.
func tell(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print("an answer could not be written: ", err)
	}
}

// signingKey reads the key, or makes it at the first start. It is for this user only: whoever has it makes tokens. A service with
// more than one machine keeps it where it keeps its other secrets.
func signingKey(file string) (tokenauth.SigningKey, error) {
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		return tokenauth.ParseSigningKey(text)
	case !errors.Is(err, os.ErrNotExist):
		return tokenauth.SigningKey{}, err
	}
	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		return key, err
	}
	if text, err = key.RevealJWK(); err != nil {
		return key, err
	}
	return key, writeWhole(file, text)
}

// writeWhole writes a file for this user only, which is there as a whole or not at all, whenever the machine stops.
func writeWhole(name string, text []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
