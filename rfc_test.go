package tokenauth_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/a74cfa30/tokenauth"
)

// The examples of the specifications: whoever keeps to these is understood here. What they sign is no access token but a
// proverb, or claims without a subject, so that the verifier refuses every one of them. Where it refuses is what counts: a
// payload is looked at only once the signature holds, so that claims_malformed is said of no token whose signature is wrong.
func TestRFCExamples(t *testing.T) {
	for _, row := range []struct {
		name  string
		key   tokenauth.Key
		token string
	}{
		{"RFC 7515 A.1, HS256", rfcSecret(t, "", rfc7515A1Secret), rfc7515A1},
		{"RFC 7515 A.2, RS256", rfcKey(t, "RS256", rfc7515A2Key), rfc7515A2},
		{"RFC 7515 A.3, ES256", rfcKey(t, "ES256", rfc7515A3Key), rfc7515A3},
		{"RFC 7515 A.4, ES512", rfcKey(t, "ES512", rfc7515A4Key), rfc7515A4},
		{"RFC 8037 A.4, EdDSA", rfcKey(t, "EdDSA", rfc8037A4Key), rfc8037A4},
		{"RFC 7520 4.1, RS256", rfcKey(t, "RS256", rfc7520RSAKey), rfc7520RS256},
		{"RFC 7520 4.2, PS384", rfcKey(t, "PS384", rfc7520RSAKey), rfc7520PS384},
		{"RFC 7520 4.3, ES512", rfcKey(t, "ES512", rfc7520ECKey), rfc7520ES512},
		{"RFC 7520 4.4, HS256", rfcSecret(t, rfc7520SecretID, rfc7520Secret), rfc7520HS256},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := rfcVerifier(t, row.key)
			p, err := v.Verify(t.Context(), row.token)
			requireRefused(t, p, err, tokenauth.ErrClaims, "claims_malformed")

			p, err = v.Verify(t.Context(), otherSegment(row.token, 1))
			requireRefused(t, p, err, tokenauth.ErrSignature, "signature_bad")
			p, err = v.Verify(t.Context(), otherSegment(row.token, 2))
			requireRefused(t, p, err, tokenauth.ErrSignature, "signature_bad")
		})
	}
}

// What the same documents show, and this library does not take: a token without a signature, a payload that travels elsewhere,
// and the forms that are not compact. RFC 7520, sections 4.6 to 4.8, knows no compact form at all.
func TestRFCExamplesThatAreNoTokens(t *testing.T) {
	secret := rfcSecret(t, rfc7520SecretID, rfc7520Secret)
	segments := strings.Split(rfc7520HS256, ".")
	header, payload, signature := segments[0], segments[1], segments[2]
	for _, row := range []struct {
		name  string
		key   tokenauth.Key
		token string
	}{
		{"RFC 7515 A.5, alg none, and a secret", rfcSecret(t, "", rfc7515A1Secret), rfc7515A5},
		{"RFC 7515 A.5, alg none, and a public key", rfcKey(t, "ES256", rfc7515A3Key), rfc7515A5},
		{"RFC 7515 A.5, alg none, with something for a signature", rfcSecret(t, "", rfc7515A1Secret), rfc7515A5 + "AA"},
		{"RFC 7520 4.4, as general JSON", secret,
			`{"payload":"` + payload + `","signatures":[{"protected":"` + header + `","signature":"` + signature + `"}]}`},
		{"RFC 7520 4.4, as flattened JSON", secret,
			`{"payload":"` + payload + `","protected":"` + header + `","signature":"` + signature + `"}`},
		{"RFC 7520 4.5, detached content", secret, header + ".." + signature},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, err := rfcVerifier(t, row.key).Verify(t.Context(), row.token)
			require.Nil(t, p)
			require.ErrorIs(t, err, tokenauth.ErrMalformed)
		})
	}
}

// rfcKey reads a public key as the document prints it, with the algorithm that the example uses it for.
func rfcKey(t *testing.T, alg, jwk string) tokenauth.Key {
	t.Helper()
	keys, err := tokenauth.ParseKeys([]byte(`{"alg":"` + alg + `",` + strings.TrimPrefix(jwk, "{")))
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

// rfcSecret decodes the member k of a JWK.
func rfcSecret(t *testing.T, id, k string) tokenauth.Key {
	t.Helper()
	secret, err := base64.RawURLEncoding.DecodeString(k)
	require.NoError(t, err)
	key, err := tokenauth.NewKey(id, "HS256", secret)
	require.NoError(t, err)
	return key
}

// rfcVerifier knows that key.
func rfcVerifier(t *testing.T, key tokenauth.Key) *tokenauth.Verifier {
	t.Helper()
	return newVerifier(t, tokenauth.VerifierConfig{
		Profile:    profileOfTests(),
		Keys:       key,
		Revocation: tokenauth.Unenforced("the examples have no records"),
	})
}

// otherSegment changes the first character of a token's segment, and so nothing but one byte of what it encodes.
func otherSegment(token string, i int) string {
	segments := strings.Split(token, ".")
	first := "A"
	if strings.HasPrefix(segments[i], first) {
		first = "B"
	}
	segments[i] = first + segments[i][1:]
	return strings.Join(segments, ".")
}

// The examples, letter by letter.
const (
	rfc7515Payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfc7520Payload = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlm" +
		"IHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"

	rfc7515A1Secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	rfc7515A1       = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfc7515Payload +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

	rfc7515A2Key = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-` +
		`yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEM` +
		`a2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5` +
		`4h4FRWyuXpoQ","e":"AQAB"}`
	rfc7515A2 = "eyJhbGciOiJSUzI1NiJ9." + rfc7515Payload +
		".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ" +
		"cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e" +
		"OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"

	rfc7515A3Key = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikY` +
		`jKIWI5a0"}`
	rfc7515A3 = "eyJhbGciOiJFUzI1NiJ9." + rfc7515Payload +
		".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

	rfc7515A4Key = `{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqw` +
		`QGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	rfc7515A4 = "eyJhbGciOiJFUzUxMiJ9." +
		"UGF5bG9hZA." +
		"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3" +
		"xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"

	rfc7515A5 = "eyJhbGciOiJub25lIn0." + rfc7515Payload + "."

	rfc8037A4Key = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	rfc8037A4    = "eyJhbGciOiJFZERTQSJ9." +
		"RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

	rfc7520RSAKey = `{"kty":"RSA","kid":"bilbo.baggins@hobbiton.example","use":"sig","n":"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd` +
		`4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6` +
		`Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCL` +
		`qKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw","e":"AQAB"}`

	rfc7520ECKey = `{"kty":"EC","kid":"bilbo.baggins@hobbiton.example","use":"sig","crv":"P-521","x":"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88` +
		`c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt","y":"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVyS` +
		`sUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}`

	rfc7520Secret = "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"

	rfc7520RS256 = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload +
		".MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA7818" +
		"5hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_" +
		"de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
	rfc7520PS384 = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload +
		".cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhi" +
		"USMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2X" +
		"ez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
	rfc7520ES512 = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." + rfc7520Payload +
		".AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7X" +
		"rT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
	rfc7520HS256 = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9." + rfc7520Payload +
		".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"

	rfc7520SecretID = "018c0ae5-4d9b-471b-bfd6-eef314bc7037"
)
