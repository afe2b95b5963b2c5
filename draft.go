package tokenauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"strings"

	"github.com/a74cfa30/tokenauth/internal/jose"
	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// What is signed is what was judged. A token is written out once, for the key that will sign it, after its claims were held against
// the profile and before its record is created. Its length is that of this text, and after the second look this text is signed: the
// claims are not read again, so that nothing which happens in between, be it a key rotation, gets into a token that was judged as
// another.
//
// Until then the text is no token: without its signature it is worth nothing.

// A signer is the key that signs and what all of its tokens begin with. UseKey replaces both at once, so that no header ever names
// another key than the one that signs under it.
type signer struct {
	key       SigningKey
	head      string // the header's segment, and the dot behind it
	signature int    // characters of a signature's segment
}

// newSigner returns the signer of a profile's tokens with a key, which the profile admits.
func newSigner(key SigningKey, p *Profile) *signer {
	header := jose.Header{Algorithm: key.Algorithm(), KeyID: key.ID(), Type: p.Types[0]}
	return &signer{
		key:       key,
		head:      string(jose.AppendEncoded(nil, jose.AppendHeader(nil, header))) + ".",
		signature: encodedLen(signatureBytes(key.VerifyingKey())),
	}
}

// signatureBytes returns how long the signatures of a key are.
func signatureBytes(k Key) int {
	switch public := k.d.public.(type) {
	case ed25519.PublicKey:
		return ed25519.SignatureSize
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey:
		return 2 * ((public.Params().BitSize + 7) / 8) // RFC 7518, section 3.4
	}
	a, _ := jwa.Lookup(k.Algorithm())
	return a.Hash.Size()
}

// encodedLen returns the length of n bytes in base64url without padding.
func encodedLen(n int) int { return (n*8 + 5) / 6 }

// A draft is a token that lacks its signature. It is written once, and then signed at most once.
type draft struct {
	signer *signer
	text   strings.Builder // with room for the signature
}

// write writes claims that validate, and says whether the token will not be longer than the profile admits.
func (d *draft) write(c *Claims, p *Profile) bool {
	var space [2 * usualClaims]byte
	payload := c.appendJSON(space[:0], p.ClosedClaims)
	length := len(d.signer.head) + encodedLen(len(payload)) + len(".") + d.signer.signature
	if length > p.MaxTokenBytes {
		return false
	}
	d.text.Grow(length)
	d.text.WriteString(d.signer.head)
	jose.WriteEncoded(&d.text, payload)
	return true
}

// sign makes the token. The claims and the record are those it was written from: they are handed out beside it.
func (d *draft) sign(c *Claims, record *StoredAccessToken) (Issued, error) {
	signature, err := d.signer.key.sign(d.text.String())
	if err != nil {
		return Issued{}, reasonSigningDown.because(err)
	}
	d.text.WriteByte('.')
	jose.WriteEncoded(&d.text, signature)
	return Issued{Token: newToken(d.text.String()), Claims: c, Record: record, keyID: d.signer.key.ID()}, nil
}
