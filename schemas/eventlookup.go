package schemas

import (
	"slices"
	"strings"
)

// maxUnknownName bounds the name made from an unknown event type, in bytes: it
// becomes a subject token and must not grow with foreign text.
const maxUnknownName = 64

// eventSuffixes are the types that the pages spell with different prefixes
// (cec_07_1375, cec_07_1376); they match on their suffix, whatever its case.
var eventSuffixes = []struct{ suffix, eventType string }{
	{"agent_occupyed", "AgentEvent_Agent_Occupyed"},
	{"release_preview", "AgentEvent_Release_Preview"},
}

// eventIndex and eventIndexFold find lines of eventTable; they are never altered.
var (
	eventIndex     = indexEvents(func(s string) string { return s })
	eventIndexFold = indexEvents(strings.ToLower)
)

func indexEvents(key func(string) string) map[string]int {
	index := make(map[string]int, len(eventTable))
	for i, info := range eventTable {
		index[key(info.Type)] = i
	}
	return index
}

// EventTable returns every known event type, the platform's first. The slices
// inside are shared and must not be altered.
func EventTable() []EventInfo { return slices.Clone(eventTable) }

// LookupEvent returns what is known of an event type. Blanks and NULs around it
// are ignored (one sample of the platform begins with a blank, and one release
// pads strings with NULs), and so is its case when no exact line exists. A type
// that is not in the table answers false and a line of the group other that is
// good for publishing: nothing is lost but the meaning.
func LookupEvent(eventType string) (EventInfo, bool) {
	t := trimType(eventType)
	if i, ok := eventIndex[t]; ok {
		return eventTable[i], true
	}
	folded := strings.ToLower(t)
	if i, ok := eventIndexFold[folded]; ok {
		return eventTable[i], true
	}
	for _, rule := range eventSuffixes {
		if strings.HasSuffix(folded, rule.suffix) {
			return eventTable[eventIndex[rule.eventType]], true
		}
	}
	return EventInfo{Type: t, Group: GroupOther, Name: snakeName(t)}, false
}

func trimType(s string) string { return strings.Trim(s, " \t\r\n\x00") }

// snakeName turns a foreign event type into a name of a–z, 0–9 and "_":
// AgentEvent_FooBar becomes agent_event_foo_bar. Text without any such byte
// becomes "unnamed".
func snakeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxUnknownName; i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if startsWord(s, i) {
				separate(&b)
			}
			b.WriteByte(c + 'a' - 'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			separate(&b)
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		return "unnamed"
	}
	return name
}

// startsWord reports whether the capital at i begins a word: after a small
// letter or digit, or as the last capital of a run ("DRSwitch": dr_switch).
func startsWord(s string, i int) bool {
	small := func(c byte) bool { return c >= 'a' && c <= 'z' }
	if i == 0 {
		return false
	}
	prev := s[i-1]
	if small(prev) || prev >= '0' && prev <= '9' {
		return true
	}
	return prev >= 'A' && prev <= 'Z' && i+1 < len(s) && small(s[i+1])
}

func separate(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != '_' {
		b.WriteByte('_')
	}
}
