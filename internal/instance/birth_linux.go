package instance

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// birth is a file's time of birth, "" if that is not known.
func birth(path string) string {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_SYNC_AS_STAT, unix.STATX_BTIME, &s)
	if err != nil || s.Mask&unix.STATX_BTIME == 0 || s.Btime.Sec <= 0 {
		return ""
	}
	return fmt.Sprintf("%d.%09d", s.Btime.Sec, s.Btime.Nsec)
}

// writeMark puts a new file in the place of the mark, whole or not at all.
func writeMark(path string, line uint64) (err error) {
	f, err := renameio.TempFile(filepath.Dir(path), path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }() // nothing is left of it after the end
	b, err := json.Marshal(mark{Born: birth(f.Name()), Line: line})
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	if err == nil {
		err = f.CloseAtomicallyReplace()
	}
	return err
}
