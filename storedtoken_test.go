package tokenauth_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// Numbers such as R1 name rows of the specification of records.

// recordTime is when the records of this file are made.
var recordTime = time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)

// fullRecord sets every member.
func fullRecord() *tokenauth.StoredAccessToken {
	return &tokenauth.StoredAccessToken{
		ID: "0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60", Owner: "alice", RootID: "root-1", Depth: 2, Name: "ci runner", Subject: "token:x",
		Roles: []string{"developer"}, Scopes: scopesOf(scopeOf("deployment", "web", write), scopeOf("job", anything, read)),
		ExpiresAt: recordTime.Add(time.Hour), CreatedAt: recordTime, CreatedBy: "alice",
		RevokedAt: recordTime.Add(2 * time.Minute), RevokedBy: "bob", RevokeReason: "lost", ParentID: "parent-1", SuccessorID: "next-1",
		RetireAt: recordTime.Add(time.Minute), LastUsedAt: recordTime.Add(time.Second), ClientID: "ci", SessionID: "session-9",
	}
}

// leastRecord holds what must be there and nothing else.
func leastRecord() *tokenauth.StoredAccessToken {
	return &tokenauth.StoredAccessToken{
		ID: "1", Owner: "o", RootID: "1", Subject: "s", CreatedBy: "c", CreatedAt: recordTime, ExpiresAt: recordTime.Add(time.Hour),
	}
}

func TestFullRecordIsFull(t *testing.T) {
	full := reflect.ValueOf(*fullRecord())
	for field := range full.Type().Fields() {
		assert.False(t, full.FieldByIndex(field.Index).IsZero(), "%s is a member no test of this file knows: set it in fullRecord", field.Name)
	}
}

func TestNewStoredAccessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := time.Now().UTC()
		time.Sleep(300 * time.Millisecond) // the bubble's clock moves, nobody waits

		roles, scopes := []string{"developer"}, scopesOf(scopeOf("deployment", "web", read))
		expires := second.Add(time.Hour + 900*time.Millisecond).In(time.FixedZone("", -7*3600))
		got := tokenauth.NewStoredAccessToken("ci", "alice", roles, scopes, expires, "bob")
		require.Equal(t, &tokenauth.StoredAccessToken{
			ID: got.ID, RootID: got.ID, Owner: "alice", Subject: "alice", Name: "ci", CreatedBy: "bob",
			Roles: []string{"developer"}, Scopes: scopesOf(scopeOf("deployment", "web", read)),
			CreatedAt: second, ExpiresAt: second.Add(time.Hour),
		}, got)
		require.NoError(t, got.Validate())
		require.False(t, got.IsInactive(time.Now()))

		roles[0], scopes[0].Level = "admin", write
		require.Equal(t, []string{"developer"}, got.Roles, "the slices are copied")
		require.Equal(t, read, got.Scopes[0].Level, "the slices are copied")

		id, err := uuid.Parse(got.ID)
		require.NoError(t, err)
		require.Equal(t, uuid.Version(7), id.Version())
		require.Equal(t, id.String(), got.ID, "lower case")
		other := tokenauth.NewStoredAccessToken("ci", "", nil, nil, expires, "bob")
		require.NotEqual(t, got.ID, other.ID)
		require.Less(t, got.ID, other.ID, "ids sort by when they were made")
		require.Equal(t, "token:"+other.ID, other.Subject, "an empty subject")
		require.Equal(t, "token:"+other.ID, other.Owner)
		require.NotNil(t, other.Roles)
		require.NotNil(t, other.Scopes)
	})
}

