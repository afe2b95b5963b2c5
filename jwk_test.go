package tokenauth

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys and signatures that the RFCs publish.
const (
	rfc7515HMAC = `{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`
	rfc7515EC   = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	rfc8037     = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	rfc7638     = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`

	rfc7515Claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)

func TestSignaturesOfTheRFCsVerify(t *testing.T) {
	for _, c := range []struct{ name, jwk, alg, token string }{
		{"RFC 7515 A.1", rfc7515HMAC, "HS256", "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc7515Claims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
		{"RFC 7515 A.3", rfc7515EC, "ES256", "eyJhbGciOiJFUzI1NiJ9." + rfc7515Claims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
		{"RFC 8037 A.4", rfc8037, "EdDSA", "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
	} {
		signing, err := ParseSigningKey([]byte(c.jwk))
		require.NoError(t, err, c.name)
		require.Equal(t, c.alg, signing.Algorithm())
		require.Equal(t, "", signing.ID())
		dot := strings.LastIndexByte(c.token, '.')
		sig := must(base64.RawURLEncoding.DecodeString(c.token[dot+1:]))
		require.True(t, signing.VerifyingKey().verify(c.token[:dot], sig), c.name)
	}
}

func TestThumbprintsOfTheRFCs(t *testing.T) {
	for _, c := range []struct{ name, jwk, want string }{
		{"RFC 7638, section 3.1", rfc7638, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037 A.3", `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		keys, err := ParseKeys([]byte(c.jwk))
		require.NoError(t, err)
		require.Equal(t, c.want, thumbprint(keys[0].Public()), c.name)

		// The id of the same key in PEM.
		der := must(x509.MarshalPKIXPublicKey(keys[0].Public()))
		keys, err = ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		require.NoError(t, err)
		require.Equal(t, c.want, keys[0].ID(), c.name)
	}
}

// The set of RFC 7517, appendix A.1: its first key is for encryption.
func TestSetOfTheRFC(t *testing.T) {
	keys, err := ParseKeys([]byte(`{"keys":[
		{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
		` + rfc7638 + `]}`))
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, "2011-04-29", keys[0].ID())
	require.Equal(t, "RS256", keys[0].Algorithm())
}

// A member list is a JWK in the making: nil drops a member, any other value is written as JSON.
type memberList map[string]any

