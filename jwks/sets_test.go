package jwks_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/jwks"
)

// jwk returns a public key as the text of a JWK, changed: a nil value takes a member out.
func jwk(t testing.TB, key tokenauth.SigningKey, change map[string]any) string {
	t.Helper()
	set, err := jwks.Marshal(key.VerifyingKey())
	require.NoError(t, err)
	var decoded struct{ Keys []map[string]any }
	require.NoError(t, json.Unmarshal(set, &decoded))
	members := decoded.Keys[0]
	for name, value := range change {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return string(text)
}

func setOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// A set that no authority should publish is refused whole, for a reason that names it, and what was there before goes on counting.
func TestHostileSets(t *testing.T) {
	ed, other, ec := newKey(t, "EdDSA"), newKey(t, "EdDSA"), newKey(t, "ES256")
	private, err := other.RevealJWK()
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	weakJWK := fmt.Sprintf(`{"kty":"RSA","kid":"weak","n":%q,"e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(weak.N.Bytes()))
	good := jwk(t, other, nil)
	many := make([]string, 33)
	for i := range many {
		many[i] = jwk(t, other, map[string]any{"kid": fmt.Sprint(i)})
	}
	nameless := make([]string, 5)
	for i := range nameless {
		nameless[i] = jwk(t, newKey(t, "EdDSA"), map[string]any{"kid": nil})
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err = z.Write([]byte(setOf(good) + strings.Repeat(" ", 10<<20)))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	to := func(where ...string) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) { // each step of the way redirects to the next, the last serves a good set
			i := slices.Index(where, r.URL.String())
			if i == len(where)-1 {
				return text(setOf(good))(r)
			}
			return answer(http.StatusFound, http.NoBody, "Location", where[i+1])(r)
		}
	}
	const hop = "https://auth.test/"

	fails := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		reason string
	}{
		"two keys of one id":               {text(setOf(good, jwk(t, ed, map[string]any{"kid": other.ID()}))), "same id"},
		"the same key twice":               {text(setOf(good, good)), "same id"},
		"a private half":                   {text(setOf(string(private))), "private or secret"},
		"a private half beside a good key": {text(setOf(jwk(t, ed, nil), string(private))), "private or secret"},
		"a secret":                         {text(setOf(good, `{"kty":"oct","kid":"s","alg":"HS256","k":"AAAA"}`)), "private or secret"},
		"a secret among other members":     {text(setOf(jwk(t, other, map[string]any{"k": "c2VjcmV0"}))), "private or secret"},
		"a weak key":                       {text(setOf(good, weakJWK)), "key 2"},
		"an alg that does not fit":         {text(setOf(jwk(t, other, map[string]any{"alg": "RS256"}))), "does not fit"},
		"an HMAC alg on a public key":      {text(setOf(jwk(t, other, map[string]any{"alg": "HS256"}))), "does not fit"},
		"a point that is none":             {text(setOf(jwk(t, ec, map[string]any{"y": strings.Repeat("A", 43)}))), "no point"},
		"a member twice":                   {text(setOf(`{"kid":"x",` + good[1:])), "duplicate member"},
		"a member in other letter case":    {text(setOf(jwk(t, other, map[string]any{"Kid": "x"}))), "letter case"},
		"keys in other letter case":        {text(`{"Keys":[` + good + `]}`), "the set"},
		"keys twice":                       {text(`{"keys":[` + good + `],"keys":[]}`), "the set"},
		"keys twice, then empty":           {text(`{"keys":[],"keys":[]}`), "the set"},
		"33 keys":                          {text(setOf(many...)), "more than 32 keys"},
		"33 keys for encryption":           {text(setOf(slices.Repeat([]string{`{"kty":"RSA","use":"enc"}`}, 33)...)), "more than 32 keys"},
		"five keys without id":             {text(setOf(nameless...)), "without id"},
		"two kinds of keys without id":     {text(setOf(nameless[0], jwk(t, ec, map[string]any{"kid": nil}))), "without id"},
		"an id over 128 bytes":             {text(setOf(jwk(t, other, map[string]any{"kid": strings.Repeat("a", 129)}))), "id"},
		"64 KiB and a byte":                {text(setOf(good) + strings.Repeat(" ", 64<<10+1-len(setOf(good)))), "65536 bytes"},
		"a megabyte of a good start":       {text(setOf(good) + strings.Repeat(" ", 1<<20)), "65536 bytes"},
		"no end":                           {answer(200, io.NopCloser(endless{})), "65536 bytes"},
		"a bomb, still compressed":         {text(bomb.String()), "no JSON object"},
		"ten thousand brackets":            {text(strings.Repeat("[", 10_000)), "no JSON object"},
		"a deep value":                     {text(`{"keys":[` + good + `],"x":` + nested(9000) + `}`), "set"},
		"nothing":                          {text(""), "no JSON object"},
		"null":                             {text("null"), "no JSON object"},
		"keys null":                        {text(`{"keys":null}`), "no JSON object"},
		"keys an object":                   {text(`{"keys":{}}`), "no JSON object"},
		"keys of texts":                    {text(`{"keys":["a"]}`), "the set"},
		"one key instead of a set":         {text(good), "no JSON object"},
		"a list instead of a set":          {text("[" + good + "]"), "no JSON object"},
		"HTML":                             {text("<html><body>Sign in</body></html>"), "no JSON object"},
		"PEM":                              {text("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"), "no JSON object"},
		"cut off":                          {text(setOf(good)[:40]), "no JSON object"},
		"something behind":                 {text(setOf(good) + "x"), "no JSON object"},
		"two sets":                         {text(setOf(good) + setOf(good)), "no JSON object"},
		"a byte order mark":                {text("\ufeff" + setOf(good)), "no JSON object"},
		"broken UTF-8":                     {text(`{"keys":[` + good + `],"x":"` + "\xff" + `"}`), "set"},
		"204":                              {answer(204, http.NoBody), "status 204"},
		"304, which nobody asked for":      {answer(304, http.NoBody), "status 304"},
		"404 with a good set":              {answer(404, io.NopCloser(strings.NewReader(setOf(good)))), "status 404"},
		"500":                              {answer(500, http.NoBody), "status 500"},
		"206, a part":                      {answer(206, io.NopCloser(strings.NewReader(setOf(good)))), "status 206"},
		"a body that breaks off":           {answer(200, io.NopCloser(io.MultiReader(strings.NewReader(setOf(good)), broken{}))), "no answer"},
		"a body that never comes":          {hangingBody(setOf(good)), "not done within Timeout"},
		"a header that never comes":        {hanging, "not done within Timeout"},
		"no answer":                        {fails(errDown), "no answer"},
		"an error that tells a secret":     {fails(errors.New("malformed response: secret")), "no answer"},
		"a connection that breaks": {func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "read", Err: errors.New("secret")}
		}, "failed: read"},
		"a certificate of another": {func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("secret")}
		}, "certificate"},
		"a redirect to http":                {to(setURL, "http://auth.test/x"), "off https"},
		"a redirect to http on loopback":    {to(setURL, "http://127.0.0.1/x"), "off https"},
		"a redirect by way of https":        {to(setURL, hop+"1", "http://auth.test/x"), "off https"},
		"a redirect to another scheme":      {to(setURL, "ftp://auth.test/x"), "off https"},
		"a redirect to a file":              {to(setURL, "file:///etc/passwd"), "no URL"},
		"four redirects":                    {to(setURL, hop+"1", hop+"2", hop+"3", hop+"4"), "more than 3 redirects"},
		"a redirect in a circle":            {to(setURL, setURL, setURL), "more than 3 redirects"},
		"a redirect without aim":            {answer(302, http.NoBody), "status 302"},
		"a redirect to what is no URL":      {answer(302, http.NoBody, "Location", "https://[secret"), "no URL"},
		"a redirect with a password":        {answer(302, http.NoBody, "Location", "https://secret:secret@cdn.test"), "no URL"},
		"a redirect to no host":             {answer(302, http.NoBody, "Location", "https:///x"), "no URL"},
		"300, which is no redirect":         {answer(300, http.NoBody, "Location", setURL), "status 300"},
		"a set behind a redirect, and http": {to(setURL, "https://cdn.test/x", "http://cdn.test/x"), "off https"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := published(t, newRing(t, ed), 10*time.Minute)
				f := follow(t, o, nil)
				o.become(c.answer)
				time.Sleep(10*time.Minute + 5*time.Second)
				synctest.Wait()
				s := f.Stats()
				require.ErrorContains(t, s.LastError, c.reason)
				require.EqualValues(t, 1, s.Failures)
				require.Equal(t, 1, s.Keys)
				require.NoError(t, ask(f, ed.ID()), "the set before")
				require.ErrorIs(t, ask(f, other.ID()), tokenauth.ErrUnavailable, "nothing of the bad one")
				for _, foreign := range []string{"secret", "auth.test", "cdn.test", other.ID()} {
					require.NotContains(t, s.LastError.Error(), foreign+"/")
					require.NotContains(t, strings.ReplaceAll(s.LastError.Error(), "private or secret", ""), foreign)
				}
			})
		})
	}
}

// hanging answers nothing until the request ends.
func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// Plain HTTP is for loopback only, on the way as well.
func TestNoRedirectLeavesLoopbackInThePlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(origin)
		for where, reason := range map[string]string{"http://auth.test/x": "off https", "http://127.0.0.1/x": ""} {
			o.become(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/x" {
					return text(`{"keys":[]}`)(r)
				}
				return answer(http.StatusFound, http.NoBody, "Location", where)(r)
			})
			err := follow(t, o, func(cfg *jwks.FollowerConfig) { cfg.URL = "http://localhost/jwks.json" }).Stats().LastError
			if reason == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, reason)
			}
		}
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("torn") }

// hangingBody sends the beginning of a set and then nothing, until the request ends.
func hangingBody(set string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		rest := readerFunc(func([]byte) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() })
		return answer(200, io.NopCloser(io.MultiReader(strings.NewReader(set[:20]), rest)))(r)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What authorities really publish.
func TestRealWorldSets(t *testing.T) {
	ed, ec, rs := newKey(t, "EdDSA"), newKey(t, "ES256"), newKey(t, "RS256")
	enc := jwk(t, newKey(t, "RS256"), map[string]any{"use": "enc", "alg": "RSA-OAEP", "kid": "enc"})
	bare := map[string]any{"alg": nil, "use": nil}
	encOfRS := jwk(t, newKey(t, "RS256"), map[string]any{"use": "enc", "kid": rs.ID()})
	type algorithms = map[string]string
	ofEd := algorithms{ed.ID(): "EdDSA"}
	for name, c := range map[string]struct {
		set       string
		algorithm string
		want      algorithms // by id
	}{
		"a key for encryption beside it": {setOf(enc, jwk(t, rs, nil)), "", algorithms{rs.ID(): "RS256"}},
		"of the same id, even":           {setOf(encOfRS, jwk(t, rs, nil)), "", algorithms{rs.ID(): "RS256"}},
		"RSA without alg":                {setOf(jwk(t, rs, bare)), "", algorithms{rs.ID(): "RS256"}},
		"RSA without alg, for PS256":     {setOf(jwk(t, rs, bare), jwk(t, ed, nil)), "PS256", algorithms{rs.ID(): "PS256", ed.ID(): "EdDSA"}},
		"RSA that says its alg":          {setOf(jwk(t, rs, nil)), "PS256", algorithms{rs.ID(): "RS256"}},
		"curves without alg":             {setOf(jwk(t, ec, bare), jwk(t, ed, bare)), "PS512", algorithms{ec.ID(): "ES256", ed.ID(): "EdDSA"}},
		"certificates and thumbprints": {setOf(jwk(t, rs, map[string]any{
			"x5c": []string{"MIIC"}, "x5t": "abc", "x5t#S256": "abc", "x5u": "https://stranger.test/", "issuer": "https://auth.test", "exp": 1,
		})), "", algorithms{rs.ID(): "RS256"}},
		"key_ops":                        {setOf(jwk(t, ed, map[string]any{"key_ops": []string{"verify"}, "use": nil})), "", ofEd},
		"a kind of the future":           {setOf(`{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AAAA"}`, jwk(t, ed, nil)), "", ofEd},
		"a curve unknown here":           {setOf(`{"kty":"EC","crv":"secp256k1","kid":"k","x":"AA","y":"AA"}`, jwk(t, ed, nil)), "", ofEd},
		"a key without id":               {setOf(jwk(t, ed, map[string]any{"kid": nil})), "", algorithms{"": "EdDSA"}},
		"members beside keys":            {`{"issuer":"https://auth.test","keys":[` + jwk(t, ed, nil) + `],"next":null}`, "", ofEd},
		"blanks and newlines":            {"\r\n {\n\t\"keys\" : [ " + jwk(t, ed, nil) + " ]\n}\n", "RS512", ofEd},
		"none left":                      {"{\n\"keys\": [ ]\n}", "", algorithms{}},
		"none left, with PS256":          {`{"keys":[]}`, "PS256", algorithms{}},
		"none left, and a member beside": {`{"keys":[],"issuer":"https://auth.test"}`, "", algorithms{}},
		"none left but for encryption":   {setOf(enc), "", algorithms{}},
		"none left but of the future":    {setOf(`{"kty":"AKP","alg":"ML-DSA-65","kid":"pq","pub":"AAAA"}`), "RS256", algorithms{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := new(origin)
				o.become(text(c.set))
				f := follow(t, o, func(cfg *jwks.FollowerConfig) { cfg.Algorithm = c.algorithm })
				require.NoError(t, f.Stats().LastError)
				require.Equal(t, len(c.want), f.Stats().Keys)
				for id, alg := range c.want {
					key, err := f.Key(t.Context(), id)
					require.NoError(t, err)
					require.Equal(t, alg, key.Algorithm())
				}
				require.ErrorIs(t, ask(f, "enc"), tokenauth.ErrUnknownKey)
				require.ErrorIs(t, ask(f, "pq"), tokenauth.ErrUnknownKey)
			})
		})
	}
}

// Thirty-two keys in 64 KiB are a set, and three redirects on https a way to it.
func TestTheBoundsThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA")
		keys := make([]string, 32)
		for i := range keys {
			keys[i] = jwk(t, key, map[string]any{"kid": fmt.Sprint(i)})
		}
		set := setOf(keys...)
		set += strings.Repeat(" ", 64<<10-len(set))
		o := new(origin)
		steps := []string{setURL, "https://cdn.test/1", "https://cdn.test/2", "https://other.test/3"}
		o.become(func(r *http.Request) (*http.Response, error) {
			if i := slices.Index(steps, r.URL.String()); i < len(steps)-1 {
				return answer(http.StatusTemporaryRedirect, http.NoBody, "Location", steps[i+1])(r)
			}
			return text(set)(r)
		})
		f := follow(t, o, nil)
		require.NoError(t, f.Stats().LastError)
		require.Equal(t, 32, f.Stats().Keys)
		require.Equal(t, 4, o.count())
	})
}
