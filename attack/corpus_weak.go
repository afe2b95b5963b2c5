package attack

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
)

// Attacks on keys: what is too short, what everybody knows, what is no key at all, and sets of keys that say two things at once.
// Where such a key can sign, the token is signed with it: whoever takes the key accepts the token.

// addWeakKeys offers one key that should never be trusted.
func (c *corpus) addWeakKeys() {
	c.addWeakSecrets()
	c.addWeakRSA()
	c.addWeakECDSA()
	c.addWeakEd25519()
	c.addWrongKinds()
}

// offer adds a row for a key that is refused, or not, and a token.
func (c *corpus) offer(name, source string, rule Rule, alg, want string, material any, token func(f forge) string) {
	c.add(attempt{
		name: name, source: source, rule: rule, want: want, algorithms: []string{alg}, token: token,
		setup: func(_ forge, a *Authority) { a.Keys = []Key{{ID: KeyID, Algorithm: alg, Material: material}} },
	})
}

func (c *corpus) addWeakSecrets() {
	random := c.keys.trusted("HS512").private.([]byte)
	offer := func(name, source string, rule Rule, alg, want string, secret []byte) {
		c.offer(name, source, rule, alg, want, secret, func(forge) string { return guess(alg, secret).good(base()) })
	}
	for _, row := range []struct {
		alg  string
		size int
	}{
		{"HS256", 1}, {"HS256", 8}, {"HS256", 16}, {"HS256", 31}, {"HS384", 32}, {"HS384", 47}, {"HS512", 32}, {"HS512", 48}, {"HS512", 63},
	} {
		offer("a secret of "+big.NewInt(int64(row.size)).String()+" bytes", "RFC 7518 3.2", Required, row.alg, KeyRefused, random[:row.size])
	}
	offer("no secret", "CVE-2019-20933; RFC 7518 3.2", Required, "HS256", KeyRefused, []byte{})
	offer("the word secret", "RFC 7518 3.2; RFC 8725 3.5", Required, "HS256", KeyRefused, []byte("secret"))
	offer("your-256-bit-secret", "RFC 7518 3.2; RFC 8725 3.5", Required, "HS256", KeyRefused, []byte("your-256-bit-secret"))
	offer("32 zero bytes", "RFC 8725 3.5", Prudent, "HS256", KeyRefused, make([]byte, 32))
	offer("64 zero bytes", "RFC 8725 3.5", Prudent, "HS512", KeyRefused, make([]byte, 64))
	offer("a secret of 1025 bytes", "bounded work", House, "HS256", KeyRefused, bytes.Repeat(random, 17)[:1025])
	for _, alg := range publicKeyed {
		f := c.keys.trusted(alg)
		for _, form := range publicForms() {
			switch form.name {
			case "PEM", "PEM without the last line feed", "PEM with CRLF", "PEM on one line", "PEM with a blank before", "PKCS #1 PEM",
				"PKCS #1 DER", "DER", "a certificate in PEM", "a certificate in DER", "a JWK", "a JWK with alg, kid and use":
				if slices.Contains(form.algorithms, alg) && alg != "PS256" {
					offer("the public "+alg+" key for a secret, as "+form.name, "RFC 8725 2.1", Prudent, "HS256", KeyRefused, form.encode(f.public()))
				}
			}
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(c.keys.trusted("EdDSA").private)
	if err != nil {
		panic(err)
	}
	offer("a private key in PEM for a secret", "RFC 8725 3.1", Prudent, "HS256", KeyRefused,
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		offer("a secret as long as the hash", "RFC 7518 3.2", Required, alg, OK, random[:hashOf(alg).Size()])
	}
	offer("a secret of 1024 bytes", "RFC 7518 3.2", Required, "HS256", OK, bytes.Repeat(random, 16))
	offer("a secret with one byte that is not zero", "RFC 7518 3.2", Required, "HS256", OK, append(make([]byte, 31), 1))
}

func (c *corpus) addWeakRSA() {
	for _, alg := range []string{"RS256", "PS256"} {
		for _, row := range []struct {
			name string
			key  *rsaKey
		}{{"1024 bits", c.keys.short1024}, {"2047 bits", c.keys.short2047}} {
			c.offer("RSA of "+row.name, "RFC 7518 3.3, 3.5", Required, alg, KeyRefused, &row.key.PublicKey,
				func(f forge) string { return forge{f.alg, f.kid, row.key}.good(base()) })
		}
		n := c.keys.rsa.N
		even := new(big.Int).Sub(n, big.NewInt(1))
		beyond := int64(1<<31 + 1) // below zero where an int has 32 bits
		for _, row := range []struct {
			name string
			rule Rule
			key  *rsa.PublicKey
			sign func(message []byte) []byte // what verifies by that key; nil: what the trusted key signs
		}{
			{"exponent 1", Required, &rsa.PublicKey{N: n, E: 1}, func(m []byte) []byte { return m }},
			{"exponent 0", Required, &rsa.PublicKey{N: n, E: 0}, nil},
			{"exponent -1", House, &rsa.PublicKey{N: n, E: -1}, nil},
			{"exponent 2", Required, &rsa.PublicKey{N: n, E: 2}, nil},
			{"an even exponent", Required, &rsa.PublicKey{N: n, E: 65536}, nil},
			{"an exponent of 32 bits", House, &rsa.PublicKey{N: n, E: int(beyond)}, nil},
			{"an even modulus", Required, &rsa.PublicKey{N: even, E: 65537}, nil},
			{"modulus 1", Required, &rsa.PublicKey{N: big.NewInt(1), E: 65537}, nil},
			{"modulus 0", House, &rsa.PublicKey{N: big.NewInt(0), E: 65537}, nil},
			{"a negative modulus", House, &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}, nil},
			{"no modulus", House, &rsa.PublicKey{E: 65537}, nil},
			{"a nil pointer", House, nil, nil},
			{"4097 bits", House, &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 4097), big.NewInt(1)), E: 65537}, nil},
			{"16384 bits", House, &rsa.PublicKey{N: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 16384), big.NewInt(1)), E: 65537}, nil},
		} {
			c.offer("RSA with "+row.name, "RFC 8017 3.1, RFC 8725 3.4", row.rule, alg, KeyRefused, row.key, func(f forge) string {
				if row.sign == nil {
					return f.good(base())
				}
				input, hash := inputOf(f), hashOf(f.alg)
				message := pkcs1{hash: hash}.encode(digest(hash, input), c.keys.rsa.size())
				if f.alg == "PS256" {
					message = pss{hash: hash}.encode(digest(hash, input), c.keys.rsa.N.BitLen())
				}
				return input + "." + segment(row.sign(message))
			})
		}
		c.offer("RSA of 2048 bits", "RFC 7518 3.3, 3.5", Required, alg, OK, &c.keys.rsa.PublicKey, nil)
	}
}

