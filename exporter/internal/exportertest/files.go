package exportertest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

// The header line of call detail records, and a member's name.
const (
	CallHeader = "developer,account_id,cc_id,agent_id,call_id,caller_no,callee_no,wait_begin,wait_end,ack_begin,ack_end,call_begin,call_end,device_type,device_no,call_type,release_cause,call_id_num,vdn_id,pre_device_type,pre_device_no\n"
	CallName   = "20260101000000000123_call.csv"
)

// CallRow is the i-th call detail record, as a tenant in Asia/Shanghai has it; the duration
// tells its versions apart.
func CallRow(i, seconds int) string {
	begin := NewYear.Add(time.Duration(i%3600) * time.Second).In(time.FixedZone("", 8*60*60))
	const layout = "2006-01-02 15:04:05"
	return fmt.Sprintf("ak,ten,1,101,%d-%d,5550100,5550199,,,,,%s,%s,2,101,0,0,-1,39,1,12\n",
		begin.Unix(), i, begin.Format(layout), begin.Add(time.Duration(seconds)*time.Second).Format(layout))
}

// CallRows are the records from one number to another.
func CallRows(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(CallRow(i, 60))
	}
	return b.String()
}

// Packed is one member of a ZIP to be made.
type Packed struct {
	Name string
	Data string
	// Store leaves the data as it is.
	Store bool
	zip.FileHeader
}

// CSVMember is a member of call detail records.
func CSVMember(data string) Packed { return Packed{Name: CallName, Data: data} }

// ZipOf packs members.
func ZipOf(t testing.TB, members ...Packed) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range members {
		h := m.FileHeader
		h.Name = m.Name
		if h.Method = zip.Deflate; m.Store {
			h.Method = zip.Store
		}
		w, err := z.CreateHeader(&h)
		Check(t, err)
		if m.Data != "" {
			_, err = io.WriteString(w, m.Data)
			Check(t, err)
		}
	}
	Check(t, z.Close())
	return out.Bytes()
}

// Places of a ZIP of one member.
type Places struct{ Data, Directory, End int }

// Find finds the places of a ZIP of one member.
func Find(t testing.TB, file []byte) Places {
	t.Helper()
	p := Places{
		Directory: bytes.LastIndex(file, []byte("PK\x01\x02")),
		End:       bytes.LastIndex(file, []byte("PK\x05\x06")),
	}
	p.Data = 30 + int(binary.LittleEndian.Uint16(file[26:])) + int(binary.LittleEndian.Uint16(file[28:]))
	if p.Directory < 0 || p.End < 0 {
		t.Fatal("not the ZIP that the test wants")
	}
	return p
}

// DamagedFile is a file of which no row may go out, and why.
type DamagedFile struct {
	Data   []byte
	Reason schemas.Reason
	Sound  bool // as an archive of tables: what it lacks is wanted by who publishes its rows
}

