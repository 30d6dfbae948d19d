package content

import "aiccbridge/internal/platformsim/fault"

// The faults of files and their rows.
const (
	noHeader       = "file.no_header"
	gbk            = "file.gbk"
	gb18030        = "file.gb18030"
	bom            = "file.bom"
	crlf           = "file.crlf"
	extraColumns   = "file.extra_columns"
	missingColumns = "file.missing_columns"
	reordered      = "file.reordered"
	split          = "file.split"
	padded         = "file.padded"
	quoted         = "file.quoted"
	headerAgain    = "file.header_again"
	macOS          = "file.macosx"
	inUTC          = "file.utc"
	bothKinds      = "file.both_kinds"
	flipped        = "file.flipped"
	truncated      = "file.truncated"

	zeroBytes = "empty_file.zero_bytes"
	noMembers = "empty_file.no_members"
	// NoCallback and NoData are left to the store: the file has no effect on its
	// own.
	NoCallback = "empty_file.no_callback"
	NoData     = "empty_file.no_data"

	rowsLate        = "rows.late"
	rowsChanged     = "rows.changed"
	rowsExtra       = "rows.extra"
	rowsOneCall     = "rows.one_call"
	rowsClockChange = "rows.clock_change"
)

// forms are the faults that may all hit the same file.
var forms = []string{
	noHeader, gbk, gb18030, bom, crlf, extraColumns, missingColumns, reordered, split, padded, quoted, headerAgain, macOS, inUTC,
}

// FaultKinds lists the faults of files. scope is that of the store.
func FaultKinds(scope fault.Scope) []fault.Kind {
	return []fault.Kind{
		{Name: noHeader, What: "no header line; such a file is never reordered", Scope: scope},
		{Name: gbk, What: "in GBK, with one Chinese cell at least, which later files keep", Scope: scope},
		{Name: gb18030, What: "in GB18030, with one Chinese cell at least, which later files keep", Scope: scope},
		{Name: bom, What: "with a byte order mark", Scope: scope},
		{Name: crlf, What: "lines end in CR LF", Scope: scope},
		{Name: extraColumns, What: "columns behind those documented", Takes: fault.Rule{Count: 2}, Scope: scope},
		{Name: missingColumns, What: "without the last columns", Takes: fault.Rule{Count: 2}, Scope: scope},
		{Name: reordered, What: "columns in reverse order", Scope: scope},
		{Name: split, What: "in several members, _1, _2 …", Takes: fault.Rule{Count: 2}, Scope: scope},
		{Name: padded, What: "blanks and tabs around the cells", Scope: scope},
		{Name: quoted, What: "quotes around every cell", Scope: scope},
		{Name: headerAgain, What: "the header line once more in the middle, as in files that were joined", Scope: scope},
		{Name: macOS, What: "packed again on a Mac, with a member of file attributes beside each", Scope: scope},
		{Name: inUTC, What: "times in UTC, whatever the zone of the others", Scope: scope},
		{Name: bothKinds, What: "call and record, whatever was asked for", Scope: scope},
		{Name: flipped, What: "one byte of a member is wrong for ever", Scope: scope},
		{Name: truncated, What: "only the first half is there, for ever", Scope: scope},

		{Name: zeroBytes, What: "a file without rows has members of zero bytes, not a header", Scope: scope},
		{Name: noMembers, What: "a file without rows is a ZIP without members", Scope: scope},
		{Name: NoCallback, What: "of a file without rows nobody is told", Scope: scope},
		{Name: NoData, What: "every download of a file without rows answers 0300012", Scope: scope},

		{Name: rowsLate, What: "one row is withheld until the second extraction that covers it", Scope: scope},
		{Name: rowsChanged, What: "one row that an earlier file held has another cell from now on", Scope: scope},
		{Name: rowsExtra, What: "synthetic rows that exist from now on", Takes: fault.Rule{Count: 10}, Scope: scope},
		{Name: rowsOneCall, What: "of the synthetic recordings every second is of the call of the one before", Scope: scope},
		{Name: rowsClockChange, What: "rows at a clock change in the window: a wall clock twice, or one that does not exist", Scope: scope},
	}
}
