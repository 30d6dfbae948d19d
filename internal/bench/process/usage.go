package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Usage is what a process has used since its start.
type Usage struct {
	CPU     float64 `json:"cpu"`     // seconds, user and system
	RSS     float64 `json:"rss"`     // bytes now
	Peak    float64 `json:"peak"`    // bytes, the most so far
	Written float64 `json:"written"` // bytes sent to the disk
}

// Usage reads what the child has used.
func (c *Child) Usage() (Usage, error) {
	u, err := usageOf(strconv.Itoa(c.cmd.Process.Pid))
	if err != nil {
		return u, c.failure("cannot be looked at", err)
	}
	return u, nil
}

// Own is what this process has used.
func Own() (Usage, error) { return usageOf("self") }

func usageOf(pid string) (u Usage, err error) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return u, err
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return u, err
	}
	if u.CPU, err = parseCPU(stat); err != nil {
		return u, err
	}
	u.RSS, u.Peak = parseField(status, "VmRSS:")*1024, parseField(status, "VmHWM:")*1024
	if io, err := os.ReadFile("/proc/" + pid + "/io"); err == nil { // some systems hide it
		u.Written = parseField(io, "write_bytes:")
	}
	return u, nil
}

// ticks a second are how /proc counts CPU, on all of Linux.
const ticks = 100

// parseCPU reads utime and stime, the 14th and 15th fields. The second is a name in
// brackets, in which anything may stand.
func parseCPU(stat []byte) (float64, error) {
	_, after, ok := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(") "))
	fields := strings.Fields(string(after))
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("read stat: %q", stat)
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, fmt.Errorf("read stat: %w", err)
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	if err != nil {
		return 0, fmt.Errorf("read stat: %w", err)
	}
	return (user + system) / ticks, nil
}

// parseField is the number behind a name at the begin of a line; 0 if it is not there.
func parseField(text []byte, name string) float64 {
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.ParseFloat(fields[1], 64)
			return n
		}
	}
	return 0
}
