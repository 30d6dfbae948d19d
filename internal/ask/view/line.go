package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/comparison"
)

// said is what a message says, by its type; one that cannot be read is shown by its subject.
func (s Screen) said(m schemas.Stored) string {
	typ := m.Get("ce-type")
	tell := sentences[typ]
	if strings.HasPrefix(typ, schemas.TypeRow) {
		tell = sentence(row)
	}
	if tell == nil {
		return m.Subject
	}
	if text, err := tell(s, m); err == nil && text != "" {
		return text
	}
	return m.Subject
}

// sentences are what messages say, by their types.
var sentences = map[string]func(Screen, schemas.Stored) (string, error){
	schemas.TypeEvent: sentence(event),
	schemas.TypeGap:   sentence(gap),
	schemas.TypeHeartbeat: sentence(func(_ Screen, h schemas.Heartbeat) string {
		return words(h.Tenant, h.Agent, "heartbeat", string(h.State), named("call", h.CallID))
	}),
	schemas.TypeFileReady: sentence(func(_ Screen, f schemas.FileReady) string {
		return words(f.Tenant, string(f.Kind), f.Window.String(), "file is there", f.FileName, "by "+string(f.Via))
	}),
	schemas.TypeRecording: sentence(func(_ Screen, r schemas.Recording) string {
		return words(r.Tenant, r.Agent, "recording", string(r.Status), named("call", r.CallID), r.Object, string(r.Reason))
	}),
	schemas.TypeWindowComplete: sentence(func(s Screen, w schemas.WindowComplete) string {
		return words(w.Tenant, string(w.Kind), w.Window.String(), s.paint(green, "complete"), fmt.Sprintf("%d rows, %d added, %d revised", w.Rows, w.Added, w.Revised))
	}),
	schemas.TypeCall: sentence(func(_ Screen, c schemas.Call) string {
		return words(c.Tenant, "call", c.CallID, fmt.Sprintf("revision %d", c.Revision), c.Direction, named("agents", strings.Join(c.Agents, ",")))
	}),
	schemas.TypeCallsComplete: sentence(func(_ Screen, c schemas.CallsComplete) string {
		return words(c.Tenant, "calls of", c.Window.String(), fmt.Sprintf("%d calls, %d added, %d revised", c.Calls, c.Added, c.Revised))
	}),
	schemas.TypeCoverage: sentence(func(s Screen, c schemas.Coverage) string {
		return words(c.Tenant, string(c.Kind), "complete up to", s.local(c.CompleteTo).Format("2006-01-02 15:04"), fmt.Sprintf("holes %d", len(c.Holes)))
	}),
	schemas.TypeDrift: sentence(func(s Screen, d schemas.Drift) string {
		return words(d.Tenant, string(d.Kind), s.paint(yellow, "drift"), string(d.What), d.File)
	}),
	schemas.TypeReconcile: sentence(func(s Screen, r comparison.Statement) string {
		return words(r.Tenant, string(r.Kind), r.Window.String(), "compared", fmt.Sprintf("%d agree, %d explained,", r.Both-r.Differ, r.Explained), s.unexplained(r.Unexplained))
	}),
	schemas.TypeReconcileDay: sentence(func(_ Screen, d comparison.Day) string {
		return words(d.Tenant, d.Day, fmt.Sprintf("live and record agree on %.1f %%", d.Score))
	}),
	schemas.TypeReconstructed: sentence(func(s Screen, r comparison.Reconstructed) string {
		return words(r.Tenant, r.Agent, string(r.State), "from "+s.local(r.From).Format(time.TimeOnly), "reconstructed by", string(r.Source), r.Row)
	}),
	schemas.TypeAudit: sentence(func(s Screen, a schemas.Audit) string {
		return words(a.Tenant, s.paint(yellow, "audit"), string(a.What), "by "+a.By, named("letter", a.Letter), named("order", a.Order), a.Detail)
	}),
	schemas.TypeDeadLetter: sentence(func(s Screen, d schemas.DeadLetter) string {
		return words(d.Tenant, s.paint(red, "dead letter"), string(d.Reason), d.Error)
	}),
	schemas.TypeResolved: sentence(func(_ Screen, r schemas.Resolved) string {
		return words(r.Tenant, "dead letter resolved", string(r.Reason), r.Letter)
	}),
}

// unexplained is how much nothing explains.
func (s Screen) unexplained(n int) string {
	text := fmt.Sprintf("%d unexplained", n)
	if n > 0 {
		text = s.paint(yellow, text)
	}
	return text
}

// sentence is what f says of the body of a message.
func sentence[T any](f func(Screen, T) string) func(Screen, schemas.Stored) (string, error) {
	return func(s Screen, m schemas.Stored) (string, error) {
		var doc T
		if err := json.Unmarshal(m.Body, &doc); err != nil {
			return "", err
		}
		return f(s, doc), nil
	}
}

// words are joined where there are some.
func words(all ...string) string {
	var some []string
	for _, w := range all {
		if w != "" {
			some = append(some, w)
		}
	}
	return strings.Join(some, "  ")
}

// named is a value with its name in front, "" if there is none.
func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

func event(s Screen, e schemas.Event) string {
	state := ""
	if e.State != "" {
		state = s.paint(green, string(e.State))
	}
	return words(e.Tenant, e.Agent, string(e.Group)+"."+e.Name, state, named("call", e.CallID), named("caller", e.Caller), named("called", e.Called), named("reason", e.Reason))
}

func gap(s Screen, g schemas.Gap) string {
	return words(g.Tenant, g.Agent, s.paint(red, "gap"), string(g.Cause), s.local(g.From).Format("15:04:05")+" – "+s.local(g.To).Format("15:04:05"))
}

// row is a row by the columns that every reader knows.
func row(_ Screen, r map[string]any) string {
	text := func(key string) string {
		switch v := r[key].(type) {
		case string:
			return v
		case float64:
			return fmt.Sprintf("%.0f", v)
		}
		return ""
	}
	return words(text("tenant"), text("kind"), "row", named("call", text("call_id")), named("agent", text("agent_id")), text("begin"), text("call_begin"))
}
