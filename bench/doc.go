// Package bench holds this library against its peers: what they accept, in its tests, and what they cost, in the programs below it. It
// is a module of its own, so that nobody who uses the library downloads them.
package bench
