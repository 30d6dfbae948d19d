package envelope

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
)

// RowHeader is what the headers of a message on a window's subject say. Rest sums up the
// cells of a row that its id leaves out: those of columns that not every edition of the
// platform has, and the zone in which its times were read.
type RowHeader struct {
	ID       string // ce-id
	Key      string // hash of the natural key, the same for all revisions; "" for markers
	Rest     string // "" when there are no such cells and the zone is the tenant's
	Extract  string // that brought it: for markers its response id, for rows the [ExtractSum] of that
	Type     string // ce-type: aicc.v1.row.<kind>, or aicc.v1.window_complete for a marker
	Revision int    // from 1; 0 for markers
}

// ReadRowHeader reads the headers of a row or a marker without touching its
// body. Absent headers leave their field empty.
func ReadRowHeader(h map[string][]string) RowHeader {
	s := Stored{Header: h}
	r := RowHeader{ID: s.Get("ce-id"), Type: s.Get("ce-type"), Extract: s.Get(HeaderExtract)}
	if parts := strings.SplitN(s.Get(HeaderRow), ".", 4); len(parts) >= 3 {
		r.Key, r.Extract, r.Rest = parts[0], parts[2], strings.Join(parts[3:], "")
		r.Revision, _ = strconv.Atoi(parts[1])
	}
	return r
}

// Value is the row's [HeaderRow]: key, revision, the extract's sum, and the rest, unless it
// is empty, with dots between them.
func (h RowHeader) Value() string {
	return strings.TrimSuffix(h.Key+"."+strconv.Itoa(h.Revision)+"."+h.Extract+"."+h.Rest, ".")
}

// ExtractSum stands for a response id in [HeaderRow]: 12 hex digits of a hash.
func ExtractSum(responseID string) string {
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(responseID)))
}
