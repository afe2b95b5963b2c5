// Package tokenauth gives a Go service its own access tokens: it mints them, never with more authority than whoever asks; keeps
// a record of each, never the token; verifies them, strictly; decides what they may do; and revokes them.
//
// # A check in two minutes
//
// A [Verifier] turns text into a proven caller, a [Principal]:
//
//	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
//		Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}},
//		Keys:       keys,  // what verifies the signatures: a Key, a *KeyRing
//		Revocation: store, // who knows which tokens were revoked
//	})
//
//	p, err := verifier.Authorize(ctx, token, "deployment", "web", tokenauth.LevelWrite)
//	switch {
//	case errors.Is(err, tokenauth.ErrInvalidToken): // 401: known to be bad
//	case errors.Is(err, tokenauth.ErrForbidden):    // 403: proven, and not enough
//	case errors.Is(err, tokenauth.ErrUnavailable):  // 503: nobody knows
//	}
//
// An [Issuer] makes such tokens, for the same [Profile]:
//
//	issued, err := issuer.Issue(ctx, tokenauth.TokenRequest{
//		By:     p, // who asks: the new token can do no more
//		Name:   "ci-runner",
//		Scopes: []tokenauth.TokenScope{{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelExecute}},
//		TTL:    time.Hour,
//	})
//	fmt.Println(issued.Token.Reveal()) // the one way out
//
//	n, err := issuer.Revoke(ctx, p, issued.Record.ID, "leaked") // it and all that it minted
//
// # The words
//
// A [TokenScope] grants a [PermissionLevel] on one resource, or on all of a kind. [Claims] are what a token says; they prove nothing.
// A [StoredAccessToken] is what the issuer remembers of a token; its id is the token's jti. A [RevocationStore] says whether an id
// is revoked; sessions, epochs and one-time keys have ports of their own beside it. Every error stands in one tree, below the three
// answers.
//
// # The steps
//
// A token is judged in nine steps, cheap before dear, proof before trust, and nothing is looked up for one that is not proven:
//
//  1. length, and three segments;
//  2. the header;
//  3. the key, by kid; the key fixes the algorithm;
//  4. the signature, over the segments as they were sent;
//  5. the claims, only now;
//  6. times, issuer, audience, type;
//  7. what else the profile asks of the claims, and the service's own translation of them;
//  8. authority, where that was asked: the role admin decides this step and no other;
//  9. revocation, session, epoch, AdminCheck, Confirm and one-time use. Nobody is exempt.
//
// # Each check, its error, its code
//
// The third column is what [ErrorCode] returns: stable, bounded, good as a metric label. The fourth is the answer over HTTP.
//
//	check                                 error            code                     HTTP
//	there is a token                      ErrMissingToken  token_missing            401
//	1  length                             ErrMalformed     token_too_long           401
//	1  three canonical segments           ErrMalformed     token_malformed          401
//	2  strict JSON, alg, kid, typ         ErrMalformed     header_malformed         401
//	2  no member that is refused          ErrMalformed     header_refused           401
//	3  the kid is known                   ErrUnknownKey    key_unknown              401
//	3  the key set answers                ErrUnavailable   keys_unavailable         503
//	3  the algorithm is the key's         ErrMalformed     algorithm_wrong          401
//	4  the signature verifies             ErrSignature     signature_bad            401
//	5  the payload is canonical           ErrMalformed     payload_malformed        401
//	5  the claims are well formed         ErrClaims        claims_malformed         401
//	6  exp                                ErrExpired       token_expired            401
//	6  nbf                                ErrNotYetValid   token_not_yet_valid      401
//	6  iat                                ErrNotYetValid   issued_in_future         401
//	6  lifetime                           ErrClaims        lifetime_too_long        401
//	6  lifetime without jti               ErrClaims        lifetime_stateless       401
//	6  iss                                ErrIssuer        issuer_wrong             401
//	6  aud                                ErrAudience      audience_wrong           401
//	6  typ                                ErrMalformed     type_wrong               401
//	7  counts                             ErrClaims        claims_too_many          401
//	7  jti where it must be               ErrClaims        token_id_missing         401
//	7  account_type                       ErrClaims        account_type_unknown     401
//	7  client_id where it must be         ErrClaims        client_id_missing        401
//	7  cat                                ErrClaims        category_wrong           401
//	7  closed claims                      ErrClaims        claims_unknown           401
//	7  Adapt                              ErrClaims        adapt_refused            401
//	7  sid without Sessions               ErrClaims        sessions_not_configured  401
//	7  sv without Epochs                  ErrClaims        epochs_not_configured    401
//	7  admin without AdminCheck           ErrClaims        admin_not_configured     401
//	7  cnf without Confirm                ErrClaims        confirm_not_configured   401
//	8  the question is well formed        ErrForbidden     question_ill_formed      403
//	8  a scope answers it                 ErrForbidden     scope_insufficient       403
//	8  RequireRole                        ErrForbidden     role_missing             403
//	8  RequireOAuthScope                  ErrForbidden     oauth_scope_missing      403
//	9  not revoked                        ErrRevoked       token_revoked            401
//	9  the revocation store answers       ErrUnavailable   revocation_unavailable   503
//	9  the session lives                  ErrSessionEnded  session_ended            401
//	9  the session store answers          ErrUnavailable   sessions_unavailable     503
//	9  the epoch has not moved on         ErrStaleEpoch    epoch_stale              401
//	9  the epoch store answers            ErrUnavailable   epochs_unavailable       503
//	9  AdminCheck agrees                  ErrAdminRefused  admin_refused            401
//	9  AdminCheck answers                 ErrUnavailable   admin_check_unavailable  503
//	9  Confirm agrees                     ErrClaims        confirm_refused          401
//	9  Confirm answers                    ErrUnavailable   confirm_unavailable      503
//	9  used for the first time            ErrReplayed      token_replayed           401
//	9  the one-time store answers         ErrUnavailable   one_time_unavailable     503
//	Recheck of a principal of one's own   ErrInvalidToken  principal_foreign        401
//
// And when minting, revoking and rotating:
//
//	check                                 error              code                   HTTP
//	the request can be granted at all     ErrInvalidRequest  request_invalid        400
//	somebody asks                         ErrForbidden       asker_missing          403
//	the asker is one of this issuer's     ErrForbidden       asker_foreign          403
//	the asker holds what it asks for      ErrForbidden       authority_not_held     403
//	the asker has a say over the token    ErrForbidden       record_not_yours       403
//	there is such a token                 ErrNotFound        not_found              404
//	the id is free, there is no successor ErrExists          already_exists         409
//	the token store answers               ErrUnavailable     tokens_unavailable     503
//	MayGrant answers                      ErrUnavailable     may_grant_unavailable  503
//	the key signs                         ErrUnavailable     signing_unavailable    503
//
// The asker itself may turn out to be dead: then the error is one of the first table's ninth step.
//
// Four more codes belong to the sentinels above these: token_invalid, forbidden, unavailable and claims_bad. No check here answers
// with one of them alone; a store or adapter that returns the sentinel does, and a lease that nobody would end. An error that is none of this package's has
// the code internal, and an [Event] without error has ok.
//
// # Recipes
//
// What ends more than one token goes in one order: epoch, sessions, records. From the first step on no token whose subject it is
// verifies or mints; from the second on none of its sessions does; and then nothing can be minted any more behind the sweep over
// the records. Tokens with subjects of their own, token:{id} above all, live until that last step has returned nil.
//
// A step that fails leaves the rest undone: begin again from the first, since each may be repeated. Do so in the service, as
// [SystemAuthority], after the caller was verified once: after the first steps the caller's own token is dead and cannot ask again.
//
// All of it is for verifiers that have Sessions and Epochs set. One without them refuses what says sid or sv, and lets the rest live: there
// the first two steps write what nobody reads, and answer nil.
//
//	log out everywhere    BumpEpoch; EndSessions; RevokeAll by Owner, and by Subject for what others made in her name
//	log out the others    the same; then StartSession under a new id and Sign, for the one who stays
//	end one session       EndSession; RevokeAll by Owner and SessionID: the epoch is of all sessions, and stays
//	password changed      keep the new password; then as log out the others
//	break the glass       drop the key if it may be known; RaiseNotBefore of [Everyone]; then the sessions and records of each subject
//
// Each runs as an example in recipes_example_test.go. The issuer that mints afterwards must have the same EpochStore: it stamps the new
// version, and waits out the second of a NotBefore.
//
// # Why was this refused?
//
// The caller is told the answer and the code. For the service itself there is more: Observe, in both configurations, is told an
// [Event] of every decision, with the token's id and subject once these are proven, and in Cause what a store or hook of yours
// answered, which no error's text repeats. The code token_revoked stands for a token that was revoked, that has retired after its
// rotation, or that the store has no record of: RevokedAt and RetireAt of the record that Get returns, or its ErrNotFound, tell
// which. A 403 explains itself in three calls: Verify, then [Principal.Require], then
// [Principal.Explain]; Authorize hands back no principal beside an error.
//
// # What is not checked
//
// This package does not look at where a token came from: it wants the credential alone, without the word Bearer. It does not limit
// rates. It takes a
// bearer for the owner: whoever holds a token may use it, unless it says cnf and Confirm knows how to check that. It cannot tell
// a good secret from a long one. And a token without jti cannot be revoked by itself, which is why the profile bounds its life.
package tokenauth
