package workload

import (
	"encoding/json"
	"testing"

	"github.com/a74cfa30/tokenauth"
)

// What is measured has to be a verification: each library takes the good token, and refuses the same one with a bad signature, an
// issuer or audience that is another, and outside of its time.
func TestEveryLibraryVerifies(t *testing.T) {
	for _, library := range Libraries() {
		for _, algorithm := range Algorithms {
			verify := library.Verifier(algorithm)
			if verify == nil {
				continue
			}
			t.Run(library.Name+"/"+algorithm, func(t *testing.T) {
				if err := verify(Token(algorithm)); err != nil {
					t.Errorf("the good token: %v", err)
				}
				for what, token := range Faults(algorithm) {
					if verify(token) == nil {
						t.Errorf("%s is accepted", what)
					}
				}
			})
		}
	}
}

func TestEveryLibraryMints(t *testing.T) {
	for _, library := range Libraries() {
		if library.Signer == nil {
			continue
		}
		for _, algorithm := range []string{"HS256", "EdDSA"} {
			if err := library.Signer(algorithm)(); err != nil {
				t.Errorf("%s, %s: %v", library.Name, algorithm, err)
			}
		}
	}
}

// Each path does what it is named for: it panics if not.
func TestPaths(t *testing.T) {
	for _, path := range Paths() {
		op := path.Prepare()
		op()
		op()
	}
	if Paths()[0].Name != PathOf(Paths()[0].Name).Name {
		t.Error("a path is not found by its name")
	}
}

func TestTheTokenIsTheOneTold(t *testing.T) {
	payload, err := json.Marshal(NewPayload())
	if err != nil || len(payload) != 449 {
		t.Errorf("the payload has %d bytes, and not 449: %v", len(payload), err)
	}
	for _, algorithm := range Algorithms {
		if !Limit(algorithm, Token(algorithm))() || Limit(algorithm, BadSignature(Token(algorithm)))() {
			t.Errorf("%s: the limit is no check of the signature", algorithm)
		}
	}
	for _, refusal := range Refusals() {
		if err := Verify(refusal.Verifier, refusal.Token)(); tokenauth.ErrorCode(err) == "" {
			t.Errorf("%s is accepted", refusal.Name)
		}
	}
}
