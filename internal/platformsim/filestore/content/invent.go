package content

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"aiccbridge/internal/platformsim/world"
)

// invent adds the synthetic rows that the faults ask for, inside the window
// and matching the request's filters.
func (m *Maker) invent(q Request, now time.Time) {
	kind, o := q.Kinds[0], q.occasion()
	begin, end := m.Span(q)
	local := func(t time.Time) string { return t.In(m.written).Format(Layout) }
	add := func(at time.Time, serial int, wall func(time.Time) string) world.Row {
		return m.invented(q, kind, at, now, serial, wall)
	}
	if extra := m.o.Faults.First(o, rowsExtra); extra != nil {
		n, call := extra.Count, ""
		pairs := kind == world.Record && m.o.Faults.First(o, rowsOneCall) != nil
		m.ledger.invent(kind, n, func(i, serial int) world.Row {
			offset := time.Duration(float64(end.Sub(begin)) * float64(i) / float64(n)).Truncate(time.Second)
			row := add(begin.Add(offset), serial, local)
			if pairs && i%2 == 1 {
				row.CallID = call
				row.Cells[slices.Index(world.Columns[kind], "call_id")] = call
			}
			call = row.CallID
			return row
		})
	}
	_, change := begin.ZoneBounds()
	if change.IsZero() || change.After(end) || m.o.Faults.First(o, rowsClockChange) == nil {
		return
	}
	_, before := change.Add(-time.Second).In(m.o.Timezone).Zone()
	_, after := change.In(m.o.Timezone).Zone()
	const half = 30 * time.Minute // changes are of an hour nearly everywhere
	if after > before {           // clocks go forward: keep the old time for a while
		if m.written.String() != m.o.Timezone.String() { // where the files have such clocks
			return
		}
		old := time.FixedZone("", before)
		m.ledger.invent(kind, 1, func(_, serial int) world.Row {
			return add(change.Add(half), serial, func(t time.Time) string { return t.In(old).Format(Layout) })
		})
		return
	}
	m.ledger.invent(kind, 2, func(i, serial int) world.Row {
		return add(change.Add(half*time.Duration(2*i-1)), serial, local)
	})
}

// invented builds one row that is valid by pages cec_07_0831 to 0833.
func (m *Maker) invented(q Request, kind world.Kind, at, now time.Time, serial int, wall func(time.Time) string) world.Row {
	cells := m.inventedCells(at, serial, wall)
	for column, want := range q.Filters {
		cells[column] = want
	}
	if kind == world.Record {
		cells["call_begin"] = wall(at)
	}
	r := world.Row{
		Kind: kind, At: at, Known: now, AgentID: cells["agent_id"],
		Cells: make([]string, 0, len(world.Columns[kind])),
	}
	if kind != world.SkillGrant {
		r.CallID = cells["call_id"]
	}
	for _, column := range world.Columns[kind] {
		r.Cells = append(r.Cells, cells[column])
	}
	return r
}

// inventedCells are the cells of all kinds by column name; what is missing is
// empty. The call is an agent's leg, behind queue 12.
func (m *Maker) inventedCells(at time.Time, serial int, wall func(time.Time) string) map[string]string {
	n := strconv.Itoa(serial)
	day := at.In(m.o.Timezone).Format("20060102")
	answered := at.Add(5 * time.Second)
	ended := answered.Add(time.Minute - time.Duration(serial%6)*8*time.Second) // each as long as few others
	return map[string]string{
		"id":        strconv.Itoa(8_000_000_000 + serial),
		"developer": m.o.Developer, "developer_id": m.o.Developer, "account_id": m.o.AccountID,
		"cc_id": "1", "sub_cc_no": "1", "vdn_id": "39", "vdn": "39", "location_id": "0",
		"agent_id": "101", "agent_type": "4", "skill_id": "12", "media_type": "5",
		"call_id":   fmt.Sprintf("%d-%d", at.Unix(), 500_000+serial),
		"caller_no": fmt.Sprintf("555%07d", serial), "callee_no": "5550199",
		"ack_begin": wall(at), "ack_end": wall(answered), "call_begin": wall(answered), "call_end": wall(ended),
		"device_type": "2", "device_no": "101", "call_type": "0", "release_cause": "0", "call_id_num": "-1",
		"pre_device_type": "1", "pre_device_no": "12", "pre_device_in": "queue 12", "device_in": "agent 101",
		"leave_reason": "15", "sub_media_type": "0",
		"file_name":            "/10/1/record/39/" + day + "/101/" + n + ".wav",
		"original_file_name":   `X:\39\0\` + day + `\101\` + n + `.V3`,
		"task_status":          "0",
		"user_wanted_skill_id": "12", "current_skill_id": "12",
		"begin_time": wall(at), "end_time": wall(ended), "op_type": "2", "op_object": "-1", "op_cause": "0",
		"callIn_out": "0", "logon_sn": fmt.Sprintf("%d-7", at.Unix()), "skillInfo_sn": "3",
		"operate_time": wall(at), "operate_end_time": wall(at), "operate_id": "101", "operate_type": "1",
		"skill_list": "12;13", "operate_sn": n, "renew_flag": "0",
		"update_time":   at.UTC().Format(Layout), // the one column in UTC
		"month_of_year": strconv.Itoa(int(at.In(m.o.Timezone).Month())),
	}
}
