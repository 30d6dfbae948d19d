//go:build !faults

package sabotage

// Point is where KILL_AT may kill the process.
func Point(string) {}
