//go:build faults

package sabotage

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// ordered is read once, at the first use.
var ordered = sync.OnceValue(func() *order {
	for variable, signal := range map[string]syscall.Signal{"KILL_AT": syscall.SIGKILL, "STOP_AT": syscall.SIGSTOP} {
		text := os.Getenv(variable)
		if text == "" {
			continue
		}
		name, n, _ := strings.Cut(text, ":")
		at, err := strconv.ParseInt(n, 10, 64)
		if err != nil || at < 1 || !slices.Contains(Points, name) {
			fmt.Fprintf(os.Stderr, "%s=%s names nothing that can be sabotaged\n", variable, text)
			os.Exit(3)
		}
		return &order{point: name, at: at, signal: signal}
	}
	return &order{}
})

type order struct {
	point  string
	at     int64
	signal syscall.Signal
	passed atomic.Int64
}

// Point is where KILL_AT may kill the process, and STOP_AT stop it.
func Point(name string) {
	o := ordered()
	if o.point != name || o.passed.Add(1) != o.at {
		return
	}
	fmt.Fprintf(os.Stderr, "{\"level\":\"debug\",\"message\":\"%s\"}\n", Stopped(name))
	_ = syscall.Kill(syscall.Getpid(), o.signal)
	if o.signal == syscall.SIGKILL {
		select {} // nothing after the point may happen
	}
}