func (m memberList) with(changes memberList) memberList {
	c := maps.Clone(m)
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

func (m memberList) json() string { return string(must(json.Marshal(m))) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// The public keys that the tables below change.
func publicJWKs() map[string]memberList {
	ec := func(curve elliptic.Curve) memberList {
		point := must(must(ecdsa.GenerateKey(curve, rand.Reader)).PublicKey.Bytes())
		half := len(point) / 2
		return memberList{"kty": "EC", "crv": curve.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	}
	return map[string]memberList{
		"RSA":     {"kty": "RSA", "n": b64(testRSA().N.Bytes()), "e": "AQAB"},
		"P-256":   ec(elliptic.P256()),
		"P-384":   ec(elliptic.P384()),
		"P-521":   ec(elliptic.P521()),
		"Ed25519": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	}
}

func TestPublicJWKs(t *testing.T) {
	jwks := publicJWKs()
	const leftOut = "left out"
	long := new(big.Int).Lsh(big.NewInt(1), 31)
	for _, c := range []struct {
		name    string
		key     string // of publicJWKs
		changes memberList
		want    string // the algorithm, leftOut, or a part of the error
	}{
		// Without alg: by the curve, RS256 for RSA.
		{"without alg", "RSA", nil, "RS256"},
		{"without alg", "P-256", nil, "ES256"},
		{"without alg", "P-384", nil, "ES384"},
		{"without alg", "P-521", nil, "ES512"},
		{"without alg", "Ed25519", nil, "EdDSA"},
		{"with alg", "RSA", memberList{"alg": "RS512"}, "RS512"},
		{"with alg", "RSA", memberList{"alg": "PS384"}, "PS384"},
		{"with alg", "P-256", memberList{"alg": "ES256"}, "ES256"},
		{"with alg", "Ed25519", memberList{"alg": "EdDSA"}, "EdDSA"},

		// What it is for.
		{"for signatures", "RSA", memberList{"use": "sig"}, "RS256"},
		{"for verifying", "RSA", memberList{"key_ops": []string{"verify"}}, "RS256"},
		{"for verifying, among others", "RSA", memberList{"use": "sig", "key_ops": []string{"encrypt", "verify"}}, "RS256"},
		{"for encryption", "RSA", memberList{"use": "enc"}, leftOut},
		{"for encryption, weak and ill-formed", "RSA", memberList{"use": "enc", "n": "AQ", "e": 7}, leftOut},
		{"for something else", "RSA", memberList{"use": "tls"}, leftOut},
		{"Sig is not sig", "RSA", memberList{"use": "Sig"}, leftOut},
		{"key_ops without verify", "RSA", memberList{"key_ops": []string{"encrypt", "wrapKey"}}, leftOut},
		{"key_ops empty", "RSA", memberList{"key_ops": []string{}}, leftOut},
		{"use sig, key_ops without verify", "RSA", memberList{"use": "sig", "key_ops": []string{"sign"}}, leftOut},
		{"use enc, key_ops with verify", "RSA", memberList{"use": "enc", "key_ops": []string{"verify"}}, leftOut},

		// Unknown here.
		{"unknown kind", "RSA", memberList{"kty": "AKP", "n": 7, "crv": []int{}}, leftOut},
		{"kinds are case-sensitive", "RSA", memberList{"kty": "rsa"}, leftOut},
		{"unknown curve", "P-256", memberList{"crv": "secp256k1"}, leftOut},
		{"curve P-224", "P-256", memberList{"crv": "P-224"}, leftOut},
		{"X25519", "Ed25519", memberList{"crv": "X25519"}, leftOut},
		{"Ed448", "Ed25519", memberList{"crv": "Ed448", "x": "AA"}, leftOut},
		{"a curve of another kind", "Ed25519", memberList{"crv": "P-256"}, leftOut},
		{"a curve of another kind", "P-256", memberList{"crv": "Ed25519"}, leftOut},
		{"unknown alg", "RSA", memberList{"alg": "RSA-OAEP"}, leftOut},
		{"unknown alg", "RSA", memberList{"alg": "none"}, leftOut},
		{"unknown alg", "P-256", memberList{"alg": "ECDH-ES"}, leftOut},
		{"unknown alg", "Ed25519", memberList{"alg": "Ed25519"}, leftOut},

		// Contradictions.
		{"alg of another kind", "RSA", memberList{"alg": "HS256"}, "alg does not fit"},
		{"alg of another kind", "RSA", memberList{"alg": "ES256"}, "alg does not fit"},
		{"alg of another curve", "P-256", memberList{"alg": "ES384"}, "alg does not fit"},
		{"alg of another kind", "P-256", memberList{"alg": "HS256"}, "alg does not fit"},
		{"alg of another kind", "Ed25519", memberList{"alg": "ES256"}, "alg does not fit"},

		// Private and secret members, in whatever key, for whatever use.
		{"private d", "RSA", memberList{"d": "AQ"}, "private or secret"},
		{"private p", "RSA", memberList{"p": ""}, "private or secret"},
		{"private q", "RSA", memberList{"q": "AQ"}, "private or secret"},
		{"private dp", "RSA", memberList{"dp": "AQ"}, "private or secret"},
		{"private dq", "RSA", memberList{"dq": "AQ"}, "private or secret"},
		{"private qi", "RSA", memberList{"qi": "AQ"}, "private or secret"},
		{"private oth", "RSA", memberList{"oth": []int{}}, "private or secret"},
		{"private d", "P-256", memberList{"d": "AQ"}, "private or secret"},
		{"private d", "Ed25519", memberList{"d": "AQ"}, "private or secret"},
		{"private d, for encryption", "Ed25519", memberList{"d": "AQ", "use": "enc"}, "private or secret"},
		{"private d, unknown kind", "Ed25519", memberList{"d": "AQ", "kty": "XYZ"}, "private or secret"},
		{"private priv, unknown kind", "Ed25519", memberList{"priv": "AQ", "kty": "AKP"}, "private or secret"},
		{"secret k", "RSA", memberList{"k": "AQ"}, "private or secret"},
		{"a secret", "RSA", memberList{"kty": "oct", "k": b64(make([]byte, 32)), "alg": "HS256"}, "private or secret"},
		{"a secret for encryption", "RSA", memberList{"kty": "oct", "k": b64(make([]byte, 32)), "alg": "A128KW", "use": "enc"}, "private or secret"},
		{"a secret without k", "RSA", memberList{"kty": "oct", "alg": "HS256"}, "no public key"},
		{"a secret without k and alg", "RSA", memberList{"kty": "oct"}, "needs alg"},

		// Members of the wrong type, and look-alikes.
		{"kty missing", "RSA", memberList{"kty": nil}, "kty is missing"},
		{"kty empty", "RSA", memberList{"kty": ""}, "kty: empty"},
		{"kty a number", "RSA", memberList{"kty": 1}, "kty: not a string"},
		{"use a list", "RSA", memberList{"use": []string{"sig"}}, "use: not a string"},
		{"use null", "RSA", memberList{"use": json.RawMessage("null")}, "use: not a string"},
		{"key_ops a string", "RSA", memberList{"key_ops": "verify"}, "key_ops: not an array"},
		{"key_ops with a number", "RSA", memberList{"key_ops": []any{"verify", 1}}, "key_ops: not a string"},
		{"alg empty", "RSA", memberList{"alg": ""}, "alg: empty"},
		{"alg null", "RSA", memberList{"alg": json.RawMessage("null")}, "alg: not a string"},
		{"kid a number", "RSA", memberList{"kid": 7}, "kid: not a string"},
		{"kid empty", "RSA", memberList{"kid": ""}, "kid: empty"},
		{"kid a number, for encryption", "RSA", memberList{"kid": 7, "use": "enc"}, "kid: not a string"},
		{"kid with a newline", "RSA", memberList{"kid": "a\n"}, "the id holds"},
		{"kid too long", "RSA", memberList{"kid": strings.Repeat("k", 129)}, "the id is longer"},
		{"Kty beside kty", "RSA", memberList{"Kty": "oct"}, "named like kty"},
		{"K", "RSA", memberList{"K": "AQ"}, "named like k "},
		{"the Kelvin sign", "RSA", memberList{"\u212aid": "x"}, "named like kid"},
		{"N beside n", "RSA", memberList{"N": "AQ"}, "named like n "},
		{"Use", "RSA", memberList{"Use": "sig"}, "named like use"},
		{"unknown members", "RSA", memberList{"x5c": []string{"MII"}, "x5u": "https://example.com", "x5t": "AA", "exp": 1, "keys": 7, "ext": true}, "RS256"},

		// Material.
		{"n missing", "RSA", memberList{"n": nil}, "n is missing"},
		{"e missing", "RSA", memberList{"e": nil}, "e is missing"},
		{"n a number", "RSA", memberList{"n": 7}, "n: not a string"},
		{"n empty", "RSA", memberList{"n": ""}, "n is empty"},
		{"n with a leading zero", "RSA", memberList{"n": b64(append([]byte{0}, testRSA().N.Bytes()...))}, "leading zeros"},
		{"n padded", "RSA", memberList{"n": base64.URLEncoding.EncodeToString(testRSA().N.Bytes())}, "n: not canonical"},
		{"n in the standard alphabet", "RSA", memberList{"n": "+" + b64(testRSA().N.Bytes())[1:]}, "n: not canonical"},
		{"n with spare bits", "RSA", memberList{"n": withSpareBits(b64(testRSA().N.Bytes()))}, "n: not canonical"},
		{"n with a newline", "RSA", memberList{"n": "\n" + b64(testRSA().N.Bytes())}, "n: not canonical"},
		{"n of 2047 bits", "RSA", memberList{"n": b64(modulus(2047).Bytes())}, "shorter than 2048"},
		{"n of 4097 bits", "RSA", memberList{"n": b64(modulus(4097).Bytes())}, "longer than 4096"},
		{"n even", "RSA", memberList{"n": b64(new(big.Int).Lsh(modulus(2048), 1).Bytes())}, "even"},
		{"e = 1", "RSA", memberList{"e": "AQ"}, "exponent"},
		{"e = 3", "RSA", memberList{"e": "Aw"}, "RS256"},
		{"e even", "RSA", memberList{"e": "AQAA"}, "exponent"},
		{"e with a leading zero", "RSA", memberList{"e": "AAEAAQ"}, "leading zeros"},
		{"e = 2^31", "RSA", memberList{"e": b64(long.Bytes())}, "larger than 2^31-1"},
		{"e = 2^64+65537", "RSA", memberList{"e": b64(append([]byte{1, 0, 0, 0, 0}, 0, 1, 0, 1))}, "larger than 2^31-1"},
		{"crv missing", "P-256", memberList{"crv": nil}, "crv is missing"},
		{"crv a number", "P-256", memberList{"crv": 256}, "crv: not a string"},
		{"x missing", "P-256", memberList{"x": nil}, "x is missing"},
		{"y missing", "P-256", memberList{"y": nil}, "y is missing"},
		{"x one byte short", "P-256", memberList{"x": b64(make([]byte, 31))}, "x is not 32 bytes long"},
		{"y one byte long", "P-521", memberList{"y": b64(make([]byte, 67))}, "y is not 66 bytes long"},
		{"off the curve", "P-384", memberList{"x": b64(make([]byte, 48))}, "no point"},
		{"infinity", "P-256", memberList{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}, "no point"},
		{"x of another curve", "P-384", memberList{"x": jwks["P-256"]["x"]}, "x is not 48 bytes long"},
		{"x missing", "Ed25519", memberList{"x": nil}, "x is missing"},
		{"x short", "Ed25519", memberList{"x": b64(make([]byte, 31))}, "x is not 32 bytes long"},
		{"x of small order", "Ed25519", memberList{"x": b64(make([]byte, 32))}, "small order"},
		{"x not canonical", "Ed25519", memberList{"x": b64(bytes.Repeat([]byte{0xff}, 32))}, "not encoded canonically"},
	} {
		name := c.key + ", " + c.name
		other := memberList{"kty": "OKP", "crv": "Ed25519", "kid": "other", "x": b64(must(generateFor("EdDSA")).(ed25519.PrivateKey)[32:])}
		jwk := jwks[c.key].with(c.changes)
		for form, text := range map[string]string{
			"alone":    jwk.json(),
			"in a set": fmt.Sprintf(`{"keys":[%s,%s]}`, other.json(), jwk.json()),
		} {
			if _, isSet := jwk["keys"]; isSet && form == "alone" {
				continue
			}
			keys, err := ParseKeys([]byte(text))
			switch {
			case c.want == leftOut && form == "alone":
				require.ErrorContains(t, err, "there is no key", name)
			case c.want == leftOut:
				require.NoError(t, err, name)
				require.Len(t, keys, 1, name)
				require.Equal(t, "other", keys[0].ID())
			case isAlgorithm(c.want):
				require.NoError(t, err, name)
				require.Equal(t, c.want, keys[len(keys)-1].Algorithm(), name)
			default:
				require.ErrorContains(t, err, c.want, name)
				require.Nil(t, keys, "all or nothing")
			}
		}
	}
}

// withSpareBits spells the same bytes in another way, as a lenient decoder takes it.
func withSpareBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last+1])
}