func (c *corpus) addWeakECDSA() {
	good := c.keys.trusted("ES256").private.(*ecdsa.PrivateKey)
	x, y := coordinates(&good.PublicKey)
	on := func(curve elliptic.Curve, x, y *big.Int) *ecdsa.PublicKey {
		return &ecdsa.PublicKey{Curve: curve, X: x, Y: y} //nolint:staticcheck // SA1019: deprecated because they can make a broken key, which is what is wanted here
	}
	at := func(x, y *big.Int) *ecdsa.PublicKey { return on(elliptic.P256(), x, y) }
	gx, gy := new(big.Int).SetBytes(x), new(big.Int).SetBytes(y)
	p := elliptic.P256().Params().P
	for _, row := range []struct {
		name string
		rule Rule // House: what no text of a key decodes to, so that only a program can hand it over
		key  *ecdsa.PublicKey
	}{
		{"a point beside the curve", Required, at(gx, new(big.Int).Add(gy, big.NewInt(1)))},
		{"the point at infinity, as zeros", Required, at(big.NewInt(0), big.NewInt(0))},
		{"a coordinate beyond the prime", Required, at(new(big.Int).Add(gx, p), gy)},
		{"a negative coordinate", House, at(new(big.Int).Neg(gx), gy)},
		{"coordinates swapped", Required, at(gy, gx)},
		{"no coordinates", House, at(nil, nil)},
		{"no y", House, at(gx, nil)},
		{"no curve", House, on(nil, gx, gy)},
		{"the curve P-224", Required, &ecdsaKey(elliptic.P224(), bytes.Repeat([]byte{7}, 28)).PublicKey},
		{"a point of P-384", Required, c.keys.trusted("ES384").public().(*ecdsa.PublicKey)},
		{"the coordinates on P-384", Required, on(elliptic.P384(), gx, gy)},
		{"a curve of one's own with the same name", House, on(ownCurve(), gx, gy)},
		{"a nil pointer", House, nil},
	} {
		c.offer("ECDSA with "+row.name, "RFC 7518 6.2, RFC 8725 3.4; CVE-2020-0601", row.rule, "ES256", KeyRefused, row.key, nil)
	}
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		c.offer("ECDSA on its curve", "RFC 7518 3.4", Required, alg, OK, c.keys.trusted(alg).public(), nil)
	}
}

