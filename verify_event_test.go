package tokenauth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// An observer is told how each verify ended. It sees what was proven and nothing else, and it changes nothing.

// observing returns cfg with an observer that keeps what it is told.
func observing(cfg tokenauth.VerifierConfig) (tokenauth.VerifierConfig, *[]tokenauth.Event) {
	var seen []tokenauth.Event
	cfg.Observe = func(_ context.Context, e tokenauth.Event) { seen = append(seen, e) }
	return cfg, &seen
}

func TestEventsTellWhatWasProven(t *testing.T) {
	f := newForge("HS256", "k1", "")
	other := newForge("HS256", "k1", "other")
	revoked := &witness{revoked: true}
	down := &witness{before: failing(askedRevocation, errOfStore)}
	for name, row := range map[string]struct {
		token   string
		witness *witness
		want    tokenauth.Event
	}{
		"accepted":         {f.good(payload()), &witness{}, tokenauth.Event{Code: "ok", TokenID: "id-1", Subject: "alice", KeyID: "k1"}},
		"no token":         {"", &witness{}, tokenauth.Event{Code: "token_missing"}},
		"garbage":          {"garbage", &witness{}, tokenauth.Event{Code: "token_malformed"}},
		"key unknown":      {newForge("HS256", "k2", "").good(payload()), &witness{}, tokenauth.Event{Code: "key_unknown"}},
		"signature bad":    {other.good(payload()), &witness{}, tokenauth.Event{Code: "signature_bad"}},
		"claims malformed": {f.good(payload().with(object{"email": 7})), &witness{}, tokenauth.Event{Code: "claims_malformed", KeyID: "k1"}},
		"expired":          {f.good(payload().with(object{"exp": noon.Unix()})), &witness{}, tokenauth.Event{Code: "token_expired", TokenID: "id-1", Subject: "alice", KeyID: "k1"}},
		"no jti":           {f.good(payload().with(object{"jti": gone{}})), &witness{}, tokenauth.Event{Code: "ok", Subject: "alice", KeyID: "k1"}},
		"revoked":          {f.good(payload()), revoked, tokenauth.Event{Code: "token_revoked", TokenID: "id-1", Subject: "alice", KeyID: "k1"}},
		"nobody knows": {f.good(payload()), down, tokenauth.Event{
			Code: "revocation_unavailable", TokenID: "id-1", Subject: "alice", KeyID: "k1", Cause: errOfStore,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, seen := observing(configOf(f))
			cfg.Revocation = row.witness
			_, err := newVerifier(t, cfg).Verify(t.Context(), row.token)
			row.want.Op, row.want.Err = "verify", err
			require.Equal(t, []tokenauth.Event{row.want}, *seen)
		})
	}
}

// Every way to ask is observed once, and nothing that is asked in between.
func TestEventsOfEachCall(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg, seen := observing(configOf(f))
	v := newVerifier(t, cfg)
	token := f.good(payload())
	p, err := v.Verify(t.Context(), token)
	requireAccepted(t, p, err)
	require.Len(t, *seen, 1)
	_, err = v.Inspect(t.Context(), token)
	require.NoError(t, err)
	require.Len(t, *seen, 2)
	_, err = v.Authorize(t.Context(), token, "deployment", "web", tokenauth.LevelRead)
	require.ErrorIs(t, err, tokenauth.ErrForbidden)
	require.Len(t, *seen, 3)
	require.Equal(t, "scope_insufficient", (*seen)[2].Code)
	require.Equal(t, "alice", (*seen)[2].Subject)
	require.Nil(t, (*seen)[2].Cause)
}

func TestEventCodesAreThoseOfTheErrors(t *testing.T) {
	for _, f := range faults {
		s := newSpecimen()
		f.put(s)
		cfg, seen := observing(s.cfg)
		s.cfg = cfg
		_, err := s.authorize(t)
		require.Len(t, *seen, 1, f.name)
		e := (*seen)[0]
		require.Equal(t, "verify", e.Op)
		require.Equal(t, f.code, e.Code)
		require.Equal(t, err, e.Err)
		require.Equal(t, errors.Is(err, errOfStore), e.Cause != nil, f.name)
		require.Equal(t, f.step > 5, e.Subject != "", "%s: the subject is proven by the signature", f.name)
		require.Equal(t, f.step > 4, e.KeyID != "", "%s: the key has proven it", f.name)
	}
}

