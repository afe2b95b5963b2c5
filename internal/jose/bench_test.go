package jose_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jose"
)

const typicalHeader = `{"alg":"EdDSA","kid":"2026-05-a","typ":"at+jwt"}`

// typicalClaims has 449 bytes, one role and four scopes: the payload this project's benchmarks speak of.
const typicalClaims = `{"iss":"https://auth.example.com","sub":"user-47110","aud":["https://api.example.com"],` +
	`"exp":1800003600,"nbf":1800000000,"iat":1800000000,"jti":"0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60",` +
	`"roles":["developer"],"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"write"},` +
	`{"resource_kind":"secret","resource_id":"db","level":"read"},{"resource_kind":"job","level":"read"},` +
	`{"resource_kind":"node","level":"read"}],"email":"dev@example.com"}`

// walk reads the members of typicalClaims the way a caller does, and returns the number of scopes.
func walk(text string) (scopes int, err error) {
	r := jose.NewReader(text)
	r.Object()
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		switch name {
		case "iss", "sub", "jti", "email":
			_ = r.String()
		case "exp", "nbf", "iat":
			jose.ParseSeconds(r.Number())
		case "aud", "roles":
			for r.Array(); r.More(); {
				_ = r.String()
			}
		case "scopes":
			for r.Array(); r.More(); scopes++ {
				r.Object()
				for _, ok := r.Next(); ok; _, ok = r.Next() {
					_ = r.String()
				}
			}
		default:
			r.Raw()
		}
	}
	return scopes, r.End()
}

func BenchmarkParseHeader(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jose.ParseHeader(typicalHeader); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWalkClaims(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(typicalClaims)))
	for b.Loop() {
		if n, err := walk(typicalClaims); err != nil || n != 4 {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkSplitAndDecode(b *testing.B) {
	payload := string(jose.AppendEncoded(nil, []byte(typicalClaims)))
	token := string(jose.AppendEncoded(nil, []byte(typicalHeader))) + "." + payload + "." + strings.Repeat("A", 86)
	buffer := make([]byte, 0, len(token))
	b.ReportAllocs()
	for b.Loop() {
		c, err := jose.SplitCompact(token)
		if err != nil {
			b.Fatal(err)
		}
		if _, err = jose.AppendDecoded(buffer, c.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManyMembers shows that the cost of looking for duplicates stays in proportion: MB/s must not fall as n rises.
func BenchmarkManyMembers(b *testing.B) {
	for _, n := range []int{16, 1000, 10000, 100000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			text := "{" + members(n, "1") + "}"
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := jose.Valid(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
