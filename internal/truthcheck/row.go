package truthcheck

import (
	"cmp"
	"maps"
	"slices"
)

// counts is a multiset of rows by the hash of their values.
type counts map[uint64]int

func (c counts) add(value uint64) { c[value]++ }

// raise makes every count at least that of other.
func (c counts) raise(other counts) {
	for value, n := range other {
		c[value] = max(c[value], n)
	}
}

// compareRows compares every window by value. The stream must hold, of each row,
// as many as the accepted file that has most of them; and it may hold more if a
// sound file without marker has more. It returns what must be held.
func (c *Checker) compareRows(files []*fileVerdict, r *RowReport, p *problems) (required map[windowKey]counts) {
	required, allowed := map[windowKey]counts{}, map[windowKey]counts{}
	for _, v := range files {
		switch {
		case v.state == accepted:
			raise(required, v)
			done := min(v.rejected, v.extract.rejected)
			r.Rejected += done
			if n := v.rejected - done; n > 0 {
				r.InFiles += n
				r.Missing += n
				p.add("file %s: %d rows without id and call id are no dead letters", v.file.ResponseID, n)
			}
		case v.token != "" && v.mayBringRows():
			raise(allowed, v)
		}
	}
	all := map[windowKey]bool{}
	for at := range required {
		all[at] = true
	}
	for at := range c.windows {
		all[at] = true
	}
	for _, at := range slices.SortedFunc(maps.Keys(all), byWindow) {
		w := compareWindow(required[at], allowed[at], c.windows[at])
		w.forgive(c.rows[at.kind].otherEditions(required[at], c.windows[at]))
		w.into(r, at)
		if w.missing+w.foreign+w.duplicates > 0 {
			p.add("%s %s: of %d rows %d are missing; of %d in the stream %d are too many and %d in no file",
				at.kind, at.token, w.inFiles, w.missing, w.inStream, w.duplicates, w.foreign)
		}
	}
	return required
}

func raise(to map[windowKey]counts, v *fileVerdict) {
	for kind, rows := range v.rows {
		at := windowKey{kind, v.token}
		if to[at] == nil {
			to[at] = make(counts, len(rows))
		}
		to[at].raise(rows)
	}
}

func byWindow(a, b windowKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.token, b.token))
}

// difference is the outcome for one window.
type difference struct{ inFiles, inStream, missing, duplicates, foreign int }

func compareWindow(required, allowed, stream counts) (d difference) {
	for value, have := range stream {
		least := required[value]
		most := max(least, allowed[value])
		d.inStream += have
		d.inFiles += min(max(have, least), most)
		d.missing += max(0, least-have)
		if most > 0 {
			d.duplicates += max(0, have-most)
		} else {
			d.foreign += have
		}
	}
	for value, least := range required {
		if stream[value] == 0 {
			d.inFiles += least
			d.missing += least
		}
	}
	return d
}

// forgive takes back rows that are not missing after all.
func (d *difference) forgive(n int) { d.inFiles, d.missing = d.inFiles-n, d.missing-n }

// otherEditions counts the rows of files that the stream holds as a file with fewer
// columns had them, or with more: a platform that is upgraded changes no row.
func (r *rowReader) otherEditions(required, stream counts) (n int) {
	missing := counts{}
	for value, least := range required {
		if lack := least - stream[value]; lack > 0 {
			missing[value] = lack
		}
	}
	if len(missing) == 0 {
		return 0
	}
	wider := map[uint64]int{} // rows of the stream that a file with fewer columns could have
	for value, have := range stream {
		for _, older := range r.narrower[value] {
			wider[older] += have
		}
	}
	for value, lack := range missing {
		have := wider[value]
		for _, older := range r.narrower[value] {
			have = max(have, stream[older])
		}
		n += min(lack, have)
	}
	return n
}

func (d difference) into(r *RowReport, at windowKey) {
	r.InFiles += d.inFiles
	r.InStream += d.inStream
	r.Missing += d.missing
	r.Duplicates += d.duplicates
	r.Foreign += d.foreign
	if d.inStream > 0 {
		if r.ByKind == nil {
			r.ByKind = map[string]int{}
		}
		r.ByKind[string(at.kind)] += d.inStream
	}
}
