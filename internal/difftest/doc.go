// Package difftest compares the strict JSON reader of internal/jose with jsontext, the reader of Go's next encoding/json,
// which refuses duplicate names and invalid UTF-8 as well and shares no code with it. It is a module of its own, so that
// neither the library nor its users ever need what it is compared with.
package difftest
