package worker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/schemas"
)

// basis is what an extract went by and what it left on its window's subject. A file with
// the same bytes that is read the same way has nothing to add to a subject that still holds
// as much.
type basis struct {
	readAs   string // [export.readAs]
	rows     int
	messages int // the rows and the markers, this one's included
}

// String is what [schemas.HeaderBasis] says.
func (b basis) String() string { return fmt.Sprintf("%s.%d.%d", b.readAs, b.rows, b.messages) }

// parseBasis reads what [schemas.HeaderBasis] says; false for what is none.
func parseBasis(text string) (b basis, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) != 32 {
		return b, false
	}
	rows, err := strconv.Atoi(parts[1])
	messages, err2 := strconv.Atoi(parts[2])
	b = basis{parts[0], rows, messages}
	return b, cmp.Or(err, err2) == nil && b.String() == text
}

// unchanged completes the window of a file with the same bytes as the last one, of which
// everything is in the stream still: only the marker is new. done is false where that is
// not certain; then the file is to be read.
func (x *export) unchanged(ctx context.Context) (done bool, err error) {
	as := x.readAs()
	if as == "" || x.suspected() {
		return false, nil
	}
	subject := x.w.o.Names.Row(x.file.Tenant, x.file.Kind, x.file.Window)
	last, messages, found, err := x.w.o.Rows.Held(ctx, subject)
	if err != nil {
		return false, fmt.Errorf("look at the last extract on %s: %w", subject, err)
	}
	before, ok := parseBasis(last.Get(schemas.HeaderBasis))
	if !found || !ok || before.readAs != as || before.messages != messages || last.Get(schemas.HeaderExtract) == x.file.ResponseID {
		return false, nil
	}
	var marker schemas.WindowComplete
	if err := json.Unmarshal(last.Body, &marker); err != nil {
		return false, nil
	}
	if sum, err := x.sum(ctx); err != nil || sum != marker.SHA256 {
		return false, err
	}
	marker.ResponseID, marker.Added, marker.Revised, marker.Kept = x.file.ResponseID, 0, 0, nil
	marker.RequestedAt, marker.CompletedAt = x.entry.RequestedAt, time.Now().UTC()
	m, err := x.w.o.Names.WindowCompleteMessage(marker)
	if err != nil {
		return false, err
	}
	before.messages++
	m.Header[schemas.HeaderBasis] = before.String()
	if _, err := x.w.o.Rows.Append(ctx, []schemas.Message{m}, last.Sequence); err != nil {
		return false, err
	}
	x.w.metrics.rows.WithLabelValues(string(x.file.Kind)).Inc()
	return true, x.complete(ctx, before.rows, outcome{total: marker.Rows})
}

// readAs tells how the file's rows are read and written from any other way: by another
// program, other settings or other rules of the zones. "": nobody can tell.
func (x *export) readAs() string {
	if x.w.o.Program == nil {
		return ""
	}
	program := x.w.o.Program()
	if program == "" {
		return ""
	}
	t, mark := x.tenant, ""
	if x.withholds() {
		mark = t.Privacy.Mark()
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %+v %+v %d %t %q", program, t.Dialect, x.w.o.Limits, t.Edition, t.NoNames, mark)
	for _, zone := range []*time.Location{t.Zone, x.written(x.file.Kind)} {
		for _, at := range []time.Time{x.file.Window.From, x.file.Window.To} {
			fmt.Fprintf(sum, " %q %d", zone, offsetAt(zone, at))
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// plain reports a file of which nothing is to be said whenever it comes, but its rows: what is
// new about its shape is said once. So nothing is left unsaid when it is not read again.
func (p *publication) plain(a *archive.Archive) bool {
	return p.rejected == 0 && !p.unsaid && len(a.Members) > 0 && len(a.Skipped) == 0 && !p.zone.finding().suspect &&
		!slices.ContainsFunc(a.Members, func(m archive.Member) bool {
			return m.Kind != p.file.Kind || m.Torn > 0
		})
}

// suspected reports that files of the kind were of another zone, which this one may end.
func (x *export) suspected() bool {
	return slices.ContainsFunc(x.w.o.Zones.Suspected(x.file.Tenant), func(s Suspicion) bool { return s.Kind == x.file.Kind })
}

// sum is the digest of the downloaded file.
func (x *export) sum(ctx context.Context) (string, error) {
	file, err := os.Open(x.path())
	if err != nil {
		return "", fmt.Errorf("open download: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, archive.Steady(ctx, file, x.progress)); err != nil {
		return "", fmt.Errorf("read download: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
