// Package rowfile writes rows as a Parquet file, the form in which analysts' tools take
// them. docs/parquet.md says what each column is.
//
// Invariants:
//
//   - The columns of a file depend on its kind only: each documented column of the kind is
//     there, with its documented type, whether rows have it or not.
//   - Nothing of a row is left out in silence: a member that has no column is an error.
//   - Instants stay what they are, to the microsecond; the offset in which a row writes
//     them is not kept.
//
// It imports schemas and schemas/rows.
package rowfile
