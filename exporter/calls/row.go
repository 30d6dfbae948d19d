package calls

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
	"unique"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// part is one row of a call, and what it is in the call's document.
type part[T any] struct {
	at      *schemas.Window // of the row
	seq     uint64          // on the stream of rows
	key     uint64          // hash of its natural key
	extract uint64          // hash of the extract that brought it
	is      T
}

// leg is a row of call detail records: the leg, and what it says of the whole call.
type leg struct {
	schemas.CallLeg
	callType, mediaType, releaseCause *int
	names                             schemas.CallNames
	caller, called                    string
}

// draft is a call that is being put together.
type draft struct {
	id         string
	rivals     []schemas.Window // other homes near that have a call of this id
	legs       []part[leg]
	recordings []part[schemas.CallRecording]
	operations []part[schemas.CallOperation]
}

// current leaves, of the rows with one natural key, the last one stored; those that one
// extract brought are several things that happen to have one key. It changes the order.
func current[T any](parts []part[T]) []part[T] {
	slices.SortFunc(parts, func(a, b part[T]) int { return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(b.seq, a.seq)) })
	var last part[T]
	return slices.DeleteFunc(parts, func(p part[T]) bool {
		if p.key != last.key || last.seq == 0 {
			last = p
		}
		return p.extract != last.extract
	})
}

// keep takes rows for those of an extract that has them as they were, and revises another one
// of their natural key: markers of v0.1.0 name them, which did not publish them again. Such
// markers stay as long as their rows.
func (x *build) keep(s source, extract string, marker []byte) {
	var says struct {
		Kept []string `json:"kept"`
	}
	if json.Unmarshal(marker, &says) != nil || len(says.Kept) == 0 {
		return
	}
	for _, d := range x.drafts {
		keep(d.legs, s.window, says.Kept, x.hash(extract), func(l leg) string { return l.Row })
		keep(d.recordings, s.window, says.Kept, x.hash(extract), func(r schemas.CallRecording) string { return r.Row })
		keep(d.operations, s.window, says.Kept, x.hash(extract), func(o schemas.CallOperation) string { return o.Row })
	}
}

// keep has the newest revision of each of the rows named be of an extract. The ids are sorted.
func keep[T any](parts []part[T], at schemas.Window, ids []string, extract uint64, id func(T) string) {
	newest := map[string]*part[T]{}
	for i, p := range parts {
		base := rows.BaseID(id(p.is))
		if _, named := slices.BinarySearch(ids, base); named && *p.at == at && (newest[base] == nil || p.seq > newest[base].seq) {
			newest[base] = &parts[i]
		}
	}
	for _, p := range newest {
		p.extract = extract
	}
}

// callID is what every kind's rows have.
type callID struct {
	CallID string `json:"call_id"`
}

// cdrRow is the body of a row of call detail records.
type cdrRow struct {
	Agent         string    `json:"agent_id"`
	Caller        string    `json:"caller_no"`
	Called        string    `json:"callee_no"`
	WaitBegin     time.Time `json:"wait_begin"`
	WaitEnd       time.Time `json:"wait_end"`
	AckBegin      time.Time `json:"ack_begin"`
	AckEnd        time.Time `json:"ack_end"`
	CallBegin     time.Time `json:"call_begin"`
	CallEnd       time.Time `json:"call_end"`
	DeviceType    *int      `json:"device_type"`
	DeviceNo      string    `json:"device_no"`
	PreDeviceType *int      `json:"pre_device_type"`
	PreDeviceNo   string    `json:"pre_device_no"`
	CallType      *int      `json:"call_type"`
	ReleaseCause  *int      `json:"release_cause"`
	Number        *int      `json:"call_id_num"`
	Skill         string    `json:"skill_id"`
	CurrentSkill  string    `json:"current_skill_id"`
	LeaveReason   *int      `json:"leave_reason"`
	MediaType     *int      `json:"media_type"`
	WaitS         *int      `json:"wait_s"`
	RingS         *int      `json:"ring_s"`
	TalkS         *int      `json:"talk_s"`
	Names         struct {
		schemas.CallNames
		schemas.LegNames
	} `json:"names"`
	Ambiguous []string `json:"ambiguous"`
}

