package instance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Line tells a folder from its copies.
//
// Nothing that is written in a folder does: a copy has it all. But a copied file is a
// new one, with a time of birth of its own, which no tool can set; a move and a change of
// owner or rights keep it. So the folder has a file with that file's own time of birth in
// it, written anew at each start. Where the two differ, the folder was copied, or an
// older copy was put in its place.
//
// A whole disk that is put back, and a folder that was moved away and back, keep their
// times of birth, and some file systems know none: then nothing is noticed.
type Line struct {
	// Number is when the folder was last noticed to be a copy, in milliseconds of Unix
	// time; 0: never. It stays with the folder. What the folder knew before it may have
	// been used elsewhere since.
	Number uint64
	// Begun says that it was noticed now.
	Begun bool
	// Unmarked is why the folder was not marked as this one, nil if it was. What was
	// noticed now is noticed again at the next start then, and is yet another line.
	Unmarked error
}

// Since is when the line began, zero for the first.
func (l Line) Since() time.Time {
	if l.Number == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(l.Number))
}

// lineFile is the name of the file in the folder, mode 0600.
const lineFile = "line"

// mark is what the file holds.
type mark struct {
	Born string `json:"born"` // the file's time of birth; "" if its file system knows none
	Line uint64 `json:"line"`
}

// LineOf looks at a folder, which is made if it is missing, and marks it. Nobody else may
// be using it. A damaged mark is none.
func LineOf(dir string) Line {
	path := filepath.Join(dir, lineFile)
	var l Line
	if m, born := readMark(path); m.Born != "" && born != "" && m.Born != born {
		l = Line{Number: max(uint64(time.Now().UnixMilli()), m.Line+1), Begun: true}
	} else {
		l.Number = m.Line
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = writeMark(path, l.Number)
	}
	if err != nil {
		l.Unmarked = fmt.Errorf("mark %s: %w", dir, err)
	}
	return l
}

// readMark returns the mark and the time of birth of its file.
func readMark(path string) (m mark, born string) {
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &m) != nil {
		return mark{}, ""
	}
	return m, birth(path)
}
