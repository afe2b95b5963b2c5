package main

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/a74cfa30/tokenauth"
)

// The two resources. Neither looks at tokens: whoever gets here may do what the path and the method say.

// Bounds of the notebook.
const (
	maxNote  = 4 << 10
	maxNotes = 1000
)

// A notebook keeps notes until the program ends. The zero notebook is empty.
type notebook struct {
	mu    sync.RWMutex
	notes map[string]string
}

func (n *notebook) read(w http.ResponseWriter, r *http.Request) {
	n.mu.RLock()
	text, ok := n.notes[r.PathValue("name")]
	n.mu.RUnlock()
	if !ok {
		http.Error(w, "there is no such note", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, text+"\n") // if it cannot be written there is nobody to tell
}

func (n *notebook) write(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNote))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, "a note has at most 4 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the note could not be read", http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes == nil {
		n.notes = map[string]string{}
	}
	if _, ok := n.notes[r.PathValue("name")]; !ok && len(n.notes) >= maxNotes {
		http.Error(w, "the notebook is full", http.StatusInsufficientStorage)
		return
	}
	n.notes[r.PathValue("name")] = string(text)
	w.WriteHeader(http.StatusNoContent)
}

// runJob would start a job. Here it says for whom.
func runJob(w http.ResponseWriter, r *http.Request) {
	tell(w, struct {
		Job string `json:"job"`
		For string `json:"for"`
	}{r.PathValue("name"), tokenauth.PrincipalFrom(r.Context()).Subject()})
}