// What a token says may be long. An event is kept and counted, so it is not.
func TestEventsAreCutTo128Bytes(t *testing.T) {
	long := strings.Repeat("k", 128)
	f := newForge("HS256", long, "")
	for subject, want := range map[string]string{
		strings.Repeat("s", 128):       strings.Repeat("s", 128),
		strings.Repeat("s", 129):       strings.Repeat("s", 128),
		strings.Repeat("é", 64):        strings.Repeat("é", 64),
		"s" + strings.Repeat("é", 64):  "s" + strings.Repeat("é", 63), // not in the middle of a character
		"ss" + strings.Repeat("😀", 60): "ss" + strings.Repeat("😀", 31),
	} {
		cfg, seen := observing(configOf(f))
		p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"sub": subject, "jti": strings.Repeat("j", 128)})))
		requireAccepted(t, p, err)
		require.Equal(t, subject, p.Subject(), "the principal has it in full")
		require.Equal(t, want, (*seen)[0].Subject)
		require.Equal(t, strings.Repeat("j", 128), (*seen)[0].TokenID)
		require.Equal(t, long, (*seen)[0].KeyID)
	}
}

func TestEventTookIsByTheConfiguredClock(t *testing.T) {
	f, clock := newForge("HS256", "k1", ""), &watch{noon}
	w := &witness{before: func(context.Context, string) error {
		clock.now = clock.now.Add(70 * time.Millisecond)
		return nil
	}}
	cfg, seen := observing(configOf(f))
	cfg.Now, cfg.Revocation = clock.Now, w
	p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload()))
	requireAccepted(t, p, err)
	require.Equal(t, 70*time.Millisecond, (*seen)[0].Took)
}

type contextKey struct{}

func TestObserverGetsTheCallersContext(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	var got any
	cfg.Observe = func(ctx context.Context, _ tokenauth.Event) { got = ctx.Value(contextKey{}) }
	p, err := newVerifier(t, cfg).Verify(context.WithValue(t.Context(), contextKey{}, "trace-1"), f.good(payload()))
	requireAccepted(t, p, err)
	require.Equal(t, "trace-1", got)
}

func TestPanickingObserverChangesNothing(t *testing.T) {
	for _, reason := range []any{"a broken log line", errOfStore, 7} {
		for _, f := range append([]fault{{put: func(*specimen) {}, code: "ok"}}, faults...) {
			s := newSpecimen()
			f.put(s)
			s.cfg.Observe = func(context.Context, tokenauth.Event) { panic(reason) }
			p, err := s.authorize(t)
			require.Equal(t, f.code, codeOf(err))
			require.Equal(t, err == nil, p != nil)
		}
	}
}

// Each authority is told of its own tokens; of those that nobody here has signed the first is.
func TestEventsGoToTheAuthorityThatSigned(t *testing.T) {
	ours, theirs, stranger := newForge("HS256", "k1", "ours"), newForge("HS256", "k1", "theirs"), newForge("HS256", "k1", "stranger")
	for name, row := range map[string]struct {
		token        string
		first, later []string // codes
	}{
		"ours":                         {ours.good(payload()), []string{"ok"}, nil},
		"theirs":                       {theirs.good(payload()), nil, []string{"ok"}},
		"theirs, expired":              {theirs.good(payload().with(object{"exp": 1})), nil, []string{"token_expired"}},
		"theirs, and no claims at all": {theirs.good(text("[]")), nil, []string{"claims_malformed"}},
		"nobody's":                     {stranger.good(payload()), []string{"signature_bad"}, nil},
		"garbage":                      {"garbage", []string{"token_malformed"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a, first := observing(configOf(ours))
			b, later := observing(configOf(theirs))
			_, _ = newVerifier(t, a, b).Verify(t.Context(), row.token)
			require.Equal(t, row.first, codesOf(*first))
			require.Equal(t, row.later, codesOf(*later))
			_, _ = newVerifier(t, configOf(ours), b).Verify(t.Context(), row.token)
			require.Equal(t, append(row.later, row.later...), codesOf(*later), "also where the first has no observer")
			_, _ = newVerifier(t, a, configOf(theirs)).Verify(t.Context(), row.token)
			require.Equal(t, append(row.first, row.first...), codesOf(*first), "and where the later one has none")
		})
	}
}

func codesOf(events []tokenauth.Event) (codes []string) {
	for _, e := range events {
		codes = append(codes, e.Code)
	}
	return codes
}
