package tokenauth_test

import (
	"encoding/json"
	"fmt"

	"github.com/a74cfa30/tokenauth"
)

// A scope answers questions about one kind of resource, and an id is not the whole collection.
func ExampleTokenScope_Satisfies() {
	scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute}

	fmt.Println("restart web:", scope.Satisfies("deployment", "web", tokenauth.LevelExecute))
	fmt.Println("look at web:", scope.Satisfies("deployment", "web", tokenauth.LevelRead))
	fmt.Println("change web:", scope.Satisfies("deployment", "web", tokenauth.LevelWrite))
	fmt.Println("look at api:", scope.Satisfies("deployment", "api", tokenauth.LevelRead))
	fmt.Println("list them all:", scope.Satisfies("deployment", tokenauth.AnyResource, tokenauth.LevelRead))
	// Output:
	// restart web: true
	// look at web: true
	// change web: false
	// look at api: false
	// list them all: false
}

// Whoever grants a scope should hold one that covers it.
func ExampleTokenScope_Covers() {
	held, err := tokenauth.ParseTokenScope("deployment:*:execute")
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"deployment:web:read", "deployment:web:write", "secret:db:read"} {
		asked, err := tokenauth.ParseTokenScope(text)
		if err != nil {
			panic(err)
		}
		fmt.Println(text, held.Covers(asked))
	}
	// Output:
	// deployment:web:read true
	// deployment:web:write false
	// secret:db:read false
}

// Configuration and command lines spell scopes as text. One bad entry fails the list, and the error says which.
func ExampleParseTokenScopes() {
	scopes, err := tokenauth.ParseTokenScopes("deployment:web:write,job:read")
	fmt.Println(scopes, err)

	_, err = tokenauth.ParseTokenScopes("deployment:web:write,job:admin")
	fmt.Println(err)
	// Output:
	// [deployment:web:write job:*:read] <nil>
	// entry 2: tokenauth: the request is not valid: scope text ends with :read, :execute or :write
}

// A wildcard is granted by naming AnyResource. A variable that was forgotten, or that a request filled with a star, grants
// nothing.
func Example_anyResource() {
	for _, id := range []string{tokenauth.AnyResource, "", "*"} {
		scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: id, Level: tokenauth.LevelRead}
		fmt.Printf("%q: %t, %v\n", id, scope.Satisfies("deployment", "web", tokenauth.LevelRead), scope.Validate())
	}
	// Output:
	// "\xff*": true, <nil>
	// "": false, tokenauth: the request is not valid: resource_id: empty
	// "*": false, tokenauth: the request is not valid: resource_id: the string "*" is no id; every resource is AnyResource, in JSON null
}

// In JSON the wildcard is null.
func ExampleTokenScope_MarshalJSON() {
	text, err := json.Marshal([]tokenauth.TokenScope{
		{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelWrite},
		{ResourceKind: "job", ResourceID: tokenauth.AnyResource, Level: tokenauth.LevelRead},
	})
	fmt.Println(string(text), err)
	// Output:
	// [{"resource_kind":"deployment","resource_id":"web","level":"write"},{"resource_kind":"job","resource_id":null,"level":"read"}] <nil>
}
