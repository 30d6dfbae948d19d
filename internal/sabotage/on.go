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
	text := os.Getenv("KILL_AT")
	if text == "" {
		return &order{}
	}
	name, n, _ := strings.Cut(text, ":")
	at, err := strconv.ParseInt(n, 10, 64)
	if err != nil || at < 1 || !slices.Contains(Points, name) {
		fmt.Fprintf(os.Stderr, "KILL_AT=%s names nothing that can be sabotaged\n", text)
		os.Exit(3)
	}
	return &order{point: name, at: at}
})

type order struct {
	point  string
	at     int64
	passed atomic.Int64
}

// Point is where KILL_AT may kill the process.
func Point(name string) {
	o := ordered()
	if o.point == name && o.passed.Add(1) == o.at {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // nothing after the point may happen
	}
}