// DamagedFiles are files of which no row may go out.
func DamagedFiles(t testing.TB) map[string]DamagedFile {
	rows := CallHeader + CallRows(0, 1500)
	whole := ZipOf(t, CSVMember(rows))
	sound := func() []byte { return bytes.Clone(whole) }
	at := Find(t, sound())
	edit := func(f func(b []byte) []byte) []byte { return f(sound()) }
	put16 := func(offset int, v uint16) []byte {
		return edit(func(b []byte) []byte { binary.LittleEndian.PutUint16(b[offset:], v); return b })
	}
	put32 := func(offset int, change func(uint32) uint32) []byte {
		return edit(func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[offset:], change(binary.LittleEndian.Uint32(b[offset:])))
			return b
		})
	}
	cut := func(n int) []byte { return edit(func(b []byte) []byte { return b[:n] }) }
	flip := func(n int) []byte { return edit(func(b []byte) []byte { b[n] ^= 0x10; return b }) }
	named := func(name string) []byte { return ZipOf(t, Packed{Name: name, Data: rows}) }
	mode := func(m fs.FileMode) []byte {
		var h zip.FileHeader
		h.SetMode(m)
		return ZipOf(t, Packed{Name: CallName, Data: "/etc/passwd", FileHeader: h})
	}
	size := len(sound())
	files := map[string]DamagedFile{
		"flipped byte at the start":        {flip(at.Data + 2), schemas.ReasonDamagedZip, false},
		"flipped byte in the middle":       {flip((at.Data + at.Directory) / 2), schemas.ReasonDamagedZip, false},
		"flipped byte near the end":        {flip(at.Directory - 30), schemas.ReasonDamagedZip, false},
		"wrong checksum":                   {put32(at.Directory+16, func(v uint32) uint32 { return v + 1 }), schemas.ReasonDamagedZip, false},
		"unpacks to less than it says":     {put32(at.Directory+24, func(v uint32) uint32 { return v + 1000 }), schemas.ReasonDamagedZip, false},
		"unpacks to more than it says":     {put32(at.Directory+24, func(v uint32) uint32 { return v - 1000 }), schemas.ReasonDamagedZip, false},
		"packed size too small":            {put32(at.Directory+20, func(v uint32) uint32 { return v / 2 }), schemas.ReasonDamagedZip, false},
		"packed size beyond the file":      {put32(at.Directory+20, func(v uint32) uint32 { return v + 1<<20 }), schemas.ReasonDamagedZip, false},
		"member beyond the file":           {put32(at.Directory+42, func(uint32) uint32 { return 1 << 30 }), schemas.ReasonDamagedZip, false},
		"directory elsewhere":              {put32(at.End+16, func(v uint32) uint32 { return v - 100 }), schemas.ReasonDamagedZip, false},
		"unknown method":                   {put16(at.Directory+10, 99), schemas.ReasonDamagedZip, false},
		"more members than there are":      {edit(func(b []byte) []byte { b[at.End+8], b[at.End+10] = 9, 9; return b }), schemas.ReasonDamagedZip, false},
		"65535 members":                    {edit(func(b []byte) []byte { copy(b[at.End+8:], "\xff\xff\xff\xff"); return b }), schemas.ReasonUnsafeZip, false},
		"two end records":                  {edit(func(b []byte) []byte { return append(b, b[at.End:]...) }), schemas.ReasonUnsafeZip, false},
		"archive in the comment":           {withComment(t, sound()), schemas.ReasonUnsafeZip, false},
		"encrypted":                        {put16(at.Directory+8, 1|8), schemas.ReasonUnsafeZip, false},
		"bomb":                             {ZipOf(t, CSVMember(CallHeader+strings.Repeat("0", 2<<20))), schemas.ReasonUnsafeZip, false},
		"too large unpacked":               {ZipOf(t, CSVMember(CallHeader+CallRows(0, 6000))), schemas.ReasonUnsafeZip, false},
		"too large together":               {ZipOf(t, CSVMember(CallHeader+CallRows(0, 3000)), Packed{Name: "20260101000000000124_call.csv", Data: CallHeader + CallRows(3000, 6000)}), schemas.ReasonUnsafeZip, false},
		"archive in the archive":           {ZipOf(t, Packed{Name: "inner.zip", Data: string(sound())}, CSVMember(rows)), schemas.ReasonUnsafeZip, false},
		"archive under a CSV's name":       {ZipOf(t, CSVMember(string(sound()))), schemas.ReasonDamagedCSV, false},
		"parent directory":                 {named("../" + CallName), schemas.ReasonUnsafeZip, false},
		"parent directory inside":          {named("a/../../" + CallName), schemas.ReasonUnsafeZip, false},
		"absolute name":                    {named("/" + CallName), schemas.ReasonUnsafeZip, false},
		"name with backslashes":            {named(`..\` + CallName), schemas.ReasonUnsafeZip, false},
		"drive":                            {named(`C:\` + CallName), schemas.ReasonUnsafeZip, false},
		"empty name":                       {named(""), schemas.ReasonUnsafeZip, false},
		"endless name":                     {named(strings.Repeat("a", 40000) + "_call.csv"), schemas.ReasonUnsafeZip, false},
		"one name twice":                   {ZipOf(t, CSVMember(rows), CSVMember(rows)), schemas.ReasonUnsafeZip, false},
		"symbolic link":                    {mode(fs.ModeSymlink | 0o777), schemas.ReasonUnsafeZip, false},
		"device":                           {mode(fs.ModeDevice | 0o600), schemas.ReasonUnsafeZip, false},
		"100 members":                      {many(t, 100), schemas.ReasonUnsafeZip, false},
		"200,000 members":                  {many(t, 200_000), schemas.ReasonUnsafeZip, false},
		"no CSV":                           {named("readme.txt"), schemas.ReasonDamagedZip, false},
		"a CSV of no known kind":           {named("20260101000000000123_other.csv"), schemas.ReasonDamagedZip, false},
		"another kind":                     {ZipOf(t, Packed{Name: "20260101000000000123_agentOprInfo.csv", Data: "1,ak,ten,101,,,,2026-01-01 09:00:00,,1\n"}), schemas.ReasonDamagedZip, true},
		"JSON":                             {[]byte(`{"resultCode":"0300011","resultDesc":"file does not exist"}`), schemas.ReasonNotAZip, false},
		"HTML":                             {[]byte("<!DOCTYPE html><html><body>blocked</body></html>"), schemas.ReasonNotAZip, false},
		"HTML before the ZIP":              {append([]byte("<html></html>"), sound()...), schemas.ReasonNotAZip, false},
		"empty file":                       {nil, schemas.ReasonNotAZip, false},
		"one byte":                         {[]byte("P"), schemas.ReasonNotAZip, false},
		"two bytes":                        {[]byte("PK"), schemas.ReasonDamagedZip, false},
		"gzip":                             {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), schemas.ReasonNotAZip, false},
		"open quote":                       {ZipOf(t, CSVMember(rows+`ak,"ten`)), schemas.ReasonDamagedCSV, false},
		"neither UTF-8 nor GB18030":        {ZipOf(t, CSVMember(rows+"ak,\xff\xfe,1\n")), schemas.ReasonDamagedCSV, false},
		"required column missing":          {ZipOf(t, CSVMember(strings.Replace(rows, "call_id", "id", 1))), schemas.ReasonMissingColumns, true},
		"second of two members is damaged": {secondDamaged(t), schemas.ReasonDamagedZip, false},
	}
	for percent := 10; percent < 100; percent += 10 {
		files[fmt.Sprintf("cut at %d %%", percent)] = DamagedFile{cut(size * percent / 100), schemas.ReasonDamagedZip, false}
	}
	for _, left := range []int{at.Data, at.Directory, at.End, size - 1} {
		files[fmt.Sprintf("cut after %d of %d bytes", left, size)] = DamagedFile{cut(left), schemas.ReasonDamagedZip, false}
	}
	return files
}

func many(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := range n {
		_, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d.csv", i), Method: zip.Store})
		Check(t, err)
	}
	Check(t, z.Close())
	return out.Bytes()
}

// withComment hides an end record that points to the members in a comment.
func withComment(t testing.TB, file []byte) []byte {
	at := Find(t, file)
	comment := file[at.End:]
	out := append(bytes.Clone(file), comment...)
	binary.LittleEndian.PutUint16(out[at.End+20:], uint16(len(comment)))
	return out
}

func secondDamaged(t testing.TB) []byte {
	file := ZipOf(t, CSVMember(CallHeader+CallRows(0, 500)), Packed{Name: "20260101000000000123_call_2.csv", Data: CallHeader + CallRows(500, 1000)})
	second := bytes.LastIndex(file, []byte("PK\x03\x04"))
	file[second+400] ^= 1
	return file
}
