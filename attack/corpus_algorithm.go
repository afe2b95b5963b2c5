package attack

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Attacks on the choice of the algorithm: no signature at all, words that a lenient reader takes for another, the public key
// taken for an HMAC secret, and one key used for two algorithms. All are possible only where something in the token decides how
// it is verified.

// addAlgNone: RFC 7518 section 3.6 defines "none", and RFC 8725 section 3.2 asks that nobody accept it by default.
func (c *corpus) addAlgNone() {
	for _, word := range []struct{ name, text string }{
		{"none", "none"},
		{"None", "None"},
		{"NONE", "NONE"},
		{"nOnE", "nOnE"},
		{"noNe", "noNe"},
		{"blank behind", "none "},
		{"blank before", " none"},
		{"tab behind", `none\t`},
		{"line feed behind", `none\n`},
		{"NUL behind", `none\u0000`},
		{"zero width space before", "\u200bnone"},
		{"byte order mark before", "\ufeffnone"},
		{"escaped", `\u006eone`},
		{"escaped throughout", `\u006e\u006f\u006e\u0065`},
		{"Cyrillic o", "n\u043ene"},
		{"Cyrillic e", "non\u0435"},
		{"full width", "\uff4e\uff4f\uff4e\uff45"},
		{"the word null", "null"},
		{"empty", ""},
		{"a list in a word", "none,HS256"},
		{"none256", "none256"},
		{"an empty path", "../none"},
	} {
		alg := setting("alg", `"`+word.text+`"`)
		source := "RFC 7518 3.6; CVE-2015-9235"
		wrong := "algorithm_wrong"
		if word.text == "" {
			wrong = "header_malformed"
		}
		c.add(attempt{
			name: word.name + ", no signature", source: source, want: "token_malformed",
			token: func(f forge) string { return segment(alg(f.header()).String()) + "." + segment(base().String()) + "." },
		})
		c.add(attempt{
			name: word.name + ", one byte of signature", source: source, want: wrong,
			token: func(f forge) string {
				return segment(alg(f.header()).String()) + "." + segment(base().String()) + ".AA"
			},
		})
		c.add(attempt{
			name: word.name + ", signed by the trusted key", source: "RFC 8725 3.1", want: wrong,
			header: alg,
		})
	}
	for _, shape := range []struct{ name, tail string }{
		{"no second dot", ""}, {"two dots more", ".."}, {"a blank for a signature", ". "}, {"padding for a signature", ".="},
	} {
		c.add(attempt{
			name: shape.name, source: "RFC 7515 7.1; CVE-2020-28042", want: "token_malformed",
			token: func(f forge) string {
				return segment(f.header().with("alg", `"none"`).String()) + "." + segment(base().String()) + shape.tail
			},
		})
	}
	c.add(attempt{
		name: "the trusted alg, no signature", source: "RFC 7515 5.2; CVE-2020-28042", want: "token_malformed",
		token: func(f forge) string { return segment(f.header().String()) + "." + segment(base().String()) + "." },
	})
}

