package exporter

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aiccbridge/schemas"
)

// places of a ZIP of one member.
type places struct{ data, directory, end int }

func find(t testing.TB, file []byte) places {
	t.Helper()
	p := places{
		directory: bytes.LastIndex(file, []byte("PK\x01\x02")),
		end:       bytes.LastIndex(file, []byte("PK\x05\x06")),
	}
	p.data = 30 + int(binary.LittleEndian.Uint16(file[26:])) + int(binary.LittleEndian.Uint16(file[28:]))
	if p.directory < 0 || p.end < 0 {
		t.Fatal("not the ZIP that the test wants")
	}
	return p
}

// damagedFiles are the files of which no row may go out.
func damagedFiles(t testing.TB) map[string]struct {
	data   []byte
	reason schemas.Reason
} {
	rows := callHeader + callRows(0, 1500)
	whole := zipOf(t, csvMember(rows))
	sound := func() []byte { return bytes.Clone(whole) }
	at := find(t, sound())
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
	named := func(name string) []byte { return zipOf(t, packed{name: name, data: rows}) }
	mode := func(m fs.FileMode) []byte {
		var h zip.FileHeader
		h.SetMode(m)
		return zipOf(t, packed{name: callName, data: "/etc/passwd", FileHeader: h})
	}
	size := len(sound())
	files := map[string]struct {
		data   []byte
		reason schemas.Reason
	}{
		"flipped byte at the start":        {flip(at.data + 2), schemas.ReasonDamagedZip},
		"flipped byte in the middle":       {flip((at.data + at.directory) / 2), schemas.ReasonDamagedZip},
		"flipped byte near the end":        {flip(at.directory - 30), schemas.ReasonDamagedZip},
		"wrong checksum":                   {put32(at.directory+16, func(v uint32) uint32 { return v + 1 }), schemas.ReasonDamagedZip},
		"unpacks to less than it says":     {put32(at.directory+24, func(v uint32) uint32 { return v + 1000 }), schemas.ReasonDamagedZip},
		"unpacks to more than it says":     {put32(at.directory+24, func(v uint32) uint32 { return v - 1000 }), schemas.ReasonDamagedZip},
		"packed size too small":            {put32(at.directory+20, func(v uint32) uint32 { return v / 2 }), schemas.ReasonDamagedZip},
		"packed size beyond the file":      {put32(at.directory+20, func(v uint32) uint32 { return v + 1<<20 }), schemas.ReasonDamagedZip},
		"member beyond the file":           {put32(at.directory+42, func(uint32) uint32 { return 1 << 30 }), schemas.ReasonDamagedZip},
		"directory elsewhere":              {put32(at.end+16, func(v uint32) uint32 { return v - 100 }), schemas.ReasonDamagedZip},
		"unknown method":                   {put16(at.directory+10, 99), schemas.ReasonDamagedZip},
		"more members than there are":      {edit(func(b []byte) []byte { b[at.end+8], b[at.end+10] = 9, 9; return b }), schemas.ReasonDamagedZip},
		"65535 members":                    {edit(func(b []byte) []byte { copy(b[at.end+8:], "\xff\xff\xff\xff"); return b }), schemas.ReasonUnsafeZip},
		"two end records":                  {edit(func(b []byte) []byte { return append(b, b[at.end:]...) }), schemas.ReasonUnsafeZip},
		"archive in the comment":           {withComment(t, sound()), schemas.ReasonUnsafeZip},
		"encrypted":                        {put16(at.directory+8, 1|8), schemas.ReasonUnsafeZip},
		"bomb":                             {zipOf(t, csvMember(callHeader+strings.Repeat("0", 2<<20))), schemas.ReasonUnsafeZip},
		"too large unpacked":               {zipOf(t, csvMember(callHeader+callRows(0, 6000))), schemas.ReasonUnsafeZip},
		"too large together":               {zipOf(t, csvMember(callHeader+callRows(0, 3000)), packed{name: "20260101000000000124_call.csv", data: callHeader + callRows(3000, 6000)}), schemas.ReasonUnsafeZip},
		"archive in the archive":           {zipOf(t, packed{name: "inner.zip", data: string(sound())}, csvMember(rows)), schemas.ReasonUnsafeZip},
		"archive under a CSV's name":       {zipOf(t, csvMember(string(sound()))), schemas.ReasonDamagedCSV},
		"parent directory":                 {named("../" + callName), schemas.ReasonUnsafeZip},
		"parent directory inside":          {named("a/../../" + callName), schemas.ReasonUnsafeZip},
		"absolute name":                    {named("/" + callName), schemas.ReasonUnsafeZip},
		"name with backslashes":            {named(`..\` + callName), schemas.ReasonUnsafeZip},
		"drive":                            {named(`C:\` + callName), schemas.ReasonUnsafeZip},
		"empty name":                       {named(""), schemas.ReasonUnsafeZip},
		"endless name":                     {named(strings.Repeat("a", 40000) + "_call.csv"), schemas.ReasonUnsafeZip},
		"one name twice":                   {zipOf(t, csvMember(rows), csvMember(rows)), schemas.ReasonUnsafeZip},
		"directory":                        {zipOf(t, packed{name: "calls/"}, csvMember(rows)), schemas.ReasonUnsafeZip},
		"symbolic link":                    {mode(fs.ModeSymlink | 0o777), schemas.ReasonUnsafeZip},
		"device":                           {mode(fs.ModeDevice | 0o600), schemas.ReasonUnsafeZip},
		"100 members":                      {many(t, 100), schemas.ReasonUnsafeZip},
		"200,000 members":                  {many(t, 200_000), schemas.ReasonUnsafeZip},
		"no CSV":                           {named("readme.txt"), schemas.ReasonDamagedZip},
		"a CSV of no known kind":           {named("20260101000000000123_other.csv"), schemas.ReasonDamagedZip},
		"another kind":                     {zipOf(t, packed{name: "20260101000000000123_agentOprInfo.csv", data: "1,ak,ten,101,,,,2026-01-01 09:00:00,,1\n"}), schemas.ReasonDamagedZip},
		"JSON":                             {[]byte(`{"resultCode":"0300011","resultDesc":"file does not exist"}`), schemas.ReasonNotAZip},
		"HTML":                             {[]byte("<!DOCTYPE html><html><body>blocked</body></html>"), schemas.ReasonNotAZip},
		"HTML before the ZIP":              {append([]byte("<html></html>"), sound()...), schemas.ReasonNotAZip},
		"empty file":                       {nil, schemas.ReasonNotAZip},
		"one byte":                         {[]byte("P"), schemas.ReasonNotAZip},
		"two bytes":                        {[]byte("PK"), schemas.ReasonDamagedZip},
		"gzip":                             {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), schemas.ReasonNotAZip},
		"open quote":                       {zipOf(t, csvMember(rows+`ak,"ten`)), schemas.ReasonDamagedCSV},
		"neither UTF-8 nor GB18030":        {zipOf(t, csvMember(rows+"ak,\xff\xfe,1\n")), schemas.ReasonDamagedCSV},
		"required column missing":          {zipOf(t, csvMember(strings.Replace(rows, "call_id", "id", 1))), schemas.ReasonMissingColumns},
		"second of two members is damaged": {secondDamaged(t), schemas.ReasonDamagedZip},
	}
	for percent := 10; percent < 100; percent += 10 {
		files[fmt.Sprintf("cut at %d %%", percent)] = struct {
			data   []byte
			reason schemas.Reason
		}{cut(size * percent / 100), schemas.ReasonDamagedZip}
	}
	for _, left := range []int{at.data, at.directory, at.end, size - 1} {
		files[fmt.Sprintf("cut after %d of %d bytes", left, size)] = struct {
			data   []byte
			reason schemas.Reason
		}{cut(left), schemas.ReasonDamagedZip}
	}
	return files
}

func many(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := range n {
		_, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d.csv", i), Method: zip.Store})
		check(t, err)
	}
	check(t, z.Close())
	return out.Bytes()
}

// withComment hides an end record that points to the members in a comment.
func withComment(t testing.TB, file []byte) []byte {
	at := find(t, file)
	comment := file[at.end:]
	out := append(bytes.Clone(file), comment...)
	binary.LittleEndian.PutUint16(out[at.end+20:], uint16(len(comment)))
	return out
}

func secondDamaged(t testing.TB) []byte {
	file := zipOf(t, csvMember(callHeader+callRows(0, 500)), packed{name: "20260101000000000123_call_2.csv", data: callHeader + callRows(500, 1000)})
	second := bytes.LastIndex(file, []byte("PK\x03\x04"))
	file[second+400] ^= 1
	return file
}

// TestF14DamagedFiles exports every damaged file: the right reason, the bytes in
// quarantine, the window failed and due again, no row.
func TestF14DamagedFiles(t *testing.T) {
	t.Parallel()
	files := damagedFiles(t)
	named := 0
	for name, tt := range files {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.options.Limits = Limits{MaxUnpackedBytes: 512 << 10}
			s.restart()
			f := s.ready(1, tt.data)
			err := s.export(f, 1)
			var p *schemas.Permanent
			if !errors.As(err, &p) || p.Reason != tt.reason {
				t.Fatalf("export: %v, want %s", err, tt.reason)
			}
			if rows, markers := s.stored(); len(rows)+len(markers) > 0 {
				t.Errorf("%d rows and %d markers went out", len(rows), len(markers))
			}
			if kept := s.quarantine.objects[acme+"/"+f.FileName]; !bytes.Equal(kept, tt.data) || p.Object != "AICC_QUARANTINE/"+acme+"/"+f.FileName {
				t.Errorf("%d of %d bytes are in quarantine as %s", len(kept), len(tt.data), p.Object)
			}
			if e := entry(t, s.ledger, hour(0)); e.State != schemas.WindowFailed || e.Reason != tt.reason || e.Object != p.Object || e.DueAt.IsZero() {
				t.Errorf("the window is %+v", e)
			}
			named++
		})
	}
	t.Attr("figure", fmt.Sprintf("%d/%d named, 0 rows", named, len(files)))
	t.Attr("tries", fmt.Sprint(len(files)))
}

