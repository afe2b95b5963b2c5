package tokenauth_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/memstore"
)

// Checks that could once be taken away and no test noticed: internal/mutate found them. Each test here holds one.

// What a token is refused for is told apart, even where it is refused anyway.
func TestRefusalsNameWhatIsWrong(t *testing.T) {
	f := newForge("HS256", "k1", "")
	v := newVerifier(t, configOf(f))
	good := f.good(payload())
	for name, row := range map[string]struct{ token, code, says string }{
		"with the word Bearer":             {"Bearer " + good, "token_malformed", "without the word Bearer"},
		"with a blank before it":           {" e30.e30", "token_malformed", "without the word Bearer"},
		"a header of another alphabet":     {"e!" + good[2:], "token_malformed", "header: "},
		"a header that is no JSON":         {f.token(text("{"), payload()), "header_malformed", ""},
		"a signature of another alphabet":  {good[:len(good)-4] + "!" + good[len(good)-3:], "token_malformed", "signature: "},
		"a payload that is no base64 text": {f.sign(segment(f.header().String()) + ".e!A"), "payload_malformed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := v.Verify(t.Context(), row.token)
			requireRefused(t, p, err, tokenauth.ErrInvalidToken, row.code)
			require.ErrorContains(t, err, row.says)
		})
	}
	_, err := v.Verify(t.Context(), "e30.e30")
	require.NotContains(t, err.Error(), "Bearer", "no blank, no advice about blanks")
}

// Of two authorities with which a token comes equally far, the first one's refusal is the answer.
func TestOfEqualRefusalsTheFirstIsTheAnswer(t *testing.T) {
	a, b := twoForges()
	atA, atB := twoConfigs(a, b)
	atA.MaxTokenBytes, atB.ClosedHeader = 50, true
	token := a.token(a.header().with(object{"x": 1}), payload())
	for code, v := range map[string]*tokenauth.Verifier{
		"token_too_long": newVerifier(t, atA, atB),
		"header_refused": newVerifier(t, atB, atA),
	} {
		p, err := v.Verify(t.Context(), token)
		requireRefused(t, p, err, tokenauth.ErrInvalidToken, code)
	}
}

// A KeySet that says it does not know a key is taken at its word, whatever key it returns beside it.
func TestAKeyBesideAnErrorIsNoKey(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	cfg.Keys = keysFunc(func(context.Context, string) (tokenauth.Key, error) {
		return f.key(), fmt.Errorf("dropped: %w", tokenauth.ErrUnknownKey)
	})
	p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload()))
	requireRefused(t, p, err, tokenauth.ErrInvalidToken, "key_unknown")
}

// A hook that adds members keeps them beside those that bind the token.
func TestAdaptKeepsItsOwnMembersBesideTheBounds(t *testing.T) {
	f := newForge("HS256", "k1", "")
	cfg := configOf(f)
	cfg.Confirm = (&witness{}).Confirm
	cfg.Adapt = func(c *tokenauth.Claims) error { return c.SetExtra("tenant", "t1") }
	p, err := newVerifier(t, cfg).Verify(t.Context(), f.good(payload().with(object{"cnf": object{"jkt": "x"}})))
	requireAccepted(t, p, err)
	require.JSONEq(t, `"t1"`, string(p.Claims().Extra["tenant"]))
	require.JSONEq(t, `{"jkt":"x"}`, string(p.Claims().Extra["cnf"]))
}

func TestScopeTextErrorsSayWhatWasExpected(t *testing.T) {
	for text, says := range map[string]string{
		"deployment":      "kind:id:level",
		"deployment:":     ":read, :execute or :write",
		"deployment::all": ":read, :execute or :write",
		"a::read":         "resource_id",
	} {
		_, err := tokenauth.ParseTokenScope(text)
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
		require.ErrorContains(t, err, says, text)
	}
}

func TestExplainSaysWhyTextsGrantNothing(t *testing.T) {
	const texts = "texts, which grant nothing here"
	scope := tokenauth.TokenScope{ResourceKind: "deployment", ResourceID: "web", Level: tokenauth.LevelRead}
	for name, row := range map[string]struct {
		claims tokenauth.Claims
		says   string
		not    string
	}{
		"texts alone": {tokenauth.Claims{OAuthScopes: []string{"openid"}}, texts, "no scopes"},
		"nothing":     {tokenauth.Claims{}, "no scopes and no role admin", texts},
		"texts and a scope": {
			tokenauth.Claims{OAuthScopes: []string{"openid"}, Scopes: []tokenauth.TokenScope{scope}}, "no scope of that kind", texts,
		},
	} {
		t.Run(name, func(t *testing.T) {
			said := row.claims.Explain("secret", "x", tokenauth.LevelRead)
			require.Contains(t, said, row.says)
			require.NotContains(t, said, row.not)
		})
	}
}

