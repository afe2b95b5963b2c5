package attack

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
)

// Attacks on the signature itself: of a wrong length, of something else, with numbers at the edge of what is allowed, padded in
// ways that lenient verifiers let pass.

func (c *corpus) addSignatures() {
	for _, row := range []struct {
		name   string
		change func(sig []byte) []byte
	}{
		{"cut by a byte", func(s []byte) []byte { return s[:len(s)-1] }},
		{"cut by a byte in front", func(s []byte) []byte { return s[1:] }},
		{"cut to half", func(s []byte) []byte { return s[:len(s)/2] }},
		{"cut to sixteen bytes", func(s []byte) []byte { return s[:16] }},
		{"cut to one byte", func(s []byte) []byte { return s[:1] }},
		{"a zero byte behind", func(s []byte) []byte { return append(s, 0) }},
		{"a byte behind", func(s []byte) []byte { return append(s, 0x5a) }},
		{"a zero byte in front", func(s []byte) []byte { return append([]byte{0}, s...) }},
		{"twice", func(s []byte) []byte { return append(s, s...) }},
		{"the first bit turned", func(s []byte) []byte { s[0] ^= 0x80; return s }},
		{"the last bit turned", func(s []byte) []byte { s[len(s)-1] ^= 1; return s }},
		{"a bit in the middle turned", func(s []byte) []byte { s[len(s)/2] ^= 0x10; return s }},
		{"all bits turned", func(s []byte) []byte {
			for i := range s {
				s[i] = ^s[i]
			}
			return s
		}},
		{"backwards", func(s []byte) []byte { slices.Reverse(s); return s }},
		{"halves swapped", func(s []byte) []byte { return append(bytes.Clone(s[len(s)/2:]), s[:len(s)/2]...) }},
		{"all zero", func(s []byte) []byte { return make([]byte, len(s)) }},
		{"all zero but the last bit", func(s []byte) []byte { z := make([]byte, len(s)); z[len(z)-1] = 1; return z }},
		{"all ones", func(s []byte) []byte { return bytes.Repeat([]byte{0xff}, len(s)) }},
		{"a zero byte alone", func([]byte) []byte { return []byte{0} }},
		{"in hexadecimal", func(s []byte) []byte { return []byte(hex.EncodeToString(s)) }},
		{"in base64url twice", func(s []byte) []byte { return []byte(segment(s)) }},
		{"hashed", fingerprintOf},
		{"a kilobyte long", func(s []byte) []byte { return bytes.Repeat(s[:16], 64) }},
	} {
		c.add(attempt{
			name: row.name, source: "RFC 7518 3", want: "signature_bad", algorithms: allAlgorithms[:],
			token: func(f forge) string {
				input := inputOf(f)
				return input + "." + segment(row.change(f.signature(input)))
			},
		})
	}
	for _, row := range []struct {
		name string
		of   func(f forge) string // what is signed
	}{
		{"the claims alone", func(f forge) string { return segment(base().String()) }},
		{"the header alone", func(f forge) string { return segment(f.header().String()) }},
		{"the claims, not encoded", func(f forge) string { return base().String() }},
		{"header and claims, not encoded", func(f forge) string { return f.header().String() + "." + base().String() }},
		{"the signing input with a dot behind", func(f forge) string { return inputOf(f) + "." }},
		{"the signing input with a line feed behind", func(f forge) string { return inputOf(f) + "\n" }},
		{"the signing input without its dot", func(f forge) string { return strings.Replace(inputOf(f), ".", "", 1) }},
		{"the signing input hashed", func(f forge) string { return string(digest(hashOf(f.alg), inputOf(f))) }},
		{"the signing input twice", func(f forge) string { return inputOf(f) + inputOf(f) }},
		{"nothing", func(forge) string { return "" }},
		{"another token", func(f forge) string {
			return segment(f.header().String()) + "." + segment(base().with("sub", `"bob"`).String())
		}},
		{"another header", func(f forge) string {
			return segment(f.header().with("typ", `"JWT"`).String()) + "." + segment(base().String())
		}},
		{"the claims before they were changed", func(f forge) string {
			return segment(f.header().String()) + "." + segment(base().with("roles", "[]").String())
		}},
		{"the header before it was changed", func(f forge) string {
			return segment(f.header().with("kid", `"key-0"`).String()) + "." + segment(base().String())
		}},
		{"the claims with blanks", func(f forge) string {
			return segment(f.header().String()) + "." + segment(" "+base().String())
		}},
	} {
		c.add(attempt{
			name: "of " + row.name, source: "RFC 7515 5.1, 5.2", want: "signature_bad", algorithms: allAlgorithms[:],
			token: func(f forge) string { return inputOf(f) + "." + segment(f.signature(row.of(f))) },
		})
	}
	c.add(attempt{
		name: "by the stranger", source: "RFC 7515 5.2", want: "signature_bad", algorithms: allAlgorithms[:],
		token: func(f forge) string { return c.keys.stranger(f.alg).good(base()) },
	})
	c.add(attempt{
		name: "the claims cut, the signature kept", source: "RFC 7515 5.2", want: "signature_bad", algorithms: allAlgorithms[:],
		token: func(f forge) string {
			h, p, sig := cut(f.good(base()))
			return h + "." + p[:len(p)-len(p)%4-4] + "." + sig
		},
	})
	for _, row := range []struct {
		name, source string
		sign         func(f forge, input string) []byte
	}{
		{"by the empty secret", "CVE-2019-20933", func(f forge, in string) []byte { return mac(hashOf(f.alg), nil, in) }},
		{"by the word secret", "guessed secrets", func(f forge, in string) []byte { return mac(hashOf(f.alg), []byte("secret"), in) }},
		{"by a secret of zero bytes", "guessed secrets", func(f forge, in string) []byte { return mac(hashOf(f.alg), make([]byte, 64), in) }},
		{"by the kid", "guessed secrets", func(f forge, in string) []byte { return mac(hashOf(f.alg), []byte(KeyID), in) }},
		{"by the issuer's name", "guessed secrets", func(f forge, in string) []byte { return mac(hashOf(f.alg), []byte(Issuer), in) }},
		{"by the words null and undefined", "guessed secrets", func(f forge, in string) []byte { return mac(hashOf(f.alg), []byte("undefined"), in) }},
		{"a hash without secret", "RFC 7518 3.2", func(f forge, in string) []byte { return digest(hashOf(f.alg), in) }},
		{"a hash of secret and text", "RFC 7518 3.2", func(f forge, in string) []byte { return digest(hashOf(f.alg), string(f.private.([]byte))+in) }},
		{"a hash of text and secret", "RFC 7518 3.2", func(f forge, in string) []byte { return digest(hashOf(f.alg), in+string(f.private.([]byte))) }},
		{"by the secret cut to half", "RFC 7518 3.2", func(f forge, in string) []byte { return mac(hashOf(f.alg), f.private.([]byte)[:32], in) }},
		{"by the secret and a byte", "RFC 7518 3.2", func(f forge, in string) []byte {
			return mac(hashOf(f.alg), append(bytes.Clone(f.private.([]byte)), 1), in)
		}},
		{"by the secret in hexadecimal", "RFC 7518 3.2", func(f forge, in string) []byte {
			return mac(hashOf(f.alg), []byte(hex.EncodeToString(f.private.([]byte))), in)
		}},
		{"by the secret in base64url", "RFC 7518 3.2", func(f forge, in string) []byte { return mac(hashOf(f.alg), []byte(segment(f.private.([]byte))), in) }},
	} {
		c.add(attempt{
			name: row.name, source: row.source, want: "signature_bad", algorithms: []string{"HS256", "HS384", "HS512"},
			token: func(f forge) string {
				input := inputOf(f)
				return input + "." + segment(row.sign(f, input))
			},
		})
	}
	c.add(attempt{name: "as it should be", source: "RFC 7518 3", want: OK, algorithms: allAlgorithms[:]})
}

