//go:build !windows

package folder

import (
	"path/filepath"

	"github.com/google/renameio/v2"
)

// newPending is a file that takes the place of path once it is whole.
func newPending(path string) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(path, renameio.WithPermissions(0o600), renameio.WithTempDir(filepath.Dir(path)))
}
