package agents

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// disk counts the syncs of a folder's disk by the flushes that its block device has done,
// which the kernel counts for all processes together. What a flush is worth is found by
// syncing a known number of times.
type disk struct {
	device  string  // major:minor
	perSync float64 // flushes that one sync takes; 0: the device does not count
}

// calibration is how often a disk is synced to find what a flush is worth.
const calibration = 200

func newDisk(dir string) (*disk, error) {
	device, err := deviceOf(dir)
	if err != nil {
		return nil, err
	}
	d := &disk{device: device}
	name := filepath.Join(dir, "calibration")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	defer os.Remove(name)
	defer f.Close()
	before, err := d.flushes()
	if err != nil {
		return nil, err
	}
	for range calibration {
		if _, err := f.Write(make([]byte, 700)); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
	}
	after, err := d.flushes()
	d.perSync = (after - before) / calibration
	return d, err
}

func (d *disk) flushes() (float64, error) {
	text, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return 0, err
	}
	return parseFlushes(string(text), d.device)
}

// parseFlushes is the 18th column, of the line of a device; kernels before 5.5 have none.
func parseFlushes(text, device string) (float64, error) {
	const flushes = 18
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) > flushes && f[0]+":"+f[1] == device {
			return strconv.ParseFloat(f[flushes], 64)
		}
	}
	return 0, fmt.Errorf("the kernel counts no flushes of device %s", device)
}