func TestSetsOfKeys(t *testing.T) {
	ed := publicJWKs()["Ed25519"]
	rsaJWK := publicJWKs()["RSA"]
	key := func(id string) string {
		return ed.with(memberList{"kid": id, "x": b64(must(generateFor("EdDSA")).(ed25519.PrivateKey)[32:])}).json()
	}
	many := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = key(fmt.Sprint("k", i))
		}
		return `{"keys":[` + strings.Join(list, ",") + `]}`
	}
	for _, c := range []struct {
		name, text string
		want       string // "": accepted
		keys       int
	}{
		{"two", `{"keys":[` + key("a") + `,` + key("b") + `]}`, "", 2},
		{"blanks around", " \r\n\t{ \"keys\" : [ " + key("a") + " ] } \n", "", 1},
		{"unknown members of the set", `{"x":1,"keys":[` + key("a") + `],"n":{},"next":"https://example.com"}`, "", 1},
		{"several without id", `{"keys":[` + ed.json() + `,` + rsaJWK.json() + `]}`, "", 2},
		{"64 keys", many(64), "", 64},
		{"65 keys", many(65), "more than 64 keys", 0},
		{"an id twice", `{"keys":[` + key("a") + `,` + key("b") + `,` + key("a") + `]}`, "same id", 0},
		{"an id twice, of two kinds", `{"keys":[` + key("a") + `,` + rsaJWK.with(memberList{"kid": "a"}).json() + `]}`, "same id", 0},
		{"an id twice, one left out", `{"keys":[` + key("a") + `,` + rsaJWK.with(memberList{"kid": "a", "use": "enc"}).json() + `]}`, "", 1},
		{"an id in escapes twice", `{"keys":[` + key("a") + `,` + strings.Replace(key("a"), `"kid":"a"`, `"kid":"\u0061"`, 1) + `]}`, "same id", 0},
		{"empty", `{"keys":[]}`, "there is no key", 0},
		{"all left out", `{"keys":[` + rsaJWK.with(memberList{"use": "enc"}).json() + `]}`, "there is no key", 0},
		{"keys is no array", `{"keys":{}}`, "not an array", 0},
		{"keys null", `{"keys":null}`, "not an array", 0},
		{"a key that is no object", `{"keys":[` + key("a") + `,7]}`, "key 2: not an object", 0},
		{"keys twice", `{"keys":[` + key("a") + `],"keys":[]}`, "duplicate member", 0},
		{"Keys beside keys", `{"keys":[` + key("a") + `],"Keys":[]}`, "named like keys", 0},
		{"a key and a set in one", `{"keys":[` + key("a") + `],"kty":"oct"}`, "in one", 0},
		{"a secret beside the set", `{"keys":[` + key("a") + `],"k":"AQ"}`, "in one", 0},
		{"a member twice in a key", `{"keys":[` + strings.Replace(key("a"), `"crv"`, `"kid":"b","crv"`, 1) + `]}`, "duplicate member", 0},
		{"a member twice in a part that is ignored", `{"keys":[` + key("a") + `],"z":{"a":1,"a":1}}`, "duplicate member", 0},
		{"text behind", `{"keys":[` + key("a") + `]} x`, "text after the value", 0},
		{"cut", `{"keys":[` + key("a") + `]`, "ends too early", 0},
		{"a comment", `{"keys":[` + key("a") + `,/* b */]}`, "", -1},
		{"a byte order mark", "\ufeff" + `{"keys":[` + key("a") + `]}`, "neither", 0},
		{"invalid UTF-8", `{"z":"` + "\xff" + `","keys":[` + key("a") + `]}`, "UTF-8", 0},
		{"a list", `[` + key("a") + `]`, "neither", 0},
		{"nothing", ``, "neither", 0},
		{"blanks", " \n", "neither", 0},
		{"null", `null`, "neither", 0},
		{"64 KiB", many(2) + strings.Repeat(" ", 64<<10-len(many(2))), "", 2},
		{"more than 64 KiB", many(2) + strings.Repeat(" ", 64<<10), "more than 65536 bytes", 0},
	} {
		keys, err := ParseKeys([]byte(c.text))
		if c.want == "" && c.keys >= 0 {
			require.NoError(t, err, c.name)
			require.Len(t, keys, c.keys, c.name)
		} else {
			require.ErrorContains(t, err, c.want, c.name)
			require.Nil(t, keys, c.name)
		}
	}
}

