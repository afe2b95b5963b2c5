package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/internal/testserver"
)

// On every store the story is the same.
func TestTheStoryOnAServer(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) string{
		"postgres": func(t *testing.T) string { return testserver.StartPostgres(t, testserver.FastAndForgetful...).URL() },
		"redis":    func(t *testing.T) string { return "redis://" + testserver.StartRedis(t).Addr },
	} {
		t.Run(name, func(t *testing.T) {
			where := start(t)
			tell(t, where)
			tell(t, where)
		})
	}
}

// The story is a promise of the README, so it is read here sentence by sentence.
func TestTheStory(t *testing.T) {
	for name, where := range map[string]string{
		"temporary": "",
		"a file":    "sqlite:" + filepath.Join(t.TempDir(), "tokens.db"),
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, where)
			tell(t, where) // and again: to a store that knows the first
		})
	}
}

// tell runs the story and looks for its sentences.
func tell(t *testing.T, where string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), &out, where); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, want := range []string{
		"fmt.Println(token)      [redacted]",
		`"name": "ci-runner"`,
		"yes: deployment:web:execute grants deployment:web:execute",
		"no: deployment:web:write was asked, and the nearest scope, deployment:web:execute, is of a lower level",
		"no: secret:web:read was asked, and the token has no scope of that kind",
		"deployment:web:read      minted, below",
		"deployment:web:write     403 authority_not_held",
		"2 tokens revoked",
		"ci-runner                401 token_revoked",
		"job 4711                 401 token_revoked",
		"second runner            503 revocation_unavailable",
		"a moment later           200: accepted",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q does not come next in:\n%s", want, rest)
		}
		rest = after
	}
}

// What was minted before the program ended is good after it began again, and what was revoked is not.
func TestANamedFileOutlivesTheProgram(t *testing.T) {
	ctx, where := t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "tokens.db")
	before := start(t, where)
	var good, revoked tokenauth.Issued
	for _, token := range []*tokenauth.Issued{&good, &revoked} {
		issued, err := before.issuer.Issue(ctx, request(tokenauth.SystemAuthority("test"), "ci-runner", "deployment:web:read"))
		if err != nil {
			t.Fatal(err)
		}
		*token = issued
	}
	if _, err := before.issuer.Revoke(ctx, tokenauth.SystemAuthority("test"), revoked.Record.ID, "leaked"); err != nil {
		t.Fatal(err)
	}
	if err := before.store.close(); err != nil {
		t.Fatal(err)
	}

	after := start(t, where)
	defer func() { _ = after.store.close() }()
	if _, err := after.verifier.Verify(ctx, good.Token.Reveal()); err != nil {
		t.Error("the good token:", err)
	}
	if _, err := after.verifier.Verify(ctx, revoked.Token.Reveal()); !errors.Is(err, tokenauth.ErrRevoked) {
		t.Error("the revoked token:", err)
	}
}

func TestATemporaryFileIsGoneAfterwards(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := start(t, "")
	if err := s.store.close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

func TestAStoreThatNobodyKnows(t *testing.T) {
	for _, where := range []string{"mysql://localhost", "redis://localhost:no-port/secret", "postgres://localhost:no-port/secret", "tokens.db", "sqlite", "sqlite:", ":", "sqlite:" + t.TempDir()} {
		if s, err := newService(t.Context(), where); err == nil {
			t.Errorf("-store %s was taken", where)
			_ = s.store.close()
		}
	}
}

func start(t *testing.T, where string) *service {
	t.Helper()
	s, err := newService(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