func TestSetExtraSaysThatAValueIsNotJSON(t *testing.T) {
	var c tokenauth.Claims
	err := c.SetExtra("tenant", func() {})
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
	require.ErrorContains(t, err, "cannot be written as JSON")
	require.Empty(t, c.Extra)
}

// Who swapped two words is told which one is wrong, and not what became of it later.
func TestAnUnknownAlgorithmIsNamedAsWhatIsWrong(t *testing.T) {
	f := newForge("EdDSA", "k1", "")
	_, err := tokenauth.NewKey("k1", "EdDsA", f.key().Public())
	require.ErrorContains(t, err, "the algorithm is none of")
	_, err = tokenauth.NewSigningKey("k1", "EdDsA", f.private)
	require.ErrorContains(t, err, "the algorithm is none of")
}

// The text of a key may be as long as is said, and no longer.
func TestLongestPrivateKeyText(t *testing.T) {
	text := revealed(t)
	padded := text + strings.Repeat(" ", 8<<10-len(text))
	_, err := tokenauth.ParseSigningKey([]byte(padded))
	require.NoError(t, err)
	_, err = tokenauth.ParseSigningKey([]byte(padded + " "))
	require.ErrorContains(t, err, "more than 8192 bytes")
}

// revealed is a private JWK.
func revealed(t *testing.T) string {
	t.Helper()
	k, err := tokenauth.NewSigningKey("k1", "EdDSA", newForge("EdDSA", "k1", "").private)
	require.NoError(t, err)
	text, err := k.RevealJWK()
	require.NoError(t, err)
	return string(text)
}

// What could be read as a key by one and as a set of keys by another is neither, in whatever order its members stand.
func TestAKeyThatMayBeASetIsNeither(t *testing.T) {
	key := strings.TrimSuffix(revealed(t), "}")
	for _, member := range []string{`"Keys":[]`, `"kEYS":1`} {
		_, err := tokenauth.ParseSigningKey([]byte(key + "," + member + "}"))
		require.ErrorContains(t, err, "named like keys", member)
	}
	for _, text := range []string{`{"kty":"oct","x":"","keys":[]}`, `{"keys":[],"d":"","note":""}`, `{"keys":[],"note":"","k":""}`} {
		_, err := tokenauth.ParseKeys([]byte(text))
		require.ErrorContains(t, err, "a key and a set of keys in one", text)
	}
}

// The largest exponent is still one, and a bit more is not.
func TestLargestRSAExponent(t *testing.T) {
	n := base64.RawURLEncoding.EncodeToString(tokenauth.TestRSA().N.Bytes())
	jwk := func(e ...byte) []byte {
		return fmt.Appendf(nil, `{"kty":"RSA","kid":"k1","n":%q,"e":%q}`, n, base64.RawURLEncoding.EncodeToString(e))
	}
	keys, err := tokenauth.ParseKeys(jwk(0x7f, 0xff, 0xff, 0xff))
	require.NoError(t, err)
	require.Len(t, keys, 1)
	_, err = tokenauth.ParseKeys(jwk(0x80, 0, 0, 1))
	require.ErrorContains(t, err, "e is larger than 2^31-1")
}

