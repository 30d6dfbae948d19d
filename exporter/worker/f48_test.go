package worker

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// oddFile is a file as somebody's program really made one, and what must come of it.
type oddFile struct {
	name     string
	file     []byte
	dialect  archive.Dialect
	rows     int            // that must go out
	rejected int            // that become dead letters
	reason   schemas.Reason // of a file that is refused, with none of its rows
	same     bool           // the ids are those of the same rows in a plain file
	has      []string       // in the bodies of the rows, in this order
}

// plainRow is row i with a name, as all odd files of this test have them.
func plainRow(i int, name string) string {
	return fmt.Sprintf("ak,%s,1,101,1767225600-%d,5550100,5550199,,,,,2026-01-01 09:00:%02d,2026-01-01 09:01:00,2,101,0,0,-1,39,1,12\n", name, i, i)
}

// separated are lines with another separator.
func separated(text, separator string) string { return strings.ReplaceAll(text, ",", separator) }

func csvFile(t testing.TB, text string) []byte {
	return exportertest.ZipOf(t, exportertest.CSVMember(text))
}

func good(t testing.TB, name, text string, rows int) oddFile {
	return oddFile{name: name, file: csvFile(t, text), rows: rows, same: true}
}

func refused(t testing.TB, name, text string, reason schemas.Reason) oddFile {
	return oddFile{name: name, file: csvFile(t, text), reason: reason}
}

const (
	utf8Mark = "\xef\xbb\xbf"
	gbMark   = "\x84\x31\x95\x33"
)

// two rows, and with the header line, that most odd files are made of.
var (
	one, two = plainRow(1, "ten"), plainRow(2, "ten")
	head     = exportertest.CallHeader
)

func oddHeaders(t testing.TB) []oddFile {
	reversed := "call_id,call_end,call_begin,developer,account_id,cc_id,agent_id,caller_no,callee_no,device_type,device_no,call_type,release_cause,call_id_num,vdn_id,pre_device_type,pre_device_no\n"
	turned := "1767225600-2,2026-01-01 09:01:00,2026-01-01 09:00:02,ak,ten,1,101,5550100,5550199,2,101,0,0,-1,39,1,12\n"
	operations := "id,developer_id,account_id,agent_id,service_no,skill_id,call_id,begin_time,end_time,op_type\n"
	return []oddFile{
		good(t, "header twice", head+one+head+two, 2),
		good(t, "header twice, nothing between", head+head+one+two, 2),
		good(t, "header at the end", one+two+head, 2),
		good(t, "header second", one+head+two, 2),
		good(t, "header in other case", head+one+strings.ToUpper(head)+two, 2),
		good(t, "another header, obeyed", head+one+reversed+turned, 2),
		good(t, "joined with a mark", utf8Mark+head+one+utf8Mark+head+two, 2),
		good(t, "joined with a mark and quotes", utf8Mark+head+one+utf8Mark+`"`+strings.ReplaceAll(strings.TrimSpace(head), ",", `","`)+"\"\n"+two, 2),
		good(t, "joined without header, with a mark", one+utf8Mark+two, 2),
		good(t, "sep= above it", "sep=,\n"+head+one+two, 2),
		good(t, "sep= quoted, semicolons", "\"sep=;\"\r\n"+separated(head+one+two, ";"), 2),
		good(t, "sep= with a mark", utf8Mark+"SEP=;\n"+separated(head+one+two, ";"), 2),
		good(t, "sep= without header", "sep=\t\n"+separated(one+two, "\t"), 2),
		good(t, "sep= again", "sep=,\n"+head+one+"sep=,\n"+head+two, 2),
		good(t, "title", "Call records\n"+head+one+two, 2),
		good(t, "titles and an empty line", "通话记录\nfrom 2026-01-01, to 2026-01-02\n\n"+head+one+two, 2),
		good(t, "title filled up", "Call records"+strings.Repeat(",", 20)+"\n"+head+one+two, 2),
		good(t, "title without header", "Call records\n"+one+two, 2),
		good(t, "title when joined", "Call records\n"+head+one+"Call records\n"+head+two, 2),
		good(t, "header in Chinese, twice", "开发者,账号,中心,座席,call_id,主叫,被叫,排队开始,排队结束,应答开始,应答结束,通话开始,通话结束,设备\n"+
			"ak,ten,1,101,1767225600-1,5550100,5550199,,,,,2026-01-01 09:00:01,2026-01-01 09:01:00,2\n"+
			"开发者,账号,中心,座席,call_id,主叫,被叫,排队开始,排队结束,应答开始,应答结束,通话开始,通话结束,设备\n", 1).unlike(),
		refused(t, "sep= with something else", "sep=:\n"+head+one, schemas.ReasonDamagedCSV),
		refused(t, "sep= that changes", head+one+"sep=;\n"+separated(two, ";"), schemas.ReasonDamagedCSV),
		refused(t, "header on the line of a row", head+strings.TrimSpace(one)+head+two, schemas.ReasonDamagedCSV),
		refused(t, "row on the line of a header", strings.TrimSpace(head)+one+two, schemas.ReasonDamagedCSV),
		refused(t, "two rows on one line", strings.TrimSpace(one)+two, schemas.ReasonDamagedCSV),
		refused(t, "another order below rows without one", one+reversed+turned, schemas.ReasonDamagedCSV),
		refused(t, "a second header without what tells rows apart", head+one+"developer,account_id,cc_id\nak,ten,1\n", schemas.ReasonMissingColumns),
		refused(t, "many words above the header", "exported,by,admin,ten,12\n"+head+one, schemas.ReasonDamagedCSV),
		refused(t, "a second header in Chinese", head+one+strings.Repeat("名称,", 20)+"名称\n"+two, schemas.ReasonMissingColumns),
		{name: "operations, header twice", file: exportertest.ZipOf(t,
			exportertest.Packed{Name: "20260101000000000123_agentOprInfo.csv", Data: operations + "1,ak,ten,101,,,,2026-01-01 09:00:00,,1\n" + operations + "2,ak,ten,101,,,,2026-01-01 09:00:00,,1\n"},
			exportertest.CSVMember(head+one)), rows: 1, same: true},
	}
}

