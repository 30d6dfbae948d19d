package content

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/archive"
	"aiccbridge/internal/platformsim/world"
)

// Layout of the wall clocks in requests and cells.
const Layout = time.DateTime

// Source is what the file store knows of the contact centre.
type Source interface {
	// Rows returns the rows of kind with from <= At <= to (the platform's ends
	// are taken as inclusive) and Known <= now, ordered by At.
	Rows(kind world.Kind, from, to, now time.Time) []world.Row
}

// Options are what every file has in common. All but Spaces and Form are required.
type Options struct {
	Source    Source
	Timezone  *time.Location // of the tenant
	Developer string         // account; the column of that name in invented rows
	AccountID string         // in invented rows
	Spaces    []string       // further tenant spaces, among which the source's rows are shared out
	Faults    *fault.Book
	Dice      *Dice
	Form      Form
}

// Form is how files are written when no fault changes it. The platform's pages
// fix only "one line per record, columns in table order"; the zero value is the
// form that real clients were seen to read: header line, UTF-8, commas, LF.
type Form struct {
	Charset   string `yaml:"charset"`   // utf-8 (default), gbk or gb18030
	Separator string `yaml:"separator"` // one character, default ","
	NoHeader  bool   `yaml:"no_header"`
	BOM       bool   `yaml:"bom"` // with UTF-8 only
	CRLF      bool   `yaml:"crlf"`
	Padded    bool   `yaml:"padded"` // blanks and tabs around the cells
	Quoted    bool   `yaml:"quoted"` // quotes around every cell
	// Edition is how many columns a call has: 18, 21, 23 or 29 (default), as platforms
	// grew older; with 18 a recording has 13 instead of 18.
	Edition int `yaml:"edition"`
	// Zone is that of the times: tenant (default), utc or an IANA name. The source must
	// print its cells in it.
	Zone string `yaml:"zone"`
}

// Written is the zone of the times in the files of a tenant that is in a zone.
func (f Form) Written(tenant *time.Location) (*time.Location, error) {
	switch f.Zone {
	case "", "tenant":
		return tenant, nil
	case "utc":
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		return nil, fmt.Errorf("the zone %q of files is not one of tenant, utc and the IANA names", f.Zone)
	}
	return zone, nil
}

// encodings are the charsets by name; UTF-8 needs none.
var encodings = map[string]encoding.Encoding{
	"utf-8": nil, "gbk": simplifiedchinese.GBK, "gb18030": simplifiedchinese.GB18030,
}

// Complete fills in the defaults, or says what is wrong.
func (f Form) Complete() (Form, error) {
	f.Charset, f.Separator = cmp.Or(f.Charset, "utf-8"), cmp.Or(f.Separator, ",")
	f.Zone = cmp.Or(f.Zone, "tenant")
	f.Edition = cmp.Or(f.Edition, world.Call.Width(0))
	if !slices.Contains(world.Editions, f.Edition) {
		return f, fmt.Errorf("the edition %d of files is not one of %v columns of a call", f.Edition, world.Editions)
	}
	if _, err := f.Written(time.UTC); err != nil {
		return f, err
	}
	if _, ok := encodings[f.Charset]; !ok {
		return f, fmt.Errorf("the charset %q of files is not one of utf-8, gbk, gb18030", f.Charset)
	}
	if len(f.Separator) != 1 || f.Separator[0] >= 0x80 || f.Separator == `"` || f.Separator == "\n" || f.Separator == "\r" {
		return f, fmt.Errorf("the separator %q of files is not one ASCII character that separates", f.Separator)
	}
	return f, nil
}

// Dice are random numbers from a seed, for several goroutines.
type Dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// NewDice returns the dice of a seed.
func NewDice(seed uint64) *Dice { return &Dice{rng: rand.New(rand.NewPCG(seed, 0xccf5))} }

// Below returns a number from 0 to n-1.
func (d *Dice) Below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// Request is what a file was asked for.
type Request struct {
	Operation  string // for the scope of faults
	Kinds      []world.Kind
	Begin, End string            // wall clock of the tenant in Layout, both inclusive
	Filters    map[string]string // cells a row must have, by column
}

func (q Request) occasion() fault.Occasion {
	o := fault.Occasion{Operation: q.Operation}
	for _, k := range q.Kinds {
		o.Kinds = append(o.Kinds, k.Word())
	}
	return o
}

// bills reports whether the rows are of calls and recordings.
func (q Request) bills() bool { return q.Kinds[0] == world.Call || q.Kinds[0] == world.Record }

// File is a finished file. It never changes.
type File struct {
	Data []byte
	Rows []world.Row // with the exact cells that the file holds
	// Faults are the names of what was done to it, joined by +; "" for nothing.
	Faults string
	// Empty is the fault of a file without rows, or "".
	Empty string
	// Zone is the IANA name of the zone of its times.
	Zone string
}

