// Package fleet has no code, only tests: many verifiers with a replica each, in front of one real server, and everything done to that server
// and to the way there that happens to servers. What they show is the bound of package replica, where it matters: no check that begins later
// than MaxStaleness after Revoke has returned accepts the token, whatever else goes on.
//
// It is a module of its own for the sake of the stores' drivers. `make fleet` runs it at full size; its figures stand in README.md.
package fleet
