//go:build !faults

package sabotage

// Point is where KILL_AT may kill the process, and STOP_AT stop it.
func Point(string) {}
