package workload

import (
	"errors"

	"github.com/a74cfa30/tokenauth"
)

// A Path is a way through the library whose instructions are counted.
type Path struct {
	Name    string
	Times   int           // how often it is run to be counted: enough to drown what varies, few enough not to wait
	Prepare func() func() // makes everything that is not to be counted, and returns what is
}

// Paths returns all paths, in the order in which they are told.
func Paths() []Path {
	var paths []Path
	for _, algorithm := range Algorithms {
		times := 100
		if algorithm == "HS256" {
			times = 1000
		}
		paths = append(paths,
			Path{"verify cold " + algorithm, times, func() func() { return succeed(Verify(Cold(algorithm), Token(algorithm))) }},
			Path{"limit " + algorithm, times, func() func() { return affirm(Limit(algorithm, Token(algorithm))) }},
		)
	}
	paths = append(paths, Path{"verify again", 10000, func() func() {
		again := Verify(NewVerifier(Config("EdDSA")), Token("EdDSA"))
		must(again())
		return succeed(again)
	}})
	for i, refusal := range [...]struct {
		name string
		want error
	}{
		{"alg none", tokenauth.ErrMalformed},
		{"unknown kid", tokenauth.ErrUnknownKey},
		{"too long", tokenauth.ErrMalformed},
		{"garbage", tokenauth.ErrMalformed},
	} {
		paths = append(paths, Path{"refuse " + refusal.name, 50000, func() func() {
			r := Refusals()[i]
			return refuse(Verify(r.Verifier, r.Token), refusal.want)
		}})
	}
	return append(paths,
		Path{"scope question of 4", 100000, func() func() { return affirm(Ask(4)) }},
		Path{"scope question of 256", 100000, func() func() { return affirm(Ask(256)) }},
		Path{"mint HS256", 500, func() func() { return succeed(Mint("HS256")) }},
		Path{"mint EdDSA", 100, func() func() { return succeed(Mint("EdDSA")) }},
		Path{"parse a key set", 200, func() func() {
			return func() {
				_, err := tokenauth.ParseKeys([]byte(keySet))
				must(err)
			}
		}},
	)
}

// PathOf returns the path of that name.
func PathOf(name string) Path {
	for _, path := range Paths() {
		if path.Name == name {
			return path
		}
	}
	panic("workload: no path " + name)
}

// keySet is a set of published keys: the examples of RFC 8037, appendix A.2, and RFC 7517, appendix A.1.
const keySet = `{"keys":[
{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
{"kty":"EC","crv":"P-256","kid":"b","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}
]}`

// succeed, affirm and refuse make sure that what is counted is what it is meant to be.
func succeed(op func() error) func() {
	return func() { must(op()) }
}

func affirm(op func() bool) func() {
	return func() {
		if !op() {
			panic("workload: the answer is no")
		}
	}
}

func refuse(op func() error, want error) func() {
	return func() {
		if err := op(); err == nil || !errors.Is(err, want) {
			panic("workload: refused for another reason")
		}
	}
}
