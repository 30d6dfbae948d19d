package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"aiccbridge/schemas"
)

// maxNameBytes is the longest name of a member; the platform's have some 45.
const maxNameBytes = 255

// directory reads the archive's table of contents and refuses what no generator
// of plain CSV files writes.
func directory(f *os.File, limits Limits) (*zip.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	if err := checkEnd(f, info.Size(), limits); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, blame(err, nil)
	}
	if len(z.File) > limits.MaxMembers {
		return nil, tooMany(len(z.File), limits)
	}
	names := map[string]bool{}
	for _, entry := range z.File {
		err := checkEntry(entry, limits)
		if names[entry.Name] {
			err = errors.New("two members have the same name")
		}
		if err != nil {
			return nil, damaged(schemas.ReasonUnsafeZip, err)
		}
		names[entry.Name] = true
	}
	return z, nil
}

func tooMany(n int, limits Limits) error {
	return damaged(schemas.ReasonUnsafeZip, fmt.Errorf("%d members, at most %d are read", n, limits.MaxMembers))
}

// checkEnd looks at the end record before the archive is opened: a count beyond
// the limit would cost memory there, and two end records make two programs see
// two different archives.
func checkEnd(f io.ReaderAt, size int64, limits Limits) error {
	const record, longest = 22, 22 + 1<<16
	start, tail := make([]byte, 2), make([]byte, min(size, longest))
	offset := size - int64(len(tail))
	if _, err := f.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read archive: %w", err)
	}
	if _, err := f.ReadAt(tail, offset); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read archive: %w", err)
	}
	found := 0
	for i := 0; i+record <= len(tail); i++ {
		if n, ok := endRecord(tail[i:i+record], offset+int64(i)); ok {
			if found++; n > limits.MaxMembers {
				return tooMany(n, limits)
			}
		}
	}
	switch {
	case string(start) != "PK":
		return damaged(schemas.ReasonNotAZip, errors.New("it does not begin like a ZIP"))
	case found == 0:
		return damaged(schemas.ReasonDamagedZip, errors.New("its end is missing"))
	case found > 1:
		return damaged(schemas.ReasonUnsafeZip, errors.New("it has more than one end record"))
	}
	return nil
}

// endRecord reports whether b, which stands at a place of the file, is an end
// record that some program may believe, and how many members it counts. Its four
// letters alone also occur in packed data.
func endRecord(b []byte, at int64) (members int, ok bool) {
	number := binary.LittleEndian
	size, offset := number.Uint32(b[12:]), number.Uint32(b[16:])
	ok = bytes.HasPrefix(b, []byte("PK\x05\x06")) && (offset == 1<<32-1 || int64(offset)+int64(size) <= at)
	return int(number.Uint16(b[10:])), ok
}

func checkEntry(entry *zip.File, limits Limits) error {
	name := entry.Name
	packed, unpacked := entry.CompressedSize64, entry.UncompressedSize64
	switch {
	case entry.Flags&1 != 0:
		return errors.New("a member is encrypted")
	case entry.Mode()&fs.ModeType != 0 || strings.HasSuffix(name, "/"):
		return errors.New("a member is no regular file")
	case strings.Contains(name, "..") || strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/"):
		return errors.New("a member's name leaves the archive")
	case name == "" || len(name) > maxNameBytes:
		return fmt.Errorf("a member's name has %d bytes, want 1 to %d", len(name), maxNameBytes)
	case strings.HasSuffix(strings.ToLower(name), ".zip"):
		return errors.New("a member is an archive")
	case unpacked > 1<<20 && unpacked/max(packed, 1) > uint64(limits.MaxRatio):
		return fmt.Errorf("a member unpacks to more than %d times its size", limits.MaxRatio)
	case unpacked > uint64(limits.MaxUnpackedBytes):
		return errTooLarge
	}
	return nil
}