// unlike says that the ids are not those of the plain rows: cells are missing.
func (f oddFile) unlike() oddFile { f.same = false; return f }

// holding says what the bodies have.
func (f oddFile) holding(texts ...string) oddFile { f.has, f.same = texts, false; return f }

func oddText(t testing.TB) []oddFile {
	const name = "测试企业"
	cut := strings.TrimSuffix(name, "\x9a") // of 业, e4 b8 9a
	wide := func(units []uint16, order binary.AppendByteOrder) string {
		var out []byte
		for _, u := range units {
			out = order.AppendUint16(out, u)
		}
		return string(out)
	}
	units := utf16.Encode([]rune(head + one + two))
	declared := func(f oddFile, charset string) oddFile { f.dialect.Charset = charset; return f }
	gb := func(text string) string { return gb18030(t, text) }
	return []oddFile{
		good(t, "character cut at its end", head+plainRow(1, name)+plainRow(2, cut), 2).holding(name, "测试企\ufffd"),
		good(t, "character cut at its beginning", head+plainRow(1, name)+plainRow(2, name[1:]), 2).holding(name, "\ufffd试企业"),
		good(t, "character cut in the middle of a word", head+plainRow(1, name)+plainRow(2, "测"+cut[:7]+"x"), 2).holding(name, "x"),
		good(t, "one sound character, one cut", head+plainRow(1, "测")+plainRow(2, "\xe8\xaf"), 2).holding("测", "\ufffd"),
		good(t, "cut under a mark", utf8Mark+head+plainRow(1, "ten")+plainRow(2, "\xe6\xb5"), 2).holding("ten", "\ufffd"),
		declared(good(t, "cut under a setting", head+plainRow(1, "ten")+plainRow(2, "\xe6\xb5"), 2).holding("ten", "\ufffd"), "utf-8"),
		declared(good(t, "cut in declared GB18030", head+gb(plainRow(1, name))+plainRow(2, gb("测试")[:3]), 2).holding(name, "测\ufffd"), "gb18030"),
		good(t, "cut in GB18030", head+gb(plainRow(1, strings.Repeat(name, 3)))+plainRow(2, gb("测试")[:3]), 2).holding(name, "测\ufffd"),
		good(t, "cut among semicolons", separated(head+plainRow(1, name)+plainRow(2, cut), ";"), 2).holding(name, "测试企\ufffd"),
		refused(t, "GB18030 under a mark of UTF-8", utf8Mark+head+gb(plainRow(1, name)), schemas.ReasonDamagedCSV),
		refused(t, "UTF-8 joined with GB18030", head+plainRow(1, name)+gb(plainRow(2, name)), schemas.ReasonDamagedCSV),
		refused(t, "UTF-16LE", wide(units, binary.LittleEndian), schemas.ReasonDamagedCSV),
		refused(t, "UTF-16BE", wide(units, binary.BigEndian), schemas.ReasonDamagedCSV),
		refused(t, "UTF-16LE with its mark", "\xff\xfe"+wide(units, binary.LittleEndian), schemas.ReasonDamagedCSV),
		refused(t, "UTF-16LE without header", wide(utf16.Encode([]rune(one+two)), binary.LittleEndian), schemas.ReasonDamagedCSV),
		refused(t, "NUL in a cell", plainRow(1, "t\x00en")+two, schemas.ReasonDamagedCSV),
		refused(t, "NULs at the end", head+one+strings.Repeat("\x00", 512), schemas.ReasonDamagedCSV),
		refused(t, "a NUL line", head+one+"\x00\n"+two, schemas.ReasonDamagedCSV),
		good(t, "two marks", utf8Mark+utf8Mark+head+one+two, 2),
		good(t, "two marks, quotes", utf8Mark+utf8Mark+`"`+strings.ReplaceAll(strings.TrimSpace(head), ",", `","`)+"\"\n"+one+two, 2),
		good(t, "a mark within quotes", "\""+utf8Mark+"ak\""+strings.TrimPrefix(one, "ak")+two, 2),
		good(t, "a mark, no header", utf8Mark+one+two, 2),
		good(t, "two marks, no header", utf8Mark+utf8Mark+one+two, 2),
		good(t, "GB18030's mark", gbMark+head+gb(plainRow(1, name)), 1).holding(name),
		good(t, "GB18030's mark, no header", gbMark+one+two, 2),
		good(t, "GB18030's mark and quotes", gbMark+strings.Replace(one, "ak,", `"ak",`, 1)+two, 2),
	}
}