func TestEmptyZipIsSound(t *testing.T) {
	s := newShop(t)
	check(t, s.export(s.ready(1, zipOf(t)), 1))
	rows, markers := s.stored()
	if len(rows) != 0 || len(markers) != 1 || marker(t, markers[0]).Rows != 0 {
		t.Errorf("%d rows and %d markers", len(rows), len(markers))
	}
}

// TestEndRecordLettersInData: the letters of an end record occur in packed data
// by chance; that must not make two end records of one.
func TestEndRecordLettersInData(t *testing.T) {
	stored := packed{name: "note.bin", data: "PK\x05\x06 these four letters are no end record, as the rest shows", store: true}
	a := openBytes(t, zipOf(t, csvMember(callHeader+callRows(0, 3)), stored))
	if len(a.members) != 1 || a.members[0].rows != 3 || len(a.skipped) != 1 {
		t.Errorf("members %v, skipped %v", a.members, a.skipped)
	}
}

func openBytes(t testing.TB, data []byte) *archive {
	t.Helper()
	a, err := inspection{progress: func() {}}.open(t.Context(), spooled(t, data))
	check(t, err)
	t.Cleanup(func() { check(t, a.file.Close()) })
	return a
}

func spooled(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spool.zip")
	check(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestOurFaultIsNotTheFiles: neither a cancelled context nor a disk that cannot
// be read makes a sound file a damaged one.
func TestOurFaultIsNotTheFiles(t *testing.T) {
	data := zipOf(t, csvMember(callHeader+callRows(0, 4000)))
	path := spooled(t, data)
	for calls := 1; calls < 200; calls += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		left := calls
		a, err := inspection{progress: func() {
			if left--; left == 0 {
				cancel()
			}
		}}.open(ctx, path)
		cancel()
		var p *schemas.Permanent
		switch {
		case err == nil:
			check(t, a.file.Close())
			if left > 0 {
				return // read to its end before the context was cancelled
			}
		case errors.As(err, &p) || !errors.Is(err, context.Canceled):
			t.Fatalf("after %d reads: %v", calls, err)
		}
	}
	var p *schemas.Permanent
	if err := blame(&fs.PathError{Op: "read", Path: path, Err: errBus}, nil); errors.As(err, &p) {
		t.Errorf("a read error of the disk is %v", err)
	}
	if _, err := (inspection{progress: func() {}}).open(t.Context(), path+".gone"); err == nil || errors.As(err, &p) {
		t.Errorf("a file that is gone: %v", err)
	}
}

func TestKindOfMember(t *testing.T) {
	tests := []struct {
		name string
		kind schemas.Kind
		part int
	}{
		{"20260101000000000123_call.csv", schemas.KindCDR, 0},
		{"20260101000000000123_call_12.csv", schemas.KindCDR, 12},
		{"20260101000000000123_record_1.csv", schemas.KindRecording, 1},
		{"20260101000000000123_AGENTOPRINFO_2.CSV", schemas.KindOperation, 2},
		{"20260101000000000123_agentSkillInfo.csv", schemas.KindSkill, 0},
		{"export-agentoprinfo.csv", schemas.KindOperation, 0},
		{"callrecord.csv", schemas.KindRecording, 0},
		{"calls.csv", schemas.KindCDR, 0},
		{"20260101000000000123_call.txt", "", 0},
		{"other.csv", "", 0},
		{"", "", 0},
	}
	for _, tt := range tests {
		kind, part, ok := kindOf(tt.name)
		if kind != tt.kind || part != tt.part || ok != (tt.kind != "") {
			t.Errorf("%s is %q part %d", tt.name, kind, part)
		}
	}
}

// FuzzOpenArchive: any bytes are either a sound archive, whose members can all
// be read again with the same rows, or a *schemas.Permanent.
func FuzzOpenArchive(f *testing.F) {
	f.Add(zipOf(f, csvMember(callHeader+callRows(0, 3))))
	f.Add(zipOf(f))
	f.Add(zipOf(f, packed{name: "20260101000000000123_record_2.csv", data: "a;b\n\"c\";d\r\n"}))
	f.Add([]byte("PK\x05\x06"))
	f.Add([]byte(`{"resultCode":"0300011"}`))
	path := filepath.Join(f.TempDir(), "spool.zip")
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, os.WriteFile(path, data, 0o600))
		a, err := inspection{progress: func() {}, limits: Limits{MaxUnpackedBytes: 8 << 20}}.open(t.Context(), path)
		if err != nil {
			var p *schemas.Permanent
			if !errors.As(err, &p) || p.Reason == "" {
				t.Fatalf("%v is not the file's fault", err)
			}
			return
		}
		defer a.file.Close()
		for _, m := range a.members {
			if rows := readMember(t, m); len(rows) != m.rows {
				t.Errorf("%d rows, then %d", m.rows, len(rows))
			}
		}
	})
}
