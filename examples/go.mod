module github.com/a74cfa30/tokenauth/examples

go 1.26

require (
	github.com/a74cfa30/tokenauth v0.0.0
	github.com/golang-jwt/jwt/v5 v5.3.1
)

require github.com/google/uuid v1.6.0 // indirect

replace github.com/a74cfa30/tokenauth => ..
