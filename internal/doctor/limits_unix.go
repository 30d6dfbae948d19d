//go:build linux || darwin || freebsd

package doctor

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Limits reads what this machine gives: the room on the disk of a folder, which need not be
// there yet, and what a process may have.
func Limits(dir string) (m Machine) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		var s syscall.Statfs_t
		if err := syscall.Statfs(at, &s); err == nil {
			m.Disk, m.Free = true, int64(s.Bavail)*int64(s.Bsize)
			break
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil { // a Go program raises its own to the highest
		m.Files = uint64(files.Max)
	}
	m.Memory = memory()
	return m
}

// memory is what the control group or the machine has; 0 where neither says.
func memory() int64 {
	least := int64(math.MaxInt64)
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			least = n
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 && fields[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				least = min(least, n<<10)
			}
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}
