// Package scenario publishes the contract's messages from a file that says what happens in a
// contact centre which is not there: a test double for those who consume them. There is no
// platform and no bridge behind it; ids, numbers, revisions and markers are as a bridge makes
// them.
//
// Invariants:
//
//   - The same file gives the same messages, but for the times if it names no beginning.
//   - Rows are published once: a row that is there is left alone, and one that has changed
//     comes as its next revision, with those that share its natural key.
//
// Of ours it imports schemas, schemas/events, schemas/rows and internal/retry.
package scenario
