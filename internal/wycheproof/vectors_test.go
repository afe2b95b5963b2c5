package wycheproof

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// The files of Wycheproof, as far as they are read here.

// A hexed is bytes that the file writes in hexadecimal.
type hexed []byte

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// valid is the label of a vector that is to be accepted. The others are invalid and, for what one had better not accept, acceptable.
const valid = "valid"

// A vector is one test case.
type vector struct {
	ID      int    `json:"tcId"`
	Comment string `json:"comment"`
	Result  string `json:"result"`
	JWS     string `json:"jws"` // in files about tokens
	Key     hexed  `json:"key"` // in files about HMAC
	Message hexed  `json:"msg"`
	Tag     hexed  `json:"tag"` // in files about HMAC
	Sig     hexed  `json:"sig"`
}

// A group is vectors with one key.
type group struct {
	Comment   string          `json:"comment"`
	Public    json.RawMessage `json:"public"`  // a JWK or a set of them
	Private   json.RawMessage `json:"private"` // the same, with private halves or secrets
	PublicDER hexed           `json:"publicKeyDer"`
	Hash      string          `json:"sha"`
	MaskHash  string          `json:"mgfSha"`
	Salt      int             `json:"sLen"` // bytes
	Tests     []vector        `json:"tests"`
}

// groupsOf reads a file.
func groupsOf(t *testing.T, file string) []group {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var content struct {
		Count  int     `json:"numberOfTests"`
		Groups []group `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	count := 0
	for _, g := range content.Groups {
		count += len(g.Tests)
	}
	if count == 0 || count != content.Count {
		t.Fatalf("%s: %d vectors, and it says there are %d", file, count, content.Count)
	}
	return content.Groups
}
