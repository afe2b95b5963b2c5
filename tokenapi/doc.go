// Package tokenapi is an http.Handler by which people and programs manage their tokens: create, list, look at, rotate, revoke, with
// revocation after RFC 7009 and introspection after RFC 7662 beside it.
//
//	api, err := tokenapi.New(tokenapi.Config{
//		Guard:   httpauth.Config{Verifier: verifier, Realm: "tokens"},
//		Issuer:  issuer,                           // IssuerConfig.Askers is that verifier
//		Issuers: []string{"https://auth.example"}, // Profile.Issuers of both
//		Tokens:  store,                            // IssuerConfig.Tokens
//		Prefix:  "/auth",
//	})
//	mux.Handle("/auth/", api)
//
// # What it answers
//
//	POST /tokens              make a token: 201, and the only time that it is told
//	GET  /tokens              a page of records, by after and limit; filters subject, owner, created_by, parent, session, active,
//	                          revoked, expiring_seconds
//	GET  /tokens/{id}         one record
//	POST /tokens/{id}/rotate  replace a token by a successor that can do the same
//	POST /tokens/{id}/revoke  end a token and all that came of it
//	POST /revoke              RFC 7009: whoever holds a token ends it
//	POST /introspect          RFC 7662: a resource server asks what a token says
//	GET  /openapi.json        all of this, for programs
//
// A body is one JSON object without duplicate and unknown members, or a form at the two endpoints of the RFCs. Times are RFC 3339 in
// UTC, durations whole seconds. A scope must spell resource_id: null is every resource of the kind, and to leave it out is an error.
// Every refusal is {"error": code, "message": sentence}, where code is tokenauth.ErrorCode or one of method_not_allowed (405),
// too_many_tokens and too_many_records (409), body_too_large (413), content_type (415), rate_limited (429); where RFC 7009 and 7662 have
// words of their own, these stand there: invalid_request, unsupported_token_type. Nothing here may be cached, and no list or error holds
// a token.
//
// # Who may do what
//
// Creating, rotating and revoking are the Issuer's to allow: see Issuer.Issue, Rotate and Revoke. Looking follows the same lines:
//
//	an admin, or a scope token:{id}:read       that record; with token:*:read every record
//	a person's session                         what its subject owns, made, or is the subject of
//	any token with a record                    its own record, and those of all that came of it
//
// A list without filter is what is one's own: for a session what its subject owns, for a token the children it asked for. To list by
// parent takes that token or one above it, a session (which sees those that are its subject's), or all records; a scope for the parent's
// id is not enough, since the children are other records. What a caller may
// not see is not there: looking at, rotating and revoking such an id answer as for an id that never was, 404. 403 is for a record
// that one sees and has no say over.
//
// # How many, how fast
//
// An owner has at most Config.MaxLive live tokens, sessions that have a record included. It is counted before a token is made, and again
// afterwards: whoever is one too many then takes its token back before anybody has seen it. So on a store whose List sees
// what Create wrote there are never more, however many processes share it. In one process those who ask at once take turns; between
// processes two that reach the limit at once may both be refused. A rotation with grace is counted before only, since
// taking back a successor would end its whole family: there, processes that race may exceed the limit by as many as they are, until
// the grace is over.
//
// What is revoked or rotated is remembered until it expires, and so an owner has at most Config.MaxRecords tokens that have not expired,
// dead or alive. That is counted now and then, so that processes that share a store may go a tenth beyond it each. A token that is
// rotated should therefore not live much longer than it is used. Dropping what has expired is the service's: DeleteExpired of the stores.
//
// Each owner may ask for ten things a second here, a hundred at once, with all its tokens together; Config.Limit decides otherwise.
// Revoking is not limited: a thief must not be able to use up what the owner needs to end the theft. But to be refused a revocation
// counts, ten in a row and then one a second, with whatever Config.Limit: it may have cost the store a whole family. Beyond that
// an owner's callers revoke only what a role, a scope, the token itself or a session that has the record does, and get 429 for what
// would have to be looked for in the family. POST /revoke is not limited either; a token that it has ended a moment ago it calls dead without
// asking the store again. Nor is introspection, which is asked for the requests of others. Each process counts for itself.
//
// # Revocation and introspection
//
// POST /revoke wants no credential but the token: holding it is what allows ending it, with its predecessors and successors and all
// that came of them. So it counts too what has become of the token: of one that a thief has rotated, that has expired, whose session
// has ended, what lives of its family is ended all the same. See Issuer.RevokeToken.
//
// 200 says that the token is dead, or was never one. What may count for any verifier of the service is never called dead: RFC 7009,
// section 2.2, has an invalid token answered with 200 because there is nothing left to do, and here that is so of a text that is not in
// the form of a token, or that the key it names by its id did not sign. All else that this verifier refuses, another may take, who
// has a newer key, another audience, room for a longer token: 400 unsupported_token_type. The same is said of a token of another
// issuer, and of one without jti or record, which nothing can end, until it has expired by more than any leeway or the stores
// say that it is revoked or older than its subject's epoch. An outage is 503.
//
// POST /introspect says active:false only for what is known to be bad, and 503 where nobody knows: in an outage, and for a token
// that wants a check which is not configured here or can only be made where its sender is (its cnf, if Confirm does not confirm it for
// the request that introspects; sid, sv and admin without a stance). It answers an admin, and a caller
// whose subject stands in the token's aud: a resource server has a token whose subject is its name. All others get 403 for a
// token that lives. RFC 7662 would have them told active:false; this project does not say of a good token that it is bad. It
// uses no one-time token up, and does not see that one has been used.
//
// # What it does not do
//
// It makes no sessions, ends none and moves no epochs: logging out is the service's. It does not look at the connection, sets no
// deadline for reading a body (http.Server does), answers no CORS preflight and logs nothing: IssuerConfig.Observe is told of
// every mint, rotation and revocation. A reply that is lost on the way leaves a record whose token nobody has: it can be seen in the list,
// and revoked.
package tokenapi
