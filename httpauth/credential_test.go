package httpauth_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/authtest"
	"github.com/a74cfa30/tokenauth/httpauth"
)

// The four things that can become of an Authorization header, as such.
const (
	in        = "the caller is let in"
	missing   = "401, as if there were no credential"
	malformed = "401 invalid_token, token_malformed"
	oneIsBad  = "401 invalid_token, whatever the Verifier says"
)

// headerShapes are requests by their Authorization headers. GOOD stands for a good token.
func headerShapes() map[string]struct {
	values []string
	want   string
} {
	type shape = struct {
		values []string
		want   string
	}
	one := func(want, value string) shape { return shape{[]string{value}, want} }
	return map[string]shape{
		"none":                            {nil, missing},
		"Bearer and a token":              one(in, "Bearer GOOD"),
		"lower case":                      one(in, "bearer GOOD"),
		"upper case":                      one(in, "BEARER GOOD"),
		"mixed case":                      one(in, "bEaReR GOOD"),
		"two blanks":                      one(in, "Bearer  GOOD"),
		"nine blanks":                     one(in, "Bearer         GOOD"),
		"empty":                           one(malformed, ""),
		"a blank":                         one(malformed, " "),
		"blank in front":                  one(malformed, " Bearer GOOD"),
		"tab in front":                    one(malformed, "\tBearer GOOD"),
		"comma in front":                  one(malformed, ", Bearer GOOD"),
		"quote in front":                  one(malformed, `"Bearer GOOD"`),
		"colon in front":                  one(malformed, ": Bearer GOOD"),
		"byte order mark in front":        one(malformed, "\ufeffBearer GOOD"),
		"Bearer alone":                    one(malformed, "Bearer"),
		"Bearer and a blank":              one(malformed, "Bearer "),
		"Bearer and blanks":               one(malformed, "Bearer    "),
		"blank behind":                    one(malformed, "Bearer GOOD "),
		"tab behind":                      one(malformed, "Bearer GOOD\t"),
		"tab between":                     one(malformed, "Bearer\tGOOD"),
		"blank and tab between":           one(malformed, "Bearer \tGOOD"),
		"newline between":                 one(malformed, "Bearer\nGOOD"),
		"no-break space between":          one(malformed, "Bearer\u00a0GOOD"),
		"ideographic space between":       one(malformed, "Bearer\u3000GOOD"),
		"colon between":                   one(malformed, "Bearer: GOOD"),
		"equals between":                  one(malformed, "Bearer=GOOD"),
		"slash between":                   one(malformed, "Bearer/GOOD"),
		"comma between":                   one(malformed, "Bearer, GOOD"),
		"two tokens":                      one(malformed, "Bearer GOOD GOOD"),
		"a bad token behind":              one(malformed, "Bearer GOOD garbage"),
		"a list":                          one(malformed, "Bearer GOOD, Bearer GOOD"),
		"a list of tokens":                one(malformed, "Bearer GOOD,GOOD"),
		"two schemes in one":              one(malformed, "Bearer Bearer GOOD"),
		"Basic behind":                    one(malformed, "Bearer GOOD, Basic YWxpY2U6c2VjcmV0"),
		"in quotes":                       one(malformed, `Bearer "GOOD"`),
		"in single quotes":                one(malformed, "Bearer 'GOOD'"),
		"in angles":                       one(malformed, "Bearer <GOOD>"),
		"as a parameter":                  one(malformed, `Bearer token="GOOD"`),
		"with a realm":                    one(malformed, `Bearer realm="test", GOOD`),
		"with a parameter behind":         one(malformed, "Bearer GOOD;q=1"),
		"with a comment":                  one(malformed, "Bearer GOOD (mine)"),
		"percent-encoded":                 one(malformed, "Bearer %65yJ.e30.e30"),
		"NUL in it":                       one(malformed, "Bearer GO\x00OD"),
		"NUL behind":                      one(malformed, "Bearer GOOD\x00"),
		"newline behind":                  one(malformed, "Bearer GOOD\n"),
		"header injected":                 one(malformed, "Bearer GOOD\r\nX-Admin: yes"),
		"delete in it":                    one(malformed, "Bearer GO\x7fOD"),
		"a letter that is not ASCII":      one(malformed, "Bearer GOOD\u00e9"),
		"broken UTF-8":                    one(malformed, "Bearer \xff\xfe"),
		"full-width letters":              one(malformed, "Bearer \uff47\uff4f\uff4f\uff44"),
		"equals in front of the token":    one(malformed, "Bearer =GOOD"),
		"equals alone":                    one(malformed, "Bearer =="),
		"equals in the middle":            one(malformed, "Bearer ab=cd"),
		"star":                            one(malformed, "Bearer *"),
		"JSON":                            one(malformed, `Bearer {"token":"GOOD"}`),
		"padded":                          one(oneIsBad, "Bearer GOOD="),
		"a dot behind":                    one(oneIsBad, "Bearer GOOD."),
		"a slash in it":                   one(oneIsBad, "Bearer a/b+c"),
		"a tilde":                         one(oneIsBad, "Bearer ~~~"),
		"null":                            one(oneIsBad, "Bearer null"),
		"undefined":                       one(oneIsBad, "Bearer undefined"),
		"a number":                        one(oneIsBad, "Bearer 0"),
		"a megabyte":                      one(oneIsBad, "Bearer "+strings.Repeat("a", 1<<20)),
		"Basic":                           one(missing, "Basic YWxpY2U6c2VjcmV0"),
		"Basic around a good token":       one(missing, "Basic GOOD"),
		"DPoP":                            one(missing, "DPoP GOOD"),
		"Digest":                          one(missing, `Digest username="alice", response="GOOD"`),
		"Negotiate":                       one(missing, "Negotiate GOOD"),
		"Token":                           one(missing, "Token GOOD"),
		"JWT":                             one(missing, "JWT GOOD"),
		"a longer scheme":                 one(missing, "Bearers GOOD"),
		"a shorter scheme":                one(missing, "Beare GOOD"),
		"a scheme with a hyphen":          one(missing, "Bearer-Token GOOD"),
		"a scheme with a dot":             one(missing, "Bearer.GOOD"),
		"no blank":                        one(missing, "BearerGOOD"),
		"the token alone":                 one(missing, "GOOD"),
		"a scheme in letters like ours":   one(malformed, "\u0412earer GOOD"),
		"a scheme with one such letter":   one(missing, "Beare\u0433 GOOD"),
		"two, both good":                  {[]string{"Bearer GOOD", "Bearer GOOD"}, malformed},
		"two, the first good":             {[]string{"Bearer GOOD", "Bearer garbage"}, malformed},
		"two, the second good":            {[]string{"Bearer garbage", "Bearer GOOD"}, malformed},
		"two, the first Basic":            {[]string{"Basic YWxpY2U6c2VjcmV0", "Bearer GOOD"}, malformed},
		"two, the second empty":           {[]string{"Bearer GOOD", ""}, malformed},
		"two, both empty":                 {[]string{"", ""}, malformed},
		"three":                           {[]string{"Bearer GOOD", "Bearer GOOD", "Bearer GOOD"}, malformed},
		"a thousand":                      {slicesOf("Bearer GOOD", 1000), malformed},
		"scheme and token in two headers": {[]string{"Bearer", "GOOD"}, malformed},
	}
}

