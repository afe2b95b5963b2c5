package tokenauth_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The package documentation promises, check by check, which error, which code and which status there is. Programs branch on the one,
// dashboards and clients on the others, so that the promise is held three ways: to errors.go, where reasons are made; to what callers
// really get, each code provoked; and back again, so that neither a reason nor a row can be added alone.

// exportedErrors are the errors that programs branch on, by name.
var exportedErrors = map[string]error{
	"ErrInvalidToken": tokenauth.ErrInvalidToken, "ErrForbidden": tokenauth.ErrForbidden, "ErrUnavailable": tokenauth.ErrUnavailable,
	"ErrMissingToken": tokenauth.ErrMissingToken, "ErrMalformed": tokenauth.ErrMalformed, "ErrUnknownKey": tokenauth.ErrUnknownKey,
	"ErrSignature": tokenauth.ErrSignature, "ErrClaims": tokenauth.ErrClaims, "ErrExpired": tokenauth.ErrExpired,
	"ErrNotYetValid": tokenauth.ErrNotYetValid, "ErrIssuer": tokenauth.ErrIssuer, "ErrAudience": tokenauth.ErrAudience,
	"ErrAdminRefused": tokenauth.ErrAdminRefused, "ErrRevoked": tokenauth.ErrRevoked, "ErrSessionEnded": tokenauth.ErrSessionEnded,
	"ErrStaleEpoch": tokenauth.ErrStaleEpoch, "ErrReplayed": tokenauth.ErrReplayed,
	"ErrInvalidRequest": tokenauth.ErrInvalidRequest, "ErrNotFound": tokenauth.ErrNotFound, "ErrExists": tokenauth.ErrExists,
}

// statuses are the answers over HTTP, by what stands at the top of the tree.
var statuses = map[string]string{
	"ErrInvalidToken": "401", "ErrForbidden": "403", "ErrUnavailable": "503",
	"ErrInvalidRequest": "400", "ErrNotFound": "404", "ErrExists": "409",
}

// parentsOnly are codes of sentinels that stand in the tree for what is below them: no check answers with one of them alone. They are
// no rows of the tables, and a sentence behind them names them.
var parentsOnly = []string{"claims_bad", "forbidden", "token_invalid", "unavailable"}

// A docRow is a row of the tables.
type docRow struct{ sentinel, code, status string }

// docRows reads the tables, which are all that is indented in doc.go and ends in a status.
func docRows(t *testing.T) []docRow {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, tables, found := strings.Cut(string(doc), "\n// # Each check, its error, its code\n")
	require.True(t, found)
	tables, _, _ = strings.Cut(tables, "\n// # ")
	var rows []docRow
	for line := range strings.Lines(tables) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "//\t") || strings.HasPrefix(line, "//\tcheck ") {
			continue
		}
		m := regexp.MustCompile(`^//\t\S.*\s(Err\w+)\s+([a-z_]+)\s+(\d{3})$`).FindStringSubmatch(line)
		require.NotNil(t, m, "no row: %s", line)
		rows = append(rows, docRow{m[1], m[2], m[3]})
	}
	return rows
}

// reasonRows reads errors.go: for each reason made there the code, the nearest sentinel, and the status of what stands at the top.
func reasonRows(t *testing.T) []docRow {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	parents, codes := map[string]string{}, map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		pointer, ok := spec.Values[0].(*ast.UnaryExpr)
		if !ok {
			return true
		}
		fields := pointer.X.(*ast.CompositeLit).Elts
		name := spec.Names[0].Name
		parents[name] = fields[0].(*ast.Ident).Name
		codes[name], err = strconv.Unquote(fields[1].(*ast.BasicLit).Value)
		require.NoError(t, err)
		return true
	})
	var rows []docRow
	for name, code := range codes {
		sentinel := name
		for !ast.IsExported(sentinel) {
			sentinel = parents[sentinel]
		}
		top := sentinel
		for parents[top] != "nil" {
			top = parents[top]
		}
		require.Contains(t, statuses, top, "%s is below no answer", name)
		rows = append(rows, docRow{sentinel, code, statuses[top]})
	}
	return rows
}

func TestTablesOfTheDocumentationAreThoseOfTheErrors(t *testing.T) {
	made := reasonRows(t)
	require.Greater(t, len(made), len(exportedErrors), "errors.go is not read right")
	checks := slices.DeleteFunc(slices.Clone(made), func(r docRow) bool { return slices.Contains(parentsOnly, r.code) })
	require.Len(t, checks, len(made)-len(parentsOnly))

	// A check may stand in several rows, if they say the same: a shape is met in more than one place. A code is one error's.
	rows := docRows(t)
	byCode := map[string]docRow{}
	for _, row := range rows {
		if before, ok := byCode[row.code]; ok {
			t.Errorf("%s stands there twice: %v, %v", row.code, before, row)
		}
		byCode[row.code] = row
	}
	require.ElementsMatch(t, checks, rows)

	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, code := range parentsOnly {
		require.Regexp(t, `\b`+code+`\b`, string(doc), "it is nowhere told")
	}
}

// The errors above are all that are exported.
func TestExportedErrorsAreAllOfThem(t *testing.T) {
	exported := map[string]bool{}
	for _, row := range reasonRows(t) {
		exported[row.sentinel] = true
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(exported)), slices.Collect(maps.Keys(exportedErrors)))
}

