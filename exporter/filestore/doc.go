// Package filestore is the exporter's side of the platform's file store: what is asked for
// a window of a kind, by which call its file is fetched, and where the platform is to call
// back. The planner's requests and the worker's downloads both go through [Store]; what the
// platform wants of each kind of rows is told here and nowhere else.
//
// Invariants:
//
//   - A half-open window ends a second earlier in a request: the platform's ends are
//     wall-clock texts in whole seconds, both inclusive.
//   - Times are in the tenant's zone; the platform compares what is written.
//   - Nothing is remembered: a request says all that it needs.
//
// It imports schemas and the file store's client (internal/ccfs).
package filestore
