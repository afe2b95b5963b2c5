package httpauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// What follows stands for a service's verifier and for the tokens its callers have.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                      {}
func (exampleT) Cleanup(func())               {}
func (exampleT) Context() context.Context     { return context.Background() }
func (exampleT) Fatalf(text string, a ...any) { log.Fatalf(text, a...) }

// show sends a request and prints what came back. An empty token is no credential.
func show(h http.Handler, method, target, token string) {
	r := httptest.NewRequest(method, target, http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
		fmt.Println(w.Code, challenge)
		return
	}
	fmt.Print(w.Code, " ", w.Body)
}

// A service on net/http's mux, or on chi, whose middlewares have the same type.
func Example() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments"})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /me", guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "you are", tokenauth.PrincipalFrom(r.Context()).Subject())
	})))
	deploy := guard.Require("deployment", httpauth.PathValue("name"), tokenauth.LevelWrite)
	mux.Handle("POST /deployments/{name}", deploy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "deployed", r.PathValue("name"))
	})))

	token := kit.Token("alice", "deployment:web:write")
	show(mux, "GET", "/me", "")
	show(mux, "GET", "/me", token)
	show(mux, "POST", "/deployments/web", token)
	show(mux, "POST", "/deployments/api", token)
	kit.Revoke(token)
	show(mux, "GET", "/me", token)
	// Output:
	// 401 Bearer realm="deployments"
	// 200 you are alice
	// 200 deployed web
	// 403 Bearer realm="deployments", error="insufficient_scope", scope="deployment:api:write"
	// 401 Bearer realm="deployments", error="invalid_token"
}

// A handler may ask more than one question, and answers a no as the guard does.
func ExampleGuard_Refuse() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments"})
	if err != nil {
		log.Fatal(err)
	}
	handler := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := tokenauth.PrincipalFrom(r.Context())
		for _, name := range r.URL.Query()["name"] {
			if err := p.Require("deployment", name, tokenauth.LevelRead); err != nil {
				guard.Refuse(w, r, err)
				return
			}
		}
		fmt.Fprintln(w, "all of them")
	}))
	token := kit.Token("alice", "deployment:web:read")
	show(handler, "GET", "/?name=web", token)
	show(handler, "GET", "/?name=web&name=api", token)
	// Output:
	// 200 all of them
	// 403 Bearer realm="deployments", error="insufficient_scope"
}

// Anonymous callers are let in where Optional says so, and are nobody; who brings a bad token is not anonymous.
func ExampleConfig_optional() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments", Optional: true})
	if err != nil {
		log.Fatal(err)
	}
	handler := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello,", tokenauth.PrincipalFrom(r.Context()))
	}))
	show(handler, "GET", "/", "")
	show(handler, "GET", "/", "garbage")
	// Output:
	// 200 hello, nobody
	// 401 Bearer realm="deployments", error="invalid_token"
}

// A browser's session in a cookie: other sites cannot make the browser use it.
func ExampleConfig_cookie() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments", Cookie: "__Host-token"})
	if err != nil {
		log.Fatal(err)
	}
	handler := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "done") }))
	for _, site := range []string{"same-origin", "cross-site"} {
		r := httptest.NewRequest("POST", "/", http.NoBody)
		r.AddCookie(&http.Cookie{Name: "__Host-token", Value: kit.Token("alice")})
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(site, w.Code)
	}
	// Output:
	// same-origin 200
	// cross-site 403
}

// A context of a router with handlers of its own: gin's has these two, and echo's has them as methods.
type routerContext struct {
	Writer  http.ResponseWriter
	Request *http.Request
	aborted bool
}

func (c *routerContext) Abort() { c.aborted = true }

// For gin, echo and every other router whose handlers are no http.Handler.
func ExampleGuard_Admit() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments"})
	if err != nil {
		log.Fatal(err)
	}
	gate := func(c *routerContext) {
		r, ok := guard.Admit(c.Writer, c.Request)
		if !ok {
			c.Abort()
			return
		}
		c.Request = r
	}
	for _, token := range []string{kit.Token("alice"), "garbage"} {
		r := httptest.NewRequest("GET", "/", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		c := &routerContext{Writer: httptest.NewRecorder(), Request: r}
		gate(c)
		fmt.Println(c.aborted, tokenauth.PrincipalFrom(c.Request.Context()).Subject())
	}
	// Output:
	// false alice
	// true
}

// Listing is about the whole collection: only a wildcard scope is an answer to it.
func ExampleCollection() {
	kit := authtest.New(exampleT{}, authtest.Config{})
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "deployments"})
	if err != nil {
		log.Fatal(err)
	}
	list := guard.Require("deployment", httpauth.Collection(), tokenauth.LevelRead)
	handler := list(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "web, api") }))
	show(handler, "GET", "/deployments", kit.Token("alice", "deployment:*:read"))
	show(handler, "GET", "/deployments", kit.Token("alice", "deployment:web:write"))
	// Output:
	// 200 web, api
	// 403 Bearer realm="deployments", error="insufficient_scope", scope="deployment:*:read"
}
