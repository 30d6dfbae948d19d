package truthcheck

import (
	"encoding/json"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/truthcheck/callcheck"
	"aiccbridge/schemas"
)

// Checker collects the messages of one tenant. It is not for concurrent use.
type Checker struct {
	zone   *time.Location
	tenant string // as a subject token

	contents contentReader
	rows     map[schemas.Kind]*rowReader

	agents   map[string]*agentStream
	ids      map[string]bool // ce-ids of agent messages, and of rows changed back
	extracts map[string]*extract
	sums     map[string]windowKey // of each marker's extract, as rows have it
	windows  map[windowKey]counts
	newest   map[uint64]revision // by the hash of window and natural key
	calls    *callcheck.Checker  // nil: they are not looked at
	owners   bool                // see Owners
	audio    *Recordings         // as calls
	bad      problems            // of the streams alone
	report   Report              // counters of the streams alone
}

// windowKey names one subject of rows.
type windowKey struct {
	kind  schemas.Kind
	token string // of the window
}

// New returns a Checker without messages. zone is the tenant's, nil for UTC; it must be
// the simulator's. Files are written in it unless the truth says another one.
func New(zone *time.Location, tenant string) *Checker {
	if zone == nil {
		zone = time.UTC
	}
	seed := maphash.MakeSeed()
	c := &Checker{
		zone: zone, tenant: schemas.EncodeToken(tenant), contents: contentReader{seed: seed},
		rows: map[schemas.Kind]*rowReader{}, agents: map[string]*agentStream{}, ids: map[string]bool{},
		extracts: map[string]*extract{}, sums: map[string]windowKey{}, windows: map[windowKey]counts{}, newest: map[uint64]revision{},
	}
	for _, k := range schemas.Kinds() {
		c.rows[k] = newRowReader(k, seed)
	}
	return c
}

// Calls has calls compared, too: those of the accepted files must be in the stream.
func (c *Checker) Calls() { c.calls = callcheck.New(c.zone) }

// Owners says that bridges stood still or were cut off, and others polled their agents: order
// is then promised within an epoch only.
func (c *Checker) Owners() { c.owners = true }

// Recordings has recordings compared, too: of each it must be said what became of its audio.
func (c *Checker) Recordings() { c.audio = newRecordings(c.tenant) }

// Message takes one message. All messages of the streams EVENTS, FILES, ROWS, DEADLETTERS
// and, after [Checker.Calls], CALLS must be fed, once, each stream in its order; the order between
// streams does not matter. Messages of other tenants and streams are ignored.
func (c *Checker) Message(m schemas.Stored) {
	if c.audio != nil {
		c.audio.Message(m)
	}
	tokens := strings.SplitN(m.Subject, ".", 5) // prefix, version, tenant, what, the rest
	if len(tokens) < 5 || tokens[2] != c.tenant {
		return
	}
	var err error
	switch tokens[3] {
	case "agent":
		err = c.agentMessage(m)
	case "file":
		err = c.fileReady(m)
	case "row":
		kind, window, _ := strings.Cut(tokens[4], ".")
		err = c.rowMessage(m, windowKey{schemas.Kind(kind), window})
	case "call":
		if c.calls != nil {
			err = c.calls.Message(m, tokens[4], c.bad.add)
		}
	case "deadletter":
		err = c.deadLetter(m)
	}
	if err != nil {
		c.bad.add("%s message %d (%s) cannot be read", tokens[3], m.Sequence, m.Get("ce-type"))
	}
}

// Compare holds the messages fed so far against the truth. It changes nothing
// and may be called again after further messages.
func (c *Checker) Compare(t truth.Snapshot) Report {
	r := c.report
	p := &problems{list: slices.Clone(c.bad.list)}
	c.compareEvents(t, &r.Events, p)
	files := c.judgeFiles(t.Files, &r.Files)
	required := c.compareRows(files, &r.Rows, p)
	c.settleFiles(files, required, &r.Files, p)
	if c.calls != nil {
		calls := c.calls.Compare(c.acceptedRows(files), c.sounds(t), p.add)
		r.Calls = &calls
	}
	if c.audio != nil {
		audio, problems := c.audio.Compare(t)
		r.Recordings = &audio
		for _, text := range problems {
			p.add("%s", text)
		}
	}
	r.Problems, r.OK = p.list, len(p.list) == 0
	return r
}

// sounds is what the platform has of recordings; nil when they are not compared.
func (c *Checker) sounds(t truth.Snapshot) callcheck.Sounds {
	if c.audio == nil {
		return nil
	}
	all := callcheck.Sounds{}
	for _, r := range t.Recordings {
		all[r.FileName] = r.SHA256
		if r.Absent {
			all[r.FileName] = ""
		}
	}
	return all
}

// decode reads a body into a T.
func decode[T any](m schemas.Stored) (v T, err error) {
	err = json.Unmarshal(m.Body, &v)
	return v, err
}
