package tokenauth

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The index answers every question as walking through the scopes does: here over scopes and questions drawn from a world so small that
// they meet, with wildcards, levels that grant nothing and scopes that stand twice.
func TestScopeIndexAnswersAsTheScopesDo(t *testing.T) {
	kinds := []string{"deployment", "node", "*", "", AnyResource}
	ids := []string{"web", "db", "*", "", AnyResource}
	levels := []PermissionLevel{LevelNone, LevelRead, LevelExecute, LevelWrite, LevelWrite + 1}
	answers := map[bool]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		pick := func(from []string) string { return from[r.IntN(len(from))] }
		p := &Principal{judge: &authority{}}
		for range manyScopes + 1 + r.IntN(8) {
			p.claims.Scopes = append(p.claims.Scopes, TokenScope{pick(kinds), pick(ids), levels[r.IntN(len(levels))]})
		}
		p.index = newScopeIndex(p.claims.Scopes)
		require.NotNil(t, p.index)
		for _, kind := range kinds {
			for _, id := range append(ids, "other") {
				for _, level := range levels {
					want := p.claims.Satisfies(kind, id, level)
					answers[want]++
					require.Equal(t, want, p.Satisfies(kind, id, level), "%q %q %v of %q", kind, id, level, p.claims.Scopes)
				}
			}
		}
	}
	require.Greater(t, min(answers[true], answers[false]), 1000, "both answers are met")
}

func TestScopeIndexIsForManyScopes(t *testing.T) {
	few := make([]TokenScope, manyScopes)
	require.Nil(t, newScopeIndex(few))
	require.Nil(t, newScopeIndex(nil))
}

// An admin needs no scope, and an ill-formed question is no for admins too: with an index as without.
func TestScopeIndexIsAskedAfterTheRole(t *testing.T) {
	p := &Principal{judge: &authority{}, claims: Claims{Roles: []string{RoleAdmin}}}
	for n := range 20 {
		p.claims.Scopes = append(p.claims.Scopes, TokenScope{"node", fmt.Sprint(n), LevelRead})
	}
	p.index = newScopeIndex(p.claims.Scopes)
	require.True(t, p.Satisfies("secret", "db", LevelWrite))
	require.False(t, p.Satisfies("secret", "", LevelWrite))
	require.ErrorIs(t, p.Require("secret", "", LevelWrite), ErrForbidden)
	require.NoError(t, p.Require("secret", "db", LevelWrite))
	p.claims.Roles = nil
	require.ErrorIs(t, p.Require("secret", "db", LevelWrite), ErrForbidden)
	require.NoError(t, p.Require("node", "7", LevelRead))
}