func oddSeparators(t testing.TB) []oddFile {
	commas := strings.Replace(one, ",1,12\n", ",1,\"a, b, c\"\n", 1)
	bare := func(separator string) string {
		return strings.ReplaceAll(separated(strings.Replace(one, ",1,12\n", ",1,#\n", 1), separator)+separated(two, separator), "#", "a, b")
	}
	billion := plainRow(1, "坐席億") // 億 is 83 7C
	return []oddFile{
		good(t, "semicolons, a comma, no header", bare(";"), 2).holding("a, b", "1767225600-2"),
		good(t, "tabs, a comma, no header", bare("\t"), 2).holding("a, b", "1767225600-2"),
		good(t, "bars, a comma, no header", bare("|"), 2).holding("a, b", "1767225600-2"),
		good(t, "semicolons, commas in a header cell", strings.Replace(separated(head, ";"), "\n", ";a, b, c\n", 1)+separated(one, ";"), 1),
		good(t, "commas, semicolons in a cell", strings.Replace(one, ",ten,", ",a;b;c;d,", 1), 1).holding("a;b;c;d"),
		good(t, "commas in quotes", commas+two, 2).holding("a, b, c", "1767225600-2"),
		good(t, "decimal commas", strings.ReplaceAll(separated(one, ";"), ";39;1;12", ";39;1,5;12,5"), 1).holding("12,5", "1,5"),
		good(t, "bars in GB18030", gb18030(t, separated(billion+billion, "|")), 2).holding("坐席億", "坐席億"),
		good(t, "bars in GB18030 below a header", gb18030(t, separated(head+billion, "|")), 1).holding("坐席億"),
		good(t, "bars in GB18030, at the end of a cell and of a line", gb18030(t, strings.Replace(separated(billion, "|"), "|12\n", "|億\n", 1)), 1).holding("坐席億", "億"),
		good(t, "bars in GB18030, far from the beginning", gb18030(t, separated(head+strings.Repeat(one, 1000)+billion, "|")), 1001).holding("坐席億"),
		refused(t, "a separator of nobody's", separated(one+two, "^"), schemas.ReasonMissingColumns),
		refused(t, "no row with a call id", head+strings.Replace(one, "1767225600-1", "", 1)+strings.Replace(two, "1767225600-2", "", 1), schemas.ReasonMissingColumns),
		refused(t, "rows of something else", "a,b,c\nd,e,f\ng,h,i\n", schemas.ReasonMissingColumns),
		refused(t, "text", "The file that you asked for is not there yet.\nTry again later.\n", schemas.ReasonMissingColumns),
		{name: "operations with a separator of nobody's", reason: schemas.ReasonMissingColumns, file: exportertest.ZipOf(t, exportertest.CSVMember(head+one),
			exportertest.Packed{Name: "20260101000000000123_agentOprInfo.csv", Data: "1^ak^ten^101\n2^ak^ten^101\n"})},
		{name: "one row without a call id", file: csvFile(t, head+strings.Replace(one, "1767225600-1", "", 1)+two), rows: 1, rejected: 1},
	}
}