// addECDSA: a signature is two numbers from 1 to the order of the curve less one (FIPS 186-5 section 6.4.2), each in full length
// (RFC 7518 section 3.4).
func (c *corpus) addECDSA() {
	es := []string{"ES256", "ES384", "ES512"}
	type numbers struct{ r, s, n, p *big.Int }
	plus := func(a *big.Int, b int64) *big.Int { return new(big.Int).Add(a, big.NewInt(b)) }
	zero, one := big.NewInt(0), big.NewInt(1)
	for _, row := range []struct {
		name, source string
		change       func(v numbers) (r, s *big.Int)
	}{
		{"r and s zero", "CVE-2022-21449", func(numbers) (r, s *big.Int) { return zero, zero }},
		{"r zero", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return zero, v.s }},
		{"s zero", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return v.r, zero }},
		{"r zero, s one", "CVE-2022-21449", func(numbers) (r, s *big.Int) { return zero, one }},
		{"r one, s zero", "CVE-2022-21449", func(numbers) (r, s *big.Int) { return one, zero }},
		{"r and s one", "FIPS 186-5 6.4.2", func(numbers) (r, s *big.Int) { return one, one }},
		{"r is the order", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return v.n, v.s }},
		{"s is the order", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return v.r, v.n }},
		{"r and s are the order", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return v.n, v.n }},
		{"r zero, s the order", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return zero, v.n }},
		{"r one, s the order", "CVE-2022-21449", func(v numbers) (r, s *big.Int) { return one, v.n }},
		{"r is the order and one", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return plus(v.n, 1), v.s }},
		{"s is the order and one", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return v.r, plus(v.n, 1) }},
		{"r is the order less one", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return plus(v.n, -1), v.s }},
		{"s is the order less one", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return v.r, plus(v.n, -1) }},
		{"r is the prime", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return v.p, v.s }},
		{"r and s are the largest there is room for", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return largest(v.n), largest(v.n) }},
		{"r negated", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return new(big.Int).Sub(v.n, v.r), v.s }},
		{"r and s swapped", "RFC 7518 3.4", func(v numbers) (r, s *big.Int) { return v.s, v.r }},
		{"r twice", "RFC 7518 3.4", func(v numbers) (r, s *big.Int) { return v.r, v.r }},
		{"s of another signature", "FIPS 186-5 6.4.2", func(v numbers) (r, s *big.Int) { return v.r, plus(v.s, 1) }},
	} {
		c.add(attempt{
			name: row.name, source: row.source, want: "signature_bad", algorithms: es,
			token: func(f forge) string {
				input, curve := inputOf(f), f.private.(*ecdsa.PrivateKey).Curve
				r, s := f.numbers(input)
				r, s = row.change(numbers{r, s, curve.Params().N, curve.Params().P})
				return input + "." + segment(pair(curve, r, s))
			},
		})
	}
	for _, row := range []struct {
		name   string
		encode func(f forge, r, s *big.Int) []byte
	}{
		{"in DER", func(_ forge, r, s *big.Int) []byte { return derPair(r, s) }},
		{"in DER with zeros behind", func(_ forge, r, s *big.Int) []byte { return append(derPair(r, s), make([]byte, 64)...) }},
		{"in DER, cut to size", func(f forge, r, s *big.Int) []byte {
			return derPair(r, s)[:2*((curveOf(f.alg).Params().BitSize+7)/8)]
		}},
		{"each number with a zero in front", func(f forge, r, s *big.Int) []byte {
			size := (curveOf(f.alg).Params().BitSize+7)/8 + 1
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}},
		{"each number as in a longer curve", func(_ forge, r, s *big.Int) []byte {
			return append(r.FillBytes(make([]byte, 72)), s.FillBytes(make([]byte, 72))...)
		}},
		{"zeros behind", func(f forge, r, s *big.Int) []byte { return append(pair(curveOf(f.alg), r, s), 0, 0) }},
		{"r alone", func(_ forge, r, _ *big.Int) []byte { return r.Bytes() }},
		{"the last byte of s missing", func(f forge, r, s *big.Int) []byte {
			b := pair(curveOf(f.alg), r, s)
			return b[:len(b)-1]
		}},
		{"with a recovery byte behind", func(f forge, r, s *big.Int) []byte { return append(pair(curveOf(f.alg), r, s), 27) }},
		{"little-endian", func(f forge, r, s *big.Int) []byte {
			b := pair(curveOf(f.alg), r, s)
			slices.Reverse(b[:len(b)/2])
			slices.Reverse(b[len(b)/2:])
			return b
		}},
		{"in decimal", func(_ forge, r, s *big.Int) []byte { return []byte(r.String() + "," + s.String()) }},
	} {
		c.add(attempt{
			name: row.name, source: "RFC 7518 3.4", want: "signature_bad", algorithms: es,
			token: func(f forge) string {
				input := inputOf(f)
				r, s := f.numbers(input)
				return input + "." + segment(row.encode(f, r, s))
			},
		})
	}
	// With (r, s) also (r, n-s) is a valid signature of the same text, and no RFC for JWS forbids it. That is harmless where
	// tokens are known by their jti and not by their text.
	c.add(attempt{
		name: "the twin (r, n-s) is valid too", source: "FIPS 186-5 6.4.2", want: OK, algorithms: es,
		token: func(f forge) string {
			input, curve := inputOf(f), f.private.(*ecdsa.PrivateKey).Curve
			r, s := f.numbers(input)
			return input + "." + segment(pair(curve, r, s.Sub(curve.Params().N, s)))
		},
	})
	c.add(attempt{
		name: "r with a zero byte in front is written in full", source: "RFC 7518 3.4", want: OK, algorithms: es,
		token: func(f forge) string {
			return shortR(f, func(r, s *big.Int) []byte { return pair(curveOf(f.alg), r, s) })
		},
	})
	c.add(attempt{
		name: "r with a zero byte in front is cut", source: "RFC 7518 3.4", want: "signature_bad", algorithms: es,
		token: func(f forge) string {
			return shortR(f, func(r, s *big.Int) []byte { return append(r.Bytes(), s.Bytes()...) })
		},
	})
}

