package monitor

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/platformsim/world/seat"
)

const (
	mostRows = 1000 // of a page
	mostIDs  = 6000 // of agentIds
	noReason = 65535
	wrapped  = 1<<32 - 1
)

// row is one object of an answer.
type row map[string]any

// ctiState is a state as the CTI numbers it (page cec_07_0697).
func ctiState(state int) int {
	return map[int]int{world.SignedOut: 0, world.Idle: 1, world.InCall: 5, world.WrapUp: 6, world.Busy: 7, world.Resting: 8}[state]
}

// listed are the agents that a list has, in an order of its own.
func (m *Monitor) listed(operation string) (ids []string) {
	for _, a := range m.o.Floor.Agents() {
		if m.o.Faults.First(fault.Occasion{Operation: operation, Agent: a.ID}, lookAbsent) == nil {
			ids = append(ids, a.ID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return int(b[len(b)-1]) - int(a[len(a)-1]) })
	return ids
}

// rows makes one for each agent.
func (m *Monitor) rows(ids []string, one func(id string, s seat.Seat) row) []row {
	all := make([]row, len(ids))
	for i, id := range ids {
		all[i] = m.dressed(one(id, m.o.Floor.Seat(id)))
	}
	return all
}

// dressed quotes the numbers of a row if this platform does.
func (m *Monitor) dressed(r row) row {
	if !m.o.QuotedNumbers {
		return r
	}
	for name, v := range r {
		switch v.(type) {
		case int, int64:
			r[name] = fmt.Sprint(v)
		}
	}
	return r
}

func (m *Monitor) states(q request) answer {
	return found(m.rows(m.listed(q.operation), func(id string, s seat.Seat) row {
		return row{"agentId": digits(id), "state": ctiState(s.State)}
	}))
}

func (m *Monitor) pages(q request) answer {
	return m.paged(q, false, func(id string, s seat.Seat) row {
		return row{"agentId": digits(id), "state": ctiState(s.State)}
	})
}

func (m *Monitor) spells(q request) answer {
	return m.paged(q, true, func(id string, s seat.Seat) row {
		return row{"agentId": digits(id), "currentState": ctiState(s.State), "currentStateTime": m.spell(s), "locationId": 0}
	})
}

func (m *Monitor) paged(q request, required bool, one func(id string, s seat.Seat) row) answer {
	offset, limit, err := q.window(mostRows, required)
	if err != nil {
		return refuse(codeParameter, err.Error())
	}
	ids := m.listed(q.operation)
	return answer{data: m.rows(cut(ids, offset, limit), one), count: len(m.o.Floor.Agents())}
}

// spell is how long an agent has been in a state, in seconds.
func (m *Monitor) spell(s seat.Seat) int64 {
	if s.Since.IsZero() {
		return wrapped
	}
	return int64(m.o.Now().Sub(s.Since) / time.Second)
}

func (m *Monitor) some(q request) answer {
	if len(q.Agents) == 0 || len(q.Agents) > mostIDs {
		return refuse(codeParameter, fmt.Sprintf("want 1 to %d agentIds", mostIDs))
	}
	var ids []string
	for _, id := range m.listed(q.operation) {
		if slices.Contains(q.Agents, number(digits(id))) {
			ids = append(ids, id)
		}
	}
	return found(m.rows(ids, func(id string, s seat.Seat) row {
		r := row{
			"agentId": digits(id), "currentState": ctiState(s.State), "prevState": ctiState(s.Before),
			"currentStateTime": m.spell(s), "prevStateTime": int64(s.BeforeFor / time.Second), "currentStateReason": noReason,
			"agentRelease": 0, "currentPrivateCallNum": 0, "locationId": 0, "logonTime": s.SignedIn.UnixMilli(),
		}
		if s.State == world.Resting || s.State == world.SignedOut && !s.Since.IsZero() {
			r["currentStateReason"] = s.Cause
		}
		if s.SignedIn.IsZero() {
			m.absent(r, "logonTime", int64(wrapped*1000))
			m.absent(r, "prevStateTime", int64(wrapped))
			m.absent(r, "locationId", noReason)
		}
		return r
	}))
}

// absent says that an agent has no such value, in the way of this platform.
func (m *Monitor) absent(r row, name string, wrapped any) {
	r[name] = wrapped
	if m.o.PlainAbsent {
		delete(r, name)
	}
}

func (m *Monitor) one(q request) answer {
	if q.Agent == nil {
		return refuse(codeParameter, "agentId is missing")
	}
	id := strconv.FormatInt(int64(*q.Agent), 10)
	if !slices.Contains(m.listed(q.operation), id) {
		return refuse(codeFailed, "the agent is not known")
	}
	s := m.o.Floor.Seat(id)
	i := slices.IndexFunc(m.o.Floor.Agents(), func(a world.Agent) bool { return a.ID == id })
	status := "citStatus"
	if m.o.CtiStatus {
		status = "ctiStatus"
	}
	r := row{
		"workNo": digits(id), "vdnId": m.o.VDN, status: ctiState(s.State), "name": "Agent " + id, "phoneNumber": m.o.Floor.Agents()[i].Phone,
		"loginDate": s.SignedIn.UnixMilli(), "currentStateTime": m.spell(s), "mediaType": 5, "status": s.State,
	}
	if s.SignedIn.IsZero() {
		m.absent(r, "loginDate", int64(wrapped*1000))
		r["phoneNumber"] = nil
	}
	if q.old {
		for old, now := range map[string]string{"workno": "workNo", "vdnid": "vdnId", "phonenumber": "phoneNumber", "logindate": "loginDate", "currentstatetime": "currentStateTime", "mediatype": "mediaType"} {
			if v, there := r[now]; there {
				r[old] = v
				delete(r, now)
			}
		}
	}
	return found(m.dressed(r))
}

// summary counts; those who rest or wrap up are in no figure but the total.
func (m *Monitor) summary(q request) answer {
	of := map[int]int{}
	in := 0
	for _, id := range m.listed(q.operation) {
		s := m.o.Floor.Seat(id)
		of[s.State]++
		if s.State != world.SignedOut {
			in++
		}
	}
	return found(m.dressed(row{"busyagent": of[world.Busy], "talkingnum": of[world.InCall], "Idleagent": of[world.Idle], "totalloginagent": in}))
}

func digits(id string) int {
	n, _ := strconv.Atoi(id) // the world numbers its agents
	return n
}
