package jose

import "slices"

// A header is read before anything is proven, and says how the proof is to be made. That is where most forgeries begin: a key
// that the token brings along, an algorithm that suits the attacker, a payload that another reader takes for something else.
// So three members are read, alg, kid and typ; those that could change where the key comes from or what was signed refuse the
// token; and the rest is held to the same grammar and has no effect.
//
// What is read is a claim, not a choice: the key fixes the algorithm, and the header must agree. That, and which types and
// keys are known, is the caller's to check.

// MaxHeaderBytes is the longest header that is read, in bytes of JSON. Headers of three members have some 60.
const MaxHeaderBytes = 2048

// How long the members of a header may be, in bytes.
const (
	maxAlgorithmBytes = 32
	maxKeyIDBytes     = 128
	maxTypeBytes      = 128
)

// Header is what this library reads of a JOSE header (RFC 7515 §4.1).
type Header struct {
	Algorithm string // alg: 1 to 32 bytes
	KeyID     string // kid: at most 128 characters of printable ASCII; "" if the header has none
	Type      string // typ: at most 128 bytes, as written, though RFC 7515 §4.1.9 compares it without case; "" if it has none
	Open      bool   // there are other members, which were ignored
}

// A refusedMember is the name of a header member that refuses the token, as an error. It wraps ErrHeaderRefused.
type refusedMember string

func (m refusedMember) Error() string { return "header member " + string(m) + " is refused" }
func (m refusedMember) Unwrap() error { return ErrHeaderRefused }

// The members that refuse a token, whatever their value. A reader that does not know them could misunderstand the token, and
// one that obeys them would take instructions from whoever sent it.
const (
	refusedCrit refusedMember = "crit" // extensions the reader must understand: there are none here (RFC 7515 §4.1.11)
	refusedB64  refusedMember = "b64"  // a payload that is not encoded (RFC 7797)
	refusedZip  refusedMember = "zip"  // a payload that grows when read (RFC 7516 §4.1.3)
	refusedCty  refusedMember = "cty"  // a payload that is another token (RFC 7519 §5.2)
	refusedJWK  refusedMember = "jwk"  // a key brought along (RFC 7515 §4.1.3)
	refusedJKU  refusedMember = "jku"  // an address to fetch a key from (RFC 7515 §4.1.2)
	refusedX5U  refusedMember = "x5u"  // the same, for certificates (RFC 7515 §4.1.5)
	refusedX5C  refusedMember = "x5c"  // a certificate brought along (RFC 7515 §4.1.6)
)

// headerNames are the members that are read.
var headerNames = NewNames("alg", "kid", "typ")

// ParseHeader reads a header from its JSON, one strict object of at most [MaxHeaderBytes] with at least alg. alg, kid and typ
// must be strings of the lengths that [Header] tells; null is none.
//
// The error wraps [ErrHeaderRefused], and names the member, if one of crit, b64, zip, cty, jwk, jku, x5u and x5c is there,
// whatever its value. Every other error is a [Problem] or a [SyntaxError], and means that the header is malformed. A name that
// equals one of these eleven but for its letter case is [ErrLookAlike], because some decoders take it for the real one. Other
// members are ignored, and noted in Open.
//
// It does not know which algorithms there are, and takes none of them to be safe: "none" is a word like any other.
func ParseHeader(json string) (Header, error) {
	if len(json) > MaxHeaderBytes {
		return Header{}, ErrHeaderTooLong
	}
	var h Header
	var r Reader
	r.Reset(json)
	r.ObjectOf(headerNames)
	for name, ok := r.Next(); ok; name, ok = r.Next() {
		switch name {
		case "alg":
			h.Algorithm = headerText(&r, maxAlgorithmBytes, ErrAlgorithm)
		case "kid":
			h.KeyID = headerText(&r, maxKeyIDBytes, ErrKeyID)
			if !printable(h.KeyID) {
				r.Fail(ErrKeyID)
			}
		case "typ":
			h.Type = headerText(&r, maxTypeBytes, ErrType)
		default:
			r.Fail(otherMember(name))
			r.Raw()
			h.Open = true
		}
	}
	if err := r.End(); err != nil {
		return Header{}, err
	}
	if h.Algorithm == "" {
		return Header{}, ErrNoAlgorithm
	}
	return h, nil
}

// headerText reads a string of 1 to limit bytes.
func headerText(r *Reader, limit int, otherwise error) string {
	if r.Kind() != String {
		r.Fail(otherwise)
	}
	s := r.String()
	if s == "" || len(s) > limit {
		r.Fail(otherwise)
	}
	return s
}

// printable says whether s is printable ASCII throughout.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// otherMember returns why a member refuses the token that is none of alg, kid and typ; nil if it does not.
func otherMember(name string) error {
	switch name {
	case "crit":
		return refusedCrit
	case "b64":
		return refusedB64
	case "zip":
		return refusedZip
	case "cty":
		return refusedCty
	case "jwk":
		return refusedJWK
	case "jku":
		return refusedJKU
	case "x5u":
		return refusedX5U
	case "x5c":
		return refusedX5C
	}
	for _, known := range [...]string{"alg", "kid", "typ", "crit", "b64", "zip", "cty", "jwk", "jku", "x5u", "x5c"} {
		if FoldsTo(name, known) {
			return ErrLookAlike
		}
	}
	return nil
}

// usualHeader is the length of what headers usually are, in bytes: room to begin with.
const usualHeader = 128

// AppendHeader appends h as JSON: alg, and kid and typ where they are not empty. The texts must be valid UTF-8; Open has no
// effect.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(slices.Grow(dst, usualHeader), `{"alg":`...)
	dst = AppendString(dst, h.Algorithm)
	if h.KeyID != "" {
		dst = append(dst, `,"kid":`...)
		dst = AppendString(dst, h.KeyID)
	}
	if h.Type != "" {
		dst = append(dst, `,"typ":`...)
		dst = AppendString(dst, h.Type)
	}
	return append(dst, '}')
}
