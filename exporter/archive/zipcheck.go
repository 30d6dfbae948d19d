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

// maxEntryBytes are more than a member needs in the directory: 46, its name, and what few
// bytes programs add.
const maxEntryBytes = 1 << 10

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
		return nil, tooMany(uint64(len(z.File)), limits)
	}
	z.RegisterDecompressor(zip.Deflate, inflate)
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

func tooMany(n uint64, limits Limits) error {
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
		n, directory, ok, err := endRecord(f, tail[i:i+record], offset+int64(i))
		if err != nil {
			return err
		}
		if ok {
			// A count of 16 bits may be short of 65,536 members and more, and readers go
			// on to the last: so that many must not have room, either.
			if found++; max(n, directory/maxEntryBytes) > uint64(limits.MaxMembers) {
				return tooMany(max(n, directory/46), limits)
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
// record that some program may believe, how many members it counts, and how many bytes at
// most there are of the directory. Its four letters alone also occur in packed data. All
// bits set mean that the value stands in the ZIP64 record.
func endRecord(f io.ReaderAt, b []byte, at int64) (members, directory uint64, ok bool, err error) {
	number := binary.LittleEndian
	count, size, offset := number.Uint16(b[10:]), number.Uint32(b[12:]), number.Uint32(b[16:])
	const all16, all32 = 1<<16 - 1, 1<<32 - 1
	ok = bytes.HasPrefix(b, []byte("PK\x05\x06")) && (offset == all32 || size == all32 || int64(offset)+int64(size) <= at)
	if !ok || count != all16 && size != all32 && offset != all32 {
		return uint64(count), uint64(at - int64(offset)), ok, nil
	}
	members, from, err := zip64Record(f, at)
	return members, uint64(at) - min(from, uint64(at)), true, err
}

// zip64Record returns how many members the ZIP64 record counts to which the locator in
// front of the end record at a place points, and where the directory begins; without one, as
// many as the end record says, and nowhere.
func zip64Record(f io.ReaderAt, end int64) (members, from uint64, err error) {
	const locator, record, none = 20, 56, 1<<16 - 1
	number := binary.LittleEndian
	b := make([]byte, record)
	if end < locator+record {
		return none, uint64(end), nil
	}
	if _, err := f.ReadAt(b[:locator], end-locator); err != nil {
		return 0, 0, fmt.Errorf("read archive: %w", err)
	}
	at := number.Uint64(b[8:])
	if !bytes.HasPrefix(b, []byte("PK\x06\x07")) || at > uint64(end-locator-record) {
		return none, uint64(end), nil
	}
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		return 0, 0, fmt.Errorf("read archive: %w", err)
	}
	if !bytes.HasPrefix(b, []byte("PK\x06\x06")) {
		return none, uint64(end), nil
	}
	return number.Uint64(b[32:]), number.Uint64(b[48:]), nil
}

func checkEntry(entry *zip.File, limits Limits) error {
	name := entry.Name
	packed, unpacked := entry.CompressedSize64, entry.UncompressedSize64
	switch {
	case entry.Flags&1 != 0:
		return errors.New("a member is encrypted")
	case strings.Contains(name, "..") || strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/"):
		return errors.New("a member's name leaves the archive")
	case name == "" || len(name) > maxNameBytes:
		return fmt.Errorf("a member's name has %d bytes, want 1 to %d", len(name), maxNameBytes)
	case isFolder(entry) && unpacked == 0:
	case entry.Mode()&fs.ModeType != 0 || strings.HasSuffix(name, "/"):
		return errors.New("a member is no regular file")
	case strings.HasSuffix(strings.ToLower(name), ".zip"):
		return errors.New("a member is an archive")
	case unpacked > 1<<20 && unpacked/max(packed, 1) > uint64(limits.MaxRatio):
		return fmt.Errorf("a member unpacks to more than %d times its size", limits.MaxRatio)
	case unpacked > uint64(limits.MaxUnpackedBytes):
		return errTooLarge
	}
	return nil
}

// isFolder reports a member that is the name of a folder, as some programs write them.
func isFolder(entry *zip.File) bool {
	return entry.Mode()&fs.ModeType == fs.ModeDir && strings.HasSuffix(entry.Name, "/")
}