func TestIsInactive(t *testing.T) {
	now := recordTime.Add(10 * time.Minute)
	for _, row := range []struct {
		name   string
		change func(*tokenauth.StoredAccessToken)
		want   bool
	}{
		{"R1 neither revoked, retired nor expired", func(*tokenauth.StoredAccessToken) {}, false},
		{"R1 expired at exactly now", func(r *tokenauth.StoredAccessToken) { r.ExpiresAt = now }, true},
		{"R1 revoked", func(r *tokenauth.StoredAccessToken) { r.RevokedAt = now.Add(-time.Minute) }, true},
		{"R1 revoked in the future", func(r *tokenauth.StoredAccessToken) { r.RevokedAt = now.Add(time.Hour) }, true},
		{"R1 retire_at reached", func(r *tokenauth.StoredAccessToken) { r.RetireAt = now }, true},
		{"R1 retire_at to come", func(r *tokenauth.StoredAccessToken) { r.RetireAt = now.Add(time.Second) }, false},
		{"expired a second ago", func(r *tokenauth.StoredAccessToken) { r.ExpiresAt = now.Add(-time.Second) }, true},
		{"expiring in a second", func(r *tokenauth.StoredAccessToken) { r.ExpiresAt = now.Add(time.Second) }, false},
		{"retired long ago", func(r *tokenauth.StoredAccessToken) { r.RetireAt = recordTime }, true},
		{"expired elsewhere", func(r *tokenauth.StoredAccessToken) { r.ExpiresAt = now.In(time.FixedZone("", 3600)) }, true},
		{"a successor alone retires nothing", func(r *tokenauth.StoredAccessToken) { r.SuccessorID = "2" }, false},
		{"no expiry is no life", func(r *tokenauth.StoredAccessToken) { r.ExpiresAt = time.Time{} }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := leastRecord()
			row.change(r)
			require.Equal(t, row.want, r.IsInactive(now))
		})
	}
	require.True(t, (&tokenauth.StoredAccessToken{}).IsInactive(time.Time{}), "the zero record")
}

// R2: whatever moment they are made with, a token and its record expire in the same second, also after a trip through JSON.
func TestTokenAndRecordExpireTogether(t *testing.T) {
	for _, expires := range []time.Time{
		recordTime.Add(time.Hour),
		recordTime.Add(time.Hour + 1),
		recordTime.Add(time.Hour + 999_999_999),
		recordTime.Add(time.Hour + 500*time.Millisecond).In(time.FixedZone("", 5*3600+1800)),
		time.Unix(0, 999_999_999),
		time.Unix(253402300799, 999_999_999),
	} {
		record := tokenauth.NewStoredAccessToken("n", "s", nil, nil, expires, "c")
		claims := &tokenauth.Claims{Issuer: "i", Subject: "s", IssuedAt: recordTime, ExpiresAt: expires}
		text, err := json.Marshal(claims)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, claims))
		require.Equal(t, claims.ExpiresAt, record.ExpiresAt, "%v", expires)

		for _, made := range []*tokenauth.StoredAccessToken{record, {ExpiresAt: expires}} { // the second by hand, not by the constructor
			text, err = json.Marshal(made)
			require.NoError(t, err)
			var back tokenauth.StoredAccessToken
			require.NoError(t, json.Unmarshal(text, &back))
			require.Equal(t, claims.ExpiresAt, back.ExpiresAt, "%v", expires)
			for _, now := range []time.Time{claims.ExpiresAt.Add(-1), claims.ExpiresAt, claims.ExpiresAt.Add(1)} {
				require.Equal(t, claims.ExpiredAt(now), back.IsInactive(now), "%v at %v", expires, now)
			}
		}
	}
}

