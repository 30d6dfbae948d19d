package embedded

import (
	"os"
	"syscall"
)

// allocate gives f its blocks, without writing where the file system can.
func allocate(f *os.File, size int64) error {
	err := error(syscall.EINTR)
	for err == syscall.EINTR { // one of the runtime's signals came
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return writeNoise(f, size)
	}
	return err
}
