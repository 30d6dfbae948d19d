//go:build unix

package http1

import "syscall"

const canLook = true

// readable reports that a socket has bytes, an end or an error to tell. Nothing is taken.
func readable(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}