// addAlgWords: the words of RFC 7518 section 3.1 are case-sensitive, and there is one for each algorithm.
func (c *corpus) addAlgWords() {
	for _, value := range []struct{ name, json string }{
		{"null", "null"}, {"0", "0"}, {"1", "1"}, {"true", "true"}, {"false", "false"}, {"an empty list", "[]"},
		{"an empty object", "{}"}, {"a list with none", `["none"]`}, {"an object with none", `{"none":true}`},
	} {
		c.add(attempt{
			name: "alg is " + value.name, source: "RFC 7515 4.1.1", want: "header_malformed",
			header: setting("alg", value.json),
		})
	}
	c.add(attempt{name: "no alg", source: "RFC 7515 4.1.1", want: "header_malformed", header: dropping("alg")})
	c.add(attempt{
		name: "a list with the trusted word", source: "RFC 7515 4.1.1", want: "header_malformed",
		header: func(o object) object { return o.with("alg", "["+o.get("alg")+"]") },
	})
	c.add(attempt{
		name: "33 bytes long", source: "bounded input", want: "header_malformed",
		header: setting("alg", quote(strings.Repeat("A", 33))),
	})

	for _, spelling := range []struct {
		name string
		of   func(alg string) string
	}{
		{"lower case", strings.ToLower},
		{"case swapped", swapCase},
		{"blank behind", func(alg string) string { return alg + " " }},
		{"blank before", func(alg string) string { return " " + alg }},
		{"NUL behind", func(alg string) string { return alg + "\x00" }},
		{"line feed behind", func(alg string) string { return alg + "\n" }},
		{"zero width space behind", func(alg string) string { return alg + "\u200b" }},
		{"twice", func(alg string) string { return alg + alg }},
		{"with none", func(alg string) string { return alg + ",none" }},
		{"with a hyphen", func(alg string) string { return alg[:2] + "-" + alg[2:] }},
		{"cut short", func(alg string) string { return alg[:len(alg)-1] }},
		{"full width", fullWidth},
		{"percent-encoded", func(alg string) string { return fmt.Sprintf("%%%02X", alg[0]) + alg[1:] }},
		{"in a path", func(alg string) string { return "./" + alg }},
	} {
		c.add(attempt{
			name: "the trusted word, " + spelling.name, source: "RFC 7515 5.3, RFC 7518 3.1", want: "algorithm_wrong",
			header: func(o object) object { return o.with("alg", quote(spelling.of(strings.Trim(o.get("alg"), `"`)))) },
		})
	}
	for _, word := range []string{
		"HS1", "HS224", "HS255", "RS1", "RS224", "PS1", "ES256K", "ES521", "Ed448", "RSA1_5", "MD5", "X25519", "dir", "RSA-OAEP",
		"RSA-OAEP-256", "A128KW", "A256GCMKW", "ECDH-ES", "PBES2-HS256+A128KW", "HMACSHA256", "SHA256withRSA", "-7", "5",
		"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "urn:ietf:params:oauth:jwt", "*", "any",
	} {
		want := "algorithm_wrong"
		if len(word) > 32 {
			want = "header_malformed" // which no word of the registry is long enough for
		}
		c.add(attempt{name: "another word: " + word, source: "RFC 8725 3.1", want: want, header: setting("alg", quote(word))})
	}
	c.add(attempt{
		name: "escapes in the trusted word", source: "RFC 8259 7", want: OK,
		header: func(o object) object { return o.with("alg", escaped(strings.Trim(o.get("alg"), `"`))) },
	})
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// fullWidth returns printable ASCII in the letters of U+FF01 and up, which NFKC turns back into ASCII.
func fullWidth(s string) string {
	return strings.Map(func(r rune) rune { return r - '!' + '\uff01' }, s)
}

// escaped returns ASCII as a JSON string in which every character is escaped.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

// addKeyConfusion signs with what everybody knows, the public key, as an HMAC secret, in every form it may be kept in.
func (c *corpus) addKeyConfusion() {
	for _, hmacAlg := range []string{"HS256", "HS384", "HS512"} {
		for _, form := range publicForms() {
			c.add(attempt{
				name: hmacAlg + " by the public key as " + form.name, source: "RFC 8725 2.1; " + form.source, want: "algorithm_wrong",
				algorithms: form.algorithms,
				token: func(f forge) string {
					return f.signAs(hmacAlg, guess(hmacAlg, form.encode(f.public())))
				},
			})
		}
	}
	for _, form := range publicForms() {
		c.add(attempt{
			name: "the public key as " + form.name + " under the trusted alg", source: "RFC 8725 2.1", want: "signature_bad",
			algorithms: form.algorithms,
			token: func(f forge) string {
				return f.signAs(f.alg, guess("HS256", form.encode(f.public())))
			},
		})
	}
}

// signAs signs f's good token by somebody else's key, under alg.
func (f forge) signAs(alg string, by forge) string {
	return by.sign(f.header().with("alg", quote(alg)).String(), base().String())
}

// A publicForm is one way to write a public key down.
type publicForm struct {
	name, source string
	algorithms   []string
	encode       func(public any) []byte
}

func publicForms() []publicForm {
	public := publicKeyed[:]
	onlyRSA := []string{"RS256", "PS256"}
	pemText := func(p any) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkixOf(p)}) }
	pkcs1Text := func(p any) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(p.(*rsa.PublicKey))})
	}
	certificateText := func(p any) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificateOf(p)})
	}
	return []publicForm{
		{"PEM", "CVE-2016-5431, CVE-2016-10555", public, pemText},
		{"PEM without the last line feed", "CVE-2016-10555", public, func(p any) []byte { return bytes.TrimSpace(pemText(p)) }},
		{"PEM with CRLF", "CVE-2016-10555", public, func(p any) []byte { return bytes.ReplaceAll(pemText(p), []byte("\n"), []byte("\r\n")) }},
		{"PEM on one line", "CVE-2016-10555", public, func(p any) []byte { return bytes.ReplaceAll(pemText(p), []byte("\n"), nil) }},
		{"PEM with a blank before", "CVE-2023-48223", public, func(p any) []byte { return append([]byte(" "), pemText(p)...) }},
		{"PKCS #1 PEM", "CVE-2023-48223", onlyRSA, pkcs1Text},
		{"PKCS #1 PEM without the last line feed", "CVE-2023-48223", onlyRSA, func(p any) []byte { return bytes.TrimSpace(pkcs1Text(p)) }},
		{"PKCS #1 DER", "CVE-2016-10555", onlyRSA, func(p any) []byte { return x509.MarshalPKCS1PublicKey(p.(*rsa.PublicKey)) }},
		{"DER", "CVE-2016-10555", public, pkixOf},
		{"DER in hexadecimal", "CVE-2016-10555", public, func(p any) []byte { return []byte(hex.EncodeToString(pkixOf(p))) }},
		{"DER in base64", "CVE-2016-10555", public, func(p any) []byte { return []byte(base64.StdEncoding.EncodeToString(pkixOf(p))) }},
		{"DER in base64url", "CVE-2016-10555", public, func(p any) []byte { return []byte(segment(pkixOf(p))) }},
		{"a certificate in PEM", "CVE-2017-11424", public, certificateText},
		{"a certificate in DER", "CVE-2017-11424", public, certificateOf},
		{"a JWK", "CVE-2022-23541", public, func(p any) []byte { return []byte(jwkOf(p).String()) }},
		{"a JWK with alg, kid and use", "CVE-2022-23541", public, func(p any) []byte {
			return []byte(jwkOf(p).with("kid", quote(KeyID)).with("use", `"sig"`).String())
		}},
		{"a JWK Set", "CVE-2022-23541", public, func(p any) []byte { return []byte(jwksOf(jwkOf(p))) }},
		{"its JWK thumbprint", "RFC 7638", public, func(p any) []byte { return []byte(segment(fingerprintOf([]byte(jwkOf(p).String())))) }},
		{"its bare bytes", "CVE-2016-10555", public, bareOf},
		{"its bare bytes in hexadecimal", "CVE-2016-10555", public, func(p any) []byte { return []byte(hex.EncodeToString(bareOf(p))) }},
		{"its bare bytes in base64url", "CVE-2016-10555", public, func(p any) []byte { return []byte(segment(bareOf(p))) }},
		{"an OpenSSH line", "CVE-2022-29217, CVE-2024-33663", public, func(p any) []byte { return []byte(openSSHOf(p)) }},
		{"a compressed point", "CVE-2024-33663", []string{"ES256"}, func(p any) []byte {
			k := p.(*ecdsa.PublicKey)
			x, y := coordinates(k)
			return elliptic.MarshalCompressed(k.Curve, new(big.Int).SetBytes(x), new(big.Int).SetBytes(y))
		}},
		{"XML", "CVE-2016-10555", onlyRSA, func(p any) []byte {
			k := p.(*rsa.PublicKey)
			return fmt.Appendf(nil, "<RSAKeyValue><Modulus>%s</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>", base64.StdEncoding.EncodeToString(k.N.Bytes()))
		}},
		{"the modulus in decimal", "CVE-2016-10555", onlyRSA, func(p any) []byte { return []byte(p.(*rsa.PublicKey).N.String()) }},
	}
}

