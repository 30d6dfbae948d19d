package truthcheck

import (
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/truthcheck/callcheck"
	"aiccbridge/schemas"
)

// state is what became of a file.
type state int

const (
	open     state = iota // neither marker nor dead letter
	accepted              // marker
	failed                // dead letter, no marker
	unsound               // marker, although the stored file is damaged
)

// fileVerdict is one file of the platform and what became of it.
type fileVerdict struct {
	file     *truth.File
	extract  extract
	state    state
	spans    []span // what it may have been asked for; one unless nobody knows
	token    string // of its window, "" when nobody knows
	rows     map[schemas.Kind]counts
	rejected int  // rows that cannot be published
	later    bool // a later file of the same kind and span is accepted
	any      bool // any other one is
}

// span is what an extraction was asked for, in the words of the request.
type span struct {
	kind       schemas.Kind
	begin, end string
}

// lastingDamage are the faults that spoil a file for good.
var lastingDamage = []string{"file.flipped", "file.truncated"}

func damagedForGood(f *truth.File) bool {
	return slices.ContainsFunc(strings.Split(f.Damaged, "+"), func(fault string) bool {
		return slices.Contains(lastingDamage, fault)
	})
}

// mayBringRows reports whether rows of the file may be in the stream although it
// has no marker: the worker was stopped in the middle, and the window asked for
// again.
func (v *fileVerdict) mayBringRows() bool {
	return v.state != unsound && !v.extract.damaged && !damagedForGood(v.file)
}

// operationKinds are the kinds that an operation can ask for.
var operationKinds = map[string][]schemas.Kind{
	"queryBillData":           {schemas.KindCDR, schemas.KindRecording},
	"queryAgentOprInfoData":   {schemas.KindOperation},
	"queryAgentSkillInfoData": {schemas.KindSkill},
}

// kindOf maps the names in CSV members to the bridge's kinds.
var kindOf = map[world.Kind]schemas.Kind{
	world.Call: schemas.KindCDR, world.Record: schemas.KindRecording,
	world.Operation: schemas.KindOperation, world.SkillGrant: schemas.KindSkill,
}

// judgeFiles says of every file, in the order they were made, what became of it.
func (c *Checker) judgeFiles(files []truth.File, r *FileReport) []*fileVerdict {
	out := make([]*fileVerdict, len(files))
	type acceptance struct {
		index int
		token string
	}
	latest := map[span]acceptance{}
	for i := range files {
		v := c.judge(&files[i])
		out[i] = v
		r.Made++
		switch v.state {
		case accepted:
			r.Accepted++
			latest[v.spans[0]] = acceptance{i, v.token}
		case failed:
			r.Failed++
		case unsound:
			r.Unsound++
		}
	}
	for i, v := range out {
		for _, s := range v.spans {
			if a, ok := latest[s]; ok && a.index != i {
				v.any, v.later = true, v.later || a.index > i
				if v.token == "" {
					v.token = a.token
				}
			}
		}
	}
	return out
}

func (c *Checker) judge(f *truth.File) *fileVerdict {
	v := &fileVerdict{file: f, rows: map[schemas.Kind]counts{}}
	if x := c.extracts[f.ResponseID]; x != nil {
		v.extract = *x
	}
	known := v.extract.mark
	switch {
	case v.extract.marked() && damagedForGood(f):
		v.state = unsound
	case v.extract.marked():
		v.state = accepted
	case v.extract.failed:
		v.state = failed
	}
	if known.kind == "" {
		known = v.extract.ready
	}
	v.token = known.token
	c.readRows(v)
	kinds := []schemas.Kind{known.kind}
	if known.kind == "" {
		if kinds = slices.Sorted(maps.Keys(v.rows)); len(kinds) == 0 {
			kinds = operationKinds[f.Operation]
		}
		if len(kinds) == 0 {
			kinds = []schemas.Kind{""} // an operation we do not know: it matches nothing
		}
	}
	begin, end := c.asked(f)
	for _, k := range kinds {
		v.spans = append(v.spans, span{k, begin, end})
	}
	return v
}

