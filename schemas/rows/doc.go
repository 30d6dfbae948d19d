// Package rows turns the records of the file store's CSV members into messages: which
// columns each kind has, what a cell says, what tells one row from another, and how a row
// is written. It knows no file format, no bucket and no stream.
//
// Invariants:
//
//   - A row's id depends on its values and columns only: not on the order of the
//     columns, a header line, padding, the way times are written, encoding, time
//     zone or time of extraction. Of cells beyond the documented columns
//     [Identity] says more.
//   - Every cell with a value is published, under its column's name or under "extra".
//   - Equal records of one file are as many rows, told apart by an ordinal.
//
// It imports schemas and the standard library only.
package rows
