//go:build !linux

package embedded

import "os"

// allocate gives f its blocks.
func allocate(f *os.File, size int64) error { return writeNoise(f, size) }
