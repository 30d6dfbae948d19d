package wire

import "golang.org/x/sys/unix"

// unconfirmed is how many bytes were written to a socket and are not confirmed by its peer.
func unconfirmed(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
