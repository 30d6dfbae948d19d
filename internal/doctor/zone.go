package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Zone looks at a tenant's time zone.
func Zone(about string, zone *time.Location, now time.Time) Line {
	p, local := patient{about}, now.In(zone)
	says := fmt.Sprintf("%s, now %s", zone, local.Format("2006-01-02 15:04 -07:00"))
	if strings.HasPrefix(zone.String(), "Etc/GMT") && strings.ContainsAny(zone.String(), "+-") {
		return p.warning("time zone", says+": its name has the sign turned round", "write a place, such as Asia/Shanghai, into timezone")
	}
	_, change := local.ZoneBounds()
	switch {
	case change.IsZero() || change.Sub(now) > 366*24*time.Hour:
		return p.ok("time zone", says+", no change of clocks within a year")
	case change.Sub(now) < 14*24*time.Hour:
		says += fmt.Sprintf("; the clocks change on %s: an hour that is repeated is one window", change.Format("2006-01-02 15:04 -07:00"))
	default:
		says += ", the clocks change on " + change.Format(time.DateOnly)
	}
	return p.ok("time zone", says)
}

// signOut is how long an agent may be silent before the platform signs him out (cec_07_1274).
const signOut = 120 * time.Second

// Takeover looks at how long an agent may be silent when a bridge dies and another takes over:
// its last poll may have just begun.
func Takeover(about string, pollTimeout, lease time.Duration) Line {
	p, silent := patient{about}, pollTimeout+lease
	says := fmt.Sprintf("agents whose bridge dies are silent for %s at most, and signed out after %s", silent, signOut)
	if silent > signOut-10*time.Second {
		return p.warning("takeover", says, "make poll_timeout shorter, or leave it out: an agent is signed out before another bridge polls")
	}
	return p.ok("takeover", says)
}