func TestAPointOffTheCurveIsNamed(t *testing.T) {
	one := base64.RawURLEncoding.EncodeToString(append(make([]byte, 31), 1))
	_, err := tokenauth.ParseKeys(fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","kid":"k1","x":%q,"y":%q}`, one, one))
	require.ErrorContains(t, err, "x and y are no point of the curve")
}

// As many PEM blocks as a set may have keys are read: that these are one key many times is found then.
func TestMostPEMBlocks(t *testing.T) {
	der, err := x509.MarshalPKIXPublicKey(newForge("EdDSA", "k1", "").key().Public())
	require.NoError(t, err)
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	_, err = tokenauth.ParseKeys(bytes.Repeat(block, 64))
	require.ErrorContains(t, err, "two keys have the same id")
	_, err = tokenauth.ParseKeys(bytes.Repeat(block, 65))
	require.ErrorContains(t, err, "more than 64 PEM blocks")
}

// An RSA key of 4096 bits is looked at, though this one is none; a bit longer, it is not.
func TestLargestNumbersOfAnRSAKeyInPEM(t *testing.T) {
	for bits, says := range map[uint]string{4096: "is no private key that signs", 4097: "longer than 4096 bits"} {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1)
		der, err := asn1.Marshal(struct {
			Version          int
			N                *big.Int
			E                int
			D, P, Q, A, B, C *big.Int
		}{0, n, 65537, big.NewInt(3), big.NewInt(5), big.NewInt(7), big.NewInt(1), big.NewInt(1), big.NewInt(1)})
		require.NoError(t, err)
		_, err = tokenauth.ParseSigningKey(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
		require.ErrorContains(t, err, says)
	}
}

func TestLongestDefaultTTL(t *testing.T) {
	const year = 365 * 24 * time.Hour
	o := newOffice(t)
	for name, change := range map[string]func(*tokenauth.IssuerConfig){
		"a year":                           func(cfg *tokenauth.IssuerConfig) { cfg.DefaultTTL = year },
		"a year of a longer life":          func(cfg *tokenauth.IssuerConfig) { cfg.DefaultTTL, cfg.MaxLifetime = year, 2*year },
		"as long as the profile lets live": func(cfg *tokenauth.IssuerConfig) { cfg.DefaultTTL, cfg.MaxLifetime = time.Hour, time.Hour },
	} {
		cfg := o.cfg
		change(&cfg)
		_, err := tokenauth.NewIssuer(cfg)
		require.NoError(t, err, name)
	}
}

// What another issuer's authority does to its own tokens is no matter of this one's.
func TestAskersMayAdaptForeignTokens(t *testing.T) {
	o := newOffice(t)
	foreign := configOf(newForge("HS256", "foreign", ""))
	foreign.Adapt, foreign.OneTime = func(*tokenauth.Claims) error { return nil }, &witness{}
	own := configOf(newForge("HS256", "own", ""))
	own.Issuers = o.cfg.Issuers
	cfg := o.cfg
	cfg.Askers = newVerifier(t, own, foreign)
	_, err := tokenauth.NewIssuer(cfg)
	require.NoError(t, err)
}

// A child carries the version its parent was stamped with, though its subject's epoch asks for less.
func TestAChildKeepsItsParentsVersion(t *testing.T) {
	o := newOffice(t)
	cfg := o.cfg
	cfg.Epochs = nil
	unstamped, err := tokenauth.NewIssuer(cfg)
	require.NoError(t, err)
	issued, err := unstamped.Sign(t.Context(), bySystem, &tokenauth.Claims{
		ID: "parent", Subject: "alice", SessionVersion: 5, Scopes: grants(t, "deployment:web:write"),
	})
	require.NoError(t, err)
	child, err := o.Sign(t.Context(), o.prove(t, issued), &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read")})
	require.NoError(t, err)
	require.EqualValues(t, 5, child.Claims.SessionVersion)
}

// A store that says what is the case has written nothing: nobody revokes what may be somebody else's record.
func TestARefusedRecordIsNotRevoked(t *testing.T) {
	for _, refusal := range []error{tokenauth.ErrExists, tokenauth.ErrRevoked, tokenauth.ErrNotFound, tokenauth.ErrInvalidRequest} {
		o := newRiggedOffice(t)
		revoked := 0
		o.rig.before = map[string]func(context.Context) error{
			"Create": func(context.Context) error { return fmt.Errorf("rigged: %w", refusal) },
			"Revoke": func(context.Context) error { revoked++; return nil },
		}
		_, err := o.Issue(t.Context(), request(t, bySystem, "deployment:web:read"))
		require.Error(t, err)
		require.Zero(t, revoked, "%v", refusal)
	}
}

// What a token does not have needs no store.
func TestAskersWithoutSessionNeedNoSessionStore(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Sessions, cfg.Epochs = nil, nil })
	issued := o.child(t, o.holder(t, "deployment:web:write"), "deployment:web:read")
	require.True(t, o.lives(t, issued))
}

