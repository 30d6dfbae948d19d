//go:build linux || darwin || freebsd

package embedded

import (
	"os"
	"syscall"
)

// freeBytes is the space an unprivileged process may still use.
func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// allocatedBytes is the space that a file really takes.
func allocatedBytes(info os.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512 // the unit of st_blocks, whatever the file system's
	}
	return info.Size()
}

// ownerOf is the user whose file it is.
func ownerOf(info os.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// writeBit is that of access(2).
const writeBit = 2

func mayWrite(path string) bool { return syscall.Access(path, writeBit) == nil }
