package tokenapi

import (
	_ "embed" // the document
	"encoding/json"
	"net/http"
	"strings"
)

// openAPI describes the handler for programs. A test holds the one against the other.
//
//go:embed openapi.json
var openAPI string

// document tells what this API is, to anybody: it says nothing that is not in the package's documentation.
func (a *API) document() handle {
	server := a.cfg.Prefix
	if server == "" {
		server = "/"
	}
	text := strings.Replace(openAPI, `{"url": "/"}`, `{"url": "`+server+`"}`, 1)
	return func(*http.Request) (answer, error) {
		return answer{status: http.StatusOK, body: json.RawMessage(text)}, nil
	}
}
