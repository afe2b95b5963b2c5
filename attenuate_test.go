package tokenauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// What an asker may hand on is tested twice. First a table that reads like the rules, one row for each thing one may try with each
// member. Then an oracle, which says the rules over again in its own words and is asked about a million pairs of a holder and a
// wish: it must agree with the code about every single one, so that nothing is granted that is not held, and nothing refused
// that is.
//
// The oracle walks the fields of Claims by reflection. A field that has no rule here is a failure: whoever adds a member has to
// say who may hand it on.

// richHolder is a token that carries every member there is.
func richHolder(t testing.TB) *tokenauth.Claims {
	return &tokenauth.Claims{
		Subject: "alice", ID: "parent", Audience: []string{"api", "billing"},
		Roles: []string{"viewer", "deployer", "operator", "node"}, Scopes: grants(t, "deployment:web:write,secret:*:read"),
		OAuthScopes: []string{"openid", "profile"}, Caps: []string{"cap.a", "cap.b"},
		Email: "alice@example.test", ActivePPNum: "17",
		AccountType: "ai_agent", NodeID: "n1", ClientID: "cli", Delegator: "bob", DelegationDepth: 2, CredentialID: "cred",
		Actor:     &tokenauth.Actor{Subject: "robot", Actor: &tokenauth.Actor{Subject: "starter"}},
		SessionID: "s", Category: "access",
		Extra: map[string]json.RawMessage{"team": json.RawMessage(`"core"`), "cnf": json.RawMessage(`{"jkt":"x"}`)},
	}
}

// officeOfMembers opens an office that admits them all.
func officeOfMembers(t testing.TB) *office {
	t.Helper()
	o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
		cfg.ClosedClaims, cfg.KnownClaims = true, []string{"team", "cnf", "group"}
		cfg.MayGrant = mayGrantAll
	})
	for range 2 {
		_, err := o.store.BumpEpoch(t.Context(), "alice")
		require.NoError(t, err)
	}
	require.NoError(t, o.store.StartSession(t.Context(), "alice", "s", officeOpens.Add(1000*time.Hour)))
	return o
}

