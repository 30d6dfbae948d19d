// Package tenure has work on a tenant done by one bridge at a time: whoever has the lease.
//
// Invariants: work goes on only while the lease is held, as far as this process knows (what
// must not be done twice has a fence besides); a lease is given back when the work has ended;
// one that is lost is waited for again.
//
// What a lease is comes in by [Options]. It imports the clock and the count of failures of
// internal, and nothing else of ours.
package tenure