// leg takes over a row. Of what many rows say in the same words one copy is kept.
func (r cdrRow) leg(id string) leg {
	for _, text := range [...]*string{
		&r.Agent, &r.DeviceNo, &r.PreDeviceNo, &r.Skill, &r.CurrentSkill, &r.Called, &r.Names.CallType, &r.Names.MediaType, &r.Names.ReleaseCause,
		&r.Names.DeviceType, &r.Names.PreDeviceType, &r.Names.LeaveReason,
	} {
		*text = unique.Make(*text).Value()
	}
	return leg{
		CallLeg: schemas.CallLeg{
			Number: r.Number, DeviceType: r.DeviceType, DeviceNo: r.DeviceNo, PreDeviceType: r.PreDeviceType, PreDeviceNo: r.PreDeviceNo,
			Agent: r.Agent, Skill: cmp.Or(r.CurrentSkill, r.Skill),
			WaitBegin: r.WaitBegin, WaitEnd: r.WaitEnd, AckBegin: r.AckBegin, AckEnd: r.AckEnd, CallBegin: r.CallBegin, CallEnd: r.CallEnd,
			WaitS: r.WaitS, RingS: r.RingS, TalkS: r.TalkS, LeaveReason: r.LeaveReason, Names: r.Names.LegNames, Ambiguous: r.Ambiguous, Row: id,
		},
		callType: r.CallType, mediaType: r.MediaType, releaseCause: r.ReleaseCause, names: r.Names.CallNames,
		caller: r.Caller, called: r.Called,
	}
}

// recordingRow is the body of a row of the recording index.
type recordingRow struct {
	Agent            string    `json:"agent_id"`
	FileName         string    `json:"file_name"`
	OriginalFileName string    `json:"original_file_name"`
	Begin            time.Time `json:"call_begin"`
	End              time.Time `json:"call_end"`
	TalkS            *int      `json:"talk_s"`
}

func (r recordingRow) recording(id, key string) schemas.CallRecording {
	return schemas.CallRecording{
		Agent: r.Agent, FileName: r.FileName, OriginalFileName: r.OriginalFileName, Begin: r.Begin, End: r.End, TalkS: r.TalkS,
		Key: key, Row: id,
	}
}

// operationRow is the body of a row of agent operations.
type operationRow struct {
	Agent     string                 `json:"agent_id"`
	OpType    *int                   `json:"op_type"`
	OpObject  string                 `json:"op_object"`
	OpCause   *int                   `json:"op_cause"`
	Names     schemas.OperationNames `json:"names"`
	Begin     time.Time              `json:"begin_time"`
	End       time.Time              `json:"end_time"`
	DurationS *int                   `json:"duration_s"`
}

func (r operationRow) operation(id string) schemas.CallOperation {
	return schemas.CallOperation{
		Agent: r.Agent, OpType: r.OpType, OpObject: r.OpObject, OpCause: r.OpCause, Names: r.Names, Begin: r.Begin, End: r.End, DurationS: r.DurationS, Row: id,
	}
}

// row is a row as it was read.
type row struct {
	source
	schemas.RowHeader
	at       *schemas.Window // the source's
	seq      uint64
	storedAt time.Time
	body     []byte
}

// take adds a row to the call that it is of.
func (b *Builder) take(d *draft, r row) error {
	switch r.kind {
	case schemas.KindCDR:
		return add(b, &d.legs, r, cdrRow.leg)
	case schemas.KindRecording:
		return add(b, &d.recordings, r, func(body recordingRow, id string) schemas.CallRecording { return body.recording(id, r.Key) })
	default:
		return add(b, &d.operations, r, operationRow.operation)
	}
}

// add decodes a row and puts it into a list of its kind.
func add[Body, T any](b *Builder, to *[]part[T], r row, is func(Body, string) T) error {
	var body Body
	if err := json.Unmarshal(r.body, &body); err != nil {
		return err
	}
	*to = append(*to, part[T]{r.at, r.seq, b.hash(r.Key), b.hash(r.Extract), is(body, r.ID)})
	return nil
}
