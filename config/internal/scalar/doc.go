// Package scalar reads the single values of a configuration: switches, numbers, durations,
// sizes, times, zones, addresses, and the environment's variables in them.
//
// Invariants: a value is read, or a [Fault] says what is wrong and what to do. No fault
// repeats a URL, which may hold a password. What is printed is read back as the same.
// It imports nothing of ours.
package scalar

import "fmt"

// Fault is what is wrong with a value, before the position is known.
type Fault struct{ Problem, Remedy string }

// Faultf is a fault with a formatted problem.
func Faultf(remedy, problem string, args ...any) *Fault {
	return &Fault{Problem: fmt.Sprintf(problem, args...), Remedy: remedy}
}
