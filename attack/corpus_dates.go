package attack

import (
	"fmt"
	"strconv"
	"time"
)

// Attacks on time: a NumericDate is a JSON number (RFC 7519 section 2), and readers differ about what is none, what overflows and
// what happens in the very second.

func (c *corpus) addDates() {
	const malformed = "claims_malformed"
	at := func(d time.Duration) string { return seconds(Now().Add(d)) }
	for _, name := range []string{"exp", "iat", "nbf"} {
		section := map[string]string{"exp": "4", "nbf": "5", "iat": "6"}[name]
		source := "RFC 7519 4.1." + section
		good := at(-time.Minute)
		if name == "exp" {
			good = at(time.Hour)
		}
		for _, value := range []struct {
			name, json string
			rule       Rule
		}{
			{"text", `"` + good + `"`, Required},
			{"empty text", `""`, Required},
			{"a word", `"never"`, Required},
			{"a date as text", `"2031-05-06T13:00:00Z"`, Required},
			{"null", "null", Prudent},
			{"true", "true", Required},
			{"false", "false", Required},
			{"a list", "[" + good + "]", Required},
			{"an empty list", "[]", Required},
			{"an object", `{"$date":` + good + `}`, Required},
			{"an empty object", "{}", Required},
			{"negative", "-1", House},
			{"minus zero", "-0", House},
			{"far below zero", "-9223372036854775808", House},
			{"beyond the year 9999", "253402300800", House},
			{"beyond 63 bits", "9223372036854775808", House},
			{"beyond 64 bits", "18446744073709551616", House},
			{"just below 63 bits", "9223372036854775807", House},
			{"1e300", "1e300", House},
			{"beyond all floats", "1e400", House},
			{"an exponent of ten digits", "1e9999999999", House},
			{"-1e300", "-1e300", House},
			{"milliseconds", good + "000", House},
			{"NaN", "NaN", Required},
			{"Infinity", "Infinity", Required},
			{"hexadecimal", "0x7fffffff", Required},
			{"a leading zero", "0" + good, Required},
			{"a sum", good + "+1", Required},
		} {
			rule := value.rule
			// Dates that wrap or overflow decide wrongly where they are late and taken for early, or early and taken for late.
			if rule == House && name == "nbf" && value.json[0] != '-' {
				rule = Required // it is in the future, whatever the reader makes of it
			}
			if rule == House && name == "exp" && value.json[0] == '-' {
				rule = Required // it is in the past
			}
			if rule == Prudent && name == "exp" {
				rule = Required // nothing says when the token expires
			}
			c.add(attempt{name: name + " is " + value.name, source: source, rule: rule, want: malformed, claims: setting(name, value.json)})
		}
	}
	c.add(attempt{name: "no exp", source: "RFC 9068 2.2", want: malformed, claims: dropping("exp")})
	c.add(attempt{name: "no iat", source: "RFC 9068 2.2", rule: House, want: malformed, claims: dropping("iat")})
	c.add(attempt{name: "no date at all", source: "RFC 9068 2.2", want: malformed, claims: dropping("exp", "iat")})

	both := func(iat, exp string) func(object) object {
		return func(o object) object { return o.with("iat", iat).with("exp", exp) }
	}
	for _, row := range []struct {
		name, source string
		rule         Rule
		claims       func(object) object
		want         string
	}{
		{"exp in this very second", "RFC 7519 4.1.4", Required, setting("exp", at(0)), "token_expired"},
		{"exp a second ago", "RFC 7519 4.1.4", Required, setting("exp", at(-time.Second)), "token_expired"},
		{"exp a second ago, with a fraction", "RFC 7519 4.1.4", Required, setting("exp", at(-time.Second)+".999"), "token_expired"},
		{"exp in this very second, with a zero fraction", "RFC 7519 4.1.4", Required, setting("exp", at(0)+".0"), "token_expired"},
		{"exp later in this second", "RFC 7519 2", House, setting("exp", at(0)+".5"), "token_expired"},
		{"exp a day ago", "RFC 7519 4.1.4", Required, both(at(-48*time.Hour), at(-24*time.Hour)), "token_expired"},
		{"exp in 1970", "RFC 7519 4.1.4", Required, setting("exp", "1"), "token_expired"},
		{"exp is zero", "RFC 7519 4.1.4", Required, setting("exp", "0"), "token_expired"},
		{"exp is zero, as 0.0", "RFC 7519 4.1.4", Required, setting("exp", "0.0"), "token_expired"},
		{"exp is next to nothing", "RFC 7519 4.1.4", Required, setting("exp", "1e-400"), "token_expired"},
		{"exp an hour ago in an exponent", "RFC 7519 4.1.4", Required, setting("exp", exponential(Now().Add(-time.Hour))), "token_expired"},
		{"exp a second ago in the exponent's disguise", "RFC 7519 4.1.4", Required, setting("exp", at(-time.Second)+"e0"), "token_expired"},
		{"exp before iat", "RFC 7519 4.1.4", Required, both(at(-time.Minute), at(-time.Hour)), "token_expired"},
		{"nbf in a second", "RFC 7519 4.1.5", Required, setting("nbf", at(time.Second)), "token_not_yet_valid"},
		{"nbf in an hour", "RFC 7519 4.1.5", Required, setting("nbf", at(time.Hour)), "token_not_yet_valid"},
		{"nbf behind exp", "RFC 7519 4.1.5", Required, setting("nbf", at(2*time.Hour)), "token_not_yet_valid"},
		{"nbf in the year 9999", "RFC 7519 4.1.5", Required, setting("nbf", "253402300799"), "token_not_yet_valid"},
		{"nbf in an hour in an exponent", "RFC 7519 4.1.5", Required, setting("nbf", exponential(Now().Add(time.Hour))), "token_not_yet_valid"},
		{"iat in a second", "RFC 7519 4.1.6", Prudent, setting("iat", at(time.Second)), "issued_in_future"},
		{"iat in an hour", "RFC 7519 4.1.6", Prudent, both(at(time.Hour), at(2*time.Hour)), "issued_in_future"},
		{"iat behind exp", "RFC 7519 4.1.6", Prudent, setting("iat", at(2*time.Hour)), "issued_in_future"},
		{"a life of 366 days", "bounded lifetime", House, both(at(-time.Minute), at(366*24*time.Hour)), "lifetime_too_long"},
		{"exp in the year 9999", "bounded lifetime", House, setting("exp", "253402300799"), "lifetime_too_long"},
		{"iat is zero", "bounded lifetime", House, setting("iat", "0"), "lifetime_too_long"},
		{"25 hours without jti", "what nothing can revoke", House, func(o object) object { return both(at(0), at(25*time.Hour))(o.without("jti")) }, "lifetime_stateless"},
	} {
		c.add(attempt{name: row.name, source: row.source, rule: row.rule, want: row.want, claims: row.claims})
	}
	for _, row := range []struct {
		name   string
		rule   Rule
		claims func(object) object
	}{
		{"exp in a second", Required, setting("exp", at(time.Second))},
		{"exp in a second, with a fraction", Required, setting("exp", at(time.Second)+".25")},
		{"exp with a zero fraction", Required, setting("exp", at(time.Hour)+".0")},
		{"exp in an exponent", Required, setting("exp", exponential(Now().Add(time.Hour)))},
		{"exp with an exponent of zero", Required, setting("exp", at(time.Hour)+"e0")},
		{"iat in this very second", Required, setting("iat", at(0))},
		{"iat with a fraction", Required, setting("iat", at(-time.Minute)+".75")},
		{"nbf in this very second", Required, setting("nbf", at(0))},
		{"nbf before iat", Required, setting("nbf", at(-time.Hour))},
		{"a life of 365 days", Required, both(at(0), at(365*24*time.Hour))},
		{"24 hours without jti", Required, func(o object) object { return both(at(0), at(24*time.Hour))(o.without("jti")) }},
		{"no nbf", Required, dropping("nbf")},
	} {
		c.add(attempt{name: row.name, source: "RFC 7519 2, 4.1.4", rule: row.rule, want: OK, claims: row.claims})
	}
	c.add(attempt{
		name: "25 hours without jti, where that was asked for", source: "Profile.MaxStateless", rule: House, want: OK,
		claims: func(o object) object { return both(at(0), at(25*time.Hour))(o.without("jti")) },
		setup:  func(_ forge, a *Authority) { a.Profile.MaxStateless = 48 * time.Hour },
	})
}

// exponential returns a NumericDate in scientific notation, digit for digit.
func exponential(t time.Time) string {
	digits := strconv.FormatInt(t.Unix(), 10)
	return fmt.Sprintf("%s.%se%d", digits[:1], digits[1:], len(digits)-1)
}
