// Package aside keeps the stacks of agents that wait small.
package aside

// Run runs f on a stack of its own and waits for it. A stack that was once large stays
// so for as long as nothing is collected, and agents wait nearly always: what stores and
// encodes needs four times the stack that a poll does.
func Run(f func() error) error {
	done := make(chan error)
	go func() { done <- f() }()
	return <-done
}
