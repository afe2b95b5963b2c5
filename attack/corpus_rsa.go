package attack

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/asn1"
	"math/big"
)

// RSA by hand (RFC 8017): a library signs only what is padded properly, with keys that are long enough, and an attacker does not.

// An rsaKey signs whatever it is given.
type rsaKey struct {
	rsa.PublicKey
	d, p, q, dp, dq, qInverse *big.Int
}

func newRSAKey(prime1, prime2 string, e int) *rsaKey {
	p, ok1 := new(big.Int).SetString(prime1, 16)
	q, ok2 := new(big.Int).SetString(prime2, 16)
	if !ok1 || !ok2 {
		panic("attack: a prime is no number")
	}
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	d := new(big.Int).ModInverse(big.NewInt(int64(e)), new(big.Int).Mul(p1, q1))
	return &rsaKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e},
		d:         d, p: p, q: q,
		dp: new(big.Int).Mod(d, p1), dq: new(big.Int).Mod(d, q1), qInverse: new(big.Int).ModInverse(q, p),
	}
}

// size is the length of a signature.
func (k *rsaKey) size() int { return (k.N.BitLen() + 7) / 8 }

// raw is RSASP1 of an encoded message (RFC 8017, section 5.2.1), by the Chinese remainder theorem.
func (k *rsaKey) raw(message []byte) []byte {
	m := new(big.Int).SetBytes(message)
	s1, s2 := new(big.Int).Exp(m, k.dp, k.p), new(big.Int).Exp(m, k.dq, k.q)
	h := s1.Sub(s1, s2)
	h.Mul(h, k.qInverse).Mod(h, k.p)
	return h.Mul(h, k.q).Add(h, s2).FillBytes(make([]byte, k.size()))
}

// A pkcs1 is EMSA-PKCS1-v1_5 (RFC 8017, section 9.2), or something like it. The zero values are what the standard says.
type pkcs1 struct {
	hash    crypto.Hash
	first   byte   // 0x00
	block   byte   // 0x01
	pad     byte   // 0xff
	after   byte   // 0x00, what ends the padding
	info    []byte // the DigestInfo that stands before the hash
	noInfo  bool
	trailer []byte // what follows the hash
	padding int    // how many bytes of it; 0: as many as there is room
}

func (p pkcs1) encode(digest []byte, size int) []byte {
	info := p.info
	if info == nil && !p.noInfo {
		info = digestInfo(p.hash)
	}
	tail := bytes.Join([][]byte{{p.after}, info, digest, p.trailer}, nil)
	padding := p.padding
	if padding == 0 {
		padding = size - 2 - len(tail)
	}
	pad := p.pad
	if pad == 0 {
		pad = 0xff
	}
	block := p.block
	if block == 0 {
		block = 0x01
	}
	head := append([]byte{p.first, block}, bytes.Repeat([]byte{pad}, padding)...)
	message := append(head, tail...)
	return append(message, make([]byte, size-len(message))...)
}

// digestInfo returns what stands before a hash, in DER.
func digestInfo(hash crypto.Hash) []byte {
	return algorithmInfo(objectID(hash), []byte{0x05, 0x00}, hash.Size())
}

// algorithmInfo is a DigestInfo up to the hash, with parameters of choice.
func algorithmInfo(id, parameters []byte, hashSize int) []byte {
	algorithm := append(bytes.Clone(id), parameters...)
	info := append([]byte{0x30, byte(len(algorithm))}, algorithm...)
	info = append(info, 0x04, byte(hashSize))
	return append([]byte{0x30, byte(len(info) + hashSize)}, info...)
}

// objectID returns a hash's object identifier in DER.
func objectID(hash crypto.Hash) []byte {
	id := asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1} // SHA-256; SHA-384 and SHA-512 follow it
	switch hash {
	case crypto.SHA384:
		id[8] = 2
	case crypto.SHA512:
		id[8] = 3
	case crypto.SHA1:
		id = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	case crypto.MD5:
		id = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}
	}
	der, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return der
}

// A pss is EMSA-PSS (RFC 8017, section 9.1.1), or something like it. The zero values are what RFC 7518 says, but for the salt,
// which is always the same.
type pss struct {
	hash    crypto.Hash
	mask    crypto.Hash // of the mask; 0: the same
	salt    int         // its length; 0: that of the hash
	noSalt  bool
	mark    byte // 0x01 before the salt
	trailer byte // 0xbc at the end
	padding byte // 0x00 before the mark
	zeroMid bool // the hash of another message
}

func (p pss) encode(digest []byte, modulusBits int) []byte {
	bits := modulusBits - 1
	size := (bits + 7) / 8
	saltSize := p.hash.Size()
	if p.salt != 0 {
		saltSize = p.salt
	}
	if p.noSalt {
		saltSize = 0
	}
	salt := bytes.Repeat([]byte{0x5a}, saltSize)

	h := p.hash.New()
	h.Write(make([]byte, 8))
	if !p.zeroMid {
		h.Write(digest)
	}
	h.Write(salt)
	inner := h.Sum(nil)

	block := bytes.Repeat([]byte{p.padding}, size-len(inner)-1)
	block[len(block)-saltSize-1] = orByte(p.mark, 0x01)
	copy(block[len(block)-saltSize:], salt)
	mask := p.mask
	if mask == 0 {
		mask = p.hash
	}
	subtle.XORBytes(block, block, maskOf(mask, inner, len(block)))
	block[0] &= 0xff >> (8*size - bits)
	return append(append(block, inner...), orByte(p.trailer, 0xbc))
}

// orByte returns b, or standard if it is zero.
func orByte(b, standard byte) byte {
	if b == 0 {
		return standard
	}
	return b
}

// maskOf is MGF1 (RFC 8017, appendix B.2.1).
func maskOf(hash crypto.Hash, seed []byte, size int) []byte {
	var mask []byte
	for counter := byte(0); len(mask) < size; counter++ {
		h := hash.New()
		h.Write(seed)
		h.Write([]byte{0, 0, 0, counter})
		mask = h.Sum(mask)
	}
	return mask[:size]
}
