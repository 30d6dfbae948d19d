package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Member is one file inside a ZIP. Write may be nil: an empty file.
type Member struct {
	Name  string
	Write func(io.Writer) error
}

// MemberName is the name of a CSV member: 17 digits of local time at, 3 more
// digits (random mod 1000), the kind, and an optional part number (0 = none),
// as on page cec_07_0831.
func MemberName(at time.Time, random int, kind string, part int) string {
	stamp := at.Format("20060102150405") + fmt.Sprintf("%03d%03d", at.Nanosecond()/int(time.Millisecond), random%1000)
	if part > 0 {
		return fmt.Sprintf("%s_%s_%d.csv", stamp, kind, part)
	}
	return fmt.Sprintf("%s_%s.csv", stamp, kind)
}

// Build writes the members, deflated, in the given order. No members make an
// empty archive, which is a ZIP too.
func Build(modified time.Time, members []Member) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.Name, Method: zip.Deflate, Modified: modified})
		if err != nil {
			return nil, fmt.Errorf("add member %s: %w", m.Name, err)
		}
		if m.Write == nil {
			continue
		}
		if err := m.Write(w); err != nil {
			return nil, fmt.Errorf("write member %s: %w", m.Name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("close zip: %w", err)
	}
	return out.Bytes(), nil
}

// AppleDouble is the member that macOS packs beside one of this name: its attributes, in
// a file whose name ends like the other's.
func AppleDouble(name string) Member {
	const attributes = "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02" +
		"\x00\x00\x00\x09\x00\x00\x00\x32\x00\x00\x00\xb0\x00\x00\x00\x02\x00\x00\x00\xe2\x00\x00\x00\x0eATTR"
	return Member{Name: "__MACOSX/._" + name, Write: func(w io.Writer) error {
		_, err := io.WriteString(w, attributes)
		return err
	}}
}

// maxFlips bounds the search of Flip: each try reads the member once.
const maxFlips = 512

// Flip returns a copy with one byte changed inside the compressed data of the
// largest member. The archive still opens; reading that member to its end
// reports a wrong checksum, if such a byte can be found quickly, or else
// broken data. An archive without data is an error.
func Flip(zipped []byte) ([]byte, error) {
	r, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return nil, fmt.Errorf("open zip to damage it: %w", err)
	}
	victim := -1
	for i, f := range r.File {
		if f.UncompressedSize64 > 0 && (victim < 0 || f.CompressedSize64 > r.File[victim].CompressedSize64) {
			victim = i
		}
	}
	if victim < 0 {
		return nil, errors.New("damage zip: no member has data")
	}
	f := r.File[victim]
	start, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("damage zip: %w", err)
	}
	return flipWithin(zipped, victim, start, int64(f.CompressedSize64))
}

// flipWithin walks from the middle of the data towards its end: literals near
// the end give a wrong checksum without breaking the deflate stream.
func flipWithin(zipped []byte, member int, start, size int64) ([]byte, error) {
	var broken []byte
	for i := range min(maxFlips, size*8) {
		at := start + (size/2+i/8)%size
		damaged := bytes.Clone(zipped)
		damaged[at] ^= 1 << (i % 8)
		switch err := readMember(damaged, member); {
		case errors.Is(err, zip.ErrChecksum):
			return damaged, nil
		case err != nil && broken == nil:
			broken = damaged
		}
	}
	if broken == nil {
		return nil, errors.New("damage zip: no byte makes a difference")
	}
	return broken, nil
}

func readMember(zipped []byte, member int) error {
	r, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return err
	}
	m, err := r.File[member].Open()
	if err != nil {
		return err
	}
	defer m.Close()
	_, err = io.Copy(io.Discard, m)
	return err
}
