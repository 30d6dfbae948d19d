package agents

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// deviceOf is the block device of a folder.
func deviceOf(dir string) (string, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(dir, &s); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)), nil
}
