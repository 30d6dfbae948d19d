// Package house holds the rules of this repository that a machine can check, as tests:
// which package may import which, how long and how tangled a function may be, how large a
// package, and that no run of code stands twice. `make lint` runs them, and so does every
// run of all tests.
//
// A rule reads the source itself, all build tags at once. What is excused from one is in
// exceptions_test.go, with the reason; an excuse that nothing needs any more is an error.
package house