func oddTimes(t testing.TB) []oddFile {
	with := func(begin string) string {
		first := strings.Replace(one, ",,,,,2026-01-01 09:00:01,2026-01-01 09:01:00,", ",,"+begin+",,,"+begin+","+begin+",", 1)
		return first + two
	}
	return []oddFile{
		good(t, "zero dates first", with("0000-00-00 00:00:00"), 2).holding(`"call_begin":"0000-00-00 00:00:00"`, "1767225600-2"),
		good(t, "dashes first", with("-"), 2).holding(`"call_begin":"-"`, "1767225600-2"),
		good(t, "no seconds", with("2026-01-01 09:00"), 2).holding(`"call_begin":"2026-01-01T09:00:00+08:00"`, "1767225600-2"),
		good(t, "an offset", with("2026-01-01T01:00:00+00:00"), 2).holding(`"call_begin":"2026-01-01T09:00:00+08:00"`, "1767225600-2"),
		good(t, "Z", with("2026-01-01T01:00:00Z"), 2).holding(`"call_begin":"2026-01-01T09:00:00+08:00"`, "1767225600-2"),
		good(t, "a date only", with("2026-01-01"), 2).holding(`"call_begin":"2026-01-01"`, "1767225600-2"),
		good(t, "another order", with("01.01.2026 09:00:00"), 2).holding(`"call_begin":"01.01.2026 09:00:00"`, "1767225600-2"),
		good(t, "words for none", with("N/A"), 2).holding(`"call_begin":"N/A"`, "1767225600-2"),
		good(t, "months by name", with("Jan 1 2026 9:00AM"), 2).holding(`"call_begin":"Jan 1 2026 9:00AM"`, "1767225600-2"),
	}
}

func oddQuotes(t testing.TB) []oddFile {
	inch := func(text, cell string) string { return strings.Replace(text, ",5550100,", ","+cell+",", 1) }
	three := plainRow(3, "ten")
	return []oddFile{
		refused(t, "an inch mark swallows the next row", head+inch(one, `"27`)+inch(two, `x"`)+three, schemas.ReasonDamagedCSV),
		refused(t, "without header", inch(one, `"27`)+inch(two, `x"`)+three, schemas.ReasonDamagedCSV),
		refused(t, "two rows swallowed", head+inch(one, `"27`)+two+inch(three, `x"`), schemas.ReasonDamagedCSV),
		refused(t, "closed in another column", head+inch(one, `"27`)+strings.Replace(two, ",ten,", `,ten",`, 1)+three, schemas.ReasonDamagedCSV),
		refused(t, "closed at the end of the next line", head+strings.Replace(one, ",12\n", ",\"12\n", 1)+strings.Replace(two, ",12\n", ",12\"\n", 1), schemas.ReasonDamagedCSV),
		refused(t, "semicolons", separated(head+inch(one, `"27`)+inch(two, `x"`)+three, ";"), schemas.ReasonDamagedCSV),
		refused(t, "three columns", "call_id,call_begin,vdn_id\n1,\"2026-01-01 09:00:00,1\n2,2026-01-01 09:00:00\",2\n3,2026-01-01 09:00:00,3\n", schemas.ReasonDamagedCSV),
		refused(t, "carriage returns", strings.ReplaceAll(head+inch(one, `"27`)+inch(two, `x"`)+three, "\n", "\r"), schemas.ReasonDamagedCSV),
		refused(t, "never closed", head+inch(one, `"27`)+two+three, schemas.ReasonDamagedCSV),
		good(t, "an inch mark behind a number", head+inch(one, `27"`)+inch(two, `x"`)+three, 3).holding(`27\"`, `x\"`),
		good(t, "lines within a cell", head+strings.Replace(one, ",ten,", ",\"two\nlines, no more\",", 1)+two, 2).holding(`two\nlines, no more`),
	}
}