func TestM2EachMemberHasItsRule(t *testing.T) {
	type claims = tokenauth.Claims
	extra := func(name, value string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: json.RawMessage(value)}
	}
	for _, row := range []struct {
		name    string
		ask     func(c *claims)
		refused string // the member that is named
	}{
		{"what it holds", func(*claims) {}, ""},
		{"M1 a wider scope", func(c *claims) { c.Scopes = grants(t, "deployment:*:read") }, "scopes"},
		{"M2 a role it holds", func(c *claims) { c.Roles = []string{"viewer"} }, ""},
		{"M2 a role it does not hold", func(c *claims) { c.Roles = []string{"viewer", "auditor"} }, "roles"},
		{"M2 a role in capitals", func(c *claims) { c.Roles = []string{"Viewer"} }, "roles"},
		{"M2 role admin", func(c *claims) { c.Roles = []string{"admin"} }, "roles"},
		{"M2 role operator, though it holds it", func(c *claims) { c.Roles = []string{"operator"} }, "roles"},
		{"M2 role node, though it holds it", func(c *claims) { c.Roles = []string{"node"} }, "roles"},
		{"M2 a cap it holds", func(c *claims) { c.Caps = []string{"cap.b"} }, ""},
		{"M2 a cap it does not hold", func(c *claims) { c.Caps = []string{"cap.b", "cap.c"} }, "caps"},
		{"M2 an OAuth scope it holds", func(c *claims) { c.OAuthScopes = []string{"openid"} }, ""},
		{"M2 an OAuth scope it does not hold", func(c *claims) { c.OAuthScopes = []string{"email"} }, "scope"},
		{"aud, one of its own", func(c *claims) { c.Audience = []string{"billing"} }, ""},
		{"M2 aud beyond its own", func(c *claims) { c.Audience = []string{"api", "search"} }, "aud"},
		{"its own subject", func(c *claims) { c.Subject = "alice" }, ""},
		{"M2 subject bob", func(c *claims) { c.Subject = "bob" }, "sub"},
		{"the subject of another token", func(c *claims) { c.Subject = "token:parent" }, "sub"},
		{"a subject below its own", func(c *claims) { c.Subject = "alice:x" }, "sub"},
		{"its own account type", func(c *claims) { c.AccountType = "ai_agent" }, ""},
		{"M2 another account type", func(c *claims) { c.AccountType = "human" }, "account_type"},
		{"its own node", func(c *claims) { c.NodeID = "n1" }, ""},
		{"another node", func(c *claims) { c.NodeID = "n2" }, "node_id"},
		{"its own client", func(c *claims) { c.ClientID = "cli" }, ""},
		{"another client", func(c *claims) { c.ClientID = "web" }, "client_id"},
		{"its own delegator", func(c *claims) { c.Delegator = "bob" }, ""},
		{"another delegator", func(c *claims) { c.Delegator = "carol" }, "delegator"},
		{"its own depth of delegation", func(c *claims) { c.DelegationDepth = 2 }, ""},
		{"a lower depth of delegation", func(c *claims) { c.DelegationDepth = 1 }, "dlg_depth"},
		{"its own credential", func(c *claims) { c.CredentialID = "cred" }, ""},
		{"another credential", func(c *claims) { c.CredentialID = "other" }, "cid"},
		{"its own actors", func(c *claims) {
			c.Actor = &tokenauth.Actor{Subject: "robot", Actor: &tokenauth.Actor{Subject: "starter"}}
		}, ""},
		{"M2 fewer actors", func(c *claims) { c.Actor = &tokenauth.Actor{Subject: "robot"} }, "act"},
		{"M2 more actors", func(c *claims) {
			c.Actor = &tokenauth.Actor{Subject: "robot", Actor: &tokenauth.Actor{Subject: "starter", Actor: &tokenauth.Actor{Subject: "x"}}}
		}, "act"},
		{"M2 other actors", func(c *claims) {
			c.Actor = &tokenauth.Actor{Subject: "robot", Actor: &tokenauth.Actor{Subject: "x"}}
		}, "act"},
		{"its session, for its own subject", func(c *claims) { c.Subject, c.SessionID = "alice", "s" }, ""},
		{"its session, for another subject", func(c *claims) { c.SessionID = "s" }, "sid"},
		{"another session", func(c *claims) { c.Subject, c.SessionID = "alice", "other" }, "sid"},
		{"its version, for its own subject", func(c *claims) { c.Subject, c.SessionVersion = "alice", 2 }, ""},
		{"another version", func(c *claims) { c.Subject, c.SessionVersion = "alice", 3 }, "sv"},
		{"its version, for another subject", func(c *claims) { c.SessionVersion = 2 }, "sv"},
		{"the claim admin", func(c *claims) { c.AdminHint = true }, "admin"},
		{"M2 its own e-mail", func(c *claims) { c.Email = "alice@example.test" }, "email"},
		{"its own active_ppnum", func(c *claims) { c.ActivePPNum = "17" }, "active_ppnum"},
		{"a further member of its own", func(c *claims) { c.Extra = extra("team", `"core"`) }, ""},
		{"a further member with another value", func(c *claims) { c.Extra = extra("team", `"evil"`) }, "Extra"},
		{"a further member written otherwise", func(c *claims) { c.Extra = extra("team", `"cor\u0065"`) }, "Extra"},
		{"a further member that it does not have", func(c *claims) { c.Extra = extra("group", `"core"`) }, "Extra"},
		{"a further member that is not registered", func(c *claims) { c.Extra = extra("other", `1`) }, "Extra"},
		{"a jti", func(c *claims) { c.ID = "mine" }, "jti"},
		{"cat", func(c *claims) { c.Category = "access" }, ""},
		{"nbf", func(c *claims) { c.NotBefore = officeOpens }, ""},
		{"its own issuer", func(c *claims) { c.Issuer = "https://auth.test" }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := officeOfMembers(t)
			by := o.bearer(t, richHolder(t))
			held := by.Claims()
			asked := &claims{Scopes: grants(t, "deployment:web:read")}
			row.ask(asked)
			issued, err := o.Sign(t.Context(), by, asked)
			if row.refused != "" {
				requireForbidden(t, issued, err, row.refused)
				require.Len(t, o.records(t, tokenauth.TokenFilter{}), 1, "nothing is stored but the asker")
				return
			}
			require.NoError(t, err)
			got := o.prove(t, issued).Claims()

			// What a child keeps of its parent, whatever it asked for.
			want := held.Clone()
			want.ID, want.IssuedAt, want.ExpiresAt = got.ID, got.IssuedAt, got.ExpiresAt
			want.Email, want.ActivePPNum = "", ""
			// What it asked for, and what follows from it.
			want.Scopes, want.Roles, want.Caps, want.OAuthScopes = asked.Scopes, asked.Roles, asked.Caps, asked.OAuthScopes
			want.Category, want.NotBefore = asked.Category, got.NotBefore
			if asked.Audience != nil {
				want.Audience = asked.Audience
			}
			if want.Subject = asked.Subject; want.Subject == "" {
				want.Subject, want.SessionID, want.SessionVersion = "token:"+got.ID, "", 0
			}
			require.Equal(t, plain(want), plain(got))
			require.Equal(t, "parent", issued.Record.ParentID)
			require.Equal(t, "alice", issued.Record.Owner)
			require.Equal(t, "s", issued.Record.SessionID, "the asker's, whatever the token says")
		})
	}
}