func (c *Checker) readRows(v *fileVerdict) {
	zone := c.written(v.file)
	for _, row := range v.file.Rows {
		k := kindOf[row.Kind]
		reader := c.rows[k]
		if reader == nil {
			continue
		}
		value, identified := reader.cells(row.Cells, zone)
		if !identified {
			v.rejected++
			continue
		}
		if v.rows[k] == nil {
			v.rows[k] = make(counts, len(v.file.Rows))
		}
		v.rows[k].add(value)
	}
}

// written is the zone of a file's times.
func (c *Checker) written(f *truth.File) *time.Location {
	if f.Zone == "" {
		return c.zone
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return c.zone // of another version of the simulator, or of a test's own
	}
	return zone
}

// asked returns the wall-clock texts of the request.
func (c *Checker) asked(f *truth.File) (begin, end string) {
	begin, end = f.BeginText, f.EndText
	if begin == "" {
		begin = f.Begin.In(c.zone).Format(world.TimeLayout)
	}
	if end == "" {
		end = f.End.In(c.zone).Format(world.TimeLayout)
	}
	return begin, end
}

// rightWindow reports whether a file was accepted for the window that was asked
// for: ends are whole seconds, and inclusive in the request.
func (c *Checker) rightWindow(v *fileVerdict) bool {
	w, err := schemas.ParseWindow(v.token)
	return err == nil &&
		w.From.In(c.zone).Format(world.TimeLayout) == v.spans[0].begin &&
		w.To.Add(-time.Second).In(c.zone).Format(world.TimeLayout) == v.spans[0].end
}

// settleFiles decides which files without marker are a problem. One that the
// bridge never matched with a window (the answer to its request was lost, say)
// may also be made good by an earlier file of the window that has all its rows.
func (c *Checker) settleFiles(files []*fileVerdict, required map[windowKey]counts, r *FileReport, p *problems) {
	made := make(map[string]bool, len(files))
	for _, v := range files {
		made[v.file.ResponseID] = true
		c.settleFile(v, required, r, p)
	}
	for _, id := range slices.Sorted(maps.Keys(c.extracts)) {
		if c.extracts[id].marked() && !made[id] {
			r.Unknown++
			p.add("the marker of extract %s names a file that was never made", id)
		}
	}
}

func (c *Checker) settleFile(v *fileVerdict, required map[windowKey]counts, r *FileReport, p *problems) {
	s, id := v.spans[0], v.file.ResponseID
	madeGood := v.later || v.any && !v.extract.known() && covered(v, required)
	switch {
	case v.state == accepted && !c.rightWindow(v):
		r.WrongWindow++
		p.add("file %s was asked for as %s to %s and accepted as %s %s", id, s.begin, s.end, s.kind, v.token)
	case v.state == accepted:
	case v.state == unsound:
		p.add("file %s was accepted although it is damaged (%s)", id, v.file.Damaged)
	case v.state == failed && !madeGood:
		r.FailedWindows++
		p.add("file %s (%s, %s to %s) failed, and no later file of its window is accepted", id, s.kind, s.begin, s.end)
	case v.state == open && madeGood:
		r.Superseded++
	case v.state == open:
		r.Unfinished++
		p.add("file %s (%s, %s to %s) has neither a marker nor a dead letter", id, s.kind, s.begin, s.end)
	}
}

func covered(v *fileVerdict, required map[windowKey]counts) bool {
	for kind, rows := range v.rows {
		there := required[windowKey{kind, v.token}]
		for value, n := range rows {
			if there[value] < n {
				return false
			}
		}
	}
	return true
}

// acceptedRows are the rows of accepted files that calls are made of: those of windows of
// which an extract was accepted. A file of one kind may bring rows of another.
func (c *Checker) acceptedRows(files []*fileVerdict) (all [][]callcheck.Row) {
	marked := map[windowKey]bool{}
	for _, x := range c.extracts {
		marked[x.mark] = true
	}
	for _, v := range files {
		var of []callcheck.Row
		for _, row := range v.file.Rows {
			if v.state != accepted || !marked[windowKey{kindOf[row.Kind], v.token}] {
				continue
			}
			cells := make([]string, len(row.Cells))
			for i, cell := range row.Cells {
				cells[i] = trim(cell)
			}
			of = append(of, callcheck.Row{Kind: row.Kind, Cells: cells})
		}
		all = append(all, of)
	}
	return all
}
