package tokenauth_test

import (
	"context"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/a74cfa30/tokenauth"
)

// The recipes of the package documentation, as programs. They are for the desk of the other examples: an issuer, a verifier and one
// store for every port.

// session logs a person in under an id of the service's own and returns the session's token.
func (d *desk) session(ctx context.Context, subject, sid string) tokenauth.Issued {
	until := d.now.Add(15 * time.Minute)
	if err := d.store.StartSession(ctx, subject, sid, until); err != nil {
		log.Fatal(err)
	}
	issued, err := d.issuer.Sign(ctx, system, &tokenauth.Claims{Subject: subject, SessionID: sid, ExpiresAt: until})
	if err != nil {
		log.Fatal(err)
	}
	return issued
}

// Log out everywhere: epoch, sessions, records. From the first step on no token in alice's name verifies or mints; from the second on
// none of her sessions does; the third kills what she minted under names of their own, and what came of tokens that others made in hers.
func Example_logOutEverywhere() {
	ctx, d := context.Background(), newDesk()
	laptop, phone := d.session(ctx, "alice", "laptop"), d.session(ctx, "alice", "phone")
	runner := d.issue(ctx, d.verify(ctx, laptop), "ci-runner", "deployment:web:execute")
	bobs := d.session(ctx, "bob", "laptop")

	if _, err := d.store.BumpEpoch(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	if _, err := d.store.EndSessions(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	for _, f := range []tokenauth.TokenFilter{{Owner: "alice"}, {Subject: "alice"}} {
		if _, err := d.issuer.RevokeAll(ctx, system, f, "log out everywhere"); err != nil {
			log.Fatal(err)
		}
	}

	fmt.Println("alice's:", d.lives(ctx, laptop), d.lives(ctx, phone), d.lives(ctx, runner))
	fmt.Println("bob's:", d.lives(ctx, bobs))
	fmt.Println("and again:", d.lives(ctx, d.session(ctx, "alice", "laptop-2")))
	// Output:
	// alice's: false false false
	// bob's: true
	// and again: true
}

// Log out the others: everybody goes, and the one who asked comes back at once, in a session of a new id and with a new token. To
// spare the old token instead would be to trust that nobody has a copy of it.
func Example_logOutOthers() {
	ctx, d := context.Background(), newDesk()
	laptop, phone := d.session(ctx, "alice", "laptop"), d.session(ctx, "alice", "phone")
	phones := d.issue(ctx, d.verify(ctx, phone), "made on the phone", "deployment:web:read")
	asks := d.verify(ctx, laptop) // proven: whose sessions these are is no word of the caller's

	if _, err := d.store.BumpEpoch(ctx, asks.Subject()); err != nil {
		log.Fatal(err)
	}
	if _, err := d.store.EndSessions(ctx, asks.Subject()); err != nil {
		log.Fatal(err)
	}
	for _, f := range []tokenauth.TokenFilter{{Owner: asks.Subject()}, {Subject: asks.Subject()}} {
		if _, err := d.issuer.RevokeAll(ctx, system, f, "log out the others"); err != nil {
			log.Fatal(err)
		}
	}
	goesOn := d.session(ctx, asks.Subject(), "laptop-2")

	fmt.Println("others:", d.lives(ctx, phone), d.lives(ctx, phones))
	fmt.Println("this one, old and new token:", d.lives(ctx, laptop), d.lives(ctx, goesOn))
	// Output:
	// others: false false
	// this one, old and new token: false true
}

// End one session: the session, then the records of what it minted. The epoch stays where it is, since it is everybody's whose subject
// it is, and the other sessions go on.
func Example_endOneSession() {
	ctx, d := context.Background(), newDesk()
	laptop, phone := d.session(ctx, "alice", "laptop"), d.session(ctx, "alice", "phone")
	laptops := d.issue(ctx, d.verify(ctx, laptop), "made on the laptop", "deployment:web:read")
	phones := d.issue(ctx, d.verify(ctx, phone), "made on the phone", "deployment:web:read")

	if err := d.store.EndSession(ctx, "alice", "phone"); err != nil {
		log.Fatal(err)
	}
	filter := tokenauth.TokenFilter{Owner: "alice", SessionID: "phone"}
	if _, err := d.issuer.RevokeAll(ctx, system, filter, "the phone was lost"); err != nil {
		log.Fatal(err)
	}

	fmt.Println("phone:", d.lives(ctx, phone), d.lives(ctx, phones))
	fmt.Println("laptop:", d.lives(ctx, laptop), d.lives(ctx, laptops))
	// Output:
	// phone: false false
	// laptop: true true
}

// A password was changed: first the new one counts, so that nobody logs in by the old one behind the sweep; then as for log out the
// others.
func Example_passwordChanged() {
	ctx, d := context.Background(), newDesk()
	passwords := map[string]string{"alice": "known to somebody else"}
	logIn := func(password, sid string) (tokenauth.Issued, error) {
		if passwords["alice"] != password {
			return tokenauth.Issued{}, errors.New("wrong password")
		}
		return d.session(ctx, "alice", sid), nil
	}
	thief, err := logIn("known to somebody else", "thief")
	if err != nil {
		log.Fatal(err)
	}
	thiefs := d.issue(ctx, d.verify(ctx, thief), "a way back in", "deployment:*:write")

	passwords["alice"] = "a new one" // hashed, in a real table
	if _, err := d.store.BumpEpoch(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	if _, err := d.store.EndSessions(ctx, "alice"); err != nil {
		log.Fatal(err)
	}
	for _, f := range []tokenauth.TokenFilter{{Owner: "alice"}, {Subject: "alice"}} {
		if _, err := d.issuer.RevokeAll(ctx, system, f, "password changed"); err != nil {
			log.Fatal(err)
		}
	}
	alice := d.session(ctx, "alice", "laptop")

	_, err = logIn("known to somebody else", "thief-2")
	fmt.Println("thief:", d.lives(ctx, thief), d.lives(ctx, thiefs), err)
	fmt.Println("alice:", d.lives(ctx, alice))
	// Output:
	// thief: false false wrong password
	// alice: true
}

// Break the glass: everything that was ever issued dies now, whoever has it and whatever made it. This is for the day on which nobody
// can say how much is lost. The key goes first if it may be known to somebody else, since with it tokens of tomorrow can be made.
func Example_breakGlass() {
	ctx, d := context.Background(), newDesk()
	alice, bob := d.session(ctx, "alice", "laptop"), d.session(ctx, "bob", "laptop")
	runner := d.issue(ctx, system, "ci-runner", "deployment:web:execute")

	epoch, err := d.store.RaiseNotBefore(ctx, tokenauth.Everyone, d.now)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("dead is what was issued until", epoch.NotBefore.Format(time.TimeOnly))
	fmt.Println(d.lives(ctx, alice), d.lives(ctx, bob), d.lives(ctx, runner))

	// The tokens are dead. Now, in the time it takes, what new ones could be asked for with.
	for _, subject := range []string{"alice", "bob"} { // from the service's own table of people
		if _, err := d.store.EndSessions(ctx, subject); err != nil {
			log.Fatal(err)
		}
		for _, f := range []tokenauth.TokenFilter{{Owner: subject}, {Subject: subject}} {
			if _, err := d.issuer.RevokeAll(ctx, system, f, "broken glass"); err != nil {
				log.Fatal(err)
			}
		}
	}

	d.now = d.now.Add(time.Second) // an issuer with a real clock waits for this second by itself
	fmt.Println("who logs in again:", d.lives(ctx, d.session(ctx, "alice", "laptop-2")))
	// Output:
	// dead is what was issued until 08:00:00
	// false false false
	// who logs in again: true
}

// A predicate for AdminCheck: on this platform active_ppnum says under which number a person acts, and administrators have one of a
// band. The claim admin alone would be the issuer's word for it; so the number is looked at each time, when a token is verified and
// when it is minted.
func ExampleProfile_adminBand() {
	band := func(low, high int) func(context.Context, *tokenauth.Claims) (bool, error) {
		return func(_ context.Context, c *tokenauth.Claims) (bool, error) {
			number, err := strconv.Atoi(c.ActivePPNum)
			if err != nil {
				return false, nil // no number is no administrator's; an error would be a 503
			}
			return low <= number && number <= high, nil
		}
	}
	profile := tokenauth.RFC9068("https://auth.example", "https://api.example")
	profile.AdminCheck = band(9000, 9999)

	key, err := tokenauth.GenerateSigningKey("EdDSA")
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := tokenauth.NewIssuer(tokenauth.IssuerConfig{Profile: profile, Key: key})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile: profile, Keys: key.VerifyingKey(), Revocation: tokenauth.Unenforced("an example"),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, number := range []string{"9004", "1200", "9004x", ""} {
		claims := &tokenauth.Claims{Subject: "usr_1", ClientID: "console", AdminHint: true, ActivePPNum: number}
		issued, err := issuer.Sign(ctx, system, claims)
		if err != nil {
			fmt.Printf("%q: not minted, %v\n", number, tokenauth.ErrorCode(err))
			continue
		}
		p, err := verifier.Verify(ctx, issued.Token.Reveal())
		if err != nil {
			log.Fatal(err)
		}
		// AdminCheck confirms the claim. What it is worth stays this service's to say: it opens no scope.
		fmt.Printf("%q: minted and verified, may write: %v\n", number, p.Satisfies("deployment", "web", tokenauth.LevelWrite))
	}
	// Output:
	// "9004": minted and verified, may write: false
	// "1200": not minted, authority_not_held
	// "9004x": not minted, authority_not_held
	// "": not minted, authority_not_held
}

// An audit log is written by the goroutine that drains the queue, so that no request waits for it.
func ExampleEventQueue() {
	queue := tokenauth.NewEventQueue(1024)
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}},
		Keys:       exampleKey("2031-03", exampleSecret),
		Revocation: exampleDenyList{"token-1": true},
		Observe:    queue.Observe,
	})
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = queue.Run(ctx, func(e tokenauth.Event) {
			logger.Info("token", "op", e.Op, "code", e.Code, "jti", e.TokenID, "sub", e.Subject, "kid", e.KeyID, "cause", e.Cause)
		})
	}()

	for _, token := range []string{exampleToken("token-2"), exampleToken("token-1"), "garbage"} {
		_, _ = verifier.Verify(ctx, token)
	}

	stop() // at the end of the program: what waits is still written
	<-done
	fmt.Println("dropped:", queue.Dropped())
	// Output:
	// level=INFO msg=token op=verify code=ok jti=token-2 sub=alice kid=2031-03 cause=<nil>
	// level=INFO msg=token op=verify code=token_revoked jti=token-1 sub=alice kid=2031-03 cause=<nil>
	// level=INFO msg=token op=verify code=token_malformed jti="" sub="" kid="" cause=<nil>
	// dropped: 0
}

// withoutTime leaves out what is different each time.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A counter for each operation and code: both are bounded sets, so that no caller can make this map grow. A token's id or subject is
// no label.
func ExampleEvent_metrics() {
	answers := new(expvar.Map).Init() // expvar.NewMap publishes it, too
	verifier, err := tokenauth.NewVerifier(tokenauth.VerifierConfig{
		Profile:    tokenauth.Profile{Issuers: []string{"https://auth.example"}, Audiences: []string{"https://api.example"}},
		Keys:       exampleKey("2031-03", exampleSecret),
		Revocation: exampleDenyList{"token-1": true},
		Observe: func(_ context.Context, e tokenauth.Event) {
			answers.Add(e.Op+" "+e.Code, 1)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for _, token := range []string{exampleToken("token-2"), exampleToken("token-3"), exampleToken("token-1"), "", "garbage"} {
		_, _ = verifier.Verify(ctx, token)
	}
	answers.Do(func(kv expvar.KeyValue) { fmt.Println(kv.Key, kv.Value) })
	// Output:
	// verify ok 2
	// verify token_malformed 1
	// verify token_missing 1
	// verify token_revoked 1
}
