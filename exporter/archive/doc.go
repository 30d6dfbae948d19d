// Package archive brings a downloaded file to verified records: the ZIP and its members,
// the dialects of CSV that they come in, and their text.
//
//	Open    reads everything: sizes, checksums, each record ──► Archive, or why not;
//	        what is not UTF-8 throughout is read twice, for its encoding first
//	Records reads one member again, record by record, as text
//
//	bytes ─► inflate ─► survey: encoding ─► layout: separator ─► csvReader: cells ─► table: records
//
// Invariants:
//
//   - What Open returns is sound: each member was read to its end, and each of its records.
//   - What it refuses has a reason: a *schemas.Permanent when the file is to blame, any
//     other error when it is our disk or the end of the work.
//   - Everything read is bounded: members, unpacked bytes, their ratio to the packed ones,
//     cells, columns, lines.
//   - A record is a record of the platform: no header line, title or separator line is one,
//     wherever it stands, and no two records are one. What cannot be told is refused.
//   - An encoding that is said, by a setting or a byte order mark, is not guessed over. A
//     character that is cut costs nothing but itself: U+FFFD stands in its place.
//   - Cells are cut before they are decoded; nothing is trimmed or interpreted here but
//     header lines.
//
// Which columns a kind has is schemas/rows' business. It imports schemas and schemas/rows
// only, and neither downloads nor publishes.
package archive
