module github.com/a74cfa30/tokenauth/internal/difftest

go 1.26

replace github.com/a74cfa30/tokenauth => ../..

require (
	github.com/a74cfa30/tokenauth v0.0.0-00010101000000-000000000000
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
)
