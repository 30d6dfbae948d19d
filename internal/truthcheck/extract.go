package truthcheck

import (
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"

	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// extract is what the streams say of one response id. The zero value is an
// extract that nobody heard of.
type extract struct {
	ready    windowKey // of its FileReady message
	mark     windowKey // of its marker
	failed   bool      // it has a dead letter
	damaged  bool      // for a reason that says: none of its rows may be published
	rejected int       // dead letters of single rows
}

func (x extract) known() bool  { return x.ready.kind != "" }
func (x extract) marked() bool { return x.mark.kind != "" }

// damageReasons are the reasons why a file's rows must not be in the stream.
var damageReasons = map[schemas.Reason]bool{
	schemas.ReasonDamagedZip: true, schemas.ReasonUnsafeZip: true, schemas.ReasonDamagedCSV: true,
	schemas.ReasonMissingColumns: true, schemas.ReasonNotAZip: true,
}

func (c *Checker) extract(responseID string) *extract {
	x := c.extracts[responseID]
	if x == nil {
		x = &extract{}
		c.extracts[responseID] = x
	}
	return x
}

func (c *Checker) fileReady(m schemas.Stored) error {
	f, err := decode[schemas.FileReady](m)
	if err != nil {
		return err
	}
	c.extract(f.ResponseID).ready = windowKey{f.Kind, f.Window.String()}
	return nil
}

// responseID finds a response id in an id, an object's name or a body.
var responseID = regexp.MustCompile(`(?:^|[^0-9a-f])([0-9a-f]{32})(?:[^0-9a-f]|$)`)

func (c *Checker) deadLetter(m schemas.Stored) error {
	if m.Get("ce-type") == schemas.TypeResolved {
		return nil // the truth knows what became of the file
	}
	d, err := decode[schemas.DeadLetter](m)
	if err != nil {
		return err
	}
	for _, text := range []string{m.Get("ce-id"), d.Object, string(d.Original)} {
		found := responseID.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		x := c.extract(found[1])
		if d.Reason == schemas.ReasonRowIdentity {
			x.rejected++
			return nil
		}
		x.failed, x.damaged = true, x.damaged || damageReasons[d.Reason]
		return nil
	}
	return nil // about an event, or a callback that names nothing
}

func (c *Checker) rowMessage(m schemas.Stored, at windowKey) error {
	h := schemas.ReadRowHeader(m.Header)
	if h.Type == schemas.TypeWindowComplete {
		return c.marker(m, at)
	}
	reader := c.rows[at.kind]
	if reader == nil || h.Type != schemas.TypeRow+string(at.kind) {
		return fmt.Errorf("not a row of %s", at.kind)
	}
	value, err := reader.body(m.Body)
	if err != nil {
		return err
	}
	if c.changedBack(m, h, at, value) {
		c.report.Rows.ChangedBack++
	} else {
		c.window(at).add(value)
	}
	if c.sums[h.Extract] == at {
		c.report.Rows.AfterMarker++
		c.bad.add("%s %s: row %d comes behind the marker of its extract %s", at.kind, at.token, m.Sequence, h.Extract)
	}
	return nil
}

// revision has the rows of the last revision of a natural key, and of the one before.
type revision struct {
	number      int
	now, before []uint64 // hashes of the values
}

// changed reports whether there is a row of the last revision that the one before did not have.
func (r revision) changed() bool {
	left := slices.Clone(r.before)
	return slices.ContainsFunc(r.now, func(value uint64) bool {
		at := slices.Index(left, value)
		if at >= 0 {
			left = slices.Delete(left, at, at+1)
		}
		return at < 0
	})
}

// changedBack reports a row that comes again as a later revision, which its id says: it is what
// it was before the last one, or another row of its natural key has changed. Such a message is no
// duplicate; it is one if nothing has changed, or if its id has come before.
func (c *Checker) changedBack(m schemas.Stored, h schemas.RowHeader, at windowKey, value uint64) bool {
	key := maphash.Comparable(c.contents.seed, struct {
		windowKey
		natural string
	}{at, h.Key})
	last := c.newest[key]
	if h.Revision > last.number { // two rows of one file may share a key, and so a revision
		last = revision{h.Revision, nil, last.now}
	}
	last.now = append(last.now, value)
	c.newest[key] = last
	if rows.BaseID(h.ID) == h.ID {
		return false
	}
	id := m.Subject + " " + h.ID
	known := c.ids[id]
	c.ids[id] = true
	return !known && c.window(at)[value] > 0 && last.changed()
}

func (c *Checker) marker(m schemas.Stored, at windowKey) error {
	w, err := decode[schemas.WindowComplete](m)
	if err != nil {
		return err
	}
	if stated := (windowKey{w.Kind, w.Window.String()}); stated != at {
		return fmt.Errorf("marker of %s %s on another subject", stated.kind, stated.token)
	}
	x := c.extract(w.ResponseID)
	if x.marked() {
		c.report.Files.RepeatedMarks++
		c.bad.add("%s %s: the extract %s has a second marker, message %d", at.kind, at.token, w.ResponseID, m.Sequence)
		return nil
	}
	x.mark, c.sums[schemas.ExtractSum(w.ResponseID)] = at, at
	return nil
}

func (c *Checker) window(at windowKey) counts {
	w := c.windows[at]
	if w == nil {
		w = counts{}
		c.windows[at] = w
	}
	return w
}
