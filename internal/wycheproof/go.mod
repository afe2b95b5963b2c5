module github.com/a74cfa30/tokenauth/internal/wycheproof

go 1.26.4

replace github.com/a74cfa30/tokenauth => ../..

require (
	github.com/a74cfa30/tokenauth v0.0.0-00010101000000-000000000000
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
)
