package jwks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/jwks"
)

// rsaKey is the material of every RSA key here: making one takes long.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// newKey makes a signing key.
func newKey(t testing.TB, alg string) tokenauth.SigningKey {
	t.Helper()
	if !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS") {
		key, err := tokenauth.GenerateSigningKey(alg)
		require.NoError(t, err)
		return key
	}
	material, err := rsaKey()
	require.NoError(t, err)
	key, err := tokenauth.NewSigningKey(rand.Text(), alg, material)
	require.NoError(t, err)
	return key
}

// newRing makes a ring of the verifying halves.
func newRing(t testing.TB, keys ...tokenauth.SigningKey) *tokenauth.KeyRing {
	t.Helper()
	ring := new(tokenauth.KeyRing)
	require.NoError(t, ring.Replace(verifying(keys...)...))
	return ring
}

func verifying(keys ...tokenauth.SigningKey) []tokenauth.Key {
	halves := make([]tokenauth.Key, len(keys))
	for i, k := range keys {
		halves[i] = k.VerifyingKey()
	}
	return halves
}

func fetch(h http.Handler, method string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://auth.test/jwks.json", http.NoBody)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatIsPublishedVerifiesWhatWasSigned(t *testing.T) {
	profile := tokenauth.Profile{Issuers: []string{"https://auth.test"}, NoAudience: true}
	for _, alg := range []string{"EdDSA", "ES256", "ES384", "ES512", "RS256", "PS384"} {
		t.Run(alg, func(t *testing.T) {
			key := newKey(t, alg)
			h, err := jwks.Publish(newRing(t, key), 0)
			require.NoError(t, err)
			published, err := tokenauth.ParseKeys(fetch(h, "GET").Body.Bytes())
			require.NoError(t, err)
			require.Equal(t, []string{key.ID(), alg}, []string{published[0].ID(), published[0].Algorithm()})

			issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key})
			require.NoError(t, err)
			issued, err := issuer.Sign(t.Context(), tokenauth.SystemAuthority("a test"), &tokenauth.Claims{Subject: "alice"})
			require.NoError(t, err)
			verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
				Profile: profile, Keys: published[0], Revocation: tokenauth.Unenforced("a test"),
			})
			require.NoError(t, err)
			_, err = verifier.Verify(t.Context(), issued.Token.Reveal())
			require.NoError(t, err)
		})
	}
}

// RFC 8037, appendix A.2, and RFC 7517, appendix A.1.
func TestMarshalWritesTheKeysOfTheRFCs(t *testing.T) {
	const ed = `{"kid":"a","use":"sig","alg":"EdDSA","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	const ec = `{"kid":"b","use":"sig","alg":"ES256","kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",` +
		`"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	const set = `{"keys":[` + ed + `,` + ec + `]}`
	keys, err := tokenauth.ParseKeys([]byte(set))
	require.NoError(t, err)
	text, err := jwks.Marshal(keys...)
	require.NoError(t, err)
	require.Equal(t, set, string(text))
}

// Everybody reads it, so it must hold no secret, whatever is in the ring.
func TestNoSecretIsPublished(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	hmac, err := tokenauth.NewKey("shared", "HS256", secret)
	require.NoError(t, err)
	nameless, err := tokenauth.NewKey("", "HS256", []byte("another secret of thirty-two byte"))
	require.NoError(t, err)
	signing := []tokenauth.SigningKey{newKey(t, "EdDSA"), newKey(t, "ES256"), newKey(t, "RS256")}
	ring := new(tokenauth.KeyRing)
	require.NoError(t, ring.Replace(append(verifying(signing...), hmac, nameless)...))
	h, err := jwks.Publish(ring, 0)
	require.NoError(t, err)
	text := fetch(h, "GET").Body.String()

	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal([]byte(text), &set))
	require.Len(t, set.Keys, len(signing))
	for i, key := range set.Keys {
		require.Equal(t, signing[i].ID(), key["kid"])
		for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
			require.NotContains(t, key, member)
		}
		private, err := signing[i].RevealJWK()
		require.NoError(t, err)
		var half map[string]string
		require.NoError(t, json.Unmarshal(private, &half))
		require.NotContains(t, text, half["d"])
	}
	require.NotContains(t, text, "shared")

	require.NoError(t, ring.Replace(hmac))
	require.Equal(t, `{"keys":[]}`, fetch(h, "GET").Body.String())
	require.NoError(t, ring.Replace())
	require.Equal(t, `{"keys":[]}`, fetch(h, "GET").Body.String())
}

func TestPublishSpeaksHTTP(t *testing.T) {
	first, second := newKey(t, "EdDSA"), newKey(t, "EdDSA")
	ring := newRing(t, first)
	h, err := jwks.Publish(ring, 10*time.Minute)
	require.NoError(t, err)

	w := fetch(h, "GET")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
	require.Equal(t, "public, max-age=600", w.Header().Get("Cache-Control"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	etag := w.Header().Get("ETag")
	require.Regexp(t, `^"[A-Za-z0-9_-]{22}"$`, etag)

	head := fetch(h, "HEAD")
	require.Equal(t, http.StatusOK, head.Code)
	require.Zero(t, head.Body.Len())
	require.Equal(t, etag, head.Header().Get("ETag"))

	require.Equal(t, http.StatusNotModified, fetch(h, "GET", "If-None-Match", etag).Code)
	require.Equal(t, http.StatusOK, fetch(h, "GET", "If-None-Match", `"other"`).Code)
	require.NoError(t, ring.Replace(verifying(first, second)...))
	w = fetch(h, "GET", "If-None-Match", etag)
	require.Equal(t, http.StatusOK, w.Code, "the set has changed")
	require.NotEqual(t, etag, w.Header().Get("ETag"))
	require.NoError(t, ring.Replace(verifying(first)...))
	require.Equal(t, etag, fetch(h, "GET").Header().Get("ETag"), "the same keys have the same tag")

	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"} {
		w := fetch(h, method)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		require.Equal(t, "GET, HEAD", w.Header().Get("Allow"), method)
		require.NotContains(t, w.Body.String(), first.ID())
	}
}

func TestPublishRefusesWhatCannotWork(t *testing.T) {
	ring := newRing(t, newKey(t, "EdDSA"))
	for _, age := range []time.Duration{-time.Second, time.Millisecond, 24*time.Hour + 1} {
		_, err := jwks.Publish(ring, age)
		require.ErrorContains(t, err, "maxAge")
	}
	_, err := jwks.Publish(nil, 0)
	require.ErrorContains(t, err, "ring")
}

// Readers see the set before a change or the one after it, and its tag with it.
func TestPublishWhileKeysChange(t *testing.T) {
	a, b := newKey(t, "EdDSA"), newKey(t, "EdDSA")
	ring := newRing(t, a)
	h, err := jwks.Publish(ring, 0)
	require.NoError(t, err)
	tags := map[string]string{fetch(h, "GET").Header().Get("ETag"): a.ID()}
	require.NoError(t, ring.Replace(b.VerifyingKey()))
	tags[fetch(h, "GET").Header().Get("ETag")] = b.ID()
	require.Len(t, tags, 2)

	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 500 {
				w := fetch(h, "GET")
				if id := tags[w.Header().Get("ETag")]; id == "" || !strings.Contains(w.Body.String(), id) {
					t.Errorf("the tag belongs to another set")
				}
			}
		})
	}
	for i := range 500 {
		require.NoError(t, ring.Replace([]tokenauth.SigningKey{a, b}[i%2].VerifyingKey()))
	}
	readers.Wait()
}