// pkixOf returns the SubjectPublicKeyInfo.
func pkixOf(public any) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return der
}

// bareOf returns the modulus, the uncompressed point, or the 32 bytes.
func bareOf(public any) []byte {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.Bytes()
	case *ecdsa.PublicKey:
		return pointOf(k)
	case ed25519.PublicKey:
		return k
	}
	panic("attack: no public key")
}

func pointOf(k *ecdsa.PublicKey) []byte {
	point, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	return point
}

func coordinates(k *ecdsa.PublicKey) (x, y []byte) {
	point := pointOf(k)[1:]
	return point[:len(point)/2], point[len(point)/2:]
}

// jwkOf returns the JWK of a public key or secret, its members in the order of RFC 7638.
func jwkOf(public any) object {
	switch k := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(k.E)).Bytes()
		return object{}.with("e", quote(segment(e))).with("kty", `"RSA"`).with("n", quote(segment(k.N.Bytes())))
	case *ecdsa.PublicKey:
		x, y := coordinates(k)
		return object{}.with("crv", quote(k.Curve.Params().Name)).with("kty", `"EC"`).
			with("x", quote(segment(x))).with("y", quote(segment(y)))
	case ed25519.PublicKey:
		return object{}.with("crv", `"Ed25519"`).with("kty", `"OKP"`).with("x", quote(segment([]byte(k))))
	case []byte:
		return object{}.with("k", quote(segment(k))).with("kty", `"oct"`)
	}
	panic("attack: no key")
}

