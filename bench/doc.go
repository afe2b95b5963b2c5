// Package bench holds this library against its peers, in tests only. It is a module of its own, so that nobody who uses the
// library downloads them.
package bench
