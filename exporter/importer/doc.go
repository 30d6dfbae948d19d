// Package importer brings a file that was obtained elsewhere into the stream: looks at it,
// finds its window, and has the worker publish it.
//
//	Open ─► verified, its times and accounts known ─► Parts: which windows is it of? ─► Run ─► worker
//
// Invariants:
//
//   - Nothing is changed, in the ledger or the stream, before the whole file has been read and
//     found sound, and its window is known.
//   - Windows do not overlap: a file is of one window of the ledger, or of one that has no
//     time in common with any. It is split over several only if each of its rows has all its
//     times in one: no page says by which of its times the platform chooses a row, and one
//     put into the wrong window would be there twice after the next extract.
//   - The extract's id is made of the file's bytes. The same file again, after a crash too,
//     is the same extract, and brings nothing that it brought before.
//
// It imports schemas, schemas/rows, exporter/archive, exporter/ledger and internal/retry.
package importer