// Maker makes files. It is safe for concurrent use.
type Maker struct {
	o       Options
	written *time.Location // in which times are written
	ledger  *ledger
}

// New returns a maker. The error says what is wrong with the form.
func New(o Options) (*Maker, error) {
	if o.Source == nil || o.Timezone == nil || o.Faults == nil || o.Dice == nil {
		return nil, errors.New("a maker of files needs a source, a time zone, faults and dice")
	}
	form, err := o.Form.Complete()
	if err != nil {
		return nil, err
	}
	o.Form = form
	written, err := form.Written(o.Timezone)
	return &Maker{o: o, written: written, ledger: newLedger()}, err
}

// Make makes the file of a request from what is known now.
func (m *Maker) Make(q Request, now time.Time) (File, error) {
	var hits fault.Hits
	o := q.occasion()
	if q.bills() {
		hits = m.o.Faults.All(o, bothKinds)
	}
	if hits.Has(bothKinds) {
		q.Kinds = []world.Kind{world.Call, world.Record}
	}
	sheets, total := m.sheets(q, now)
	f, harm := File{Zone: m.written.String()}, (*fault.Rule)(nil)
	if total > 0 {
		hits = append(m.o.Faults.All(o, forms...), hits...)
		if harm = m.o.Faults.First(o, flipped, truncated); harm != nil {
			hits = append(hits, *harm)
		}
	} else if empty := m.o.Faults.First(o, zeroBytes, noMembers, NoCallback, NoData); empty != nil {
		f.Empty, hits = empty.Fault, append(hits, *empty)
	}
	f.Faults = hits.String()
	if hits.Has(gbk) || hits.Has(gb18030) {
		m.speakChinese(sheets, hits.Has(gb18030))
	}
	if hits.Has(inUTC) {
		f.Zone = time.UTC.String()
	}
	d := m.dialect(hits)
	for i := range sheets {
		sheets[i].keep(sheets[i].kind.Width(m.o.Form.Edition))
		sheets[i].shape(hits, d.NoHeader)
		if hits.Has(inUTC) {
			sheets[i].toUTC(m.written)
		}
		for _, r := range sheets[i].rows {
			f.Rows = append(f.Rows, r.Row)
		}
	}
	data, err := archive.Build(now.In(m.o.Timezone), m.members(sheets, d, hits, now))
	if err == nil && harm != nil {
		data, err = spoil(data, harm.Fault)
	}
	f.Data = data
	return f, err
}

// Span are the instants of the window's ends; a wall clock that a clock change
// repeats or skips is resolved as package time does.
func (m *Maker) Span(q Request) (begin, end time.Time) {
	begin, _ = time.ParseInLocation(Layout, q.Begin, m.o.Timezone) // validated
	end, _ = time.ParseInLocation(Layout, q.End, m.o.Timezone)
	return begin, end
}

func (m *Maker) members(sheets []sheet, d archive.Dialect, hits fault.Hits, now time.Time) []archive.Member {
	if hits.Has(noMembers) {
		return nil
	}
	parts := 1
	if n := hits.Get(split).Count; n > 1 {
		parts = n
	}
	var out []archive.Member
	for _, sh := range sheets {
		for part := range parts {
			number := part + 1
			if parts == 1 {
				number = 0
			}
			member := archive.Member{Name: archive.MemberName(now.In(m.o.Timezone), m.o.Dice.Below(1000), string(sh.kind), number)}
			if !hits.Has(zeroBytes) {
				n := len(sh.rows)
				member.Write = sh.writer(d, sh.rows[n*part/parts:n*(part+1)/parts], hits.Has(headerAgain))
			}
			out = append(out, member)
			if hits.Has(macOS) {
				out = append(out, archive.AppleDouble(member.Name))
			}
		}
	}
	return out
}

// dialect is the form with what the faults change about it.
func (m *Maker) dialect(hits fault.Hits) archive.Dialect {
	f := m.o.Form
	d := archive.Dialect{
		NoHeader: f.NoHeader || hits.Has(noHeader), BOM: f.BOM || hits.Has(bom), CRLF: f.CRLF || hits.Has(crlf),
		Padded: f.Padded || hits.Has(padded), Quoted: f.Quoted || hits.Has(quoted),
		Separator: f.Separator[0], Encoding: encodings[f.Charset],
	}
	switch {
	case hits.Has(gb18030):
		d.Encoding = simplifiedchinese.GB18030
	case hits.Has(gbk):
		d.Encoding = simplifiedchinese.GBK
	}
	return d
}

func spoil(data []byte, how string) ([]byte, error) {
	if how == flipped {
		return archive.Flip(data)
	}
	return data[:len(data)/2], nil
}
