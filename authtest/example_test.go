package authtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
)

// In a test t is its *testing.T; here it is a stand-in.
var t = exampleT{}

type exampleT struct{ testing.TB }

func (exampleT) Helper()                      {}
func (exampleT) Cleanup(func())               {}
func (exampleT) Context() context.Context     { return context.Background() }
func (exampleT) Fatalf(text string, a ...any) { panic(fmt.Sprintf(text, a...)) }

// A handler that wants a caller gets a proven one.
func Example() {
	kit := authtest.New(t, authtest.Config{})
	alice := kit.Principal("alice", "deployment:web:write")

	handler := func(w http.ResponseWriter, r *http.Request) {
		p := tokenauth.PrincipalFrom(r.Context())
		fmt.Fprintln(w, p.Subject(), p.Require("deployment", "web", tokenauth.LevelWrite) == nil)
	}
	r := httptest.NewRequest("POST", "/deployments/web", nil)
	w := httptest.NewRecorder()
	handler(w, r.WithContext(tokenauth.WithPrincipal(r.Context(), alice)))
	fmt.Print(w.Body)
	// Output: alice true
}

// Time passes, and stores fail, when the test says so.
func ExampleKit() {
	kit, ctx := authtest.New(t, authtest.Config{}), context.Background()
	token := kit.Token("alice", "deployment:web:write")

	kit.Stores.Fail(nil)
	_, err := kit.Verifier.Verify(ctx, token)
	fmt.Println(tokenauth.ErrorCode(err))

	kit.Stores.Heal()
	_, err = kit.Verifier.Verify(ctx, token)
	fmt.Println(err)

	kit.Clock.Advance(time.Hour)
	_, err = kit.Verifier.Verify(ctx, token)
	fmt.Println(tokenauth.ErrorCode(err))
	// Output:
	// revocation_unavailable
	// <nil>
	// token_expired
}

// Every token of the list has to be refused by whatever stands in front of a service.
func ExampleKit_Broken() {
	kit := authtest.New(t, authtest.Config{})
	accepted := 0
	for _, b := range kit.Broken() {
		if _, err := kit.Verifier.Verify(context.Background(), b.Token); err == nil {
			accepted++
		}
	}
	fmt.Println(accepted)
	fmt.Println(kit.BrokenToken("alg none").Err)
	// Output:
	// 0
	// tokenauth: the token is malformed
}

// One table holds each surface of a service to the same policy.
func ExampleKit_States() {
	kit, q := authtest.New(t, authtest.Config{}), authtest.Asked()
	wrong := 0
	for _, s := range kit.States() {
		s.Arrange(t)
		_, err := kit.Verifier.Authorize(context.Background(), s.Token, q.ResourceKind, q.ResourceID, q.Level)
		if (err == nil) != (s.HTTP() == http.StatusOK) {
			wrong++
		}
	}
	fmt.Println(wrong)
	// Output: 0
}
