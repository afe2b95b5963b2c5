package tokenauth_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"io"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// A rigged office is one in which things go wrong at the worst moment: a store fails before it has written or after, an asker is
// revoked in the middle of asking, a key does not sign.

// A riggedStore is a store for every port whose calls may fail: before they have done anything, or after they have. What a hook
// returns, if not nil, is the answer. It does not say that it answers from memory.
type riggedStore struct {
	store         *memstore.Store
	before, after map[string]func(context.Context) error
}

var (
	_ tokenauth.TokenStore   = (*riggedStore)(nil)
	_ tokenauth.SessionStore = (*riggedStore)(nil)
	_ tokenauth.EpochStore   = (*riggedStore)(nil)
)

// rigged makes a call between its hooks.
func rigged[T any](ctx context.Context, s *riggedStore, name string, call func() (T, error)) (T, error) {
	var none T
	if hook := s.before[name]; hook != nil {
		if err := hook(ctx); err != nil {
			return none, err
		}
	}
	answer, err := call()
	if hook := s.after[name]; hook != nil {
		if err := hook(ctx); err != nil {
			return none, err
		}
	}
	return answer, err
}

func (s *riggedStore) Create(ctx context.Context, r *tokenauth.StoredAccessToken) error {
	_, err := rigged(ctx, s, "Create", func() (any, error) { return nil, s.store.Create(ctx, r) })
	return err
}

func (s *riggedStore) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	return rigged(ctx, s, "Get", func() (*tokenauth.StoredAccessToken, error) { return s.store.Get(ctx, id) })
}

func (s *riggedStore) List(ctx context.Context, f tokenauth.TokenFilter) iter.Seq2[*tokenauth.StoredAccessToken, error] {
	return s.store.List(ctx, f)
}

func (s *riggedStore) Revoke(ctx context.Context, id string, r tokenauth.Revocation) (int, error) {
	return rigged(ctx, s, "Revoke", func() (int, error) { return s.store.Revoke(ctx, id, r) })
}

func (s *riggedStore) RevokeAll(ctx context.Context, f tokenauth.TokenFilter, r tokenauth.Revocation) (int, error) {
	return rigged(ctx, s, "RevokeAll", func() (int, error) { return s.store.RevokeAll(ctx, f, r) })
}

func (s *riggedStore) Rotate(ctx context.Context, id string, retireAt time.Time, successor *tokenauth.StoredAccessToken) error {
	_, err := rigged(ctx, s, "Rotate", func() (any, error) { return nil, s.store.Rotate(ctx, id, retireAt, successor) })
	return err
}

func (s *riggedStore) IsRevoked(ctx context.Context, id string) (bool, error) {
	return rigged(ctx, s, "IsRevoked", func() (bool, error) { return s.store.IsRevoked(ctx, id) })
}

func (s *riggedStore) IsSessionActive(ctx context.Context, subject, sid string) (bool, error) {
	return rigged(ctx, s, "IsSessionActive", func() (bool, error) { return s.store.IsSessionActive(ctx, subject, sid) })
}

func (s *riggedStore) Epoch(ctx context.Context, subject string) (tokenauth.Epoch, error) {
	return rigged(ctx, s, "Epoch", func() (tokenauth.Epoch, error) { return s.store.Epoch(ctx, subject) })
}

// A riggedOffice is an office on a rigged store, with a key and hooks that may fail, too.
type riggedOffice struct {
	*office
	rig      *riggedStore
	signer   *riggedSigner
	mayGrant func(context.Context) error
	isAdmin  bool
}

// newRiggedOffice opens one. Nothing fails yet.
func newRiggedOffice(t testing.TB) *riggedOffice {
	t.Helper()
	return openRiggedOffice(t, &handClock{now: officeOpens})
}

func openRiggedOffice(t testing.TB, clock *handClock) *riggedOffice {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	o := &riggedOffice{rig: &riggedStore{}, signer: &riggedSigner{private: private}, isAdmin: true}
	key, err := tokenauth.NewSigningKey("k", "EdDSA", o.signer)
	require.NoError(t, err)
	o.office = openOffice(t, clock, func(cfg *tokenauth.IssuerConfig) {
		o.rig.store = cfg.Tokens.(*memstore.Store)
		cfg.Key, cfg.Tokens, cfg.Sessions, cfg.Epochs = key, o.rig, o.rig, o.rig
		cfg.AdminCheck = func(context.Context, *tokenauth.Claims) (bool, error) { return o.isAdmin, nil }
		cfg.MayGrant = func(ctx context.Context, _ *tokenauth.Principal, _ tokenauth.TokenScope) (bool, error) {
			if o.mayGrant == nil {
				return true, nil
			}
			return true, o.mayGrant(ctx)
		}
	})
	return o
}

// answer sets what a call answers before it does anything, and afterwards what it answers though it has done it.
func (o *riggedOffice) answer(call string, err error) {
	o.at(call, func(context.Context) error { return err })
}

func (o *riggedOffice) afterwards(call string, err error) {
	o.once(call, func(context.Context) error { return err })
}

// at sets what happens before a call, and once what happens after it, for the first time.
func (o *riggedOffice) at(call string, hook func(context.Context) error) {
	o.rig.before = map[string]func(context.Context) error{call: hook}
}

func (o *riggedOffice) once(call string, hook func(context.Context) error) {
	o.rig.after = map[string]func(context.Context) error{call: func(ctx context.Context) error {
		o.rig.after = nil
		return hook(ctx)
	}}
}

// A riggedSigner is a key in a module that may fail.
type riggedSigner struct {
	private ed25519.PrivateKey
	err     error
	other   bool // it signs with another key
}

// Public returns the public key.
func (s *riggedSigner) Public() crypto.PublicKey { return s.private.Public() }

// Sign signs, or fails.
func (s *riggedSigner) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	if s.other {
		_, other, err := ed25519.GenerateKey(nil)
		return ed25519.Sign(other, message), err
	}
	return ed25519.Sign(s.private, message), s.err
}
