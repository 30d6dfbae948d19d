package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// TestDamage: whatever is wrong with a file, it is found before a record of it is used,
// and named.
func TestDamage(t *testing.T) {
	for name, file := range exportertest.DamagedFiles(t) {
		a, err := Open(t.Context(), downloaded(t, file.Data), Options{Progress: func() {}, Limits: Limits{MaxUnpackedBytes: 512 << 10}})
		var p *schemas.Permanent
		switch {
		case err == nil:
			exportertest.Check(t, a.Close())
			if !file.Sound {
				t.Errorf("%s: no error", name)
			}
		case file.Sound || !errors.As(err, &p) || p.Reason != file.Reason:
			t.Errorf("%s: %v, want %s", name, err, file.Reason)
		}
	}
}

// TestEndRecordLettersInData: the letters of an end record occur in packed data
// by chance; that must not make two end records of one.
func TestEndRecordLettersInData(t *testing.T) {
	stored := exportertest.Packed{Name: "note.bin", Data: "PK\x05\x06 these four letters are no end record, as the rest shows", Store: true}
	a := openBytes(t, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 3)), stored))
	if len(a.Members) != 1 || a.Members[0].Rows != 3 || len(a.Skipped) != 1 {
		t.Errorf("members %v, skipped %v", a.Members, a.Skipped)
	}
}

// TestManyMembers: 65,539 members whose count, in its 16 bits, is 3 are refused before they
// are read.
func TestManyMembers(t *testing.T) {
	data := []byte("PK")
	for range 1<<16 + 3 {
		data = append(append(data, "PK\x01\x02"...), make([]byte, 42)...)
	}
	end := append([]byte("PK\x05\x06"), make([]byte, 18)...)
	binary.LittleEndian.PutUint16(end[10:], 3)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(data)-2))
	binary.LittleEndian.PutUint32(end[16:], 2)
	end = append(data, end...)
	err := checkEnd(bytes.NewReader(end), int64(len(end)), Limits{}.withDefaults())
	var p *schemas.Permanent
	if !errors.As(err, &p) || p.Reason != schemas.ReasonUnsafeZip {
		t.Error(err)
	}
}

func openBytes(t testing.TB, data []byte) *Archive {
	t.Helper()
	a, err := Open(t.Context(), downloaded(t, data), Options{Progress: func() {}})
	exportertest.Check(t, err)
	t.Cleanup(func() { exportertest.Check(t, a.Close()) })
	return a
}

func downloaded(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "downloaded.zip")
	exportertest.Check(t, os.WriteFile(path, data, 0o600))
	return path
}

// TestOurFaultIsNotTheFiles: neither a cancelled context nor a disk that cannot
// be read makes a sound file a damaged one.
func TestOurFaultIsNotTheFiles(t *testing.T) {
	data := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 4000)))
	path := downloaded(t, data)
	for calls := 1; calls < 200; calls += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		left := calls
		a, err := Open(ctx, path, Options{Progress: func() {
			if left--; left == 0 {
				cancel()
			}
		}})
		cancel()
		var p *schemas.Permanent
		switch {
		case err == nil:
			exportertest.Check(t, a.Close())
			if left > 0 {
				return // read to its end before the context was cancelled
			}
		case errors.As(err, &p) || !errors.Is(err, context.Canceled):
			t.Fatalf("after %d reads: %v", calls, err)
		}
	}
	var p *schemas.Permanent
	if err := blame(&fs.PathError{Op: "read", Path: path, Err: exportertest.ErrBus}, nil); errors.As(err, &p) {
		t.Errorf("a read error of the disk is %v", err)
	}
	if _, err := Open(t.Context(), path+".gone", Options{Progress: func() {}}); err == nil || errors.As(err, &p) {
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
		kind, part, documented := kindOf(tt.name)
		if kind != tt.kind || part != tt.part || documented != (tt.kind != "" && strings.HasPrefix(tt.name, "2026")) {
			t.Errorf("%s is %q part %d", tt.name, kind, part)
		}
	}
}

// FuzzOpenArchive: any bytes are either a sound archive, whose members can all
// be read again with the same rows, or a *schemas.Permanent.
func FuzzOpenArchive(f *testing.F) {
	f.Add(exportertest.ZipOf(f, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 3))))
	f.Add(exportertest.ZipOf(f))
	f.Add(exportertest.ZipOf(f, exportertest.Packed{Name: "20260101000000000123_record_2.csv", Data: "a;b\n\"c\";d\r\n"}))
	f.Add([]byte("PK\x05\x06"))
	corpus, err := filepath.Glob(filepath.Join("testdata", "corpus", "*.zip"))
	exportertest.Check(f, err)
	for _, name := range corpus {
		data, err := os.ReadFile(name)
		exportertest.Check(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"resultCode":"0300011"}`))
	path := filepath.Join(f.TempDir(), "downloaded.zip")
	f.Fuzz(func(t *testing.T, data []byte) {
		exportertest.Check(t, os.WriteFile(path, data, 0o600))
		a, err := Open(t.Context(), path, Options{Progress: func() {}, Limits: Limits{MaxUnpackedBytes: 8 << 20}})
		if err != nil {
			var p *schemas.Permanent
			if !errors.As(err, &p) || p.Reason == "" {
				t.Fatalf("%v is not the file's fault", err)
			}
			return
		}
		defer a.Close()
		for _, m := range a.Members {
			if rows := readMember(t, m); len(rows) != m.Rows {
				t.Errorf("%d rows, then %d", m.Rows, len(rows))
			}
		}
	})
}

// FuzzTable: of any text that is read, no record is a header line, all of it is UTF-8
// without NULs, and it is read the same way each time.
func FuzzTable(f *testing.F) {
	row := exportertest.CallRow(1, 60)
	for _, text := range []string{
		exportertest.CallHeader + row + exportertest.CallHeader + row, "sep=;\n" + strings.ReplaceAll(row, ",", ";"),
		"\xef\xbb\xbf\xef\xbb\xbf" + row, "title\n\n" + exportertest.CallHeader + row, strings.ReplaceAll(row, ",", "|") + "\x83\x7c",
		strings.Replace(row, "ten", "\xe6\xb5\x8b\xe6\xb5", 1), strings.Replace(row, "ten", "\"27", 1) + strings.Replace(row, "ten", "x\"", 1),
		strings.TrimSpace(row) + exportertest.CallHeader, "\x84\x31\x95\x33" + row,
	} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "downloaded.zip")
	f.Fuzz(func(t *testing.T, data []byte) {
		member := exportertest.CSVMember(string(data))
		member.Store = true
		exportertest.Check(t, os.WriteFile(path, exportertest.ZipOf(t, member), 0o600))
		a, err := Open(t.Context(), path, Options{Progress: func() {}})
		if err != nil {
			var p *schemas.Permanent
			if !errors.As(err, &p) || p.Reason == "" {
				t.Fatalf("%v is not the file's fault", err)
			}
			return
		}
		defer a.Close()
		for _, m := range a.Members {
			records := readMember(t, m)
			if len(records) != m.Rows {
				t.Errorf("%d rows, then %d", m.Rows, len(records))
			}
			for _, record := range records {
				named, err := rows.NamesColumns(m.Kind, record)
				if text := strings.Join(record, ""); named || err != nil || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
					t.Errorf("record %q of %q", record, data)
				}
			}
		}
	})
}