func oddMembers(t testing.TB) []oddFile {
	packed := func(name, data string) exportertest.Packed { return exportertest.Packed{Name: name, Data: data} }
	calls := exportertest.CSVMember(head + one + two)
	double := "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x00\x00\x00\t\x00\x00\x002\x00\x00\x00\xb0ATTR\xa3\x01\x02"
	var folder zip.FileHeader
	folder.SetMode(fs.ModeDir | 0o755)
	made := func(name string, reason schemas.Reason, members ...exportertest.Packed) oddFile {
		f := oddFile{name: name, file: exportertest.ZipOf(t, members...), reason: reason}
		if reason == "" {
			f.rows, f.same = 2, true
		}
		return f
	}
	return []oddFile{
		made("AppleDouble", "", calls, packed("__MACOSX/._"+exportertest.CallName, double)),
		made("AppleDouble beside it", "", packed("._"+exportertest.CallName, double), calls),
		made("AppleDouble in a folder", "", packed("20260101/"+exportertest.CallName, calls.Data), packed("__MACOSX/20260101/._"+exportertest.CallName, double)),
		made("macOS's folder, a CSV's name", "", calls, packed("__MACOSX/"+exportertest.CallName, head+plainRow(7, "ten"))),
		made("a lock file", "", calls, packed("~$"+exportertest.CallName, "admin"), packed(".DS_Store", "\x00\x00\x00\x01Bud1")),
		made("checksums", "", calls, packed("callcenter_checksums.csv", "file,md5,a,b,c\nx,1,2,3,4\ny,5,6,7,8\n")),
		made("notes", "", calls, packed("call_notes.csv", head+plainRow(7, "ten"))),
		made("a copy", "", calls, packed("Copy of "+exportertest.CallName, calls.Data), packed("20260101000000000123_call (1).csv", calls.Data)),
		made("a folder", "", exportertest.Packed{Name: "calls/", FileHeader: folder}, packed("calls/"+exportertest.CallName, calls.Data)),
		made("folders within folders", "", exportertest.Packed{Name: "a/", FileHeader: folder}, exportertest.Packed{Name: "a/b/", FileHeader: folder}, packed("a/b/"+exportertest.CallName, calls.Data)),
		made("only a name that is like one", "", packed("calls.csv", calls.Data), packed("callcenter_checksums.csv", "file,md5,a,b,c\nx,1,2,3,4\n")),
		made("the same in two folders", "", packed("a/"+exportertest.CallName, calls.Data), packed("b/"+exportertest.CallName, calls.Data)),
		made("one name, two files", schemas.ReasonUnsafeZip, packed("a/"+exportertest.CallName, calls.Data), packed("b/"+exportertest.CallName, head+plainRow(7, "ten"))),
		made("one name in other case", schemas.ReasonUnsafeZip, packed("a/"+exportertest.CallName, calls.Data), packed("b/"+strings.ToUpper(exportertest.CallName), head+plainRow(7, "ten"))),
		made("checksums alone", schemas.ReasonDamagedZip, packed("callcenter_checksums.csv", "file,md5,a,b,c\nx,1,2,3,4\n")),
		made("notes alone", schemas.ReasonDamagedZip, packed("call_notes.csv", "who,what,when\nme,called back,today\n")),
		made("AppleDouble alone", schemas.ReasonDamagedZip, packed("__MACOSX/._"+exportertest.CallName, double)),
		{name: "ZIP64, all sentinels", file: zip64(t, calls, 0xffff, 0xffffffff, 0xffffffff), rows: 2, same: true},
		{name: "ZIP64, the offset's sentinel", file: zip64(t, calls, 1, 0, 0xffffffff), rows: 2, same: true},
		{name: "ZIP64, the count's sentinel", file: zip64(t, calls, 0xffff, 0, 0), rows: 2, same: true},
		{name: "ZIP64, sizes' sentinels", file: zip64(t, calls, 0xffff, 0xffffffff, 0), rows: 2, same: true},
	}
}

