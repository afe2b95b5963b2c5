package tokenauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/a74cfa30/tokenauth/internal/jwa"
)

// Keys as PEM (RFC 7468), the form in which openssl and most secret stores keep them. A file is put together by hand and by
// someone who means all of it, so nothing in it is left out: a block that cannot be used is an error. The DER inside is read by
// crypto/x509, whose errors are not passed on, because they may hold numbers of the key.

// pemBlocks returns the blocks of a PEM text. encoding/pem steps over a damaged block as if it were a comment, so that a key
// would be lost in silence: their number is compared with what the text announces.
func pemBlocks(data []byte) ([]*pem.Block, error) {
	announced := bytes.Count(data, []byte("-----BEGIN "))
	if announced == 0 {
		return nil, errors.New("neither a JSON object nor PEM")
	}
	if announced > maxKeys {
		return nil, fmt.Errorf("more than %d PEM blocks", maxKeys)
	}
	var blocks []*pem.Block
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		blocks = append(blocks, block)
	}
	if len(blocks) != announced {
		return nil, errors.New("a PEM block is damaged")
	}
	return blocks, nil
}

func parsePublicPEM(data []byte) ([]Key, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(blocks))
	for i, block := range blocks {
		if keys[i], err = parsePublicBlock(block); err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", i+1, err)
		}
	}
	return keys, nil
}

func parsePublicBlock(block *pem.Block) (Key, error) {
	if len(block.Headers) > 0 {
		return Key{}, errors.New("it has headers")
	}
	var public crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		return Key{}, errors.New("it is a certificate, whose validity nothing would check: extract its public key")
	default:
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return Key{}, errors.New("it is a private key")
		}
		return Key{}, errors.New("it is neither PUBLIC KEY nor RSA PUBLIC KEY")
	}
	if err != nil {
		return Key{}, errors.New("its content is no public key of a kind known here")
	}
	alg, err := usualAlgorithm(public)
	if err != nil {
		return Key{}, err
	}
	return newKey(thumbprint(public), alg, public, jwa.MaxRSABits)
}

func parsePrivatePEM(data []byte) (SigningKey, error) {
	blocks, err := pemBlocks(data)
	if err != nil {
		return SigningKey{}, err
	}
	if blocks[0].Type == "EC PARAMETERS" {
		blocks = blocks[1:] // openssl ecparam -genkey puts the curve first, which the key then names again
	}
	if len(blocks) != 1 {
		return SigningKey{}, errors.New("not one PEM block")
	}
	return parsePrivateBlock(blocks[0])
}

func parsePrivateBlock(block *pem.Block) (SigningKey, error) {
	if len(block.Headers) > 0 || block.Type == "ENCRYPTED PRIVATE KEY" {
		return SigningKey{}, errors.New("the PEM block is encrypted: decrypt it first")
	}
	if err := checkRSASizes(block); err != nil {
		return SigningKey{}, err
	}
	var private any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return SigningKey{}, errors.New("the PEM block is none of PRIVATE KEY, RSA PRIVATE KEY and EC PRIVATE KEY")
	}
	signer, ok := private.(crypto.Signer)
	if err != nil || !ok {
		return SigningKey{}, errors.New("the content of the PEM block is no private key that signs by an algorithm known here")
	}
	alg, err := usualAlgorithm(signer.Public())
	if err != nil {
		return SigningKey{}, err
	}
	return newSigningKey(thumbprint(signer.Public()), alg, private)
}

// checkRSASizes refuses an RSA key whose numbers are too long. It looks before crypto/x509 does, which first computes what
// follows from the primes, in time by the third power of their length, and then compares them with the modulus: primes that
// fill 8 KiB keep it busy for many minutes. What is no RSA key passes.
func checkRSASizes(block *pem.Block) error {
	der := block.Bytes
	var wrapped struct { // PKCS #8: RFC 5208, section 5
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &wrapped); err == nil {
		der = wrapped.Key
	}
	var key struct { // PKCS #1: RFC 8017, appendix A.1.2; what follows is computed from these
		Version int
		N       *big.Int
		E       int
		D, P, Q *big.Int
	}
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil
	}
	for _, number := range []*big.Int{key.N, key.D, key.P, key.Q} {
		if number.BitLen() > jwa.MaxRSABits {
			return fmt.Errorf("a number of the RSA key is longer than %d bits", jwa.MaxRSABits)
		}
	}
	return nil
}

// usualAlgorithm returns the algorithm of a key that does not tell: the one of its curve, or RS256.
func usualAlgorithm(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return "RS256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return "ES256", nil
		case elliptic.P384():
			return "ES384", nil
		case elliptic.P521():
			return "ES512", nil
		}
	}
	return "", errors.New("there is no algorithm here for this kind or curve")
}
