package main

import (
	"context"
	"fmt"

	"github.com/a74cfa30/tokenauth"
	"github.com/a74cfa30/tokenauth/bench/workload"
)

// The tables, and who is in them.

const (
	limit       = "limit"
	signingPart = "tokenauth, the signing part"
)

// tables measures everything.
func tables() []figure {
	var all []figure
	for _, algorithm := range workload.Algorithms {
		all = append(all, cold(algorithm)...)
	}
	for _, algorithm := range []string{"HS256", "EdDSA"} {
		all = append(all, mint(algorithm)...)
	}
	all = append(all, again()...)
	all = append(all, refusals()...)
	all = append(all, questions()...)
	all = append(all, revocations()...)
	return append(all, growth()...)
}

// cold is the first verify of a token by each library.
func cold(algorithm string) []figure {
	token := workload.Token(algorithm)
	check := workload.Limit(algorithm, token)
	subjects := []subject{{limit, func() { check() }, limit}}
	for _, library := range workload.Libraries() {
		if verify := library.Verifier(algorithm); verify != nil {
			subjects = append(subjects, subject{library.Name, func() { must(verify(token)) }, limit})
		}
	}
	return measure("cold "+algorithm, subjects)
}

// mint is the making of a token by each library.
func mint(algorithm string) []figure {
	part := workload.SigningPart(algorithm)
	subjects := []subject{{limit, workload.MintLimit(algorithm, workload.Token(algorithm)), limit}, {signingPart, func() { must(part()) }, limit}}
	for _, library := range workload.Libraries() {
		if library.Signer != nil {
			sign := library.Signer(algorithm)
			subjects = append(subjects, subject{library.Name, func() { must(sign()) }, limit})
		}
	}
	return measure("mint "+algorithm, subjects)
}

// again is a token that was verified before, among so many others, each in its turn.
func again() []figure {
	check := workload.Limit("EdDSA", workload.Token("EdDSA"))
	subjects := []subject{{limit, func() { check() }, limit}}
	var scaling []figure
	for _, live := range []int{1, 1000, 50_000} {
		present := presentations(live)
		name := fmt.Sprint(live)
		subjects = append(subjects, subject{name, func() { present(0) }, limit})
		scaling = append(scaling, figure{Table: "two cores", Name: name, Ratio: together(present)})
	}
	return append(measure("again", subjects), scaling...)
}

// presentations returns the verify of the next one of so many remembered tokens, for two hands that do not know of each other.
func presentations(live int) func(hand int) {
	cfg := workload.Config("EdDSA")
	if live > 1000 {
		cfg.CacheSize = 128 << 20
	}
	v, ctx := workload.NewVerifier(cfg), context.Background()
	tokens := make([]string, live)
	for i := range tokens {
		p := workload.NewPayload()
		p.ID = fmt.Sprintf("0197a9b2-7d1e-7c3a-9f00-%012d", i)
		tokens[i] = workload.Sign("EdDSA", p)
		_, err := v.Verify(ctx, tokens[i])
		must(err)
	}
	var next [2]struct {
		at int
		_  [120]byte // two hands must not share a line of the processor's cache here
	}
	return func(hand int) {
		at := &next[hand].at
		_, err := v.Verify(ctx, tokens[(*at+hand*live/2)%live])
		must(err)
		*at++
	}
}

// refusals are what strangers send.
func refusals() []figure {
	var subjects []subject
	for _, r := range workload.Refusals() {
		verify := workload.Verify(r.Verifier, r.Token)
		s := subject{name: r.Name, op: func() {
			if verify() == nil {
				panic(r.Name + " is accepted")
			}
		}}
		if r.Limit != nil {
			s.base = limit + " of " + r.Name
			subjects = append(subjects, subject{s.base, func() { r.Limit() }, s.base})
		}
		subjects = append(subjects, s)
	}
	return measure("refuse", subjects)
}

// questions are asked of principals that are remembered.
func questions() []figure {
	var subjects []subject
	for _, scopes := range []int{1, 4, 16, 256} {
		ask := workload.Ask(scopes)
		subjects = append(subjects, subject{name: fmt.Sprint(scopes), op: func() {
			if !ask() {
				panic("the answer is no")
			}
		}})
	}
	return measure("scope question", subjects)
}

// revocations are look-ups of living tokens in the store in memory.
func revocations() []figure {
	var subjects []subject
	for _, records := range []int{1_000, 100_000} {
		ask := workload.Revoked(records)
		subjects = append(subjects, subject{name: fmt.Sprint(records), op: func() { must(ask()) }})
	}
	return measure("revocation", subjects)
}

// growth is the first verify of a token with more and more scopes. HS256 shows it best.
func growth() []figure {
	var all []figure
	for _, scopes := range grown {
		token := workload.Sign("HS256", workload.ManyScopes(scopes))
		var subjects []subject
		for _, library := range workload.Libraries() {
			verify := library.Verifier("HS256")
			if library.Name == "tokenauth" {
				cfg := workload.Config("HS256")
				cfg.CacheSize, cfg.MaxTokenBytes = -1, 1<<20
				verify = func(v *tokenauth.Verifier) func(string) error {
					return func(token string) error { return workload.Verify(v, token)() }
				}(workload.NewVerifier(cfg))
			}
			if verify != nil {
				subjects = append(subjects, subject{name: library.Name, op: func() { must(verify(token)) }})
			}
		}
		all = append(all, measure(fmt.Sprintf("growth %d", scopes), subjects)...)
	}
	return all
}

// grown are the numbers of scopes.
var grown = []int{4, 16, 64, 256}

// must ends the program: what was measured is not what it should be.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
