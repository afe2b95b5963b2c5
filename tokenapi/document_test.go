package tokenapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The OpenAPI document and the handler say the same: every answer that a test of this package gets is held against the document,
// and below each answer of the document is got once.

// A node is a part of the document.
type node = map[string]any

// A document is openapi.json.
type document struct{ root node }

// document returns the document as it is served.
func (o *office) document(t *testing.T) (d document) {
	t.Helper()
	w := httptest.NewRecorder()
	o.api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, o.config.Prefix+"/openapi.json", nil))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &d.root))
	return d
}

// at follows a reference, if n is one.
func (d document) at(n any) node {
	m, _ := n.(node)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	part := any(d.root)
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		part = part.(node)[name]
	}
	return part.(node)
}

// operation returns the operation of a request and its name, nil if there is none.
func (d document) operation(method, path string) (node, string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for pattern, item := range d.root["paths"].(node) {
		matches := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\{id\}`, `[^/]+`) + "$")
		if operation, ok := item.(node)[strings.ToLower(method)]; ok && matches.MatchString(path) {
			return operation.(node), method + " " + pattern
		}
	}
	return nil, ""
}

// check holds one answer against the document. What it has no path or method for is a refusal in the usual form, and so is what
// does not begin with the prefix.
func (d document) check(t *testing.T, method, path string, ours bool, got reply) {
	t.Helper()
	operation, name := d.operation(method, path)
	if !ours {
		operation = nil
	}
	response := d.at(d.at(operation["responses"])[fmt.Sprint(got.status)])
	if operation == nil {
		require.Contains(t, []int{404, 405}, got.status, "%s %s", method, path)
		response = node{"content": node{"application/json": node{"schema": node{"$ref": "#/components/schemas/Error"}}}}
	}
	require.NotNil(t, response, "%s: %d is not in the document: %s", name, got.status, got.text)
	for header, h := range d.at(response["headers"]) {
		if required, _ := h.(node)["required"].(bool); required {
			require.NotEmpty(t, got.header.Get(header), "%s: %d: %s", name, got.status, header)
		}
	}
	content := d.at(response["content"])
	if method == http.MethodHead || content == nil {
		require.Empty(t, got.text, "%s: %d", name, got.status)
		return
	}
	require.Equal(t, "application/json", got.header.Get("Content-Type"), name)
	var body any
	require.NoError(t, json.Unmarshal([]byte(got.text), &body), name)
	for _, problem := range d.problems(content["application/json"].(node)["schema"], body, "body") {
		require.Fail(t, problem, "%s: %d: %s", name, got.status, got.text)
	}
}

// understood is what problems knows of JSON Schema, and what says nothing.
var understood = []string{
	"$ref", "type", "const", "enum", "required", "properties", "additionalProperties", "items", "minItems", "maxItems",
	"minLength", "maxLength", "minimum", "maximum", "pattern", "format", "description", "default",
}

// problems says where v is not what the schema wants. Of JSON Schema it knows what the document uses.
func (d document) problems(schema, v any, where string) (list []string) {
	s := d.at(schema)
	say := func(format string, args ...any) { list = append(list, where+": "+fmt.Sprintf(format, args...)) }
	for keyword := range s {
		if !slices.Contains(understood, keyword) {
			say("the test does not know %s", keyword)
		}
	}
	if want, ok := s["const"]; ok && v != want {
		say("not %v", want)
	}
	if want, ok := s["enum"].([]any); ok && !slices.Contains(want, v) {
		say("not one of %v", want)
	}
	if types := texts(s["type"]); len(types) > 0 && !slices.ContainsFunc(types, func(want string) bool { return isOfType(v, want) }) {
		say("not %v", types)
		return list
	}
	number := func(keyword string, fallback float64) float64 {
		if n, ok := s[keyword].(float64); ok {
			return n
		}
		return fallback
	}
	switch v := v.(type) {
	case string:
		length := float64(utf8.RuneCountInString(v))
		if length < number("minLength", 0) || length > number("maxLength", 1e9) {
			say("%v characters", length)
		}
		if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			say("not like %s", pattern)
		}
		if s["format"] == "date-time" {
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				say("no moment")
			}
		}
	case float64:
		if v < number("minimum", -1e18) || v > number("maximum", 1e18) {
			say("out of bounds")
		}
	case []any:
		if n := float64(len(v)); n < number("minItems", 0) || n > number("maxItems", 1e9) {
			say("%v items", n)
		}
		if items, ok := s["items"]; ok {
			for i, item := range v {
				list = append(list, d.problems(items, item, fmt.Sprintf("%s[%d]", where, i))...)
			}
		}
	case node:
		properties, _ := s["properties"].(node)
		for _, name := range texts(s["required"]) {
			if _, ok := v[name]; !ok {
				say("%s is missing", name)
			}
		}
		for name, value := range v {
			if property, ok := properties[name]; ok {
				list = append(list, d.problems(property, value, where+"."+name)...)
			} else if s["additionalProperties"] == false {
				say("%s is not in the document", name)
			}
		}
	}
	return list
}

// texts returns a text, or a list of texts, as a list.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			list = append(list, item.(string))
		}
	}
	return list
}

func isOfType(v any, want string) bool {
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case node:
		return want == "object"
	}
	return false
}

// Every answer of the document, once, in the words of a request. send has held each against its schema already; here it is seen that
// none of them is only on paper, and none is missing there.
func TestEveryAnswerOfTheDocumentIsGiven(t *testing.T) {
	given := map[string]bool{}
	const good = `{"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"read"}]}`
	long := `{"name":"` + strings.Repeat("x", 70<<10) + `"}`
	longForm := "token=" + strings.Repeat("x", 70<<10)

	o := newOffice(t)
	alice, bob, admin := o.session(t, "alice"), o.session(t, "bob"), o.session(t, "alice", "admin")
	foreign, err := o.foreign.Sign(t.Context(), system, &tokenauth.Claims{Subject: "alice", ID: "once", ExpiresAt: noon.Add(time.Hour)})
	require.NoError(t, err)
	stranger := foreign.Token.Reveal()
	expired := o.sign(t, *claimsOf("alice"))
	token := o.issue(t, alice, request("ci"), "deployment:*:write")
	looker := o.issue(t, "", request("looker"), "token:"+token.id+":read")
	ask := func(status int, operation, credential, target, contentType, body string) {
		method, _, _ := strings.Cut(operation, " ")
		got := o.do(t, method, target, credential, contentType, body)
		assert.Equal(t, status, got.status, "%s: %s", operation, got.text)
		given[fmt.Sprintf("%s: %d", operation, got.status)] = true
	}
	const js, formType = "application/json", "application/x-www-form-urlencoded"

	ask(200, "GET /openapi.json", "", "/openapi.json", "", "")

	ask(200, "GET /tokens", alice, "/tokens?active=true&limit=1", "", "")
	ask(400, "GET /tokens", alice, "/tokens?limit=0", "", "")
	ask(401, "GET /tokens", "", "/tokens", "", "")
	ask(403, "GET /tokens", alice, "/tokens?owner=bob", "", "")

	ask(201, "POST /tokens", alice, "/tokens", js, good)
	ask(400, "POST /tokens", alice, "/tokens", js, `{}`)
	ask(401, "POST /tokens", expired+"x", "/tokens", js, good)
	ask(403, "POST /tokens", alice, "/tokens", js, `{"roles":["admin"]}`)
	ask(413, "POST /tokens", alice, "/tokens", js, long)
	ask(415, "POST /tokens", alice, "/tokens", "text/plain", good)

	one := "/tokens/" + token.id
	ask(200, "GET /tokens/{id}", alice, one, "", "")
	ask(400, "GET /tokens/{id}", alice, one+"?x=y", "", "")
	ask(401, "GET /tokens/{id}", "", one, "", "")
	ask(403, "GET /tokens/{id}", stranger, one, "", "")
	ask(404, "GET /tokens/{id}", bob, one, "", "")

	ask(400, "POST /tokens/{id}/rotate", alice, one+"/rotate", js, `{"grace_seconds":-1}`)
	ask(401, "POST /tokens/{id}/rotate", "", one+"/rotate", js, "")
	ask(403, "POST /tokens/{id}/rotate", looker.token, one+"/rotate", js, "")
	ask(404, "POST /tokens/{id}/rotate", bob, one+"/rotate", js, "")
	ask(413, "POST /tokens/{id}/rotate", alice, one+"/rotate", js, long)
	ask(415, "POST /tokens/{id}/rotate", alice, one+"/rotate", formType, "a=b")
	ask(201, "POST /tokens/{id}/rotate", alice, one+"/rotate", "", "")
	ask(409, "POST /tokens/{id}/rotate", alice, one+"/rotate", js, "")

	ask(400, "POST /tokens/{id}/revoke", alice, one+"/revoke", js, `{"reason":7}`)
	ask(401, "POST /tokens/{id}/revoke", "", one+"/revoke", js, "")
	ask(403, "POST /tokens/{id}/revoke", looker.token, one+"/revoke", js, "")
	ask(404, "POST /tokens/{id}/revoke", bob, one+"/revoke", js, "")
	ask(413, "POST /tokens/{id}/revoke", alice, one+"/revoke", js, long)
	ask(415, "POST /tokens/{id}/revoke", alice, one+"/revoke", formType, "a=b")
	ask(200, "POST /tokens/{id}/revoke", alice, one+"/revoke", js, `{"reason":"leaked"}`)

	ask(200, "POST /introspect", admin, "/introspect", formType, "token="+looker.token)
	ask(400, "POST /introspect", admin, "/introspect", formType, "")
	ask(401, "POST /introspect", "", "/introspect", formType, "token="+looker.token)
	ask(403, "POST /introspect", bob, "/introspect", formType, "token="+looker.token)
	ask(413, "POST /introspect", admin, "/introspect", formType, longForm)
	ask(415, "POST /introspect", admin, "/introspect", js, `{"token":"x"}`)

	ask(200, "POST /revoke", "", "/revoke", formType, "token="+looker.token)
	ask(400, "POST /revoke", "", "/revoke", formType, "token=")
	ask(413, "POST /revoke", "", "/revoke", formType, longForm)
	ask(415, "POST /revoke", "", "/revoke", js, `{"token":"x"}`)

	o = newOffice(t, limitOf(0))
	alice = o.session(t, "alice")
	ask(429, "GET /tokens", alice, "/tokens", "", "")
	ask(429, "POST /tokens", alice, "/tokens", js, good)
	ask(429, "GET /tokens/{id}", alice, "/tokens/x", "", "")
	ask(429, "POST /tokens/{id}/rotate", alice, "/tokens/x/rotate", "", "")

	for range 10 {
		require.Equal(t, 404, o.post(t, alice, "/tokens/x/revoke", "").status)
	}
	ask(429, "POST /tokens/{id}/revoke", alice, "/tokens/x/revoke", js, "")

	o = newOffice(t, maxLive(1))
	alice = o.session(t, "alice")
	o.issue(t, alice, request("ci"), "deployment:*:write")
	ask(409, "POST /tokens", alice, "/tokens", js, good)

	o = newOffice(t)
	alice, token = o.session(t, "alice"), o.issue(t, "", request("ci"), "deployment:*:write")
	o.shop.in(down, "Get", "List", "Create", "Revoke", "Rotate", "IsRevoked")
	ask(503, "GET /tokens", alice, "/tokens", "", "")
	ask(503, "POST /tokens", alice, "/tokens", js, good)
	ask(503, "GET /tokens/{id}", alice, "/tokens/x", "", "")
	ask(503, "POST /tokens/{id}/rotate", alice, "/tokens/x/rotate", "", "")
	ask(503, "POST /tokens/{id}/revoke", alice, "/tokens/x/revoke", "", "")
	ask(503, "POST /introspect", alice, "/introspect", formType, "token="+token.token)
	ask(503, "POST /revoke", "", "/revoke", formType, "token="+token.token)

	d := o.document(t)
	for path, item := range d.root["paths"].(node) {
		for method, operation := range item.(node) {
			if method == "parameters" {
				continue
			}
			for status := range operation.(node)["responses"].(node) {
				name := strings.ToUpper(method) + " " + path + ": " + status
				assert.True(t, given[name], "%s is in the document, and no request here gets it", name)
			}
		}
	}
}

// The test would be worth nothing if its schemas let everything pass.
func TestTheSchemasOfTheDocumentRefuse(t *testing.T) {
	d := newOffice(t).document(t)
	record := func(change func(node)) node {
		r := node{
			"id": "1", "owner": "alice", "root_id": "1", "depth": 0.0, "name": "", "subject": "alice", "roles": []any{}, "created_by": "alice",
			"scopes":     []any{node{"resource_kind": "a", "resource_id": nil, "level": "read"}},
			"expires_at": "2031-03-14T12:00:00Z", "created_at": "2031-03-14T12:00:00.5Z",
		}
		change(r)
		return r
	}
	ref := node{"$ref": "#/components/schemas/Record"}
	require.Empty(t, d.problems(ref, record(func(node) {}), "record"))
	for name, change := range map[string]func(node){
		"a member more":          func(r node) { r["token"] = "x" },
		"a member less":          func(r node) { delete(r, "owner") },
		"a moment elsewhere":     func(r node) { r["expires_at"] = "2031-03-14T12:00:00+02:00" },
		"no moment":              func(r node) { r["expires_at"] = "noonZ" },
		"another type":           func(r node) { r["depth"] = "0" },
		"a fraction":             func(r node) { r["depth"] = 0.5 },
		"null for a list":        func(r node) { r["roles"] = nil },
		"an empty id":            func(r node) { r["id"] = "" },
		"a scope without its id": func(r node) { r["scopes"] = []any{node{"resource_kind": "a", "level": "read"}} },
		"an unknown level":       func(r node) { r["scopes"] = []any{node{"resource_kind": "a", "resource_id": nil, "level": "admin"}} },
	} {
		assert.NotEmpty(t, d.problems(ref, record(change), "record"), name)
	}
}

// What a request may say stands in the document too; here the handler's own ideas about it are held against it.
func TestTheDocumentKnowsTheMembersOfARequest(t *testing.T) {
	o := newOffice(t)
	alice := o.session(t, "alice", "deployer")
	wish := o.document(t).at(node{"$ref": "#/components/schemas/Wish"})["properties"].(node)
	full := map[string]string{
		"name": `"x"`, "subject": `"alice"`, "client_id": `"c"`, "audience": `["` + theAPI + `"]`, "roles": `["deployer"]`,
		"scopes": `[{"resource_kind":"deployment","resource_id":null,"level":"read"}]`, "ttl_seconds": `60`,
	}
	assert.Len(t, wish, len(full))
	for name, value := range full {
		assert.Contains(t, wish, name)
		got := o.post(t, alice, "/tokens", `{"`+name+`":`+value+`}`)
		assert.NotContains(t, got.text, "unknown", name)
	}
}

func TestTheDocumentIsServedUnderItsPrefix(t *testing.T) {
	o := newOffice(t, prefix("/auth"))
	got := o.get(t, "", "/auth/openapi.json")
	require.Equal(t, 200, got.status)
	assert.Contains(t, got.text, `"servers":[{"url":"/auth"}]`)
	assert.Contains(t, newOffice(t).get(t, "", "/openapi.json").text, `"servers":[{"url":"/"}]`)
	assert.Equal(t, 404, o.get(t, "", "/openapi.json").status)
}
