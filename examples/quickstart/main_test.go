package main

import (
	"bytes"
	"strings"
	"testing"
)

// The story is a promise of the README, so it is read here sentence by sentence.
func TestTheStory(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
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
