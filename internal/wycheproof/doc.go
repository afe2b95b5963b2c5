// Package wycheproof holds this library against Project Wycheproof: signatures, tokens and keys that broke one implementation or
// another. They come as an embedded module of some 100 MB, so this is a module of its own.
//
// A vector's label is one opinion, and where this library has another, the tests name the vector and say why, and prove as much of
// the reason as can be proven. Every other vector is answered as it is labelled.
package wycheproof
