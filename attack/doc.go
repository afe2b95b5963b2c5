// Package attack is a corpus of hostile tokens, and of good ones, for whoever writes or chooses a verifier of JSON Web Tokens.
//
// # What it holds
//
// [Rows] returns more than two thousand cases, each for every algorithm it applies to. A [Row] is all that a verifier needs to answer:
// the token, the keys and the rules to trust it by, at times a question about what the bearer may do, and the one answer that
// is right. Each names its source: the RFC that decides it, the CVE that it was, or the kind of attack. Among them are rows that
// must be accepted, near the edge of what is refused, so that a verifier which refuses everything fails too.
//
// Nothing here is random and nothing is read from elsewhere. Keys are constants (never to be used for anything else), the time is
// [Now], and signatures are deterministic: ECDSA by RFC 6979, RSA-PSS with a fixed salt. The same version of this package,
// built by the same Go, makes the same bytes on every machine. Whoever keeps results can name a row by its String.
//
// # Who is held to what
//
// Not every row is fair to every verifier. [Row].Rule tells apart what a standard decides, what standards leave open though two
// readers that differ are a hole, and what is a rule of this library alone. A comparison should count them apart, and leave the
// last out: see bench/ATTACKS.md.
//
// # How a row is made
//
// Whatever is malformed is signed properly unless the signature is the point. A row is thus refused for what it is, and not for
// a signature that broke on the way: a verifier which leaves out the check in question accepts.
//
// # What it does not show
//
// A corpus finds the mistakes somebody has thought of. It says nothing about time (a comparison of secrets that stops early),
// about concurrency, or about state: revocation, one-time use and caches have tests of their own.
package attack
