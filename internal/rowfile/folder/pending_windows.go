package folder

import (
	"cmp"
	"os"
	"path/filepath"
)

// pending does what the file of renameio does, which is not for Windows: there a file that
// somebody has open cannot be replaced.
type pending struct {
	*os.File
	path string
}

// newPending is a file that takes the place of path once it is whole.
func newPending(path string) (*pending, error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path))
	return &pending{file, path}, err
}

// CloseAtomicallyReplace gives the file its name.
func (p *pending) CloseAtomicallyReplace() error {
	if err := cmp.Or(p.Sync(), p.Close()); err != nil {
		return err
	}
	return os.Rename(p.Name(), p.path)
}

// Cleanup removes the file unless it has its name.
func (p *pending) Cleanup() error {
	_ = p.Close() // it may be closed
	return os.Remove(p.Name())
}
