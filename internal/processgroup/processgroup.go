// Package processgroup runs commands that start others, so that none of them is left
// behind: a test binary that is stopped takes its bridges with it.
package processgroup

import (
	"os/exec"
	"time"
)

// patience is how long a command whose context has ended may take to stop.
const patience = 10 * time.Second

// Run runs cmd as [exec.Cmd.Run] does, in a process group of its own. When its context
// ends, the whole group is interrupted, and killed if the command has not ended within
// 10 s. What the command has started and not waited for is killed when it ends. cmd must
// come from [exec.CommandContext]. Where there are no process groups, only the command
// itself is stopped.
func Run(cmd *exec.Cmd) error {
	cmd.WaitDelay = patience
	join(cmd)
	err := cmd.Run()
	kill(cmd)
	return err
}