// Whatever the header says, the handler is called for one kind of value only.
func FuzzAuthorizationHeader(f *testing.F) {
	kit := authtest.New(f, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	guard, err := httpauth.New(httpauth.Config{Verifier: kit.Verifier, Realm: "fuzz"})
	require.NoError(f, err)
	for _, shape := range headerShapes() {
		for _, value := range shape.values {
			if len(value) < 1<<10 {
				f.Add(value)
			}
		}
	}
	admissible := regexp.MustCompile(`^(?i:bearer) +GOOD$`)
	f.Fuzz(func(t *testing.T, value string) {
		behind := new(desk)
		response := serve(guard.Handler(behind), get(strings.ReplaceAll(value, "GOOD", good)))
		require.Equal(t, admissible.MatchString(value), behind.calls == 1)
		require.Equal(t, behind.calls == 1, response.StatusCode == http.StatusOK)
		if behind.calls == 0 {
			require.Equal(t, http.StatusUnauthorized, response.StatusCode)
			require.Regexp(t, `^Bearer realm="fuzz"(, error="invalid_token")?$`, response.Header.Get("WWW-Authenticate"))
		}
	})
}

func slicesOf(value string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(value+"\n", n), "\n"), "\n")
}

func TestAuthorizationHeaders(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	shapes := headerShapes()
	require.GreaterOrEqual(t, len(shapes), 60)
	for _, optional := range []bool{false, true} {
		guard := newGuard(t, kit, func(cfg *httpauth.Config) {
			cfg.Optional = optional
			cfg.Cookie = "__Host-token" // which rescues no bad header
		})
		for name, shape := range shapes {
			t.Run(name, func(t *testing.T) {
				var values []string
				for _, value := range shape.values {
					values = append(values, strings.ReplaceAll(value, "GOOD", good))
				}
				behind := new(desk)
				for chain, h := range map[string]http.Handler{
					"Handler": guard.Handler(behind),
					"Require": guard.Require("deployment", httpauth.ID("web"), tokenauth.LevelWrite)(behind),
				} {
					behind.calls = 0
					r := get(values...)
					if len(values) > 0 {
						r.Header.Set("Cookie", "__Host-token="+good)
					}
					response := serve(h, r)
					switch want := shape.want; {
					case want == in:
						require.Equal(t, http.StatusOK, response.StatusCode)
						require.Equal(t, 1, behind.calls)
						require.Equal(t, "alice", behind.caller.Subject())
						require.NotContains(t, behind.header, "Authorization")
						require.NotContains(t, behind.header, "Cookie")
						continue
					case optional && len(values) == 0 && chain == "Handler":
						require.Equal(t, 1, behind.calls)
						require.Nil(t, behind.caller)
						continue
					case want == missing:
						requireRefusal(t, response, http.StatusUnauthorized, realm, "token_missing")
					case want == malformed:
						requireRefusal(t, response, http.StatusUnauthorized, invalidToken, "token_malformed")
					default:
						require.Equal(t, http.StatusUnauthorized, response.StatusCode)
						require.Equal(t, invalidToken, response.Header.Get("WWW-Authenticate"))
					}
					require.Zero(t, behind.calls)
				}
			})
		}
	}
}