func TestChildrenWithoutAudience(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Audiences, cfg.NoAudience = nil, true })
	issued := o.child(t, o.holder(t, "deployment:web:write"), "deployment:web:read")
	require.Empty(t, issued.Claims.Audience)
	require.True(t, o.lives(t, issued))
}

// Only admins are what NoAdmin is about.
func TestNoAdminMintsEverybodyElse(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.NoAdmin = true })
	require.True(t, o.lives(t, o.mint(t, &tokenauth.Claims{Subject: "alice", Roles: []string{"viewer"}})))
}

// A token is judged by the moment at which it is minted, even where its iat lies before: nbf may lie between.
func TestNotBeforeBetweenIssuedAtAndNow(t *testing.T) {
	o := newOffice(t)
	now := officeOpens.Truncate(time.Second)
	issued := o.mint(t, &tokenauth.Claims{Subject: "alice", IssuedAt: now.Add(-4 * time.Minute), NotBefore: now.Add(-time.Minute)})
	require.True(t, o.lives(t, issued))
}

// The timer of the stores that were asked before a wait ends with the wait, and not when its time is up.
func TestTheWaitOutOfASecondEndsTheBudgetBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openRiggedOffice(t, &handClock{wall: true})
		_, err := o.store.RaiseNotBefore(t.Context(), "alice", time.Now())
		require.NoError(t, err)
		var asked context.Context
		o.once("Epoch", func(ctx context.Context) error { asked = ctx; return nil })
		time.Sleep(900 * time.Millisecond) // the wait is shorter than what the stores have
		o.at("Create", func(context.Context) error {
			require.ErrorIs(t, asked.Err(), context.Canceled)
			return nil
		})
		issued, err := o.Sign(t.Context(), bySystem, &tokenauth.Claims{ID: "a", Subject: "alice"})
		require.NoError(t, err)
		require.True(t, o.lives(t, issued))
	})
}

// A member without a value is asked for, too, and was never held.
func TestAMemberWithoutAValueIsNotHeld(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.ClosedClaims, cfg.KnownClaims = true, []string{"tenant"} })
	asked := &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read"), Extra: map[string]json.RawMessage{"tenant": nil}}
	issued, err := o.Sign(t.Context(), o.holder(t, "deployment:web:write"), asked)
	requireForbidden(t, issued, err, "Extra")
}

// What is known to be wrong is not left to the store to find.
func TestTheStoreIsNotAskedForWhatCannotBe(t *testing.T) {
	o := newRiggedOffice(t)
	dead, rotated := o.child(t, bySystem, "deployment:web:read"), o.child(t, bySystem, "deployment:web:read")
	_, err := o.Revoke(t.Context(), bySystem, dead.Record.ID, "")
	require.NoError(t, err)
	o.rotate(t, bySystem, rotated, time.Minute)

	unasked := func(context.Context) error { t.Error("the store was asked"); return nil }
	o.rig.before = map[string]func(context.Context) error{"Rotate": unasked, "RevokeAll": unasked}
	issued, err := o.Rotate(t.Context(), bySystem, dead.Record.ID, 0)
	requireNothing(t, issued, err, tokenauth.ErrNotFound, "not_found")
	issued, err = o.Rotate(t.Context(), bySystem, rotated.Record.ID, 0)
	requireNothing(t, issued, err, tokenauth.ErrExists, "already_exists")
	for _, filter := range []tokenauth.TokenFilter{
		{}, {Revoked: true}, {After: "a"}, {Owner: "alice", Limit: 1}, {Subject: "alice", ParentID: "a"}, {SessionID: "s", ActiveAt: officeOpens},
		{CreatedBy: "alice", ExpiresBy: officeOpens},
	} {
		_, err = o.RevokeAll(t.Context(), bySystem, filter, "")
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "%+v", filter)
	}
}

// A pickyStore takes a question about the empty id for a fault of its own. So may any store: nobody has that id.
type pickyStore struct{ *memstore.Store }

func (s pickyStore) Get(ctx context.Context, id string) (*tokenauth.StoredAccessToken, error) {
	if id == "" {
		return nil, errOfStore
	}
	return s.Store.Get(ctx, id)
}

