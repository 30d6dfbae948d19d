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

// orders are read once, at the first use.
var orders = sync.OnceValue(func() *order {
	o := &order{broken: map[string]bool{}}
	if text := os.Getenv("KILL_AT"); text != "" {
		name, n, _ := strings.Cut(text, ":")
		at, err := strconv.ParseInt(n, 10, 64)
		if err != nil || at < 1 || !slices.Contains(Points, name) {
			refuse("KILL_AT", text)
		}
		o.point, o.at = name, at
	}
	for name := range strings.SplitSeq(os.Getenv("BREAK"), ",") {
		switch {
		case name == "":
		case !slices.Contains(Mutants, name):
			refuse("BREAK", name)
		default:
			o.broken[name] = true
		}
	}
	return o
})

type order struct {
	point  string
	at     int64
	passed atomic.Int64
	broken map[string]bool
}

func refuse(variable, value string) {
	fmt.Fprintf(os.Stderr, "%s=%s names nothing that can be sabotaged\n", variable, value)
	os.Exit(3)
}

// Point is where KILL_AT may kill the process.
func Point(name string) {
	o := orders()
	if o.point == name && o.passed.Add(1) == o.at {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // nothing after the point may happen
	}
}

// Broken reports whether BREAK names the promise.
func Broken(name string) bool { return orders().broken[name] }