// zip64 makes a ZIP whose end record leaves values to a ZIP64 record; 0 keeps one.
func zip64(t testing.TB, m exportertest.Packed, count uint16, size, offset uint32) []byte {
	file := exportertest.ZipOf(t, m)
	at := exportertest.Find(t, file)
	number := binary.LittleEndian
	end := bytes.Clone(file[at.End:])
	out := append(bytes.Clone(file[:at.End]), "PK\x06\x06"...)
	out = number.AppendUint64(out, 44)
	out = number.AppendUint16(number.AppendUint16(out, 45), 45)
	out = number.AppendUint32(number.AppendUint32(out, 0), 0)
	out = number.AppendUint64(number.AppendUint64(out, 1), 1)
	out = number.AppendUint64(number.AppendUint64(out, uint64(at.End-at.Directory)), uint64(at.Directory))
	out = append(out, "PK\x06\x07"...)
	out = number.AppendUint32(out, 0)
	out = number.AppendUint64(out, uint64(at.End))
	out = number.AppendUint32(out, 1)
	if count != 0 {
		number.PutUint16(end[8:], count)
		number.PutUint16(end[10:], count)
	}
	if size != 0 {
		number.PutUint32(end[12:], size)
	}
	if offset != 0 {
		number.PutUint32(end[16:], offset)
	}
	return append(out, end...)
}

// corpus are the files that the tests of exporter/archive have as well.
func corpus(t testing.TB) (all []oddFile) {
	for name, want := range map[string]oddFile{
		"header_in_middle":                  {rows: 2},
		"sep_line_header":                   {rows: 2},
		"semicolon_no_header_comma_in_cell": {rows: 2, has: []string{"a, b"}},
		"pipe_gbk_trail_7c":                 {rows: 1, has: []string{"坐席恷"}},
		"utf16le_nobom":                     {reason: schemas.ReasonDamagedCSV},
		"macosx":                            {rows: 2},
		"call_notes_csv_beside":             {rows: 2},
		"zip64_always_sentinel":             {rows: 2},
		"dir_entry":                         {rows: 2},
		"zero_dates_no_header":              {rows: 2},
		"double_bom_quoted_header":          {rows: 2, has: []string{`"developer":"ak"`, `"developer":"ak"`}},
		"inch_mark_swallow":                 {reason: schemas.ReasonDamagedCSV},
		"cut_char_mojibake":                 {rows: 2, has: []string{`"测试"`, "\"测试测\ufffd\""}},
	} {
		data, err := os.ReadFile(filepath.Join("..", "archive", "testdata", "corpus", name+".zip"))
		exportertest.Check(t, err)
		want.name, want.file = name, data
		all = append(all, want)
	}
	slices.SortFunc(all, func(a, b oddFile) int { return strings.Compare(a.name, b.name) })
	return all
}

// TestF48OddFiles: whatever a file looks like, its records are rows or rejected, no
// header line is a row, and no two records are one. Or the file is refused, with a
// reason and without a row.
func TestF48OddFiles(t *testing.T) {
	files, headers, merged, reconciled, declined := 0, 0, 0, 0, 0
	ids := plainIDs(t)
	for kind, all := range map[string][]oddFile{
		"header": oddHeaders(t), "text": oddText(t), "separator": oddSeparators(t), "time": oddTimes(t),
		"quote": oddQuotes(t), "member": oddMembers(t), "corpus": corpus(t),
	} {
		for _, odd := range all {
			files++
			t.Run(kind+"/"+odd.name, func(t *testing.T) {
				s := newShop(t)
				s.dialect(odd.dialect)
				err := s.export(s.ready(1, odd.file), 1)
				rows, markers := s.stored()
				letters := s.pub.Of(schemas.TypeDeadLetter)
				h, m := misread(rows)
				headers, merged = headers+h, merged+m
				switch {
				case odd.reason != "":
					if reasonOf(err) != odd.reason || len(rows)+len(markers)+len(letters) > 0 {
						t.Errorf("export: %v, want %s; %d rows, %d markers, %d dead letters", err, odd.reason, len(rows), len(markers), len(letters))
					}
					declined++
					return
				case err != nil:
					t.Fatal(err)
				}
				if len(rows) != odd.rows || len(letters) != odd.rejected || h > 0 || m > 0 {
					t.Errorf("%d rows (%d header lines, %d merged) and %d dead letters, want %d and %d", len(rows), h, m, len(letters), odd.rows, odd.rejected)
				}
				if done := marker(t, markers[0]); done.Rows+done.Rejected != recordsOf(done) || done.Rows != len(rows) {
					t.Errorf("the marker says %+v", done)
				}
				checkBodies(t, odd, rows, ids)
				reconciled++
			})
		}
	}
	t.Attr("figure", fmt.Sprintf("%d files: %d with rows in = rows out + rejected, %d refused whole; %d header rows, %d merged rows", files, reconciled, declined, headers, merged))
	t.Attr("tries", fmt.Sprint(files))
}