// jwksOf returns a set of keys.
func jwksOf(keys ...object) string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		texts[i] = k.String()
	}
	return `{"keys":[` + strings.Join(texts, ",") + "]}"
}

// openSSHOf returns a line of authorized_keys (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709).
func openSSHOf(public any) string {
	var blob []byte
	put := func(parts ...[]byte) {
		for _, part := range parts {
			blob = binary.BigEndian.AppendUint32(blob, uint32(len(part)))
			blob = append(blob, part...)
		}
	}
	var kind string
	switch k := public.(type) {
	case *rsa.PublicKey:
		kind = "ssh-rsa"
		put([]byte(kind), big.NewInt(int64(k.E)).Bytes(), append([]byte{0}, k.N.Bytes()...))
	case *ecdsa.PublicKey:
		kind = "ecdsa-sha2-nistp256"
		put([]byte(kind), []byte("nistp256"), pointOf(k))
	case ed25519.PublicKey:
		kind = "ssh-ed25519"
		put([]byte(kind), k)
	}
	return kind + " " + base64.StdEncoding.EncodeToString(blob)
}

// certificateOf returns a certificate for a public key, issued by a key that nobody trusts.
func certificateOf(public any) []byte {
	return certificate(public, ecdsaKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32)))
}

func certificate(public any, by *ecdsa.PrivateKey) []byte {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "issuer.example"},
		NotBefore:    Now().Add(-24 * time.Hour),
		NotAfter:     Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(nil, template, template, public, by)
	if err != nil {
		panic(err)
	}
	return der
}

// addKeyPinning uses a key that is trusted for one algorithm with another, or another's key with its algorithm: RFC 8725 section
// 3.1 wants one algorithm a key.
func (c *corpus) addKeyPinning() {
	for _, alg := range allAlgorithms {
		c.add(attempt{
			name: "the stranger's " + alg + " key", source: "RFC 8725 3.1", want: "algorithm_wrong", algorithms: others(alg),
			token: func(f forge) string { return c.keys.stranger(alg).good(base()) },
		})
		c.add(attempt{
			name: "the header says " + alg + ", the signature is good for the trusted alg", source: "RFC 7515 5.2, RFC 8725 3.1",
			want: "algorithm_wrong", algorithms: others(alg),
			header: setting("alg", quote(alg)),
		})
	}
	for _, use := range []struct {
		alg        string
		algorithms []string
	}{
		{"HS384", []string{"HS256", "HS512"}}, {"HS512", []string{"HS256", "HS384"}}, {"HS256", []string{"HS384", "HS512"}},
		{"RS256", []string{"RS384", "RS512", "PS256"}}, {"RS384", []string{"RS256", "PS384"}}, {"RS512", []string{"RS256", "PS256"}},
		{"PS256", []string{"PS384", "PS512", "RS256"}}, {"PS384", []string{"PS256", "RS384"}}, {"PS512", []string{"PS256", "RS256"}},
		{"ES256", []string{"ES384", "ES512"}}, {"ES384", []string{"ES256", "ES512"}}, {"ES512", []string{"ES256", "ES384"}},
	} {
		c.add(attempt{
			name: "the trusted key used for " + use.alg + ", which the header says", source: "RFC 8725 3.1", want: "algorithm_wrong",
			algorithms: use.algorithms,
			token:      func(f forge) string { return f.as(use.alg).good(base()) },
		})
		c.add(attempt{
			name: "the trusted key used for " + use.alg + " under its own alg", source: "RFC 7518 3", want: "signature_bad",
			algorithms: use.algorithms,
			token:      func(f forge) string { return f.signAs(f.alg, f.as(use.alg)) },
		})
	}
	c.add(attempt{
		name: "a longer HMAC cut to size", source: "RFC 7518 3.2", want: "signature_bad", algorithms: []string{"HS256", "HS384"},
		token: func(f forge) string {
			input := inputOf(f)
			return input + "." + segment(f.as("HS512").signature(input)[:hashOf(f.alg).Size()])
		},
	})
	c.add(attempt{
		name: "the name of RFC 9864", source: "RFC 9864 2.2", rule: House, want: "algorithm_wrong", algorithms: []string{"EdDSA"},
		header: setting("alg", `"Ed25519"`),
	})
	c.add(attempt{name: "the trusted key", source: "RFC 7518 3.1", want: OK, algorithms: allAlgorithms[:]})
}

// others returns the five algorithms without alg.
func others(alg string) []string {
	var rest []string
	for _, other := range fiveAlgorithms {
		if other != alg {
			rest = append(rest, other)
		}
	}
	return rest
}

// inputOf returns the signing input of f's good token.
func inputOf(f forge) string { return segment(f.header().String()) + "." + segment(base().String()) }