// A provocation makes an issuer answer with one code: it sets the scene and returns the call.
type provocation struct {
	code string
	set  func(t *testing.T, o *riggedOffice) func() error
}

// provocations are those of minting, revoking and rotating. Those of a verifier are the faults of verify_order_test.go.
var provocations = []provocation{
	{"request_invalid", func(t *testing.T, o *riggedOffice) func() error {
		return issuing(t, o, tokenauth.TokenRequest{By: bySystem})
	}},
	{"asker_missing", func(t *testing.T, o *riggedOffice) func() error {
		return issuing(t, o, tokenauth.TokenRequest{Roles: []string{"operator"}})
	}},
	{"asker_foreign", func(t *testing.T, o *riggedOffice) func() error {
		return issuing(t, o, tokenauth.TokenRequest{By: newOffice(t).holder(t, "file:*:read"), Scopes: grants(t, "file:*:read")})
	}},
	{"authority_not_held", func(t *testing.T, o *riggedOffice) func() error {
		return issuing(t, o, tokenauth.TokenRequest{By: o.holder(t, "file:f-1:read"), Scopes: grants(t, "file:f-1:write")})
	}},
	{"record_not_yours", func(t *testing.T, o *riggedOffice) func() error {
		by, other := o.holder(t, "file:f-1:read"), o.child(t, bySystem, "file:f-1:read")
		return func() error {
			_, err := o.Revoke(t.Context(), by, other.Record.ID, "a test")
			return err
		}
	}},
	{"not_found", func(t *testing.T, o *riggedOffice) func() error {
		return func() error {
			_, err := o.Revoke(t.Context(), bySystem, "nothing", "a test")
			return err
		}
	}},
	{"already_exists", func(t *testing.T, o *riggedOffice) func() error {
		issued := o.child(t, bySystem, "file:f-1:read")
		rotate := func() error {
			_, err := o.Rotate(t.Context(), bySystem, issued.Record.ID, 0)
			return err
		}
		require.NoError(t, rotate())
		return rotate
	}},
	{"tokens_unavailable", func(t *testing.T, o *riggedOffice) func() error {
		o.answer("Create", errOfStore)
		return issuing(t, o, tokenauth.TokenRequest{By: bySystem, Roles: []string{"operator"}})
	}},
	{"may_grant_unavailable", func(t *testing.T, o *riggedOffice) func() error {
		by := o.login(t, "alice")
		o.mayGrant = func(context.Context) error { return errOfStore }
		return issuing(t, o, tokenauth.TokenRequest{By: by, Scopes: grants(t, "file:f-1:read")})
	}},
	{"signing_unavailable", func(t *testing.T, o *riggedOffice) func() error {
		o.signer.err = errOfStore
		return issuing(t, o, tokenauth.TokenRequest{By: bySystem, Roles: []string{"operator"}})
	}},
}

// issuing returns the call of Issue.
func issuing(t *testing.T, o *riggedOffice, r tokenauth.TokenRequest) func() error {
	return func() error {
		issued, err := o.Issue(t.Context(), r)
		require.Zero(t, issued)
		return err
	}
}

// Every code can be met, by callers of what is exported, as the row says: with that error, below that answer. A reason that nobody
// can meet would be a promise that was never kept, and one that is not met here has no test. What an observer is told is the same,
// once: so the labels of a metric are the four operations and these codes, whatever a token or a request holds.
func TestEveryCodeCanBeMet(t *testing.T) {
	rows := map[string]docRow{}
	for _, row := range docRows(t) {
		rows[row.code] = row
	}
	met := map[string]bool{}
	meet := func(t *testing.T, code string, err error) {
		t.Helper()
		met[code] = true
		row := rows[code]
		require.Equal(t, code, tokenauth.ErrorCode(err), "%v", err)
		require.ErrorIs(t, err, exportedErrors[row.sentinel], code)
		for name, status := range statuses {
			require.Equal(t, status == row.status, errors.Is(err, exportedErrors[name]), "%s: %s", code, name)
		}
	}
	toldOnce := func(t *testing.T, events []tokenauth.Event, code string, ops ...string) {
		t.Helper()
		require.Len(t, events, 1, code)
		require.Equal(t, code, events[0].Code)
		require.Contains(t, ops, events[0].Op)
	}
	for _, f := range faults {
		s := newSpecimen()
		f.put(s)
		cfg, seen := observing(s.cfg)
		s.cfg = cfg
		_, err := s.authorize(t)
		meet(t, f.code, err)
		toldOnce(t, *seen, f.code, "verify")
	}
	for _, p := range provocations {
		o := newRiggedOffice(t)
		call := p.set(t, o)
		o.told()
		meet(t, p.code, call())
		toldOnce(t, o.told(), p.code, "mint", "revoke", "rotate")
	}
	// What is asked of a Principal is no operation, and not observed.
	o := newOffice(t)
	alice := o.holder(t, "file:f-1:read")
	meet(t, "role_missing", alice.RequireRole("operator"))
	meet(t, "oauth_scope_missing", alice.RequireOAuthScope("openid"))
	meet(t, "principal_foreign", newOffice(t).verifier.Recheck(t.Context(), alice))

	require.ElementsMatch(t, slices.Collect(maps.Keys(rows)), slices.Collect(maps.Keys(met)))
}