// plainIDs are the ids of rows in a plain file, by call id.
func plainIDs(t *testing.T) map[string]string {
	s := newShop(t)
	exportertest.Check(t, s.export(s.ready(1, csvFile(t, head+one+two+plainRow(3, "ten"))), 1))
	rows, _ := s.stored()
	ids := map[string]string{}
	for _, r := range rows {
		ids[callID(r)] = r.ID
	}
	return ids
}

func callID(r exportertest.Row) string {
	var body struct {
		CallID string `json:"call_id"`
	}
	_ = json.Unmarshal(r.Body, &body) // then it is of no call
	return body.CallID
}

func recordsOf(m schemas.WindowComplete) (n int) {
	for _, f := range m.Files {
		n += f.Rows
	}
	return n
}

// misread counts rows that are header lines, and rows that hold more than one record.
func misread(rows []exportertest.Row) (headers, merged int) {
	for _, r := range rows {
		var body map[string]any
		_ = json.Unmarshal(r.Body, &body) // then it is neither
		names, calls := 0, 0
		extra, _ := body["extra"].(map[string]any)
		for _, cells := range []map[string]any{body, extra} {
			for name, value := range cells {
				text, _ := value.(string)
				if strings.EqualFold(name, text) {
					names++
				}
				calls += strings.Count(text, "1767225600-")
			}
		}
		if names > 1 {
			headers++
		}
		if calls > 1 {
			merged++
		}
	}
	return headers, merged
}

func checkBodies(t *testing.T, odd oddFile, rows []exportertest.Row, ids map[string]string) {
	var bodies strings.Builder
	for _, r := range rows {
		bodies.Write(r.Body)
		if want := ids[callID(r)]; odd.same && r.ID != want {
			t.Errorf("the id is %s, in a plain file %s: %s", r.ID, want, r.Body)
		}
	}
	rest := bodies.String()
	for _, text := range odd.has {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Errorf("%q is not in %s", text, rest)
		}
		rest = after
	}
	if strings.Contains(bodies.String(), `:"1970`) {
		t.Errorf("a time became 1970: %s", bodies.String())
	}
}

// TestNothingRejectedIsComplete: a window of whose records none went out is not complete.
func TestNothingRejectedIsComplete(t *testing.T) {
	for name, text := range map[string]string{
		"misread":     separated(one+two, "^"),
		"no ids":      head + strings.Replace(one, "1767225600-1", "", 1),
		"null ids":    head + strings.Replace(one, "1767225600-1", "NULL", 1),
		"by position": strings.Replace(one, "1767225600-1", "", 1),
		"oversized":   head + strings.Replace(one, "ten", strings.Repeat("x", 60<<10), 1),
	} {
		s := newShop(t)
		s.rows.MaxBytes = 32 << 10
		err := s.export(s.ready(1, csvFile(t, text)), 1)
		if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); reasonOf(err) == "" || e.State != schemas.WindowFailed {
			t.Errorf("%s: %v, the window is %s", name, err, e.State)
		}
		if rows, markers := s.stored(); len(rows)+len(markers) > 0 {
			t.Errorf("%s: %d rows and %d markers", name, len(rows), len(markers))
		}
	}
}