// ownCurve is P-256 with another base point, of which whoever chose it knows the logarithm: CVE-2020-0601.
func ownCurve() elliptic.Curve {
	params := *elliptic.P256().Params()
	params.Gy = new(big.Int).Sub(params.P, params.Gy)
	return &params
}

func (c *corpus) addWeakEd25519() {
	// Eight points have an order below nine (their y in hexadecimal, little-endian); with them as the key, R the neutral element and
	// S zero are the signature of every text whose hash is a multiple of the order, and with the neutral element of every text.
	neutral := append([]byte{1}, make([]byte, 31)...)
	minusOne := append(append([]byte{0xec}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)
	order4 := make([]byte, 32)
	order4Negative := append(make([]byte, 31), 0x80)
	order8 := fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	order8Too := fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
	signed := func(key []byte) []byte { b := bytes.Clone(key); b[31] |= 0x80; return b }
	for _, row := range []struct {
		name string
		key  []byte
	}{
		{"the neutral element", neutral},
		{"the point of order 2", minusOne},
		{"a point of order 4", order4},
		{"the other point of order 4", order4Negative},
		{"a point of order 8", order8},
		{"another point of order 8", signed(order8)},
		{"a third point of order 8", order8Too},
		{"a fourth point of order 8", signed(order8Too)},
		{"the neutral element, not canonically", append(append([]byte{0xee}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)},
		{"the neutral element with a sign", signed(neutral)},
		{"zero, not canonically", append(append([]byte{0xed}, bytes.Repeat([]byte{0xff}, 30)...), 0x7f)},
		{"all ones", bytes.Repeat([]byte{0xff}, 32)},
		{"no point", append([]byte{2}, make([]byte, 31)...)},
	} {
		key := ed25519.PublicKey(row.key)
		c.offer("Ed25519 with "+row.name, "RFC 8032 5.1.3, RFC 8725 3.4", Prudent, "EdDSA", KeyRefused, key, func(f forge) string {
			return everyTextSignature(f, key, neutral)
		})
	}
	whole := c.keys.trusted("EdDSA").public().(ed25519.PublicKey)
	for _, row := range []struct {
		name string
		key  ed25519.PublicKey
	}{
		{"no bytes", ed25519.PublicKey{}}, {"31 bytes", whole[:31]}, {"33 bytes", append(bytes.Clone(whole), 0)},
		{"64 bytes", append(bytes.Clone(whole), whole...)}, {"nil", nil},
	} {
		c.offer("Ed25519 of "+row.name, "RFC 8037 2", Required, "EdDSA", KeyRefused, row.key, nil)
	}
	c.offer("Ed25519 as it should be", "RFC 8037 2", Required, "EdDSA", OK, whole, nil)
}

// everyTextSignature returns a token whose signature, R neutral and S zero, holds by a key of small order, if such a token can be
// found soon.
func everyTextSignature(f forge, key ed25519.PublicKey, neutral []byte) string {
	sig := append(bytes.Clone(neutral), make([]byte, 32)...)
	for n := int64(0); ; n++ {
		input := segment(f.header().String()) + "." + segment(base().with("jti", quote("id-"+big.NewInt(n).String())).String())
		if n == 64 || ed25519.Verify(key, []byte(input), sig) {
			return input + "." + segment(sig)
		}
	}
}

// addWrongKinds offers keys of another kind than the algorithm's.
func (c *corpus) addWrongKinds() {
	rsaKey, ecKey := c.keys.trusted("RS256").public(), c.keys.trusted("ES256").public()
	edKey, secret := c.keys.trusted("EdDSA").public(), c.keys.trusted("HS256").public()
	for _, row := range []struct {
		name, alg string
		material  any
	}{
		{"an RSA key for HS256", "HS256", rsaKey}, {"an ECDSA key for HS256", "HS256", ecKey}, {"an Ed25519 key for HS256", "HS256", edKey},
		{"a text for HS256", "HS256", strings.Repeat("s", 64)}, {"nil for HS256", "HS256", nil},
		{"a secret for RS256", "RS256", secret}, {"an ECDSA key for RS256", "RS256", ecKey}, {"an Ed25519 key for RS256", "RS256", edKey},
		{"nil for RS256", "RS256", nil}, {"an RSA key for ES256", "ES256", rsaKey}, {"a secret for ES256", "ES256", secret},
		{"an Ed25519 key for ES256", "ES256", edKey}, {"a P-521 key for ES256", "ES256", c.keys.trusted("ES512").public()},
		{"a P-256 key for ES384", "ES384", ecKey}, {"a P-384 key for ES512", "ES512", c.keys.trusted("ES384").public()},
		{"an RSA key for EdDSA", "EdDSA", rsaKey}, {"an ECDSA key for EdDSA", "EdDSA", ecKey}, {"a secret for EdDSA", "EdDSA", secret},
		{"a secret of 32 bytes for EdDSA", "EdDSA", secret.([]byte)[:32]}, {"nil for EdDSA", "EdDSA", nil},
	} {
		c.offer(row.name, "CVE-2022-23539, CVE-2022-23541; RFC 8725 3.1", Required, row.alg, KeyRefused, row.material, nil)
	}
	for _, private := range []struct {
		alg string
		key any
	}{
		{"ES256", c.keys.trusted("ES256").private}, {"EdDSA", c.keys.trusted("EdDSA").private},
	} {
		c.offer("the private "+private.alg+" key", "what verifies needs no secret", House, private.alg, KeyRefused, private.key, nil)
	}
	for _, alg := range []string{"none", "", "hs256", "RSA-OAEP", "dir", "ES256K"} {
		c.add(attempt{
			name: "a key for the algorithm " + quote(alg), source: "RFC 7518 3.6, RFC 8725 3.2", want: KeyRefused, algorithms: []string{"HS256"},
			setup:  func(f forge, a *Authority) { a.Keys = []Key{{ID: KeyID, Algorithm: alg, Material: f.public()}} },
			header: setting("alg", quote(alg)),
		})
	}
}

// addKeySets offers sets of keys as text.
func (c *corpus) addKeySets() {
	offer := func(name, source string, rule Rule, alg, want string, set func(f forge) string) {
		c.add(attempt{
			name: name, source: source, rule: rule, want: want, algorithms: []string{alg},
			setup: func(f forge, a *Authority) { a.Keys, a.KeySet = nil, []byte(set(f)) },
		})
	}
	jwk := func(f forge) object {
		return jwkOf(f.public()).with("kid", quote(f.kid)).with("alg", quote(f.alg)).with("use", `"sig"`)
	}
	one := func(change func(object) object) func(f forge) string {
		return func(f forge) string { return jwksOf(change(jwk(f))) }
	}
	same := func(o object) object { return o }
	second := c.keys.forge("ES256", "key-2", "second")

	// A text that is no set.
	for _, row := range []struct {
		name string
		set  func(f forge) string
	}{
		{"no text", func(forge) string { return "" }},
		{"no JSON", func(forge) string { return "keys" }},
		{"an empty object", func(forge) string { return "{}" }},
		{"a list", func(f forge) string { return "[" + jwk(f).String() + "]" }},
		{"no key", func(forge) string { return `{"keys":[]}` }},
		{"keys is null", func(forge) string { return `{"keys":null}` }},
		{"keys is an object", func(f forge) string { return `{"keys":{"0":` + jwk(f).String() + "}}" }},
		{"keys is text", func(f forge) string { return `{"keys":` + quote(jwk(f).String()) + "}" }},
		{"a key is null", func(f forge) string { return `{"keys":[` + jwk(f).String() + ",null]}" }},
		{"a key is text", func(f forge) string { return `{"keys":[` + jwk(f).String() + `,"key"]}` }},
		{"text behind", func(f forge) string { return jwksOf(jwk(f)) + "x" }},
		{"two sets", func(f forge) string { return jwksOf(jwk(f)) + jwksOf(jwk(f)) }},
		{"a comma at the end", func(f forge) string { return `{"keys":[` + jwk(f).String() + ",]}" }},
		{"invalid UTF-8", func(f forge) string { return jwksOf(jwk(f).with("note", "\"\xff\"")) }},
	} {
		offer("a set: "+row.name, "RFC 7517 5, RFC 8259", Required, "EdDSA", KeyRefused, row.set)
	}
	// A set that says two things.
	for _, row := range []struct {
		name string
		set  func(f forge) string
	}{
		{"keys twice", func(f forge) string { return `{"keys":[],"keys":[` + jwk(f).String() + "]}" }},
		{"KEYS", func(f forge) string { return `{"KEYS":[` + jwk(f).String() + "]}" }},
		{"keys and Keys", func(f forge) string { return `{"keys":[` + jwk(f).String() + `],"Keys":[]}` }},
		{"a key and a set in one", func(f forge) string { return jwk(f).with("keys", "["+jwk(second).String()+"]").String() }},
		{"two keys of one kid", func(f forge) string { return jwksOf(jwk(f), jwk(second).with("kid", quote(f.kid))) }},
		{"a key twice", func(f forge) string { return jwksOf(jwk(f), jwk(f)) }},
		{"x twice", one(func(o object) object { return o.and("x", quote(segment(make([]byte, 32)))) })},
		{"kid twice", one(adding("kid", `"key-2"`))},
		{"kty twice in escapes", one(adding(`\u006bty`, `"EC"`))},
		{"KTY beside kty", one(adding("KTY", `"EC"`))},
		{"Alg beside alg", one(adding("Alg", `"none"`))},
		{"Kelvin sign kty", one(adding("\u212aty", `"oct"`))},
		{"half a pair of surrogates", one(adding("note", `"\ud800"`))},
		{"alg of another kind", one(setting("alg", `"ES256"`))},
		{"alg of a secret", one(setting("alg", `"HS256"`))},
	} {
		offer("two readings: "+row.name, "RFC 7517 4, RFC 8725 3.1", Prudent, "EdDSA", KeyRefused, row.set)
	}
	// What no published set should hold.
	private := c.keys.trusted("EdDSA").private.(ed25519.PrivateKey)
	for _, row := range []struct {
		name string
		set  func(f forge) string
	}{
		{"a private half", one(setting("d", quote(segment(private.Seed()))))},
		{"a private half of another key", func(f forge) string { return jwksOf(jwk(f), jwk(second).with("d", `"AQAB"`)) }},
		{"an empty private half", one(setting("d", `""`))},
		{"a private half that is null", one(setting("d", "null"))},
		{"a secret", func(f forge) string { return jwksOf(jwk(f), jwk(c.keys.forge("HS256", "key-2", "second"))) }},
		{"a secret alone", func(forge) string { return jwksOf(jwk(c.keys.trusted("HS256"))) }},
		{"a secret as one key", func(forge) string { return jwk(c.keys.trusted("HS256")).String() }},
		{"65 keys", func(f forge) string {
			keys := make([]object, 65)
			for i := range keys {
				keys[i] = jwk(f).with("kid", quote("key-"+big.NewInt(int64(i+1)).String()))
			}
			return jwksOf(keys...)
		}},
		{"more than 64 KiB", one(setting("note", quote(strings.Repeat("n", 64<<10))))},
	} {
		offer("not for publication: "+row.name, "RFC 7517 9.2; bounded input", House, "EdDSA", KeyRefused, row.set)
	}
	// A key that is none.
	for _, row := range []struct {
		name, alg string
		rule      Rule
		change    func(object) object
	}{
		{"no kty", "EdDSA", Required, dropping("kty")},
		{"kty is a number", "EdDSA", Required, setting("kty", "1")},
		{"kty in lower case", "EdDSA", Required, setting("kty", `"okp"`)},
		{"kty of another kind", "EdDSA", Required, setting("kty", `"EC"`)},
		{"kty unknown", "EdDSA", Required, setting("kty", `"X"`)},
		{"no crv", "EdDSA", Required, dropping("crv")},
		{"crv X25519", "EdDSA", Required, setting("crv", `"X25519"`)},
		{"crv in lower case", "EdDSA", Required, setting("crv", `"ed25519"`)},
		{"no x", "EdDSA", Required, dropping("x")},
		{"x is a number", "EdDSA", Required, setting("x", "1")},
		{"x is empty", "EdDSA", Required, setting("x", `""`)},
		{"x of 31 bytes", "EdDSA", Required, setting("x", quote(segment(make([]byte, 31))))},
		{"x of 33 bytes", "EdDSA", Required, func(o object) object {
			return o.with("x", quote(segment(append(decoded(strings.Trim(o.get("x"), `"`)), 0))))
		}},
		{"x is the neutral element", "EdDSA", Prudent, setting("x", quote(segment(append([]byte{1}, make([]byte, 31)...))))},
		{"x with padding", "EdDSA", Required, func(o object) object { return o.with("x", quote(strings.Trim(o.get("x"), `"`)+"=")) }},
		{"x with a line feed", "EdDSA", Required, func(o object) object { return o.with("x", quote(strings.Trim(o.get("x"), `"`)+"\n")) }},
		{"x in the standard alphabet", "EdDSA", Required, func(o object) object { return o.with("x", quote("+"+strings.Trim(o.get("x"), `"`)[1:])) }},
		{"x with spare bits", "EdDSA", Prudent, func(o object) object { return o.with("x", quote(spareBits(strings.Trim(o.get("x"), `"`)))) }},
		{"kid is a number", "EdDSA", Required, setting("kid", "1")},
		{"kid is null", "EdDSA", Prudent, setting("kid", "null")},
		{"kid is empty", "EdDSA", House, setting("kid", `""`)},
		{"kid of 129 bytes", "EdDSA", House, setting("kid", quote(strings.Repeat("k", 129)))},
		{"kid with NUL", "EdDSA", House, setting("kid", `"key-1\u0000"`)},
		{"alg is null", "EdDSA", Prudent, setting("alg", "null")},
		{"alg none", "EdDSA", Required, setting("alg", `"none"`)},
		{"for encryption", "EdDSA", Prudent, setting("use", `"enc"`)},
		{"use unknown", "EdDSA", House, setting("use", `"any"`)},
		{"use is a list", "EdDSA", Required, setting("use", `["sig"]`)},
		{"key_ops for signing only", "EdDSA", Prudent, setting("key_ops", `["sign"]`)},
		{"key_ops for encryption", "EdDSA", Prudent, setting("key_ops", `["encrypt","wrapKey"]`)},
		{"key_ops is empty", "EdDSA", Prudent, setting("key_ops", "[]")},
		{"key_ops is text", "EdDSA", Required, setting("key_ops", `"verify"`)},
		{"no y", "ES256", Required, dropping("y")},
		{"a point beside the curve", "ES256", Required, func(o object) object { return o.with("y", o.get("x")) }},
		{"the point at infinity", "ES256", Required, func(o object) object {
			zero := quote(segment(make([]byte, 32)))
			return o.with("x", zero).with("y", zero)
		}},
		{"x without its leading zeros", "ES256", Required, func(o object) object {
			return o.with("x", quote(segment(decoded(strings.Trim(o.get("x"), `"`))[1:])))
		}},
		{"x with a zero in front", "ES256", Required, func(o object) object {
			return o.with("x", quote(segment(append([]byte{0}, decoded(strings.Trim(o.get("x"), `"`))...))))
		}},
		{"crv P-384 for a point of P-256", "ES256", Required, func(o object) object { return o.with("crv", `"P-384"`).without("alg") }},
		{"crv secp256k1", "ES256", Required, func(o object) object { return o.with("crv", `"secp256k1"`).without("alg") }},
		{"no n", "RS256", Required, dropping("n")},
		{"no e", "RS256", Required, dropping("e")},
		{"n of 1024 bits", "RS256", Required, setting("n", quote(segment(c.keys.short1024.N.Bytes())))},
		{"n of 2047 bits", "RS256", Required, setting("n", quote(segment(c.keys.short2047.N.Bytes())))},
		{"n of 16384 bits", "RS256", House, setting("n", quote(segment(bytes.Repeat([]byte{0xff}, 2048))))},
		{"n with a zero in front", "RS256", Prudent, setting("n", quote(segment(append([]byte{0}, c.keys.rsa.N.Bytes()...))))},
		{"n even", "RS256", Required, setting("n", quote(segment(new(big.Int).Sub(c.keys.rsa.N, big.NewInt(1)).Bytes())))},
		{"n empty", "RS256", Required, setting("n", `""`)},
		{"e is 1", "RS256", Required, setting("e", quote(segment([]byte{1})))},
		{"e is 2", "RS256", Required, setting("e", quote(segment([]byte{2})))},
		{"e is empty", "RS256", Required, setting("e", `""`)},
		{"e is 0", "RS256", Required, setting("e", quote(segment([]byte{0})))},
		{"e with a zero in front", "RS256", Prudent, setting("e", quote(segment([]byte{0, 1, 0, 1})))},
		{"e of 33 bits", "RS256", House, setting("e", quote(segment([]byte{1, 0, 1, 0, 1})))},
		{"e of 65 bits, of which the last 64 are the right ones", "RS256", Required, setting("e", quote(segment([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})))},
		{"e of a kilobyte", "RS256", House, setting("e", quote(segment(bytes.Repeat([]byte{1}, 1024))))},
	} {
		offer("a key: "+row.name, "RFC 7517 4, RFC 7518 6, RFC 8037 2", row.rule, row.alg, KeyRefused, one(row.change))
	}
	// PEM.
	pemOf := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(f forge) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(f.private)
		if err != nil {
			panic(err)
		}
		return der
	}
	for _, row := range []struct {
		name string
		set  func(f forge) string
	}{
		{"a private key", func(f forge) string { return pemOf("PRIVATE KEY", pkcs8(f)) }},
		{"a public key and a private one", func(f forge) string { return pemOf("PUBLIC KEY", pkixOf(f.public())) + pemOf("PRIVATE KEY", pkcs8(f)) }},
		{"a certificate", func(f forge) string { return pemOf("CERTIFICATE", certificateOf(f.public())) }},
		{"a private key called public", func(f forge) string { return pemOf("PUBLIC KEY", pkcs8(f)) }},
		{"garbage inside", func(forge) string { return pemOf("PUBLIC KEY", []byte("garbage")) }},
		{"bytes behind the key", func(f forge) string { return pemOf("PUBLIC KEY", append(pkixOf(f.public()), 0)) }},
		{"damaged base64", func(f forge) string { return strings.Replace(pemOf("PUBLIC KEY", pkixOf(f.public())), "MC", "M!", 1) }},
		{"a good key and a damaged one", func(f forge) string {
			good := pemOf("PUBLIC KEY", pkixOf(f.public()))
			return good + strings.Replace(pemOf("PUBLIC KEY", pkixOf(second.public())), "MF", "M!", 1)
		}},
		{"no end", func(f forge) string { s := pemOf("PUBLIC KEY", pkixOf(f.public())); return s[:len(s)-20] }},
		{"a header", func(f forge) string {
			return strings.Replace(pemOf("PUBLIC KEY", pkixOf(f.public())), "KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n", 1)
		}},
		{"an RSA key of 1024 bits", func(forge) string { return pemOf("PUBLIC KEY", pkixOf(&c.keys.short1024.PublicKey)) }},
		{"one key twice", func(f forge) string { return strings.Repeat(pemOf("PUBLIC KEY", pkixOf(f.public())), 2) }},
	} {
		offer("PEM: "+row.name, "RFC 7468", House, "EdDSA", KeyRefused, row.set)
	}

	// What a set may well hold, and what is left out of one.
	for _, row := range []struct {
		name, alg string
		rule      Rule // House: where a strict reader may want more
		change    func(object) object
	}{
		{"Ed25519", "EdDSA", Required, same}, {"P-256", "ES256", Required, same}, {"RSA", "RS256", Required, same}, {"RSA for PS256", "PS256", Required, same},
		{"Ed25519 without alg", "EdDSA", House, dropping("alg")}, {"P-256 without alg", "ES256", House, dropping("alg")},
		{"RSA without alg", "RS256", House, dropping("alg")}, {"without use", "EdDSA", Required, dropping("use")},
		{"with key_ops", "EdDSA", Required, setting("key_ops", `["verify"]`)}, {"with unknown members", "EdDSA", Required, setting("nbf", "1")},
		{"with certificates, which nobody reads", "EdDSA", House, setting("x5c", `["AAAA"]`)},
		{"with an address, which nobody follows", "EdDSA", Required, setting("x5u", `"https://attacker.invalid/"`)},
	} {
		offer("good: "+row.name, "RFC 7517", row.rule, row.alg, OK, one(row.change))
	}
	offer("good: one key that is no set", "RFC 7517 4", House, "EdDSA", OK, func(f forge) string { return jwk(f).String() })
	offer("good: beside kinds that nobody knows", "RFC 7517 5: SHOULD", Prudent, "EdDSA", OK, func(f forge) string {
		strange := object{}.with("kty", `"X-NEW"`).with("kid", `"key-3"`)
		encryption := jwk(second).with("use", `"enc"`)
		return jwksOf(strange, encryption, jwk(f), object{}.with("kty", `"OKP"`).with("crv", `"X25519"`).with("x", `"AAAA"`))
	})
	offer("good: a set with unknown members", "RFC 7517 5", Required, "EdDSA", OK, func(f forge) string {
		return `{"note":[1],"keys":[` + jwk(f).String() + `],"expires":1}`
	})
	c.add(attempt{
		name: "good: PEM, by its thumbprint", source: "RFC 7468, RFC 7638", rule: House, want: OK, algorithms: []string{"RS256", "ES256", "EdDSA"},
		setup: func(f forge, a *Authority) { a.Keys, a.KeySet = nil, []byte(pemOf("PUBLIC KEY", pkixOf(f.public()))) },
		token: func(f forge) string {
			return f.named(segment(fingerprintOf([]byte(jwkOf(f.public()).String())))).good(base())
		},
	})
	c.add(attempt{
		name: "a token by a key that was left out of the set", source: "RFC 7517 4.2", rule: Prudent, want: "key_unknown", algorithms: []string{"EdDSA"},
		setup: func(f forge, a *Authority) {
			a.Keys, a.KeySet = nil, []byte(jwksOf(jwk(f), jwk(second).with("use", `"enc"`)))
		},
		token: func(forge) string { return second.good(base()) },
	})
	c.add(attempt{
		name: "a token whose alg the set says of another key", source: "RFC 8725 3.1", want: "algorithm_wrong", algorithms: []string{"EdDSA"},
		setup: func(f forge, a *Authority) { a.Keys, a.KeySet = nil, []byte(jwksOf(jwk(f), jwk(second))) },
		token: func(f forge) string { return second.named(f.kid).good(base()) },
	})
	c.add(attempt{
		name: "PS256 by a key that the set says is for RS256", source: "RFC 7517 4.4, RFC 8725 3.1", want: "algorithm_wrong", algorithms: []string{"RS256"},
		setup: func(f forge, a *Authority) { a.Keys, a.KeySet = nil, []byte(jwksOf(jwk(f))) },
		token: func(f forge) string { return f.as("PS256").good(base()) },
	})
	c.add(attempt{
		name: "HS256 by the text of the set", source: "RFC 8725 2.1", want: "algorithm_wrong", algorithms: []string{"RS256", "ES256", "EdDSA"},
		setup: func(f forge, a *Authority) { a.Keys, a.KeySet = nil, []byte(jwksOf(jwk(f))) },
		token: func(f forge) string { return f.signAs("HS256", guess("HS256", []byte(jwksOf(jwk(f))))) },
	})
}

func fromHex(s string) []byte {
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("attack: no hexadecimal")
	}
	return n.FillBytes(make([]byte, len(s)/2))
}