func TestM2APersonsSessionHandsOnOtherwise(t *testing.T) {
	type claims = tokenauth.Claims
	for _, row := range []struct {
		name    string
		ask     func(c *claims)
		refused string
	}{
		{"scopes that MayGrant admits", func(*claims) {}, ""},
		{"a role of its own", func(c *claims) { c.Roles = []string{"viewer"} }, ""},
		{"M2 role operator, though it holds it", func(c *claims) { c.Roles = []string{"operator"} }, "roles"},
		{"M2 a role it does not hold", func(c *claims) { c.Roles = []string{"auditor"} }, "roles"},
		{"M2 subject bob", func(c *claims) { c.Subject = "bob" }, "sub"},
		{"its session", func(c *claims) { c.Subject, c.SessionID = "alice", "s" }, "sid"},
		{"a further member of its own", func(c *claims) {
			c.Extra = map[string]json.RawMessage{"team": json.RawMessage(`"core"`)}
		}, ""},
		{"a further member with another value", func(c *claims) {
			c.Extra = map[string]json.RawMessage{"team": json.RawMessage(`1`)}
		}, "Extra"},
		{"another client", func(c *claims) { c.ClientID = "web" }, "client_id"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := officeOfMembers(t)
			by := o.bearer(t, richSession(t))
			asked := &claims{Subject: "alice", Scopes: grants(t, "deployment:*:write")}
			row.ask(asked)
			issued, err := o.Sign(t.Context(), by, asked)
			if row.refused != "" {
				requireForbidden(t, issued, err, row.refused)
				return
			}
			require.NoError(t, err)
			got := o.prove(t, issued).Claims()
			require.Equal(t, "", got.SessionID, "it outlives the session")
			require.EqualValues(t, 2, got.SessionVersion, "and dies with all of its subject's")
			require.Equal(t, len(asked.Extra), len(got.Extra), "of the further members only what was asked for")
			require.Equal(t, "cli", got.ClientID)
			require.Equal(t, "ai_agent", got.AccountType)
			require.Equal(t, []string{"api", "billing"}, got.Audience)
			require.Equal(t, "s", issued.Record.SessionID)
		})
	}
}

// richSession is a person who has everything that a person's session can have.
func richSession(t testing.TB) *tokenauth.Claims {
	c := richHolder(t)
	c.Scopes, c.OAuthScopes, c.Actor, c.Delegator, c.DelegationDepth = nil, nil, nil, "", 0
	return c
}

// Whoever acts in a person's stead, or is narrowed by scopes of either kind, is not lent what the person may do.
func TestM3OnlyThePersonIsLentStandingAuthority(t *testing.T) {
	for name, change := range map[string]func(c *tokenauth.Claims){
		"the person":        func(*tokenauth.Claims) {},
		"with OAuth scopes": func(c *tokenauth.Claims) { c.OAuthScopes = []string{"profile"} },
		"an actor":          func(c *tokenauth.Claims) { c.Actor = &tokenauth.Actor{Subject: "agent"} },
		"a delegate":        func(c *tokenauth.Claims) { c.Delegator = "bob" },
		"at some depth":     func(c *tokenauth.Claims) { c.DelegationDepth = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			o := officeOfMembers(t)
			session := richSession(t)
			change(session)
			issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: o.bearer(t, session), Scopes: grants(t, "deployment:*:write")})
			if name == "the person" {
				require.NoError(t, err)
				return
			}
			requireForbidden(t, issued, err, "scopes")
		})
	}
}

func TestM2AnAdminIsBoundByNone(t *testing.T) {
	o := officeOfMembers(t)
	for name, by := range map[string]tokenauth.Authority{
		"the system":         bySystem,
		"an admin's session": o.login(t, "root", tokenauth.RoleAdmin),
		"an admin's token": o.bearer(t, &tokenauth.Claims{
			Subject: "root", ID: "root", Roles: []string{tokenauth.RoleAdmin}, Audience: []string{"search"},
			ExpiresAt: officeOpens.Add(2 * time.Hour),
		}),
	} {
		t.Run(name, func(t *testing.T) {
			asked := richHolder(t)
			asked.ID, asked.ExpiresAt = "chosen by "+name, officeOpens.Add(90*time.Minute).Truncate(time.Second)
			asked.Roles = append(asked.Roles, tokenauth.RoleAdmin)
			issued, err := o.Sign(t.Context(), by, asked)
			require.NoError(t, err)
			got := o.prove(t, issued).Claims()
			want := asked.Clone()
			want.Issuer, want.IssuedAt, want.SessionVersion = "https://auth.test", got.IssuedAt, 2
			require.Equal(t, want, got)
		})
	}
	t.Run("but by aud, unless it says so: the profile's", func(t *testing.T) {
		by := o.login(t, "root", tokenauth.RoleAdmin)
		issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Roles: []string{"viewer"}})
		require.NoError(t, err)
		require.Equal(t, o.cfg.Audiences, issued.Claims.Audience)
	})
	t.Run("but what it leaves open is its own: client and session", func(t *testing.T) {
		by := o.bearer(t, &tokenauth.Claims{
			Subject: "alice", ID: "admin", Roles: []string{tokenauth.RoleAdmin}, ClientID: "console",
			SessionID: "s", Scopes: grants(t, "deployment:*:write"),
		})
		r := request(t, by, "deployment:web:read")
		r.Subject = "alice"
		issued, err := o.Issue(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, "console", issued.Claims.ClientID)
		require.Equal(t, "s", issued.Claims.SessionID)
		r.Subject, r.ClientID = "bob", "ci"
		issued, err = o.Issue(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, "ci", issued.Claims.ClientID)
		require.Equal(t, "", issued.Claims.SessionID, "its session is not bob's")
	})
	t.Run("but by the expiry of its own token", func(t *testing.T) {
		by := o.bearer(t, &tokenauth.Claims{
			Subject: "root", ID: "root2", Roles: []string{tokenauth.RoleAdmin}, ExpiresAt: officeOpens.Add(time.Hour),
		})
		issued, err := o.Issue(t.Context(), tokenauth.TokenRequest{By: by, Roles: []string{"viewer"}, TTL: time.Hour + time.Second})
		requireForbidden(t, issued, err, "ttl")
	})
}