// What is no Authorization header is no credential, wherever a client may put one (RFC 6750, sections 2.2 and 2.3; RFC 9700, section
// 4.3.2).
func TestNoOtherPlaceHoldsACredential(t *testing.T) {
	kit := authtest.New(t, authtest.Config{})
	good := kit.Token("alice", "deployment:web:write")
	guard, behind := newGuard(t, kit, nil), new(desk)
	form := func(target, body string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, target, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	header := func(name, value string) *http.Request {
		r := get()
		r.Header.Set(name, value)
		return r
	}
	trailer := get()
	trailer.Trailer = http.Header{"Authorization": {"Bearer " + good}}
	for name, r := range map[string]*http.Request{
		"query":                    form("https://api.test/?access_token="+good, ""),
		"query, as a header":       form("https://api.test/?Authorization=Bearer+"+good, ""),
		"form":                     form("https://api.test/", "access_token="+good),
		"fragment":                 form("https://api.test/#access_token="+good, ""),
		"user of the URL":          form("https://Bearer:"+good+"@api.test/", ""),
		"Proxy-Authorization":      header("Proxy-Authorization", "Bearer "+good),
		"X-Authorization":          header("X-Authorization", "Bearer "+good),
		"X-Forwarded-Access-Token": header("X-Forwarded-Access-Token", good),
		"Sec-WebSocket-Protocol":   header("Sec-WebSocket-Protocol", "bearer, "+good),
		"a cookie nobody asked of": header("Cookie", "__Host-token="+good),
		"a trailer":                trailer,
	} {
		t.Run(name, func(t *testing.T) {
			requireRefusal(t, serve(guard.Handler(behind), r), http.StatusUnauthorized, realm, "token_missing")
			require.Zero(t, behind.calls)
		})
	}
}