func TestNobodyAsksAboutTheEmptyID(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Tokens = pickyStore{cfg.Tokens.(*memstore.Store)} })
	other := o.child(t, bySystem, "deployment:web:read")

	withoutID := o.login(t, "alice")
	issued, err := o.Rotate(t.Context(), withoutID, other.Record.ID, 0)
	requireNothing(t, issued, err, tokenauth.ErrForbidden, "record_not_yours")
	_, err = o.Revoke(t.Context(), withoutID, other.Record.ID, "")
	requireError(t, err, tokenauth.ErrForbidden, "record_not_yours")

	_, err = o.Revoke(t.Context(), o.holder(t, "deployment:web:read"), other.Record.ID, "")
	requireError(t, err, tokenauth.ErrForbidden, "record_not_yours")
}

// Whoever has rotated and rotates a child in grace gets the child's authority and not its own, though all three are of one family.
func TestAPredecessorIsNoSuccessorOfItsChildren(t *testing.T) {
	o := newOffice(t)
	parent := o.holder(t, "deployment:*:write")
	child := o.child(t, parent, "deployment:web:read")
	_, err := o.Rotate(t.Context(), parent, parent.TokenID(), time.Minute)
	require.NoError(t, err)
	successor := o.rotate(t, parent, child, 0)
	require.Equal(t, child.Claims.Scopes, successor.Claims.Scopes)
	require.Equal(t, parent.TokenID(), successor.Record.ParentID)
}

// So many links of a chain are followed and no more: beyond that a predecessor is a stranger.
func TestLongestRotationChain(t *testing.T) {
	o := newOffice(t)
	first := o.holder(t, "deployment:web:read")
	records, err := o.store.Get(t.Context(), first.TokenID())
	require.NoError(t, err)
	token := tokenauth.Issued{Record: records}
	by := first
	for range 65 {
		token = o.rotate(t, by, token, time.Hour-time.Second)
		by = o.prove(t, token)
	}
	issued, err := o.Rotate(t.Context(), first, token.Record.ID, 0)
	requireNothing(t, issued, err, tokenauth.ErrForbidden, "record_not_yours")
}

func TestRotatingWithoutEpochs(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Epochs = nil })
	require.True(t, o.lives(t, o.rotate(t, bySystem, o.child(t, bySystem, "deployment:web:read"), 0)))
}

// An asker whose record is gone is dead, and not just unrelated.
func TestAnAskerWithoutARecordIsDead(t *testing.T) {
	o := newOffice(t)
	cfg := o.cfg
	cfg.Tokens = nil
	unrecorded, err := tokenauth.NewIssuer(cfg)
	require.NoError(t, err)
	issued, err := unrecorded.Sign(t.Context(), bySystem, &tokenauth.Claims{ID: "lost", Subject: "alice", Scopes: grants(t, "a:b:read")})
	require.NoError(t, err)
	here := configOf(newForge("HS256", "k1", ""))
	here.Profile, here.Keys, here.Now = o.cfg.Profile, o.cfg.Key.VerifyingKey(), o.cfg.Now
	here.Sessions, here.Epochs = o.store, o.store
	v := newVerifier(t, here)
	cfg = o.cfg
	cfg.Askers = v
	issuer, err := tokenauth.NewIssuer(cfg)
	require.NoError(t, err)
	by, err := v.Verify(t.Context(), issued.Token.Reveal())
	require.NoError(t, err)
	rotated, err := issuer.Rotate(t.Context(), by, o.child(t, bySystem, "a:b:read").Record.ID, 0)
	requireNothing(t, rotated, err, tokenauth.ErrInvalidToken, "token_revoked")
}

// A token of one's own that speaks for somebody else is not one's own to rotate.
func TestRotatingWhatSpeaksForAnother(t *testing.T) {
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.MayGrant = mayGrantAll })
	admin := o.login(t, "root", tokenauth.RoleAdmin)
	r := request(t, admin, "deployment:web:read")
	r.Subject = "bob"
	issued, err := o.Issue(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "root", issued.Record.Owner)
	plain := o.bearer(t, &tokenauth.Claims{Subject: "root"})
	rotated, err := o.Rotate(t.Context(), plain, issued.Record.ID, 0)
	requireNothing(t, rotated, err, tokenauth.ErrForbidden, "record_not_yours")
}

// Only a node's subject names a node.
func TestSuccessorOfARoleWithoutNode(t *testing.T) {
	o := newOffice(t)
	issued := o.mint(t, &tokenauth.Claims{ID: "a", Subject: "alice", Roles: []string{tokenauth.RoleNode}})
	require.Empty(t, o.rotate(t, bySystem, issued, 0).Claims.NodeID)
	node, err := o.IssueNode(t.Context(), bySystem, "n1", 0)
	require.NoError(t, err)
	require.Equal(t, "n1", o.rotate(t, bySystem, node, 0).Claims.NodeID)
}