func TestM2AudienceIsWhatTheAskerHasOfTheProfiles(t *testing.T) {
	for _, row := range []struct {
		name             string
		held, asked, got []string
	}{
		{"one of three", []string{"billing"}, nil, []string{"billing"}},
		{"M2 some that are not the profile's", []string{"elsewhere", "search", "api"}, nil, []string{"api", "search"}},
		{"one that is asked for", []string{"api", "search"}, []string{"search"}, []string{"search"}},
		{"M2 one that is the profile's and not the asker's", []string{"api"}, []string{"search"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			wide := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Audiences = append(cfg.Audiences, "elsewhere") })
			by := wide.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "a", Audience: row.held, Scopes: grants(t, "deployment:*:write")})
			o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
				cfg.Key, cfg.Askers, cfg.Tokens, cfg.Epochs = wide.cfg.Key, wide.verifier, wide.store, wide.store
			})
			r := request(t, by, "deployment:web:read")
			r.Audiences = row.asked
			issued, err := o.Issue(t.Context(), r)
			if row.got == nil {
				requireForbidden(t, issued, err, "aud")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.got, issued.Claims.Audience)
		})
	}
	t.Run("M2 an asker with none of the profile's gets none", func(t *testing.T) {
		wide := newOffice(t, func(cfg *tokenauth.IssuerConfig) { cfg.Audiences = []string{"elsewhere"} })
		by := wide.bearer(t, &tokenauth.Claims{Subject: "alice", ID: "a", Scopes: grants(t, "deployment:*:write")})
		o := newOffice(t, func(cfg *tokenauth.IssuerConfig) {
			cfg.Key, cfg.Askers, cfg.Tokens = wide.cfg.Key, wide.verifier, wide.store
		})
		issued, err := o.Issue(t.Context(), request(t, by, "deployment:web:read"))
		requireForbidden(t, issued, err, "aud")
	})
}

// A wish is what a holder asks for, under what settings.
type wish struct {
	held, asked *tokenauth.Claims
	// issuer says that an Issuer is asked: it fills in what is left open, asks MayGrant and stamps sv.
	issuer     bool
	privileged []string
	known      []string
	audiences  []string                          // the profile's
	mayGrant   func(s tokenauth.TokenScope) bool // for a person's session
}

// session says whether the holder is a person's session.
func (w *wish) session() bool {
	return len(w.held.Scopes) == 0 && !w.narrowed(w.held) && (w.held.SessionID != "" || w.held.ID == "")
}

// narrowed says whether what is said of the holder's delegation, and these OAuth scopes, make it less than a person.
func (w *wish) narrowed(c *tokenauth.Claims) bool {
	return len(c.OAuthScopes) > 0 || w.held.Actor != nil || w.held.Delegator != "" || w.held.DelegationDepth > 0
}

// ownSubject says whether the new token will have its holder's subject.
func (w *wish) ownSubject() bool { return w.asked.Subject == w.held.Subject }

// sessionID is the one session that the new token may be bound to.
func (w *wish) sessionID() string {
	if w.session() || !w.ownSubject() {
		return ""
	}
	return w.held.SessionID
}

// A rule says of one member whether it may be handed on as it is asked for, and whether what was minted is what it must be.
type rule struct {
	may func(w *wish) bool
	is  func(w *wish, got *tokenauth.Claims) bool
}