func TestRecordJSON(t *testing.T) {
	for _, row := range []struct {
		name   string
		record *tokenauth.StoredAccessToken
		want   string
	}{
		{"R3 every member there is, none of which is the token or its signature", fullRecord(), `{
			"id":"0197a9b2-7d1e-7c3a-9f00-3b5d2c1e4f60","owner":"alice","root_id":"root-1","depth":2,"name":"ci runner","subject":"token:x",
			"roles":["developer"],"scopes":[{"resource_kind":"deployment","resource_id":"web","level":"write"},
			{"resource_kind":"job","resource_id":null,"level":"read"}],
			"expires_at":"2027-01-15T09:00:00Z","created_at":"2027-01-15T08:00:00Z","created_by":"alice",
			"revoked_at":"2027-01-15T08:02:00Z","revoked_by":"bob","revoke_reason":"lost","parent_id":"parent-1","successor_id":"next-1",
			"retire_at":"2027-01-15T08:01:00Z","last_used_at":"2027-01-15T08:00:01Z","client_id":"ci","session_id":"session-9"}`},
		{"what is not set is absent; lists never are", leastRecord(), `{"id":"1","owner":"o","root_id":"1","depth":0,"name":"","subject":"s",
			"roles":[],"scopes":[],"expires_at":"2027-01-15T09:00:00Z","created_at":"2027-01-15T08:00:00Z","created_by":"c"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := row.record.Clone()
			for _, v := range []any{row.record, *row.record} {
				text, err := json.Marshal(v)
				require.NoError(t, err)
				require.JSONEq(t, row.want, string(text))
				var back tokenauth.StoredAccessToken
				require.NoError(t, json.Unmarshal(text, &back))
				require.Equal(t, row.record.Clone(), &back, "R2")
			}
			require.Equal(t, before, row.record.Clone(), "writing changes nothing")
		})
	}
}

// R2: moments keep their instant and come back in UTC; only the expiry loses its fraction, as the token's does.
func TestRecordJSONMoments(t *testing.T) {
	elsewhere := time.FixedZone("", 2*3600)
	r := leastRecord()
	r.CreatedAt = recordTime.Add(123_456_789).In(elsewhere)
	r.RevokedAt = recordTime.Add(time.Minute + 5).In(elsewhere)
	r.RetireAt = recordTime.Add(time.Minute + 6).In(elsewhere)
	r.LastUsedAt = recordTime.Add(time.Minute + 7).In(elsewhere)
	r.ExpiresAt = recordTime.Add(time.Hour + 8).In(elsewhere)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(text), `"expires_at":"2027-01-15T09:00:00Z"`)
	require.NotContains(t, string(text), "+02:00")
	require.Equal(t, elsewhere, r.CreatedAt.Location(), "the record itself stays as it was")

	for _, text := range []string{string(text), strings.ReplaceAll(string(text), "Z", "+00:00"),
		strings.ReplaceAll(string(text), "2027-01-15T09:00:00Z", "2027-01-15T11:00:00.25+02:00")} {
		var back tokenauth.StoredAccessToken
		require.NoError(t, json.Unmarshal([]byte(text), &back))
		require.Equal(t, recordTime.Add(123_456_789), back.CreatedAt)
		require.Equal(t, recordTime.Add(time.Minute+5), back.RevokedAt)
		require.Equal(t, recordTime.Add(time.Minute+6), back.RetireAt)
		require.Equal(t, recordTime.Add(time.Minute+7), back.LastUsedAt)
		require.Equal(t, recordTime.Add(time.Hour), back.ExpiresAt)
	}
}

func TestRecordJSONRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a scope without id":       `{"scopes":[{"resource_kind":"a","resource_id":"","level":"canary"}]}`,
		"a moment that is none":    `{"expires_at":"canary"}`,
		"a number for a text":      `{"id":47110}`,
		"a text for a number":      `{"depth":"canary"}`,
		"roles that are no list":   `{"roles":"canary"}`,
		"no object":                `["canary"]`,
		"a level that is no level": `{"scopes":[{"resource_kind":"a","resource_id":"canary","level":"canary"}]}`,
	} {
		r := fullRecord()
		err := json.Unmarshal([]byte(text), r)
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, name)
		require.NotContains(t, err.Error(), "canary", "R3: %s", name)
		require.NotContains(t, err.Error(), "47110", "R3: %s", name)
		require.Equal(t, fullRecord(), r, "%s: nothing is changed", name)
	}
	r := fullRecord()
	r.Scopes[0].ResourceID = "*"
	_, err := json.Marshal(r)
	require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "S11")
}

func TestRecordValidate(t *testing.T) {
	type record = tokenauth.StoredAccessToken
	require.NoError(t, fullRecord().Validate())
	require.NoError(t, leastRecord().Validate())

	for _, row := range []struct {
		name     string
		set      func(*record, string)
		most     int
		required bool
	}{
		{"id", func(r *record, s string) { r.ID = s }, 128, true},
		{"root_id", func(r *record, s string) { r.RootID = s }, 128, true},
		{"parent_id", func(r *record, s string) { r.ParentID = s }, 128, false},
		{"successor_id", func(r *record, s string) { r.SuccessorID = s }, 128, false},
		{"session_id", func(r *record, s string) { r.SessionID = s }, 128, false},
		{"subject", func(r *record, s string) { r.Subject = s }, 255, true},
		{"owner", func(r *record, s string) { r.Owner = s }, 255, true},
		{"created_by", func(r *record, s string) { r.CreatedBy = s }, 512, true},
		{"revoked_by", func(r *record, s string) { r.RevokedBy = s }, 512, false},
		{"client_id", func(r *record, s string) { r.ClientID = s }, 512, false},
		{"name", func(r *record, s string) { r.Name = s }, 1 << 10, false},
		{"revoke_reason", func(r *record, s string) { r.RevokeReason = s }, 4 << 10, false},
		{"roles[1]", func(r *record, s string) { r.Roles = []string{"a", s} }, 60_000, true},
	} {
		validate := func(s string) error {
			r := fullRecord()
			row.set(r, s)
			return r.Validate()
		}
		long := strings.Repeat("x", row.most)
		for _, good := range []string{"a", long, "'; DROP TABLE tokens; -- %_\n\U0001f4a5\u202e"} {
			assert.NoError(t, validate(good), "%s", row.name)
		}
		for what, bad := range map[string]string{"NUL": "a\x00b", "no UTF-8": "a\xff"} {
			assert.ErrorContains(t, validate(bad), row.name+": ", what)
			assert.ErrorIs(t, validate(bad), tokenauth.ErrInvalidRequest)
		}
		if row.name != "roles[1]" {
			assert.ErrorContains(t, validate(long+"x"), row.name+": longer than ")
		}
		if err := validate(""); row.required {
			assert.ErrorContains(t, err, row.name+": empty")
		} else {
			assert.NoError(t, err, row.name)
		}
	}

	for _, row := range []struct {
		name   string
		change func(*record)
		want   string // "" if it is accepted
	}{
		{"depth 0", func(r *record) { r.Depth = 0 }, ""},
		{"depth 8", func(r *record) { r.Depth = 8 }, ""},
		{"depth 9", func(r *record) { r.Depth = 9 }, "depth: "},
		{"depth -1", func(r *record) { r.Depth = -1 }, "depth: "},
		{"no expiry", func(r *record) { r.ExpiresAt = time.Time{} }, "expires_at: not set"},
		{"no beginning", func(r *record) { r.CreatedAt = time.Time{} }, "created_at: not set"},
		{"the last second of 9999", func(r *record) { r.ExpiresAt = time.Unix(253402300799, 0) }, ""},
		{"the year 10000", func(r *record) { r.ExpiresAt = time.Unix(253402300800, 0) }, "expires_at: "},
		{"1970", func(r *record) { r.CreatedAt = time.Unix(0, 0) }, ""},
		{"1969", func(r *record) { r.CreatedAt = time.Unix(-1, 0) }, "created_at: "},
		{"revoked in the year 10000", func(r *record) { r.RevokedAt = time.Unix(253402300800, 0) }, "revoked_at: "},
		{"retired in 1969", func(r *record) { r.RetireAt = time.Unix(-1, 0) }, "retire_at: "},
		{"used in the year 10000", func(r *record) { r.LastUsedAt = time.Unix(253402300800, 0) }, "last_used_at: "},
		{"not revoked, retired or used", func(r *record) { r.RevokedAt, r.RetireAt, r.LastUsedAt = time.Time{}, time.Time{}, time.Time{} }, ""},
		{"S13 a scope of level none can be kept", func(r *record) { r.Scopes[1].Level = none }, ""},
		{"S11 a scope without id", func(r *record) { r.Scopes[1].ResourceID = "" }, "scopes[1]: resource_id: "},
		{"S11 a scope with the id *", func(r *record) { r.Scopes[0].ResourceID = "*" }, "scopes[0]: resource_id: "},
		{"a scope of level 4", func(r *record) { r.Scopes[1].Level = 4 }, "scopes[1]: level: "},
		{"a role of 64 KiB with its quotes and comma", func(r *record) { r.Scopes, r.Roles = nil, []string{strings.Repeat("x", 64<<10-3)} }, ""},
		{"a byte more", func(r *record) { r.Scopes, r.Roles = nil, []string{strings.Repeat("x", 64<<10-2)} }, "roles, scopes: "},
		{"many roles", func(r *record) { r.Roles = slices.Repeat([]string{"developer"}, 6000) }, "roles, scopes: "},
		{"many scopes", func(r *record) { r.Scopes = slices.Repeat(scopesOf(scopeOf("deployment", "web", read)), 2000) }, "roles, scopes: "},
		{"some of both", func(r *record) {
			r.Roles, r.Scopes = slices.Repeat([]string{"developer"}, 256), slices.Repeat(scopesOf(scopeOf("deployment", "web", read)), 256)
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := fullRecord()
			row.change(r)
			err := r.Validate()
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest)
			require.ErrorContains(t, err, row.want)
		})
	}
	require.ErrorIs(t, (&record{}).Validate(), tokenauth.ErrInvalidRequest)
}

func TestCheckIDAndSubject(t *testing.T) {
	for _, row := range []struct {
		name  string
		check func(field, s string) error
		most  int
	}{{"CheckID", tokenauth.CheckID, 128}, {"CheckSubject", tokenauth.CheckSubject, 255}} {
		for _, good := range []string{"a", "*", strings.Repeat("x", row.most), "a\n\u202e'"} {
			require.NoError(t, row.check("f", good), row.name)
		}
		for _, bad := range []string{"", strings.Repeat("x", row.most+1), "a\x00", "\xff"} {
			err := row.check("the field", bad)
			require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, row.name)
			require.ErrorContains(t, err, "the field: ", row.name)
		}
	}
}

func TestCheckMoment(t *testing.T) {
	for _, good := range []time.Time{recordTime, time.Unix(0, 0), time.Unix(253402300799, 999_999_999)} {
		require.NoError(t, tokenauth.CheckMoment("f", good))
	}
	for _, bad := range []time.Time{{}, time.Unix(-1, 0), time.Unix(0, -1), time.Unix(253402300800, 0)} {
		err := tokenauth.CheckMoment("the field", bad)
		require.ErrorIs(t, err, tokenauth.ErrInvalidRequest, "%v", bad)
		require.ErrorContains(t, err, "the field: not ", "%v", bad)
	}
}

func TestRevocationValidate(t *testing.T) {
	good := tokenauth.Revocation{At: recordTime, By: strings.Repeat("x", 512), Reason: strings.Repeat("x", 4096)}
	require.NoError(t, good.Validate())
	require.NoError(t, tokenauth.Revocation{At: recordTime}.Validate())
	for want, r := range map[string]tokenauth.Revocation{
		"revoked_at: not set":       {By: "a"},
		"revoked_at: not between":   {At: time.Unix(253402300800, 0)},
		"revoked_by: longer":        {At: recordTime, By: strings.Repeat("x", 513)},
		"revoked_by: holds NUL":     {At: recordTime, By: "\x00"},
		"revoke_reason: longer":     {At: recordTime, Reason: strings.Repeat("x", 4097)},
		"revoke_reason: not valid ": {At: recordTime, Reason: "\xff"},
	} {
		require.ErrorIs(t, r.Validate(), tokenauth.ErrInvalidRequest, want)
		require.ErrorContains(t, r.Validate(), want)
	}
}

func TestRecordClone(t *testing.T) {
	r := fullRecord()
	require.Equal(t, r, r.Clone())
	require.Empty(t, sharedMemory(reflect.ValueOf(r), reflect.ValueOf(r.Clone()), "StoredAccessToken"))
	require.Nil(t, (*tokenauth.StoredAccessToken)(nil).Clone())
}

func TestTokenFilterMatches(t *testing.T) {
	type filter = tokenauth.TokenFilter
	r := fullRecord()
	r.RevokedAt, r.RetireAt = time.Time{}, time.Time{}
	dead := fullRecord()
	end := r.ExpiresAt
	for _, row := range []struct {
		name   string
		filter filter
		record *tokenauth.StoredAccessToken
		want   bool
	}{
		{"the zero filter is all of them", filter{}, r, true},
		{"the dead too", filter{}, dead, true},
		{"subject", filter{Subject: "token:x"}, r, true},
		{"another subject", filter{Subject: "token:X"}, r, false},
		{"owner", filter{Owner: "alice"}, r, true},
		{"another owner", filter{Owner: "token:x"}, r, false},
		{"created by", filter{CreatedBy: "alice"}, r, true},
		{"created by another", filter{CreatedBy: "bob"}, r, false},
		{"parent", filter{ParentID: "parent-1"}, r, true},
		{"another parent", filter{ParentID: "root-1"}, r, false},
		{"session", filter{SessionID: "session-9"}, r, true},
		{"another session", filter{SessionID: "session-"}, r, false},
		{"active at", filter{ActiveAt: end.Add(-1)}, r, true},
		{"not active at its end", filter{ActiveAt: end}, r, false},
		{"not active when revoked", filter{ActiveAt: recordTime}, dead, false},
		{"expiring by its end", filter{ExpiresBy: end}, r, true},
		{"not expiring before", filter{ExpiresBy: end.Add(-1)}, r, false},
		{"expiring soon and active", filter{ActiveAt: recordTime, ExpiresBy: recordTime.Add(7 * 24 * time.Hour)}, r, true},
		{"only the revoked", filter{Revoked: true}, dead, true},
		{"not the unrevoked", filter{Revoked: true}, r, false},
		{"After and Limit are the store's", filter{After: "z", Limit: 1}, r, true},
		{"all at once", filter{Subject: "token:x", Owner: "alice", CreatedBy: "alice", ParentID: "parent-1", SessionID: "session-9",
			ActiveAt: recordTime, ExpiresBy: end}, r, true},
		{"all but one", filter{Subject: "token:x", Owner: "alice", CreatedBy: "alice", ParentID: "parent-2", SessionID: "session-9"}, r, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, row.filter.Matches(row.record))
		})
	}
}

// A field that Matches forgets selects too much, and RevokeAll would revoke it.
func TestEveryFieldOfTokenFilterSelects(t *testing.T) {
	for field := range reflect.TypeFor[tokenauth.TokenFilter]().Fields() {
		if field.Name == "After" || field.Name == "Limit" {
			continue
		}
		var f tokenauth.TokenFilter
		switch v := reflect.ValueOf(&f).Elem().FieldByIndex(field.Index); field.Name {
		case "ActiveAt":
			v.Set(reflect.ValueOf(recordTime.AddDate(1, 0, 0)))
		case "ExpiresBy":
			v.Set(reflect.ValueOf(recordTime))
		case "Revoked":
			v.SetBool(true)
		default:
			v.SetString("somebody else")
		}
		assert.False(t, f.Matches(leastRecord()), "%s selects nothing", field.Name)
	}
}
