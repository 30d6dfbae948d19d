package witness

import (
	"slices"
	"time"
)

// span are the sequences from First to Last.
type span struct{ First, Last uint64 }

// spansOf puts sorted sequences together. The server calls 0 deleted in a stream that has
// nothing.
func spansOf(sequences []uint64) (list []span) {
	for _, n := range sequences {
		switch end := len(list) - 1; {
		case n == 0:
		case end >= 0 && list[end].Last+1 == n:
			list[end].Last = n
		default:
			list = append(list, span{n, n})
		}
	}
	return list
}

// without is what is left of the sorted spans when others are taken away.
func without(list, away []span) (left []span) {
	for _, s := range list {
		for _, a := range away {
			if a.Last < s.First || a.First > s.Last {
				continue
			}
			if a.First > s.First {
				left = append(left, span{s.First, a.First - 1})
			}
			s.First = a.Last + 1
		}
		if s.First <= s.Last {
			left = append(left, s)
		}
	}
	return left
}

func count(list []span) (n uint64) {
	for _, s := range list {
		n += s.Last - s.First + 1
	}
	return n
}

// touches reports whether one of the spans has a sequence from first to last.
func touches(list []span, first, last uint64) bool {
	return slices.ContainsFunc(list, func(s span) bool { return s.First <= last && s.Last >= first })
}

// shape is how a stream looks.
type shape struct {
	Made      time.Time // another one: the stream is
	First     uint64
	FirstTime time.Time
	Last      uint64
	Holes     []span // between First and Last
	// Unreadable are there, as the server says, but it hands them to nobody.
	Unreadable []span
}

// judgement says which differences are damage.
type judgement struct {
	holes, head bool
	age         time.Duration // after which messages may go; 0: never
	now         time.Time
}

// missing are the sequences up to known, the last one acknowledged, that were there when
// the stream looked as noted, and are not now.
func (j judgement) missing(noted, have shape, known uint64) (list []span) {
	if !noted.Made.IsZero() && !noted.Made.Equal(have.Made) { // none of them
		have = shape{}
		return without([]span{{max(noted.First, 1), known}}, noted.Holes)
	}
	untouched := j.age == 0 || noted.FirstTime.Add(j.age).After(j.now)
	if j.head && untouched && noted.First > 0 && noted.First <= noted.Last && have.First > noted.First {
		list = append(list, span{noted.First, min(have.First-1, known)})
	}
	if j.holes {
		list = append(list, have.Holes...)
	}
	if have.Last < known {
		list = append(list, span{max(have.Last+1, noted.First, 1), known})
	}
	list = without(list, noted.Holes)
	for i := range list {
		list[i].Last = min(list[i].Last, known)
	}
	return slices.DeleteFunc(list, func(s span) bool { return s.First > s.Last })
}