// rules has one for each field of Claims.
var rules = map[string]rule{
	"Issuer":    issuersBusiness,
	"ExpiresAt": issuersBusiness,
	"IssuedAt":  issuersBusiness,
	"NotBefore": issuersBusiness,
	"ID":        issuersBusiness,
	"Category":  issuersBusiness,
	"Subject": {
		may: func(w *wish) bool {
			return w.ownSubject() || w.issuer && w.asked.Subject == "" || w.asked.ID != "" && w.asked.Subject == "token:"+w.asked.ID
		},
		is: func(w *wish, got *tokenauth.Claims) bool {
			return got.Subject == w.asked.Subject || w.asked.Subject == "" && got.Subject == "token:"+got.ID
		},
	},
	"Audience": {
		may: func(w *wish) bool {
			if len(w.asked.Audience) == 0 {
				return w.issuer || len(w.held.Audience) == 0
			}
			return within(w.asked.Audience, w.held.Audience)
		},
		is: func(w *wish, got *tokenauth.Claims) bool {
			if len(w.asked.Audience) == 0 && w.issuer {
				return len(got.Audience) > 0 && within(got.Audience, w.held.Audience) && within(got.Audience, w.audiences)
			}
			return slices.Equal(got.Audience, w.asked.Audience)
		},
	},
	"Roles": {
		may: func(w *wish) bool {
			return within(w.asked.Roles, w.held.Roles) && !overlap(w.asked.Roles, w.privileged)
		},
		is: func(w *wish, got *tokenauth.Claims) bool { return slices.Equal(got.Roles, w.asked.Roles) },
	},
	"Scopes": {
		may: func(w *wish) bool {
			for _, s := range w.asked.Scopes {
				if w.session() {
					if w.mayGrant != nil && !w.mayGrant(s) {
						return false
					}
				} else if !slices.ContainsFunc(w.held.Scopes, func(h tokenauth.TokenScope) bool { return grantsAllOf(h, s) }) {
					return false
				}
			}
			return true
		},
		is: func(w *wish, got *tokenauth.Claims) bool { return slices.Equal(got.Scopes, w.asked.Scopes) },
	},
	"OAuthScopes": {
		may: func(w *wish) bool { return within(w.asked.OAuthScopes, w.held.OAuthScopes) },
		is:  func(w *wish, got *tokenauth.Claims) bool { return slices.Equal(got.OAuthScopes, w.asked.OAuthScopes) },
	},
	"Caps": {
		may: func(w *wish) bool { return within(w.asked.Caps, w.held.Caps) },
		is:  func(w *wish, got *tokenauth.Claims) bool { return slices.Equal(got.Caps, w.asked.Caps) },
	},
	"AdminHint":   notSettable(func(c *tokenauth.Claims) bool { return c.AdminHint }),
	"Email":       notSettable(func(c *tokenauth.Claims) string { return c.Email }),
	"ActivePPNum": notSettable(func(c *tokenauth.Claims) string { return c.ActivePPNum }),

	"NodeID":          carriedOver(func(c *tokenauth.Claims) string { return c.NodeID }),
	"ClientID":        carriedOver(func(c *tokenauth.Claims) string { return c.ClientID }),
	"AccountType":     carriedOver(func(c *tokenauth.Claims) string { return c.AccountType }),
	"Delegator":       carriedOver(func(c *tokenauth.Claims) string { return c.Delegator }),
	"CredentialID":    carriedOver(func(c *tokenauth.Claims) string { return c.CredentialID }),
	"DelegationDepth": carriedOver(func(c *tokenauth.Claims) int { return c.DelegationDepth }),
	"Actor":           carriedOver(actors),

	"SessionID": {
		may: func(w *wish) bool { return w.asked.SessionID == "" || w.asked.SessionID == w.sessionID() },
		is:  func(w *wish, got *tokenauth.Claims) bool { return got.SessionID == w.sessionID() },
	},
	"SessionVersion": {
		may: func(w *wish) bool {
			return !w.issuer || w.asked.SessionVersion == 0 || w.ownSubject() && w.asked.SessionVersion == w.held.SessionVersion
		},
		is: func(w *wish, got *tokenauth.Claims) bool {
			if w.ownSubject() && w.issuer {
				return got.SessionVersion == w.held.SessionVersion
			}
			return got.SessionVersion == w.asked.SessionVersion
		},
	},
	"Extra": {
		may: func(w *wish) bool {
			for name, value := range w.asked.Extra {
				if held, ok := w.held.Extra[name]; !ok || string(held) != string(value) || !slices.Contains(w.known, name) {
					return false
				}
			}
			return true
		},
		is: func(w *wish, got *tokenauth.Claims) bool {
			want := w.held.Extra
			if w.session() {
				want = w.asked.Extra
			}
			return len(want) == len(got.Extra) && (len(want) == 0 || reflect.DeepEqual(want, got.Extra))
		},
	},
}

// wholeRule is about several members at once: what is minted is no person's session, to which MayGrant would lend.
const wholeRule = "a person's session"

func mayBeWhole(w *wish) bool {
	hasID := w.issuer || w.asked.ID != ""
	return len(w.asked.Scopes) > 0 || w.narrowed(w.asked) || w.sessionID() == "" && hasID
}

// issuersBusiness is a member that the issuer sets: what it does with it has tests of its own.
var issuersBusiness = rule{
	may: func(*wish) bool { return true },
	is:  func(*wish, *tokenauth.Claims) bool { return true },
}

// notSettable is a member that nobody but the system and admins sets.
func notSettable[T comparable](member func(*tokenauth.Claims) T) rule {
	var none T
	return rule{
		may: func(w *wish) bool { return member(w.asked) == none },
		is:  func(_ *wish, got *tokenauth.Claims) bool { return member(got) == none },
	}
}

// carriedOver is a member that a child has of its parent.
func carriedOver[T comparable](member func(*tokenauth.Claims) T) rule {
	var none T
	return rule{
		may: func(w *wish) bool { return member(w.asked) == none || member(w.asked) == member(w.held) },
		is:  func(w *wish, got *tokenauth.Claims) bool { return member(got) == member(w.held) },
	}
}

// actors returns a chain of actors as one text.
func actors(c *tokenauth.Claims) string {
	var chain strings.Builder
	for a := c.Actor; a != nil; a = a.Actor {
		fmt.Fprintf(&chain, "%q", a.Subject)
	}
	return chain.String()
}

// within says whether all of part is in whole.
func within(part, whole []string) bool {
	for _, s := range part {
		if !slices.Contains(whole, s) {
			return false
		}
	}
	return true
}

// overlap says whether two lists have an entry in common.
func overlap(a, b []string) bool {
	for _, s := range a {
		if slices.Contains(b, s) {
			return true
		}
	}
	return false
}

// The small world in which scopes are asked about. One id stands for all that nobody has heard of.
var (
	worldKinds = []string{"deployment", "secret"}
	worldIDs   = []string{"web", "api", "an id that no scope names", tokenauth.AnyResource}
)

