// Package difftest compares this library with others that do the same and share no code with it, text by text: the strict JSON
// reader of internal/jose with jsontext, the reader of Go's next encoding/json, and what the verifier accepts with go-jose. It is
// a module of its own, so that neither the library nor its users ever need what it is compared with.
package difftest