// A record ends with the session of whoever asked for it, also when its token rotates itself.
func TestSelfRotationKeepsTheSessionOfTheRecord(t *testing.T) {
	o := newOffice(t)
	admin := o.login(t, "root", tokenauth.RoleAdmin)
	o.login(t, "bob")
	issued, err := o.Sign(t.Context(), admin, &tokenauth.Claims{
		ID: "a", Subject: "bob", SessionID: "bob's session", Scopes: grants(t, "deployment:web:read"),
	})
	require.NoError(t, err)
	require.Equal(t, "root's session", issued.Record.SessionID)
	successor := o.rotate(t, o.prove(t, issued), issued, 0)
	require.Equal(t, "root's session", successor.Record.SessionID)
	require.Equal(t, "bob's session", successor.Claims.SessionID)
}

// A dead token may be ended for good by whoever holds it.
func TestAnExpiredTokenRevokesItself(t *testing.T) {
	o := newOffice(t)
	by := o.holder(t, "deployment:web:read")
	o.clock.pass(2 * time.Hour)
	n, err := o.Revoke(t.Context(), by, by.TokenID(), "")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// A text that is well formed and not plain ASCII, or a further member, ends no search: what stands behind it is judged as well.
func TestWhatStandsBehindGoodClaimsIsJudged(t *testing.T) {
	good := func() tokenauth.Claims {
		return tokenauth.Claims{Issuer: "a", Subject: "b", IssuedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	}
	for name, change := range map[string]func(*tokenauth.Claims){
		"a text":          func(c *tokenauth.Claims) { c.Email, c.Subject = "zoë@a.test", tokenauth.Everyone },
		"an entry":        func(c *tokenauth.Claims) { c.Roles, c.DelegationDepth = []string{"zoë"}, -1 },
		"a later list":    func(c *tokenauth.Claims) { c.Audience, c.Caps = []string{"zoë"}, []string{""} },
		"another member":  func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{"a": raw("1"), "b": raw("{")} },
		"a member's name": func(c *tokenauth.Claims) { c.Extra = map[string]json.RawMessage{"a": raw("1"), "SUB": raw("1")} },
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 { // a map's order differs from time to time
				c := good()
				_, err := c.MarshalJSON()
				require.NoError(t, err)
				change(&c)
				_, err = c.MarshalJSON()
				require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			}
		})
	}
}

// What is said to have been signed is what was signed, to the second.
func TestNotBeforeLosesItsFraction(t *testing.T) {
	o := newOffice(t)
	second := officeOpens.Truncate(time.Second).Add(-time.Minute)
	issued := o.mint(t, &tokenauth.Claims{Subject: "alice", NotBefore: second.Add(500 * time.Millisecond)})
	require.Equal(t, second, issued.Claims.NotBefore)
	require.Equal(t, second, o.prove(t, issued).Claims().NotBefore)
}

// The subject of a token that acts for itself is made of its id: without one there is none.
func TestNoSubjectIsMadeOfNoID(t *testing.T) {
	o := newOffice(t)
	orphan := o.bearer(t, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:write")})
	issued, err := o.Sign(t.Context(), orphan, &tokenauth.Claims{Subject: "token:", Scopes: grants(t, "deployment:web:read")})
	requireForbidden(t, issued, err, "sub")
}

// A member that is held and not registered is carried over, and not asked for.
func TestAMemberThatIsNotKnownIsNotAskedFor(t *testing.T) {
	o := newOffice(t)
	extra := map[string]json.RawMessage{"tenant": raw(`"t1"`)}
	by := o.bearer(t, &tokenauth.Claims{ID: "a", Subject: "alice", Scopes: grants(t, "deployment:web:write"), Extra: extra})
	issued, err := o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read"), Extra: extra})
	requireForbidden(t, issued, err, "Extra")
	issued, err = o.Sign(t.Context(), by, &tokenauth.Claims{Subject: "alice", Scopes: grants(t, "deployment:web:read")})
	require.NoError(t, err)
	require.JSONEq(t, `"t1"`, string(issued.Claims.Extra["tenant"]))
}
