package filestore

import (
	"math/rand/v2"
	"strings"
	"sync"
)

// Chance decides whether one thing goes wrong. Its zero value never does.
type Chance struct {
	// Next makes the next so many occasions go wrong; it counts down.
	Next int `json:"next,omitempty"`
	// Probability, 0 to 1, applies when Next is 0.
	Probability float64 `json:"probability,omitempty"`
}

// Faults are the quirks and failures of the simulated file store, by the
// occasion on which they are decided. The zero value is polite. They can be
// replaced while the store runs.
type Faults struct {
	Answer   AnswerFaults   `json:"answer"`
	Callback CallbackFaults `json:"callback"`
	Download DownloadFaults `json:"download"`
	CSV      CSVFaults      `json:"csv"`
	Empty    EmptyFaults    `json:"empty"`
	Rows     RowFaults      `json:"rows"`
}

// AnswerFaults replace or lose the answer to a signed request. Unauthorized,
// Locked and Firewall are decided for every request before its signature is
// looked at, the others for a create request.
type AnswerFaults struct {
	Unauthorized Chance `json:"unauthorized"` // 401 JSON, not counted for the lock
	Locked       Chance `json:"locked"`       // 403 JSON, for this request only
	Firewall     Chance `json:"firewall"`     // 418 HTML, as a web firewall answers
	FlowControl  Chance `json:"flowControl"`  // create: 0300009
	// Refused answers a create request with Code, default 0300005, which no
	// documented limit of a field leads to.
	Refused Chance `json:"refused"`
	Code    string `json:"code,omitempty"`
	// Lost creates the extraction and closes the connection without an answer.
	Lost Chance `json:"lost"`
}

// CallbackFaults change how a client hears of its file. BeforeAnswer to AtOnce
// are decided once per extraction, the others at every try; several may hit
// the same try.
type CallbackFaults struct {
	// BeforeAnswer generates the file and sends the callback, and waits for
	// its answer, before the create request is answered.
	BeforeAnswer Chance `json:"beforeAnswer"`
	VeryLate     Chance `json:"veryLate"`
	LateSeconds  int    `json:"lateSeconds,omitempty"` // default 1200
	Never        Chance `json:"never"`
	Twice        Chance `json:"twice"` // once more after it was acknowledged
	AtOnce       Chance `json:"atOnce"`
	Copies       int    `json:"copies,omitempty"` // of AtOnce, default 10

	WrongSignature Chance `json:"wrongSignature"`
	OldTimestamp   Chance `json:"oldTimestamp"`
	OldSeconds     int    `json:"oldSeconds,omitempty"` // default 3600
	// HostSignedWithPort and HostSignedWithoutPort sign another Host text
	// than the one sent (the pages' sample calls port 8000 and shows a Host
	// without it).
	HostSignedWithPort    Chance `json:"hostSignedWithPort"`
	HostSignedWithoutPort Chance `json:"hostSignedWithoutPort"`
	Chunked               Chance `json:"chunked"`
	// OtherName sends the file name as FieldName, default "fileName". The
	// pages name billFileName, billName, fileName, agentOprInfoFileName,
	// agentOprSkillFileName and agentSkillInfoFileName.
	OtherName        Chance `json:"otherName"`
	FieldName        string `json:"fieldName,omitempty"`
	DashedResponseID Chance `json:"dashedResponseId"`
	PathDropped      Chance `json:"pathDropped"` // POST / instead of the URL's path
}

// DownloadFaults spoil an answer to a download; the first that hits is used.
// Flipped and Truncated spoil the stored file instead, for ever, when Damage
// is "stored"; they are then decided at its generation.
type DownloadFaults struct {
	Damage             string `json:"damage,omitempty"` // "answer" (default) or "stored"
	Flipped            Chance `json:"flipped"`          // one byte of a member's data
	Truncated          Chance `json:"truncated"`        // the first half, as a complete answer
	HTML502            Chance `json:"html502"`
	SlowDrip           Chance `json:"slowDrip"`
	DripBytesPerSecond int    `json:"dripBytesPerSecond,omitempty"` // default 1024
	// JSONAsOctetStream answers JSONCode, default 0300011, with the content
	// type of a file.
	JSONAsOctetStream Chance `json:"jsonAsOctetStream"`
	JSONCode          string `json:"jsonCode,omitempty"`
	FlowControl       Chance `json:"flowControl"` // 0300008
	NotThere          Chance `json:"notThere"`    // 0300011
	// Cut closes the connection after CutPercent of the promised bytes,
	// default 50.
	Cut        Chance `json:"cut"`
	CutPercent int    `json:"cutPercent,omitempty"`
	// NoLength leaves Content-Length out, which no page promises.
	NoLength Chance `json:"noLength"`
}