// grantsAllOf says whether h says yes to whatever s says yes to, by asking about everything there is.
func grantsAllOf(h, s tokenauth.TokenScope) bool {
	if s.Level == tokenauth.LevelNone || s.ResourceID == "" {
		return false // it may not be minted at all
	}
	for _, kind := range worldKinds {
		for _, id := range worldIDs {
			for level := tokenauth.LevelRead; level <= tokenauth.LevelWrite; level++ {
				if saysYes(s, kind, id, level) && !saysYes(h, kind, id, level) {
					return false
				}
			}
		}
	}
	return true
}

func saysYes(s tokenauth.TokenScope, kind, id string, level tokenauth.PermissionLevel) bool {
	return s.ResourceKind == kind && s.Level >= level && (s.ResourceID == id || s.ResourceID == tokenauth.AnyResource)
}

// An oracle counts what it said.
type oracle struct {
	names         []string // the fields of Claims, each of which has a rule
	pairs, grants int
	alone         map[string]int // how often a rule was the only one to refuse
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	o := &oracle{alone: map[string]int{}}
	for field := range reflect.TypeFor[tokenauth.Claims]().Fields() {
		require.Contains(t, rules, field.Name, "a member without a rule: who may hand it on?")
		o.names = append(o.names, field.Name)
	}
	require.Len(t, rules, len(o.names), "a rule without a member")
	return o
}

// refusals returns the rules by which a wish is refused.
func (o *oracle) refusals(w *wish) []string {
	var refused []string
	for _, name := range o.names {
		if !rules[name].may(w) {
			refused = append(refused, name)
		}
	}
	if !mayBeWhole(w) {
		refused = append(refused, wholeRule)
	}
	o.pairs++
	switch len(refused) {
	case 0:
		o.grants++
	case 1:
		o.alone[refused[0]]++
	}
	return refused
}

// judge holds what was answered to a wish against the rules.
func (o *oracle) judge(t testing.TB, w *wish, got *tokenauth.Claims, err error) {
	refused := o.refusals(w)
	switch {
	case err == nil && len(refused) > 0:
		t.Fatalf("ESCALATION by %v\nheld  %+v\nasked %+v\ngot   %+v", refused, w.held, w.asked, got)
	case err != nil && len(refused) == 0:
		t.Fatalf("refused what is held: %v\nheld  %+v\nasked %+v", err, w.held, w.asked)
	case err != nil:
		require.ErrorIs(t, err, tokenauth.ErrForbidden)
		return
	}
	for _, name := range o.names {
		if !rules[name].is(w, got) {
			t.Fatalf("%s is not what it must be\nheld  %+v\nasked %+v\ngot   %+v", name, w.held, w.asked, got)
		}
	}
}

// requireMeaning says whether the wishes meant something: many were granted, many refused, and each rule was needed.
func (o *oracle) requireMeaning(t testing.TB, except ...string) {
	t.Helper()
	t.Logf("%d pairs, %d granted, refused by one rule alone: %v", o.pairs, o.grants, o.alone)
	require.Greater(t, o.grants, o.pairs/5)
	require.Greater(t, o.pairs-o.grants, o.pairs/5)
	for _, name := range append(slices.Clone(o.names), wholeRule) {
		if slices.Contains(except, name) || reflect.ValueOf(rules[name].may) == reflect.ValueOf(issuersBusiness.may) {
			continue
		}
		require.GreaterOrEqual(t, o.alone[name], o.pairs/10000+1, "nobody tried %s", name)
	}
}

// A dice makes holders and wishes of a small world, in which hits are frequent.
type dice struct{ *mathrand.Rand }

func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

