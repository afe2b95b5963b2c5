package wycheproof

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// The vectors about signatures alone sign any message, and no token has such a signing input. They go to what verifies the
// signatures of tokens: internal/jwa, by keys that it admitted.

// rawFiles are the files, the algorithm that takes their vectors, and how many of these verify.
var rawFiles = []struct {
	name, alg string
	verified  int
}{
	{"hmac_sha256_test.json", "HS256", 30},
	{"hmac_sha384_test.json", "HS384", 30},
	{"hmac_sha512_test.json", "HS512", 30},

	{"rsa_signature_2048_sha256_test.json", "RS256", 9},
	{"rsa_signature_3072_sha256_test.json", "RS256", 8},
	{"rsa_signature_4096_sha256_test.json", "RS256", 7},
	{"rsa_signature_8192_sha256_test.json", "RS256", 7},
	{"rsa_signature_2048_sha384_test.json", "RS384", 7},
	{"rsa_signature_3072_sha384_test.json", "RS384", 7},
	{"rsa_signature_4096_sha384_test.json", "RS384", 7},
	{"rsa_signature_8192_sha384_test.json", "RS384", 7},
	{"rsa_signature_2048_sha512_test.json", "RS512", 8},
	{"rsa_signature_3072_sha512_test.json", "RS512", 8},
	{"rsa_signature_4096_sha512_test.json", "RS512", 7},
	{"rsa_signature_8192_sha512_test.json", "RS512", 7},

	{"rsa_pss_2048_sha256_mgf1_32_test.json", "PS256", 63},
	{"rsa_pss_3072_sha256_mgf1_32_test.json", "PS256", 63},
	{"rsa_pss_4096_sha256_mgf1_32_test.json", "PS256", 63},
	{"rsa_pss_2048_sha384_mgf1_48_test.json", "PS384", 95},
	{"rsa_pss_4096_sha384_mgf1_48_test.json", "PS384", 95},
	{"rsa_pss_4096_sha512_mgf1_64_test.json", "PS512", 132},

	// These have a salt of another length than the hash, or another hash below the mask.
	{"rsa_pss_2048_sha256_mgf1_0_test.json", "PS256", 1},
	{"rsa_pss_2048_sha256_mgf1sha1_20_test.json", "PS256", 0},
	{"rsa_pss_4096_sha512_mgf1_32_test.json", "PS512", 0},
	{"rsa_pss_misc_test.json", "PS256", 1},
	{"rsa_pss_misc_test.json", "PS384", 1},
	{"rsa_pss_misc_test.json", "PS512", 1},

	{"ecdsa_secp256r1_sha256_p1363_test.json", "ES256", 173},
	{"ecdsa_secp384r1_sha384_p1363_test.json", "ES384", 193},
	{"ecdsa_secp521r1_sha512_p1363_test.json", "ES512", 231},

	{"ed25519_test.json", "EdDSA", 88},
}

func TestSignatures(t *testing.T) {
	for _, file := range rawFiles {
		t.Run(strings.TrimSuffix(file.name, "_test.json")+"/"+file.alg, func(t *testing.T) {
			alg, ok := jwa.Lookup(file.alg)
			if !ok {
				t.Fatal("no such algorithm")
			}
			verified := 0
			for _, g := range groupsOf(t, file.name) {
				if g.Hash != "" && g.Hash != alg.Hash.String() {
					continue // there are several hashes in the file
				}
				for _, v := range g.Tests {
					got := g.verifies(t, alg, v)
					if got != g.shouldVerify(alg, v) {
						t.Errorf("vector %d (%s): verified is %t, and it is labelled %s", v.ID, v.Comment, got, v.Result)
					}
					if got {
						verified++
					}
				}
			}
			if verified != file.verified {
				t.Errorf("%d vectors verify, and there should be %d", verified, file.verified)
			}
		})
	}
}

// verifies says whether a signature verifies by a key that is admitted.
func (g group) verifies(t *testing.T, alg jwa.Algorithm, v vector) bool {
	t.Helper()
	if alg.Family == jwa.HMAC {
		m, err := alg.Admit([]byte(v.Key), 0)
		return err == nil && m.Verify(string(v.Message), v.Tag)
	}
	public, err := x509.ParsePKIXPublicKey(g.PublicDER)
	if err != nil {
		t.Fatal(err)
	}
	return admit(t, alg, public).Verify(string(v.Message), v.Sig)
}

// admit makes a key that must be admitted.
func admit(t *testing.T, alg jwa.Algorithm, public any) jwa.Material {
	t.Helper()
	m, err := alg.Admit(public, jwa.MaxLargeRSABits)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shouldVerify is Wycheproof's label, narrowed by what a JWS asks for: a secret no shorter than the hash and the whole MAC (RFC 7518,
// section 3.2), and for PS* a salt as long as the hash and the same hash below the mask (section 3.5). What is labelled acceptable is
// not accepted: it is PKCS #1 without the NULL that RFC 8017, appendix A.2.4, wants.
func (g group) shouldVerify(alg jwa.Algorithm, v vector) bool {
	switch alg.Family {
	case jwa.HMAC:
		return v.Result == valid && len(v.Key) >= alg.Hash.Size() && len(v.Tag) == alg.Hash.Size()
	case jwa.PSS:
		whole := v.Result == valid && g.Salt == alg.Hash.Size()
		changed := v.Comment == fmt.Sprintf("s_len changed to %d", alg.Hash.Size()) // from one that no PS* has
		return (whole || changed) && g.MaskHash == alg.Hash.String()
	}
	return v.Result == valid
}