// shortR returns a good token whose r begins with a zero byte.
func shortR(f forge, encode func(r, s *big.Int) []byte) string {
	for n := int64(0); ; n++ {
		input := segment(f.header().String()) + "." + segment(base().with("jti", quote("id-"+big.NewInt(n).String())).String())
		r, s := f.numbers(input)
		if r.BitLen() <= curveOf(f.alg).Params().BitSize-8 {
			return input + "." + segment(encode(r, s))
		}
	}
}

// largest is the largest number in as many bytes as n has.
func largest(n *big.Int) *big.Int {
	return new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, len(n.Bytes())))
}

func derPair(r, s *big.Int) []byte {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		panic(err)
	}
	return der
}

// addEdDSA: RFC 8032 section 5.1.7 wants S below the order of the base point, so that a signature has no twin.
func (c *corpus) addEdDSA() {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	neutral := append([]byte{1}, make([]byte, 31)...)
	noncanonical := append([]byte{0xee}, bytes.Repeat([]byte{0xff}, 30)...)
	noncanonical = append(noncanonical, 0x7f) // p + 1: the neutral element again
	for _, row := range []struct {
		name, source string
		change       func(sig []byte) []byte
	}{
		{"S and the order", "RFC 8032 5.1.7", func(s []byte) []byte { return addToS(s, order) }},
		{"S and twice the order", "RFC 8032 5.1.7", func(s []byte) []byte { return addToS(s, new(big.Int).Lsh(order, 1)) }},
		{"S and eight times the order", "RFC 8032 5.1.7", func(s []byte) []byte { return addToS(s, new(big.Int).Lsh(order, 3)) }},
		{"S is the order", "RFC 8032 5.1.7", func(s []byte) []byte { return append(s[:32:32], littleEndian(order)...) }},
		{"S is zero", "RFC 8032 5.1.7", func(s []byte) []byte { return append(s[:32:32], make([]byte, 32)...) }},
		{"S with its top bit set", "RFC 8032 5.1.7", func(s []byte) []byte { s[63] |= 0x80; return s }},
		{"S with its top three bits set", "RFC 8032 5.1.7", func(s []byte) []byte { s[63] |= 0xe0; return s }},
		{"R is the neutral element", "RFC 8032 5.1.7", func(s []byte) []byte { return append(bytes.Clone(neutral), s[32:]...) }},
		{"R is the neutral element, S zero", "RFC 8032 5.1.7", func([]byte) []byte { return append(bytes.Clone(neutral), make([]byte, 32)...) }},
		{"R is the neutral element not canonically, S zero", "RFC 8032 5.1.7", func([]byte) []byte {
			return append(bytes.Clone(noncanonical), make([]byte, 32)...)
		}},
		{"R with the other sign", "RFC 8032 5.1.2", func(s []byte) []byte { s[31] ^= 0x80; return s }},
		{"R is no point", "RFC 8032 5.1.3", func(s []byte) []byte { return append(bytes.Repeat([]byte{0xff}, 32), s[32:]...) }},
		{"R and S swapped", "RFC 8032 5.1.6", func(s []byte) []byte { return append(bytes.Clone(s[32:]), s[:32]...) }},
		{"R alone", "RFC 8032 5.1.6", func(s []byte) []byte { return s[:32] }},
		{"114 bytes, as of Ed448", "RFC 8032 5.2.6", func(s []byte) []byte { return append(s, make([]byte, 50)...) }},
	} {
		c.add(attempt{
			name: row.name, source: row.source, want: "signature_bad", algorithms: []string{"EdDSA"},
			token: func(f forge) string {
				input := inputOf(f)
				return input + "." + segment(row.change(f.signature(input)))
			},
		})
	}
	for _, row := range []struct {
		name string
		opts ed25519.Options
	}{
		{"Ed25519ph", ed25519.Options{Hash: crypto.SHA512}},
		{"Ed25519ctx", ed25519.Options{Context: "tokenauth"}},
	} {
		c.add(attempt{
			name: row.name, source: "RFC 8037 3.1: pure Ed25519", want: "signature_bad", algorithms: []string{"EdDSA"},
			token: func(f forge) string {
				input := inputOf(f)
				message := []byte(input)
				if row.opts.Hash != 0 {
					message = digest(row.opts.Hash, input)
				}
				sig, err := f.private.(ed25519.PrivateKey).Sign(nil, message, &row.opts)
				if err != nil {
					panic(err)
				}
				return input + "." + segment(sig)
			},
		})
	}
}

