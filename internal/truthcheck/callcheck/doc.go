// Package callcheck holds the calls of a stream against the rows that the simulated platform
// gave out: it puts each call together by itself, and compares it field by field with the
// newest revision that the stream has.
//
// Invariants: nothing that the bridge computes is believed, neither ids nor digests; what a
// report and its problems say are ids of calls, windows and names of fields, never what is in
// them, which are phone numbers.
package callcheck
