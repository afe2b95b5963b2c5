// Package jose reads what a stranger sent: compact JWS (RFC 7515) and JSON (RFC 8259). It is the only package of this module
// that parses such bytes, and it imports nothing but the standard library.
//
// # What it protects
//
// A token is read by several programs: the one that signs it, the proxies it passes, the service that acts on it. An attacker
// looks for a text that two of them read differently: a member that stands there twice, "SUB" beside "sub", a payload that is
// padded, half a surrogate pair that one decoder keeps and another replaces. So every text has one meaning here or none:
//
//   - base64url is canonical (see [AppendDecoded]): two different segments never decode to the same bytes;
//   - JSON follows the grammar to the letter, is valid UTF-8 without lone surrogates, has no member twice in any object, and
//     is nested at most [MaxDepth] deep (see [Reader]);
//   - a header names its algorithm, and has no member that could change where the key comes from or what was signed (see
//     [ParseHeader]).
//
// # What it costs
//
// Time in proportion to the input, whether it is taken or refused. An error is at most one small allocation. Reading allocates
// for texts that have escapes and for objects of more than some 20 members, and nothing else: other texts are substrings of
// the input, and keep it alive.
//
// # What it does not do
//
// It proves no signature and judges no claim. It does not limit the length of what it is given, but for headers: the caller
// does that first. Which members a claims object may have, and of what kind, is the caller's to say.
package jose
