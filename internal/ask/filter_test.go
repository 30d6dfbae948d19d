package ask

import (
	"testing"

	"aiccbridge/schemas"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	message := func(subject, typ, body string) schemas.Stored {
		return schemas.Stored{Subject: subject, Header: map[string][]string{"ce-type": {typ}}, Body: []byte(body)}
	}
	event := message("aicc.v1.acme.agent.101.call.ringing", schemas.TypeEvent, `{"call_id":"7-1"}`)
	beat := message("aicc.v1.acme.agent.101.session.heartbeat", schemas.TypeHeartbeat, `{}`)
	row := message("aicc.v1.acme.row.cdr.w", "aicc.v1.row.cdr", `{"call_id":"7-1"}`)
	marker := message("aicc.v1.acme.row.cdr.w", schemas.TypeWindowComplete, `{}`)
	letter := message("aicc.v1.acme.deadletter.overdue", schemas.TypeDeadLetter, `{"kind":"cdr"}`)
	all := []schemas.Stored{event, beat, row, marker, letter}
	for name, c := range map[string]struct {
		f    Filter
		want [5]bool
	}{
		"all":            {Filter{}, [5]bool{true, true, true, true, true}},
		"another tenant": {Filter{Tenant: "other"}, [5]bool{}},
		"an agent":       {Filter{Agent: "101"}, [5]bool{true, true, false, false, false}},
		"another agent":  {Filter{Agent: "102"}, [5]bool{}},
		"a call":         {Filter{Call: "7-1"}, [5]bool{true, false, true, false, false}},
		"a kind":         {Filter{Kind: schemas.KindCDR}, [5]bool{false, false, true, true, true}},
		"no rows":        {Filter{NoRows: true, Kind: schemas.KindCDR}, [5]bool{false, false, false, true, true}},
		"no heartbeats":  {Filter{NoHeartbeats: true}, [5]bool{true, false, true, true, true}},
	} {
		for i, m := range all {
			if got := c.f.Wants(m); got != c.want[i] {
				t.Errorf("%s: %s %s is wanted %t", name, m.Get("ce-type"), m.Subject, got)
			}
		}
	}
	if (Filter{}).Wants(message("other", "", "")) {
		t.Error("a subject of nobody is wanted")
	}
}
