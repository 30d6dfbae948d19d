package doctor

import (
	"fmt"
	"time"
)

// Machine is what a bridge finds on its machine. Zero values are not known.
type Machine struct {
	Agents int
	Disk   bool          // its disk is known
	Free   int64         // bytes on the disk of data_dir
	Spool  int64         // bytes that the spool may have, of an external NATS; 0: the streams are here
	Rate   float64       // bytes an hour that were stored, as measured
	For    time.Duration // how long that was measured
	Files  uint64        // that a process may have open
	Memory int64         // bytes that the process may have
}

// What a bridge takes, as measured (docs/growth.md), rounded up.
const (
	filesOfBridge  = 256 // and one for each agent
	memoryOfBridge = 200 << 20
	memoryOfAgent  = 100 << 10
)

// How long an outage should find room on the disk, and how much room is too little in any case.
const (
	someHours = 72
	fewHours  = 8
	fewBytes  = 1 << 30
	leastRate = 1 << 20 // an hour: where less was stored, it is not known what a full day brings
)

// Judge looks at the machine.
func (m Machine) Judge() (lines []Line) {
	return append(append(m.disk(), m.files()...), m.memory()...)
}

func (m Machine) disk() []Line {
	p := patient{"data_dir"}
	const cure = "give its disk more room, or name a folder on another in data_dir: events that cannot be stored are not polled"
	if !m.Disk {
		return nil
	}
	says, room, least := size(m.Free)+" free", m.Free, int64(fewBytes)
	if m.Spool > 0 {
		room, least = min(room, m.Spool), min(least, m.Spool)
		says += fmt.Sprintf(", of which the spool may take %s", size(m.Spool))
	}
	if m.For >= 10*time.Minute && m.Rate >= leastRate {
		hours := float64(room) / m.Rate
		says += fmt.Sprintf(", %.0f hours at the %s an hour of the last %s", hours, size(int64(m.Rate)), m.For.Round(time.Minute))
		switch {
		case hours < fewHours:
			return []Line{p.failure("disk", says, cure)}
		case hours < someHours:
			return []Line{p.warning("disk", says, cure)}
		}
	}
	if m.Free < least {
		return []Line{p.failure("disk", says, cure)}
	}
	return []Line{p.ok("disk", says)}
}

func (m Machine) files() []Line {
	p, needs := patient{"this machine"}, uint64(filesOfBridge+m.Agents)
	if m.Files == 0 {
		return nil
	}
	says := fmt.Sprintf("a process of this shell may have %d files open, %d agents need %d", m.Files, m.Agents, needs)
	if m.Files < needs {
		return []Line{p.warning("open files", says, "see that the bridge's own limit is higher: LimitNOFILE= of its unit, ulimit -n, or its container's; or divide the agents over several bridges")}
	}
	return []Line{p.ok("open files", says)}
}

func (m Machine) memory() []Line {
	p, needs := patient{"this machine"}, int64(memoryOfBridge+m.Agents*memoryOfAgent)
	if m.Memory == 0 {
		return nil
	}
	says := fmt.Sprintf("%s of memory, %d agents need %s", size(m.Memory), m.Agents, size(needs))
	if m.Memory < needs {
		return []Line{p.warning("memory", says, "raise the limit of the container or the unit, or divide the agents over several bridges")}
	}
	return []Line{p.ok("memory", says)}
}

// size is a number of bytes as people say it.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := int64(unit), 0
	for n/div >= unit && exp < 4 {
		div *= unit
		exp++
	}
	return fmt.Sprintf("%.1f %cB", float64(n)/float64(div), "kMGTP"[exp])
}