// CSVFaults change how the members of the next file are written; several may
// hit the same file. A file without header is never reordered.
type CSVFaults struct {
	NoHeader Chance `json:"noHeader"`
	// GBK and GB18030 write that encoding. A file of ASCII cells gets one
	// Chinese cell, so that the encoding shows; later files keep it.
	GBK            Chance `json:"gbk"`
	GB18030        Chance `json:"gb18030"`
	BOM            Chance `json:"bom"`
	CRLF           Chance `json:"crlf"`
	ExtraColumns   Chance `json:"extraColumns"`
	MissingColumns Chance `json:"missingColumns"`    // from the end
	Columns        int    `json:"columns,omitempty"` // extra or missing, default 2
	Reordered      Chance `json:"reordered"`
	Split          Chance `json:"split"`           // members _1, _2 …
	Parts          int    `json:"parts,omitempty"` // default 2
	Padded         Chance `json:"padded"`
	Quoted         Chance `json:"quoted"`
	BothKinds      Chance `json:"bothKinds"` // call and record, whatever was asked
}

// EmptyFaults change the file of an extraction without rows, whose polite form
// is a header-only member; the first that hits is used.
type EmptyFaults struct {
	EmptyCSV   Chance `json:"emptyCsv"` // members of zero bytes
	EmptyZIP   Chance `json:"emptyZip"` // no members
	NoCallback Chance `json:"noCallback"`
	NoData     Chance `json:"noData"` // every download answers 0300012
}

// RowFaults change which rows there are. A chance that finds no suitable row
// in a file waits for the next one.
type RowFaults struct {
	// Late withholds one row, until the second extraction that covers it.
	Late Chance `json:"late"`
	// Changed alters one cell of one row that an earlier file held.
	Changed Chance `json:"changed"`
	// Extra adds so many synthetic rows to the first kind of the next file.
	// From then on they exist like any other row.
	Extra int `json:"extra,omitempty"`
	// DST adds the rows of a clock change to the next file whose window
	// covers one: two with the same wall clock an hour apart, or one with a
	// wall clock that does not exist.
	DST Chance `json:"dst"`
}

// named is a chance under the name by which the truth log calls it.
type named struct {
	name   string
	chance *Chance
}

// drawn are the names of the faults that hit one occasion.
type drawn []string

func (d drawn) has(name string) bool {
	for _, n := range d {
		if n == name {
			return true
		}
	}
	return false
}

func (d drawn) String() string { return strings.Join(d, "+") }

// switchboard holds the faults and rolls the dice.
type switchboard struct {
	mu     sync.Mutex
	faults Faults
	rng    *rand.Rand
}

func (s *switchboard) set(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

func (s *switchboard) get() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// hit decides one chance.
func (s *switchboard) hit(pick func(*Faults) *Chance) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roll(pick(&s.faults))
}

// all decides every chance of a list.
func (s *switchboard) all(list func(*Faults) []named) drawn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out drawn
	for _, n := range list(&s.faults) {
		if s.roll(n.chance) {
			out = append(out, n.name)
		}
	}
	return out
}

// first decides the chances of a list until one hits; "" is none.
func (s *switchboard) first(list func(*Faults) []named) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range list(&s.faults) {
		if s.roll(n.chance) {
			return n.name
		}
	}
	return ""
}

func (s *switchboard) roll(c *Chance) bool {
	if c.Next > 0 {
		c.Next--
		return true
	}
	return c.Probability > 0 && s.rng.Float64() < c.Probability
}

// takeExtra returns the number of synthetic rows asked for, once.
func (s *switchboard) takeExtra() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.faults.Rows.Extra
	s.faults.Rows.Extra = 0
	return n
}

// intn is a random number below n.
func (s *switchboard) intn(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}