func addToS(sig []byte, n *big.Int) []byte {
	bigEndian := bytes.Clone(sig[32:])
	slices.Reverse(bigEndian)
	s := new(big.Int).SetBytes(bigEndian)
	return append(sig[:32:32], littleEndian(s.Add(s, n))...)
}

// littleEndian returns 32 bytes.
func littleEndian(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

// addRSAPadding: whoever looks for the hash in the padding, instead of building the padding and comparing, finds it in the wrong
// place (RFC 8017 section 8.2.2). With exponent 3 that is a forgery without the key: CVE-2006-4339.
func (c *corpus) addRSAPadding() {
	rs := []string{"RS256", "RS384", "RS512"}
	md5, sha1 := objectID(crypto.MD5), objectID(crypto.SHA1)
	null := []byte{0x05, 0x00}
	for _, row := range []struct {
		name, source string
		padding      func(hash crypto.Hash) pkcs1
	}{
		{"no DigestInfo", "RFC 8017 9.2", func(crypto.Hash) pkcs1 { return pkcs1{noInfo: true} }},
		{"the hash at the left, garbage behind", "CVE-2006-4339", func(crypto.Hash) pkcs1 { return pkcs1{padding: 8, trailer: bytes.Repeat([]byte{0x5a}, 60)} }},
		{"the hash at the left, zeros behind", "CVE-2006-4339", func(crypto.Hash) pkcs1 { return pkcs1{padding: 8} }},
		{"one byte of garbage behind", "CVE-2006-4339", func(crypto.Hash) pkcs1 { return pkcs1{trailer: []byte{0x5a}} }},
		{"a byte of padding less, a zero behind", "CVE-2006-4339", func(crypto.Hash) pkcs1 { return pkcs1{trailer: []byte{0}} }},
		{"no padding at all", "CVE-2006-4339", func(crypto.Hash) pkcs1 { return pkcs1{padding: 1, trailer: bytes.Repeat([]byte{0xff}, 100)} }},
		{"first byte one", "RFC 8017 9.2", func(crypto.Hash) pkcs1 { return pkcs1{first: 1} }},
		{"block type 255", "RFC 8017 9.2", func(crypto.Hash) pkcs1 { return pkcs1{block: 0xff} }},
		{"block type 2", "RFC 8017 7.2.1", func(crypto.Hash) pkcs1 { return pkcs1{block: 2} }},
		{"padding of other bytes", "CVE-2014-1568", func(crypto.Hash) pkcs1 { return pkcs1{pad: 0xfe} }},
		{"padding of random bytes, as in block type 2", "RFC 8017 7.2.1", func(crypto.Hash) pkcs1 { return pkcs1{block: 2, pad: 0x5a} }},
		{"no zero behind the padding", "RFC 8017 9.2", func(crypto.Hash) pkcs1 { return pkcs1{after: 1} }},
		{"DigestInfo without parameters", "RFC 8017 9.2, note 1", func(h crypto.Hash) pkcs1 { return pkcs1{info: algorithmInfo(objectID(h), nil, h.Size())} }},
		{"DigestInfo with garbage for parameters", "CVE-2018-16152", func(h crypto.Hash) pkcs1 {
			return pkcs1{info: algorithmInfo(objectID(h), append([]byte{0x04, 40}, make([]byte, 40)...), h.Size())}
		}},
		{"DigestInfo with parameters twice", "CVE-2018-16152", func(h crypto.Hash) pkcs1 {
			return pkcs1{info: algorithmInfo(objectID(h), append(bytes.Clone(null), null...), h.Size())}
		}},
		{"DigestInfo with a length in two bytes", "CVE-2014-1568", func(h crypto.Hash) pkcs1 { return pkcs1{info: longForm(digestInfo(h))} }},
		{"DigestInfo of SHA-1 before the right hash", "RFC 8017 8.2.2", func(h crypto.Hash) pkcs1 { return pkcs1{info: algorithmInfo(sha1, null, h.Size())} }},
		{"DigestInfo of MD5 before the right hash", "RFC 8017 8.2.2", func(h crypto.Hash) pkcs1 { return pkcs1{info: algorithmInfo(md5, null, h.Size())} }},
	} {
		c.add(attempt{
			name: row.name, source: row.source, want: "signature_bad", algorithms: rs,
			token: func(f forge) string {
				input, key, hash := inputOf(f), f.private.(*rsaKey), hashOf(f.alg)
				p := row.padding(hash)
				p.hash = hash
				return input + "." + segment(key.raw(p.encode(digest(hash, input), key.size())))
			},
		})
	}
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.MD5} {
		c.add(attempt{
			name: "made with " + hash.String(), source: "RFC 7518 3.3", want: "signature_bad", algorithms: rs,
			token: func(f forge) string {
				input, key := inputOf(f), f.private.(*rsaKey)
				sum := digest(crypto.SHA512, input)[:hash.Size()] // what it is does not matter, as it is not the right one
				return input + "." + segment(key.raw(pkcs1{hash: hash}.encode(sum, key.size())))
			},
		})
	}
	for _, row := range []struct {
		name string
		sig  func(k *rsaKey, good []byte) []byte
	}{
		{"zero", func(k *rsaKey, _ []byte) []byte { return make([]byte, k.size()) }},
		{"one", func(k *rsaKey, _ []byte) []byte { return big.NewInt(1).FillBytes(make([]byte, k.size())) }},
		{"the modulus", func(k *rsaKey, _ []byte) []byte { return k.N.Bytes() }},
		{"the modulus less one", func(k *rsaKey, _ []byte) []byte { return new(big.Int).Sub(k.N, big.NewInt(1)).Bytes() }},
		{"the signature and the modulus", func(k *rsaKey, good []byte) []byte {
			return new(big.Int).Add(new(big.Int).SetBytes(good), k.N).FillBytes(make([]byte, k.size()+1))
		}},
		{"the signature negated", func(k *rsaKey, good []byte) []byte {
			return new(big.Int).Sub(k.N, new(big.Int).SetBytes(good)).FillBytes(make([]byte, k.size()))
		}},
		{"the encoded message, not signed", func(k *rsaKey, good []byte) []byte {
			return new(big.Int).Exp(new(big.Int).SetBytes(good), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.size()))
		}},
		{"the signature and a zero in front", func(_ *rsaKey, good []byte) []byte { return append([]byte{0}, good...) }},
	} {
		c.add(attempt{
			name: "the number is " + row.name, source: "RFC 8017 8.2.2, 5.2.2", want: "signature_bad",
			algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
			token: func(f forge) string {
				input := inputOf(f)
				return input + "." + segment(row.sig(f.private.(*rsaKey), f.signature(input)))
			},
		})
	}
	cube := func(_ forge, a *Authority) {
		a.Keys = []Key{{ID: KeyID, Algorithm: "RS256", Material: &c.keys.cube.PublicKey}}
	}
	c.add(attempt{
		name: "exponent 3, a cube root for a signature", source: "CVE-2006-4339", want: "signature_bad", algorithms: []string{"RS256"}, setup: cube,
		token: func(f forge) string {
			input := inputOf(f)
			message := pkcs1{hash: crypto.SHA256, padding: 8}.encode(digest(crypto.SHA256, input), c.keys.cube.size())
			return input + "." + segment(cubeRoot(message))
		},
	})
	c.add(attempt{
		name: "exponent 3, signed properly", source: "RFC 8017 3.1", want: OK, algorithms: []string{"RS256"}, setup: cube,
		token: func(f forge) string { return c.keys.stranger("RS256").good(base()) },
	})
	c.add(attempt{
		name: "a signature with a zero byte in front", source: "RFC 8017 4.1", want: OK, algorithms: []string{"RS256"},
		token: func(f forge) string { return shortSignature(f, func(sig []byte) []byte { return sig }) },
	})
	c.add(attempt{
		name: "a signature whose zero byte in front is cut", source: "RFC 8017 8.2.2", want: "signature_bad", algorithms: []string{"RS256"},
		token: func(f forge) string { return shortSignature(f, func(sig []byte) []byte { return sig[1:] }) },
	})
}

