//go:build !faults

package sabotage

// Point is where KILL_AT may kill the process.
func Point(string) {}

// Broken reports whether BREAK names the promise.
func Broken(string) bool { return false }