func one[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// some returns some of list, in its order.
func (d dice) some(list ...string) []string {
	var some []string
	for _, s := range list {
		if d.oneIn(2) {
			some = append(some, s)
		}
	}
	return some
}

func (d dice) scope() tokenauth.TokenScope {
	return tokenauth.TokenScope{
		ResourceKind: one(d, worldKinds...), ResourceID: one(d, "web", "api", tokenauth.AnyResource),
		Level: one(d, tokenauth.LevelRead, tokenauth.LevelExecute, tokenauth.LevelWrite),
	}
}

func (d dice) actor() *tokenauth.Actor {
	starter := &tokenauth.Actor{Subject: "starter"}
	return one(d, nil, &tokenauth.Actor{Subject: "robot"}, &tokenauth.Actor{Subject: "robot", Actor: starter})
}

func (d dice) extra() map[string]json.RawMessage {
	extra := map[string]json.RawMessage{}
	for _, name := range d.some("team", "cnf") {
		extra[name] = json.RawMessage(one(d, `1`, `"core"`))
	}
	return extra
}

// holder returns somebody who holds something: of four a person's session, of four a token with scopes, or one with roles only.
func (d dice) holder() *tokenauth.Claims {
	c := &tokenauth.Claims{
		Subject: "alice", ID: "parent", SessionID: one(d, "", "s"), SessionVersion: 2,
		Audience: append(d.some("billing", "search"), "api"), Roles: d.some("viewer", "deployer", "operator"),
		OAuthScopes: d.some("openid", "profile"), Caps: d.some("cap.a", "cap.b"),
		Email: one(d, "", "alice@example.test"), ActivePPNum: one(d, "", "17"),
		NodeID: one(d, "", "n1"), ClientID: one(d, "", "cli"), AccountType: one(d, "", "human"), Delegator: one(d, "", "bob"),
		CredentialID: one(d, "", "cred"), DelegationDepth: d.IntN(3), Actor: d.actor(), Extra: d.extra(),
	}
	switch d.IntN(4) {
	case 0: // a person's session
		c.ID = one(d, "", "parent")
		c.SessionID = one(d, "s", c.SessionID)
		if !d.oneIn(8) {
			c.OAuthScopes, c.Actor, c.Delegator, c.DelegationDepth = nil, nil, "", 0
		} else {
			c.ID = "parent" // narrowed, it has a record or mints nothing that has one
			if d.oneIn(2) {
				c.OAuthScopes, c.Actor, c.Delegator, c.DelegationDepth = []string{"profile"}, nil, "", 0
			}
		}
	case 1: // roles only
		c.SessionID = ""
	default:
		for range 1 + d.IntN(3) {
			c.Scopes = append(c.Scopes, d.scope())
		}
	}
	return c
}

// wishOf returns what a holder may ask for, and changes each member for anything else, once in a while.
func (d dice) wishOf(held *tokenauth.Claims) *tokenauth.Claims {
	const rarely = 24
	c := &tokenauth.Claims{
		Subject: held.Subject, Audience: held.Audience[d.IntN(len(held.Audience)):],
		OAuthScopes: d.some(held.OAuthScopes...), Caps: d.some(held.Caps...),
		NodeID: one(d, "", held.NodeID), ClientID: one(d, "", held.ClientID), AccountType: one(d, "", held.AccountType),
		Delegator: one(d, "", held.Delegator), CredentialID: one(d, "", held.CredentialID),
		DelegationDepth: one(d, 0, held.DelegationDepth), Actor: one(d, nil, held.Actor),
	}
	for _, role := range d.some(held.Roles...) {
		if role != "operator" || d.oneIn(rarely) {
			c.Roles = append(c.Roles, role)
		}
	}
	for _, s := range held.Scopes {
		if d.oneIn(2) {
			s.Level -= one(d, s.Level-tokenauth.LevelRead, 0)
			s.ResourceID = one(d, s.ResourceID, strings.ReplaceAll(s.ResourceID, tokenauth.AnyResource, "web"))
			c.Scopes = append(c.Scopes, s)
		}
	}
	for name, value := range held.Extra {
		if d.oneIn(4) {
			c.Extra = map[string]json.RawMessage{name: value}
		}
	}
	for _, change := range []func(){
		func() { c.Audience = one(d, nil, []string{"search"}, []string{"api", "billing"}) },
		func() { c.Roles = append(c.Roles, one(d, "viewer", "deployer", "operator", "admin", "node")) },
		func() { c.Scopes = append(c.Scopes, d.scope()) },
		func() { c.Scopes = nil },
		func() { c.OAuthScopes = append(c.OAuthScopes, one(d, "openid", "profile", "email")) },
		func() { c.Caps = append(c.Caps, one(d, "cap.a", "cap.b", "cap.c")) },
		func() { c.AdminHint = true },
		func() { c.Email = "alice@example.test" },
		func() { c.ActivePPNum = "17" },
		func() { c.NodeID = one(d, "n1", "n2") },
		func() { c.ClientID = one(d, "cli", "web") },
		func() { c.AccountType = one(d, "human", "ai_agent") },
		func() { c.Delegator = one(d, "bob", "carol") },
		func() { c.CredentialID = one(d, "cred", "other") },
		func() { c.DelegationDepth = d.IntN(4) },
		func() { c.Actor = d.actor() },
		func() { c.SessionID = one(d, "s", "other") },
		func() { c.SessionVersion = one[int64](d, 2, 3) },
		func() { c.Extra = d.extra() },
	} {
		if d.oneIn(rarely) {
			change()
		}
	}
	return c
}

func TestM7NeverAnEscalation(t *testing.T) {
	t.Parallel()
	d := dice{mathrand.New(mathrand.NewPCG(7, 1))}
	o := newOracle(t)
	privileged, known := []string{"admin", "operator", "node"}, []string{"team"}
	for range rounds(200_000) {
		held := d.holder()
		if d.oneIn(8) {
			held.ID = "" // no matter what it holds
		}
		for range 6 {
			asked := d.wishOf(held)
			asked.ID = one(d, "new", "new", "new", "")
			if d.oneIn(4) {
				asked.Subject = one(d, "bob", "token:new", "token:parent", "token:", "")
			}
			if d.oneIn(50) && len(asked.Scopes) > 0 {
				asked.Scopes[0].Level = tokenauth.LevelNone
			}
			w := &wish{held: held, asked: asked.Clone(), privileged: privileged, known: known}
			err := tokenauth.Attenuate(held, asked, w.session(), privileged, known)
			o.judge(t, w, asked, err) // asked was changed to what is minted
		}
	}
	o.requireMeaning(t, "SessionVersion")
	if !underRace() && !testing.Short() { // where rounds gives all of them: see "go test -run TestM7" in the Makefile, which CI runs
		require.GreaterOrEqual(t, o.pairs, 1_000_000)
	}
}

// In a chain each is held against the one before it. Held against the first, the last must still be no more.
func TestM7ChainsNeverEscalate(t *testing.T) {
	t.Parallel()
	d := dice{mathrand.New(mathrand.NewPCG(7, 2))}
	o := newOracle(t)
	links := 0
	for range rounds(50_000) {
		root := d.holder()
		held := root
		for range 8 {
			asked := d.wishOf(held)
			asked.ID = "new"
			if d.oneIn(4) {
				asked.Subject = "token:new"
			}
			w := &wish{held: held, asked: asked.Clone(), privileged: []string{"admin", "operator", "node"}, known: []string{"team", "cnf"}}
			err := tokenauth.Attenuate(held, asked, w.session(), w.privileged, w.known)
			o.judge(t, w, asked, err)
			if err != nil {
				continue // and try another
			}
			held = asked
			links++
			requireNoMoreThan(t, root, held)
		}
	}
	require.Greater(t, links, rounds(50_000)*2)
}

// requireNoMoreThan holds the end of a chain against its beginning, by what each may do.
func requireNoMoreThan(t testing.TB, root, last *tokenauth.Claims) {
	t.Helper()
	session := len(root.Scopes) == 0 // whose scopes are MayGrant's
	for _, kind := range worldKinds {
		for _, id := range worldIDs {
			for level := tokenauth.LevelRead; level <= tokenauth.LevelWrite; level++ {
				if !session && last.Satisfies(kind, id, level) && !root.Satisfies(kind, id, level) {
					t.Fatalf("ESCALATION to %s:%q:%s\nroot %+v\nlast %+v", kind, id, level, root, last)
				}
			}
		}
	}
	if !within(last.Roles, root.Roles) || !within(last.Caps, root.Caps) || !within(last.OAuthScopes, root.OAuthScopes) ||
		!within(last.Audience, root.Audience) || last.IsAdmin() || last.AdminHint || last.NodeID != root.NodeID ||
		last.AccountType != root.AccountType || last.Delegator != root.Delegator || actors(last) != actors(root) {
		t.Fatalf("ESCALATION\nroot %+v\nlast %+v", root, last)
	}
}

// The same from end to end: through Sign and Issue, down chains of up to eight, as the verifier sees it.
func TestM7NeverAnEscalationThroughTheIssuer(t *testing.T) {
	t.Parallel()
	d := dice{mathrand.New(mathrand.NewPCG(7, 3))}
	oracle := newOracle(t)
	mayGrant := func(s tokenauth.TokenScope) bool {
		return s.ResourceKind == "deployment" && s.ResourceID != tokenauth.AnyResource
	}
	var o *office
	deepest := 0
	for n := range rounds(6_000) {
		if n%500 == 0 { // a fresh store, so that none grows large
			o = officeOfMembers(t)
			o.cfg.MayGrant = func(_ context.Context, _ *tokenauth.Principal, s tokenauth.TokenScope) (bool, error) {
				return mayGrant(s), nil
			}
			var err error
			o.Issuer, err = tokenauth.NewIssuer(o.cfg)
			require.NoError(t, err)
		}
		held := d.holder()
		if held.ID != "" {
			held.ID = fmt.Sprint("parent ", n)
		}
		by := o.bearer(t, held)
		root := by.Claims()
		for depth := 0; depth < 8; {
			held := by.Claims()
			w := &wish{
				held: held, asked: d.wishOf(held), issuer: true, audiences: o.cfg.Audiences, mayGrant: mayGrant,
				privileged: []string{"admin", "operator", "node"}, known: o.cfg.KnownClaims,
			}
			if d.oneIn(3) {
				w.asked.Subject = one(d, "", "", "bob")
			}
			issued, err := o.wish(t, d, by, w)
			if err != nil {
				oracle.judge(t, w, nil, err)
				break
			}
			p := o.prove(t, issued)
			got := p.Claims()
			oracle.judge(t, w, got, nil)
			require.NotEmpty(t, got.ID)
			require.True(t, w.session() || !got.ExpiresAt.After(held.ExpiresAt))
			requireNoMoreThan(t, root, got)
			by = p
			depth++
			deepest = max(deepest, depth)
		}
	}
	require.Equal(t, 8, deepest)
	oracle.requireMeaning(t)
	if !underRace() && !testing.Short() { // as above
		require.GreaterOrEqual(t, oracle.pairs, 10_000)
	}
}

// wish asks for it, by Issue where that can be said there.
func (o *office) wish(t testing.TB, d dice, by *tokenauth.Principal, w *wish) (tokenauth.Issued, error) {
	t.Helper()
	c := w.asked
	if d.oneIn(2) || len(c.Scopes)+len(c.Roles) == 0 {
		return o.Sign(t.Context(), by, c)
	}
	w.asked = &tokenauth.Claims{Subject: c.Subject, Audience: c.Audience, ClientID: c.ClientID, Scopes: c.Scopes, Roles: c.Roles}
	return o.Issue(t.Context(), tokenauth.TokenRequest{
		By: by, Subject: c.Subject, Audiences: c.Audience, ClientID: c.ClientID, Scopes: c.Scopes, Roles: c.Roles,
	})
}