// longForm writes the outer length of a DER sequence in two bytes, as BER allows.
func longForm(der []byte) []byte {
	return append([]byte{der[0], 0x81}, der[1:]...)
}

// cubeRoot returns a number whose cube begins as message does, up to where its zeros begin.
func cubeRoot(message []byte) []byte {
	target := new(big.Int).SetBytes(message)
	low, high := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), uint(target.BitLen())/3+2)
	for low.Cmp(high) < 0 {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if new(big.Int).Exp(middle, big.NewInt(3), nil).Cmp(target) < 0 {
			low = middle.Add(middle, big.NewInt(1))
		} else {
			high = middle
		}
	}
	return low.FillBytes(make([]byte, len(message)))
}

// shortSignature returns a good token whose signature begins with a zero byte, after a change to it.
func shortSignature(f forge, change func([]byte) []byte) string {
	for n := int64(0); ; n++ {
		input := segment(f.header().String()) + "." + segment(base().with("jti", quote("id-"+big.NewInt(n).String())).String())
		if sig := f.signature(input); sig[0] == 0 {
			return input + "." + segment(change(sig))
		}
	}
}

// addPSS: RFC 7518 section 3.5 wants the same hash in the mask and a salt as long as the hash.
func (c *corpus) addPSS() {
	ps := []string{"PS256", "PS384", "PS512"}
	for _, row := range []struct {
		name, source string
		padding      func(p pss, room int) pss
	}{
		{"no salt", "RFC 7518 3.5", func(p pss, _ int) pss { p.noSalt = true; return p }},
		{"a salt of one byte", "RFC 7518 3.5", func(p pss, _ int) pss { p.salt = 1; return p }},
		{"a salt of 20 bytes", "RFC 7518 3.5", func(p pss, _ int) pss { p.salt = 20; return p }},
		{"a salt one byte short", "RFC 7518 3.5", func(p pss, _ int) pss { p.salt = p.hash.Size() - 1; return p }},
		{"a salt one byte long", "RFC 7518 3.5", func(p pss, _ int) pss { p.salt = p.hash.Size() + 1; return p }},
		{"the longest salt there is room for", "RFC 7518 3.5", func(p pss, room int) pss { p.salt = room; return p }},
		{"a mask of SHA-1", "RFC 7518 3.5", func(p pss, _ int) pss { p.mask = crypto.SHA1; return p }},
		{"a mask of another SHA-2", "RFC 7518 3.5", func(p pss, _ int) pss { p.mask = otherHash(p.hash); return p }},
		{"another trailer", "RFC 8017 9.1.2", func(p pss, _ int) pss { p.trailer = 0xcc; return p }},
		{"no mark before the salt", "RFC 8017 9.1.2", func(p pss, _ int) pss { p.mark = 0x02; return p }},
		{"padding that is not zero", "RFC 8017 9.1.2", func(p pss, _ int) pss { p.padding = 0x01; return p }},
		{"the hash of no message", "RFC 8017 9.1.2", func(p pss, _ int) pss { p.zeroMid = true; return p }},
	} {
		c.add(attempt{
			name: row.name, source: row.source, want: "signature_bad", algorithms: ps,
			token: func(f forge) string {
				input, key, hash := inputOf(f), f.private.(*rsaKey), hashOf(f.alg)
				p := row.padding(pss{hash: hash}, key.size()-hash.Size()-2)
				return input + "." + segment(key.raw(p.encode(digest(hash, input), key.N.BitLen())))
			},
		})
	}
	for _, row := range []struct{ name, as string }{
		{"PKCS #1 v1.5 under PS256", "RS256"}, {"SHA-384 under PS256", "PS384"}, {"SHA-512 under PS256", "PS512"},
	} {
		c.add(attempt{
			name: row.name, source: "RFC 7518 3.5", want: "signature_bad", algorithms: []string{"PS256"},
			token: func(f forge) string { return f.signAs("PS256", f.as(row.as)) },
		})
	}
	c.add(attempt{name: "a salt as long as the hash", source: "RFC 7518 3.5", want: OK, algorithms: ps})
}

func otherHash(h crypto.Hash) crypto.Hash {
	if h == crypto.SHA256 {
		return crypto.SHA512
	}
	return crypto.SHA256
}