func TestRevealedKeysComeBack(t *testing.T) {
	const input = "a.b"
	for _, alg := range allAlgorithms {
		for _, id := range []string{"", "k1", `quote " and backslash \`} {
			signing := must(NewSigningKey(id, alg, testPrivate(alg)))
			text, err := signing.RevealJWK()
			require.NoError(t, err)
			require.True(t, json.Valid(text))

			back, err := ParseSigningKey(text)
			require.NoError(t, err, "%s: %s", alg, id)
			require.Equal(t, id, back.ID())
			require.Equal(t, alg, back.Algorithm())
			require.Equal(t, signing.VerifyingKey().fingerprint(), back.VerifyingKey().fingerprint())
			require.Equal(t, string(text), string(must(back.RevealJWK())))
			require.True(t, signing.VerifyingKey().verify(input, must(back.sign(input))))

			_, err = ParseKeys(text)
			require.ErrorContains(t, err, "private or secret", "never among public keys")
		}
	}
}

// The members are those of RFC 7518, section 6, and RFC 8037, at the lengths they ask for.
func TestRevealedMembers(t *testing.T) {
	members := func(alg string) map[string]string {
		var m map[string]string
		require.NoError(t, json.Unmarshal(must(must(NewSigningKey("k", alg, testPrivate(alg))).RevealJWK()), &m))
		return m
	}
	for alg, want := range map[string][]string{
		"HS256": {"kty", "k"},
		"ES256": {"kty", "crv", "x", "y", "d"},
		"ES512": {"kty", "crv", "x", "y", "d"},
		"EdDSA": {"kty", "crv", "x", "d"},
		"PS256": {"kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"},
	} {
		m := members(alg)
		require.ElementsMatch(t, append(want, "kid", "alg", "use"), slices.Collect(maps.Keys(m)), alg)
		require.Equal(t, "sig", m["use"])
		require.Equal(t, alg, m["alg"])
	}
	for range 20 { // leading zeros are there
		m := members("ES512")
		for _, name := range []string{"x", "y", "d"} {
			require.Len(t, m[name], 88, "66 bytes")
		}
	}
}

// privateJWKs are the private keys that the table below changes.
func privateJWKs() map[string]memberList {
	lists := map[string]memberList{}
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "ES512", "EdDSA"} {
		var m memberList
		if err := json.Unmarshal(must(must(NewSigningKey("k", alg, testPrivate(alg))).RevealJWK()), &m); err != nil {
			panic(err)
		}
		lists[alg] = m
	}
	return lists
}

func TestPrivateJWKs(t *testing.T) {
	jwks, others := privateJWKs(), privateJWKs()
	var otherRSA memberList
	require.NoError(t, json.Unmarshal(must(must(NewSigningKey("k", "RS256", otherTestRSA())).RevealJWK()), &otherRSA))
	n256 := elliptic.P256().Params().N
	for _, c := range []struct {
		name    string
		key     string
		changes memberList
		want    string // the algorithm, or a part of the error
	}{
		{"as revealed", "RS256", nil, "RS256"},
		{"without alg", "RS256", memberList{"alg": nil}, "RS256"},
		{"without alg", "ES512", memberList{"alg": nil}, "ES512"},
		{"without alg", "EdDSA", memberList{"alg": nil}, "EdDSA"},
		{"without alg", "HS256", memberList{"alg": nil}, "a secret needs alg"},
		{"another alg", "PS256", memberList{"alg": "RS384"}, "RS384"},
		{"an alg that asks for more", "HS256", memberList{"alg": "HS512"}, "shorter than 64 bytes"},
		{"alg of another kind", "HS256", memberList{"alg": "RS256"}, "alg does not fit"},
		{"alg of another curve", "ES256", memberList{"alg": "ES512"}, "alg does not fit"},
		{"unknown alg", "HS256", memberList{"alg": "A128KW"}, "unknown here"},
		{"unknown kind", "HS256", memberList{"kty": "AKP"}, "unknown here"},
		{"unknown curve", "EdDSA", memberList{"crv": "Ed448"}, "unknown here"},
		{"for encryption", "HS256", memberList{"use": "enc"}, "not for signing"},
		{"for verifying only", "HS256", memberList{"key_ops": []string{"verify"}}, "not for signing"},
		{"for signing", "HS256", memberList{"key_ops": []string{"sign", "verify"}}, "HS256"},

		{"k missing", "HS256", memberList{"k": nil}, "k is missing"},
		{"k short", "HS256", memberList{"k": b64(make([]byte, 31))}, "shorter than 32 bytes"},
		{"k zero", "HS256", memberList{"k": b64(make([]byte, 32))}, "all zero"},
		{"k padded", "HS256", memberList{"k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE="}, "k: not canonical"},
		{"d missing", "EdDSA", memberList{"d": nil}, "d is missing"},
		{"d short", "EdDSA", memberList{"d": b64(make([]byte, 31))}, "d is not 32 bytes long"},
		{"d of another", "EdDSA", memberList{"d": others["EdDSA"]["d"]}, "x does not match d"},
		{"x of another", "EdDSA", memberList{"x": others["EdDSA"]["x"]}, "x does not match d"},
		{"x missing", "EdDSA", memberList{"x": nil}, "x is missing"},
		{"d missing", "ES256", memberList{"d": nil}, "d is missing"},
		{"d of another", "ES256", memberList{"d": others["ES256"]["d"]}, "do not match d"},
		{"d zero", "ES256", memberList{"d": b64(make([]byte, 32))}, "out of range"},
		{"d = n", "ES256", memberList{"d": b64(n256.Bytes())}, "out of range"},
		{"d long", "ES512", memberList{"d": b64(make([]byte, 67))}, "d is not 66 bytes long"},
		{"x and y of another", "ES256", memberList{"x": others["ES256"]["x"], "y": others["ES256"]["y"]}, "do not match d"},
		{"y missing", "ES256", memberList{"y": nil}, "y is missing"},
		{"d missing", "RS256", memberList{"d": nil}, "d is missing"},
		{"p missing", "RS256", memberList{"p": nil}, "p is missing"},
		{"dp missing", "RS256", memberList{"dp": nil}, "dp is missing"},
		{"only n, e and d", "RS256", memberList{"p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil}, "is missing"},
		{"n of another", "RS256", memberList{"n": otherRSA["n"]}, "does not match"},
		{"e of another", "RS256", memberList{"e": "Aw"}, "does not match"},
		{"d of another", "RS256", memberList{"d": otherRSA["d"]}, "match"},
		{"p of another", "RS256", memberList{"p": otherRSA["p"]}, "does not match"},
		{"dp of another", "RS256", memberList{"dp": otherRSA["dp"]}, "dp does not match"},
		{"dq of another", "RS256", memberList{"dq": otherRSA["dq"]}, "dq does not match"},
		{"qi of another", "RS256", memberList{"qi": otherRSA["qi"]}, "qi does not match"},
		{"p = 1, q = n", "RS256", memberList{"p": "AQ", "q": jwks["RS256"]["n"]}, "out of range"},
		{"more primes", "RS256", memberList{"oth": []any{}}, "more than two primes"},
		{"d with a leading zero", "RS256", memberList{"d": b64(append([]byte{0}, testRSA().D.Bytes()...))}, "leading zeros"},
		{"n of 1024 bits", "RS256", memberList{"n": b64(modulus(1024).Bytes())}, "shorter than 2048"},
		{"n of 8192 bits", "RS256", memberList{"n": b64(modulus(8192).Bytes())}, "longer than 4096"},
		{"a public key", "ES256", memberList{"d": nil}, "d is missing"},
		{"D", "ES256", memberList{"D": "AQ"}, "named like d "},
	} {
		signing, err := ParseSigningKey([]byte(jwks[c.key].with(c.changes).json()))
		if isAlgorithm(c.want) {
			require.NoError(t, err, "%s, %s", c.key, c.name)
			require.Equal(t, c.want, signing.Algorithm())
			require.Equal(t, "k", signing.ID())
		} else {
			require.ErrorContains(t, err, c.want, "%s, %s", c.key, c.name)
			require.True(t, signing.isZero())
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"a set", `{"keys":[` + jwks["EdDSA"].json() + `]}`, "a set of keys"},
		{"a member twice", strings.Replace(jwks["EdDSA"].json(), `"crv"`, `"alg":"EdDSA","crv"`, 1), "duplicate member"},
		{"text behind", jwks["EdDSA"].json() + "x", "text after the value"},
		{"nothing", "", "neither a JSON object nor PEM"},
		{"more than 8 KiB", jwks["EdDSA"].json() + strings.Repeat(" ", 8<<10), "more than 8192 bytes"},
		{"an array", "[]", "neither a JSON object nor PEM"},
		{"cut", jwks["EdDSA"].json()[:60], "ends too early"},
	} {
		_, err := ParseSigningKey([]byte(c.text))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// block returns a PEM block of DER.
func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestPublicPEM(t *testing.T) {
	pkix := func(public any) []byte { return must(x509.MarshalPKIXPublicKey(public)) }
	private := map[string]crypto.Signer{}
	for _, alg := range []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		private[alg] = testPrivate(alg).(crypto.Signer)
	}
	for alg, signer := range private {
		keys, err := ParseKeys([]byte(block("PUBLIC KEY", pkix(signer.Public()))))
		require.NoError(t, err, alg)
		require.Len(t, keys, 1)
		require.Equal(t, alg, keys[0].Algorithm())
		require.Equal(t, thumbprint(signer.Public()), keys[0].ID())
		sig := must(must(NewSigningKey("", alg, signer)).sign("a.b"))
		require.True(t, keys[0].verify("a.b", sig))
	}

	r, e := block("PUBLIC KEY", pkix(private["RS256"].Public())), block("PUBLIC KEY", pkix(private["EdDSA"].Public()))
	pkcs1 := block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testRSA().PublicKey))
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	smallOrder := slices.Concat(pkix(private["EdDSA"].Public())[:12], make([]byte, 32))
	withHeaders := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: pkix(private["EdDSA"].Public())}))
	var many strings.Builder
	for range 65 {
		many.WriteString(block("PUBLIC KEY", pkix(must(generateFor("EdDSA")).(ed25519.PrivateKey).Public())))
	}
	for _, c := range []struct {
		name, text string
		want       string // "": accepted
		keys       int
	}{
		{"PKCS #1", pkcs1, "", 1},
		{"two, with words between", "one:\n" + r + "\ntwo:\n" + e + "end\n", "", 2},
		{"CRLF", strings.ReplaceAll(r, "\n", "\r\n"), "", 1},
		{"one key twice", r + e + pkcs1, "same id", 0},
		{"a private key, PKCS #8", block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private["EdDSA"]))), "it is a private key", 0},
		{"a private key among public ones", r + block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA())), "PEM block 2: it is a private key", 0},
		{"an encrypted private key", block("ENCRYPTED PRIVATE KEY", nil), "it is a private key", 0},
		{"a private key called public", block("PUBLIC KEY", must(x509.MarshalPKCS8PrivateKey(private["EdDSA"]))), "no public key", 0},
		{"a certificate", block("CERTIFICATE", testCertificate(t)), "it is a certificate", 0},
		{"another block", block("DH PARAMETERS", nil), "neither PUBLIC KEY", 0},
		{"headers", withHeaders, "headers", 0},
		{"weak RSA", block("PUBLIC KEY", pkix(weak.Public())), "shorter than 2048", 0},
		{"large RSA", block("PUBLIC KEY", pkix(&rsa.PublicKey{N: modulus(8192), E: 65537})), "longer than 4096", 0},
		{"P-224", block("PUBLIC KEY", pkix(p224.Public())), "no algorithm here", 0},
		{"X25519", block("PUBLIC KEY", pkix(x25519.PublicKey())), "no algorithm here", 0},
		{"Ed25519 of small order", block("PUBLIC KEY", smallOrder), "small order", 0},
		{"PKCS #1 called PKIX", block("PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testRSA().PublicKey)), "no public key", 0},
		{"bytes behind the DER", block("PUBLIC KEY", append(pkix(private["EdDSA"].Public()), 0)), "no public key", 0},
		{"no DER", block("PUBLIC KEY", nil), "no public key", 0},
		{"a damaged block among good ones", r + strings.Replace(e, "MC", "M*", 1) + pkcs1, "damaged", 0},
		{"a block without end", r + e[:len(e)-10], "damaged", 0},
		{"65 blocks", many.String(), "more than 64", 0},
	} {
		keys, err := ParseKeys([]byte(c.text))
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.Len(t, keys, c.keys, c.name)
		} else {
			require.ErrorContains(t, err, c.want, c.name)
			require.Nil(t, keys)
		}
	}
}

func TestPrivatePEM(t *testing.T) {
	ec := must(generateFor("ES384")).(*ecdsa.PrivateKey)
	ed := must(generateFor("EdDSA")).(ed25519.PrivateKey)
	pkcs8 := func(private any) []byte { return must(x509.MarshalPKCS8PrivateKey(private)) }
	sec1 := block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ec)))
	for _, c := range []struct {
		name, text string
		alg        string
		public     crypto.PublicKey
	}{
		{"RSA, PKCS #8", block("PRIVATE KEY", pkcs8(testRSA())), "RS256", testRSA().Public()},
		{"RSA, PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testRSA())), "RS256", testRSA().Public()},
		{"EC, PKCS #8", block("PRIVATE KEY", pkcs8(ec)), "ES384", ec.Public()},
		{"EC, SEC 1", sec1, "ES384", ec.Public()},
		{"EC, as openssl ecparam writes it", block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}) + sec1, "ES384", ec.Public()},
		{"Ed25519", block("PRIVATE KEY", pkcs8(ed)), "EdDSA", ed.Public()},
	} {
		signing, err := ParseSigningKey([]byte(c.text))
		require.NoError(t, err, c.name)
		require.Equal(t, c.alg, signing.Algorithm(), c.name)
		require.Equal(t, thumbprint(c.public), signing.ID(), c.name)
		require.True(t, must(NewKey("", c.alg, c.public)).verify("a.b", must(signing.sign("a.b"))), c.name)

		back, err := ParseSigningKey(must(signing.RevealJWK()))
		require.NoError(t, err, c.name)
		require.Equal(t, signing.VerifyingKey().fingerprint(), back.VerifyingKey().fingerprint())
	}

	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: make([]byte, 64)}))
	badRSA := *testRSA()
	badRSA.D = new(big.Int).Add(badRSA.D, big.NewInt(2))
	for _, c := range []struct{ name, text, want string }{
		{"encrypted, PKCS #8", block("ENCRYPTED PRIVATE KEY", make([]byte, 64)), "encrypted"},
		{"encrypted, as PEM once did", encrypted, "encrypted"},
		{"two keys", block("PRIVATE KEY", pkcs8(ed)) + sec1, "not one PEM block"},
		{"parameters only", block("EC PARAMETERS", nil), "not one PEM block"},
		{"a public key", block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ed.Public()))), "none of PRIVATE KEY"},
		{"OpenSSH", block("OPENSSH PRIVATE KEY", nil), "none of PRIVATE KEY"},
		{"weak RSA", block("PRIVATE KEY", pkcs8(weak)), "shorter than 2048"},
		{"RSA whose halves do not match", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(&badRSA)), "no private key"},
		{"P-224", block("PRIVATE KEY", pkcs8(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)))), "no algorithm here"},
		{"X25519", block("PRIVATE KEY", pkcs8(must(ecdh.X25519().GenerateKey(rand.Reader)))), "no private key"},
		{"EC called RSA", block("RSA PRIVATE KEY", must(x509.MarshalECPrivateKey(ec))), "no private key"},
		{"damaged", strings.Replace(sec1, "MI", "M*", 1), "damaged"},
		{"no DER", block("PRIVATE KEY", nil), "no private key"},
	} {
		_, err := ParseSigningKey([]byte(c.text))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// The checks of a private RSA key take time by the third power of its size, so that the size is looked at first. Without that
// crypto/x509 computes for many minutes on the PEM keys here.
func TestSizeOfPrivateRSAKeysComesFirst(t *testing.T) {
	huge, three := modulus(40000), big.NewInt(3)
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: huge, E: 65537}, D: huge, Primes: []*big.Int{huge, huge}}
	_, err := NewSigningKey("", "RS256", key)
	require.ErrorContains(t, err, "longer than 4096 bits")

	n := b64(modulus(20000).Bytes())
	text := memberList{"kty": "RSA", "n": n, "e": "AQAB", "d": "Aw", "p": n, "q": "Aw", "dp": "Aw", "dq": "Aw", "qi": "Aw"}.json()
	_, err = ParseSigningKey([]byte(text))
	require.ErrorContains(t, err, "longer than 4096 bits")

	type pkcs1 struct {
		Version int
		N       *big.Int
		E       int
		D, P, Q *big.Int
	}
	type pkcs8 struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	rsaEncryption := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}
	for name, c := range map[string]pkcs1{
		"n": {0, huge, 65537, three, three, three},
		"d": {0, modulus(4096), 65537, huge, three, three},
		"p": {0, modulus(4096), 65537, three, huge, three},
		"q": {0, modulus(4096), 65537, three, three, huge},
	} {
		der := must(asn1.Marshal(c))
		_, err = ParseSigningKey([]byte(block("RSA PRIVATE KEY", der)))
		require.ErrorContains(t, err, "longer than 4096 bits", name)
		_, err = ParseSigningKey([]byte(block("PRIVATE KEY", must(asn1.Marshal(pkcs8{0, rsaEncryption, der})))))
		require.ErrorContains(t, err, "longer than 4096 bits", name)
	}
}

// FuzzParseKeys: whatever comes in, what comes out is a set of keys that NewKey would make, and that no private key is part of.
func FuzzParseKeys(f *testing.F) {
	ed := publicJWKs()["Ed25519"]
	f.Add([]byte(rfc7638))
	f.Add([]byte(rfc8037))
	f.Add([]byte(rfc7515EC))
	f.Add([]byte(rfc7515HMAC))
	f.Add([]byte(`{"keys":[` + rfc7638 + `,` + ed.json() + `,{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","use":"sig","key_ops":["verify"],"kid":"ec"}]}`))
	f.Add([]byte(block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(must(ParseKeys([]byte(rfc7638)))[0].Public())))))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeys(data)
		if err != nil {
			require.Nil(t, keys)
			require.True(t, strings.HasPrefix(err.Error(), "tokenauth: keys: "))
			return
		}
		require.NotEmpty(t, keys)
		require.LessOrEqual(t, len(keys), maxKeys)
		require.LessOrEqual(t, len(data), maxKeysText)
		ids := map[string]bool{}
		for _, k := range keys {
			require.NotNil(t, k.Public(), "no secret")
			require.False(t, ids[k.ID()] && k.ID() != "", "an id twice")
			ids[k.ID()] = true

			again, err := NewKey(k.ID(), k.Algorithm(), k.Public())
			require.NoError(t, err)
			require.Equal(t, k.fingerprint(), again.fingerprint())

			// Written as JWK it is the same key.
			text := appendText(appendPublic([]byte("{"), k.Public()), "alg", k.Algorithm())
			if k.ID() != "" {
				text = appendText(text, "kid", k.ID())
			}
			reread, err := ParseKeys(append(text, '}'))
			require.NoError(t, err)
			require.Equal(t, k.fingerprint(), reread[0].fingerprint())
		}
		_, err = ParseSigningKey(data)
		require.Error(t, err, "nothing is both public and private")
	})
}
