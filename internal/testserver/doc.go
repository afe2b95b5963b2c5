// Package testserver starts throwaway servers for tests, from the programs that this machine has: on free ports, in temporary folders, as
// children that are waited for and ended by their number. It is for the tests of every module of this project, and for nobody else.
package testserver
