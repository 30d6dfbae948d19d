package callcheck

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// Report is about calls, whose newest revisions are compared.
type Report struct {
	InFiles    int `json:"in_files"`   // calls that the rows of accepted files come to
	InStream   int `json:"in_stream"`  // calls in the stream
	Duplicates int `json:"duplicates"` // revisions that are there twice

	Revisions int `json:"revisions,omitempty"` // of all calls together
	Recorded  int `json:"recorded,omitempty"`  // recordings of calls whose audio was compared
	Missing   int `json:"missing,omitempty"`
	Foreign   int `json:"foreign,omitempty"`   // in no file
	Differing int `json:"differing,omitempty"` // whose newest revision is not what the files say
	Strays    int `json:"strays,omitempty"`    // revisions behind a hole, or away from their home
	Unmarked  int `json:"unmarked,omitempty"`  // windows whose last message is no marker
}

// Problem is told what is wrong.
type Problem func(format string, args ...any)

// Checker collects the calls of one tenant. It is not for concurrent use.
type Checker struct {
	zone    *time.Location
	newest  map[string]schemas.Call // by call id
	markers map[string]bool         // by window: its last message is one
	report  Report                  // of the stream alone
}

// New returns a Checker without calls. zone is that of the tenant's wall clocks.
func New(zone *time.Location) *Checker {
	return &Checker{zone: zone, newest: map[string]schemas.Call{}, markers: map[string]bool{}}
}

// Message takes a message of a window's calls, each once and in the order of the stream.
func (c *Checker) Message(m schemas.Stored, window string, problem Problem) error {
	if c.markers[window] = m.Get("ce-type") == schemas.TypeCallsComplete; c.markers[window] {
		return nil
	}
	var call schemas.Call
	if err := json.Unmarshal(m.Body, &call); err != nil {
		return err
	}
	before, known := c.newest[call.CallID]
	switch {
	case call.Revision <= before.Revision:
		c.report.Duplicates++
		problem("call %s: revision %d comes behind %d, message %d", call.CallID, call.Revision, before.Revision, m.Sequence)
		return nil
	case call.Revision != before.Revision+1 || known && call.Window != before.Window || call.Window.String() != window:
		c.report.Strays++
		problem("call %s: revision %d on the subject of %s, at home in %s, comes behind %d of %s",
			call.CallID, call.Revision, window, call.Window, before.Revision, before.Window)
	}
	c.newest[call.CallID] = call
	return nil
}

// Sounds is what the platform has of recordings, by column file_name: the SHA-256 of the
// audio in hex, "" where it has none. nil: what calls say of audio is not looked at.
type Sounds map[string]string

// audio is what a call is to say of a recording.
func (s Sounds) audio(fileName string) string {
	switch sum, ok := s[fileName]; {
	case !ok:
		return ""
	case sum == "":
		return string(schemas.RecordingMissing)
	default:
		return string(schemas.RecordingStored) + " " + sum
	}
}

// Compare holds the newest revision of each call against the rows of files, in the order in
// which these were made, and the audio of their recordings. It changes nothing.
func (c *Checker) Compare(files [][]Row, sounds Sounds, problem Problem) Report {
	wanted, r := wantedCalls(files), c.report
	r.InFiles, r.InStream = len(wanted), len(c.newest)
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		call, there := c.newest[id]
		if !there {
			r.Missing++
			problem("call %s is missing", id)
			continue
		}
		r.Revisions += call.Revision
		for _, recording := range wanted[id].recordings {
			if sounds.audio(recording.at("file_name")) != "" {
				r.Recorded++
			}
		}
		if differs := differences(wanted[id].sheet(sounds), sheetOf(call, c.zone, sounds != nil)); len(differs) > 0 {
			r.Differing++
			problem("call %s, revision %d of %s, differs in %s", id, call.Revision, call.Window, strings.Join(differs, ", "))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.newest)) {
		if wanted[id] == nil {
			r.Foreign++
			problem("call %s, at home in %s, is in no file", id, c.newest[id].Window)
		}
	}
	for _, window := range slices.Sorted(maps.Keys(c.markers)) {
		if !c.markers[window] {
			r.Unmarked++
			problem("the calls of %s end without a marker", window)
		}
	}
	return r
}

// sheet is what is said of a call, by fields: the text of each that has one. Legs,
// recordings and operations are fields, too, each with all that is said of it.
type sheet map[string]string

func (s sheet) put(field, text string) {
	if text != "" {
		s[field] = text
	}
}

func (s sheet) number(field string, n *int) {
	if n != nil {
		s[field] = fmt.Sprint(*n)
	}
}

// line is the sheet on one line.
func (s sheet) line() string {
	var b strings.Builder
	for _, field := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s=%q ", field, s[field])
	}
	return b.String()
}

// list puts several things in as one field each, in the order of what they say.
func (s sheet) list(field string, lines []string) {
	slices.Sort(lines)
	for i, line := range lines {
		s[fmt.Sprintf("%s[%d]", field, i)] = line
	}
}

// differences are the fields in which two sheets differ: names only, because what they say
// holds phone numbers.
func differences(want, got sheet) (fields []string) {
	for field, text := range want {
		if got[field] != text {
			fields = append(fields, field)
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}
