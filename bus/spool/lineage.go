package spool

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aiccbridge/schemas"
)

// maxLines is how many lines of messages that have gone are remembered. What the hub
// has of older ones looks like somebody else's, and is searched behind.
const maxLines = 64

// line is a run of a spool's sequences: those that one process stored. Its id is made
// by that process, so that a copy of the data folder, or an older one put in its place,
// goes on in another line, and no two messages ever have the same line and sequence.
type line struct {
	id    string
	first uint64
}

// lineage are the lines of a spool's stream, by their first sequence; each ends where
// the next begins. What a line of it has behind its end was stored by another copy of
// the folder.
type lineage []line

var errLineage = errors.New("the spool's lineage is unreadable; move the data folder's spool-nats away, the events in it are lost")

// readLineage reads what is kept with the stream: the first line's id, which an older
// version used for all, and the others as "<id>@<first sequence>", separated by spaces.
func readLineage(metadata map[string]string) (lineage, error) {
	l := lineage{{metadata[metaSpool], 1}}
	for _, text := range strings.Fields(metadata[metaLines]) {
		id, number, _ := strings.Cut(text, "@")
		first, err := strconv.ParseUint(number, 10, 64)
		if err != nil || id == "" || first < l[len(l)-1].first {
			return nil, fmt.Errorf("%w: %q", errLineage, text)
		}
		l = append(l, line{id, first})
	}
	return l, nil
}

// text is what [readLineage] reads, without the first line.
func (l lineage) text() string {
	var b strings.Builder
	for _, line := range l[1:] {
		fmt.Fprintf(&b, "%s@%d ", line.id, line.first)
	}
	return strings.TrimSpace(b.String())
}

// begin adds a line from a sequence on; lines in which nothing is stored go, but the
// first, which is the stream's. Of the lines whose messages have all gone, as the stream
// begins at kept, only the newest stay.
func (l lineage) begin(id string, first, kept uint64) lineage {
	next := slices.Clone(l[:1])
	for _, old := range l[1:] {
		if old.first < first {
			next = append(next, old)
		}
	}
	next = append(next, line{id, first})
	for len(next) > maxLines && next[2].first <= kept {
		next = slices.Delete(next, 1, 2)
	}
	return next
}

// name is what a message of the spool is called at the hub: <line>/<sequence>.
func (l lineage) name(seq uint64) string {
	at := 0
	for i, line := range l {
		if line.first <= seq {
			at = i
		}
	}
	return l[at].id + "/" + strconv.FormatUint(seq, 10)
}

// sequence is the place in this spool that a message of the hub says it came from; 0
// when it came from elsewhere.
func (l lineage) sequence(m schemas.Stored) uint64 {
	id, text, _ := strings.Cut(m.Get(headerSpool), "/")
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seq == 0 || l.name(seq) != id+"/"+strconv.FormatUint(seq, 10) {
		return 0
	}
	return seq
}
