package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2/maybe"
)

// format is that of a data folder as this version leaves it: which files it has, and what is in
// them. It is raised with a change that older versions are not to work on, never for what they
// can pass over.
const format = 1

// formatFile is the name of the file in the data folder, mode 0600. A folder without one has
// format 1.
const formatFile = "format"

// written says which format a data folder has.
type written struct {
	Format  int    `json:"format"`
	Version string `json:"version"` // of the bridge that gave it that
}

// Fits reports a data folder that a newer version of the bridge has changed so that this one
// must not go on with it. It makes and changes nothing.
func Fits(dir string) error {
	w, err := readFormat(dir)
	if err != nil || w.Format <= format {
		return err
	}
	return fmt.Errorf("data folder %s was written by a newer bridge (%s, format %d; this one knows %d): "+
		"start that version or a later one, or put the folder back as it was before the upgrade (docs/operations.md, \"Upgrade and roll back\")",
		dir, w.Version, w.Format, format)
}

// Claim is [Fits], and gives an older folder the format of this version, which is named in
// the file for those who cannot go on with it. The folder is made if it is missing.
func Claim(dir, version string) error {
	if err := Fits(dir); err != nil {
		return err
	}
	return claim(dir, written{Format: format, Version: version})
}

// claim raises the folder's format.
func claim(dir string, to written) error {
	has, err := readFormat(dir)
	if err != nil || has.Format >= to.Format {
		return err
	}
	text, err := json.Marshal(to)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = maybe.WriteFile(filepath.Join(dir, formatFile), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the format of the data folder: %w", err)
	}
	return nil
}

// readFormat is format 1 where nothing is written.
func readFormat(dir string) (w written, err error) {
	path := filepath.Join(dir, formatFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return written{Format: 1}, nil
	}
	if err != nil {
		return w, fmt.Errorf("read the format of the data folder: %w", err)
	}
	if err = json.Unmarshal(text, &w); err == nil && w.Format < 1 {
		err = errors.New("it names no format")
	}
	if err != nil {
		return w, fmt.Errorf("read %s: %w; it says which versions may go on with the data folder: if no newer one ever ran on it, delete the file", path, err)
	}
	return w, nil
}
