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
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// basis is what an extract went by and what it left on its window's subject. A file of
// the same text that is read the same way has nothing to add to a subject that still holds
// as much.
type basis struct {
	readAs   string // [export.readAs]
	rows     int
	messages int    // the rows and the markers, this one's included
	text     string // [archive.Archive.Text]; "": not told
}

// String is what [schemas.HeaderBasis] says.
func (b basis) String() string {
	return fmt.Sprintf("%s.%d.%d.%s", b.readAs, b.rows, b.messages, b.text)
}

// parseBasis reads what [schemas.HeaderBasis] says; false for what is none.
func parseBasis(header string) (b basis, ok bool) {
	parts := strings.Split(header, ".")
	if len(parts) != 4 || len(parts[0]) != 32 {
		return b, false
	}
	rows, err := strconv.Atoi(parts[1])
	messages, err2 := strconv.Atoi(parts[2])
	b = basis{parts[0], rows, messages, parts[3]}
	return b, cmp.Or(err, err2) == nil && b.String() == header
}

// lastExtract is the last extract of a window, of which everything is in the stream still.
// The zero value is none that a file can be known again by.
type lastExtract struct {
	basis
	marker   schemas.WindowComplete
	sequence uint64 // of the marker
}

func (x *export) lastExtract(ctx context.Context) (l lastExtract, err error) {
	as := x.readAs()
	if as == "" || x.suspected() {
		return l, nil
	}
	subject := x.w.o.Names.Row(x.file.Tenant, x.file.Kind, x.file.Window)
	last, messages, found, err := x.w.o.Rows.Held(ctx, subject)
	if err != nil {
		return l, fmt.Errorf("look at the last extract on %s: %w", subject, err)
	}
	before, ok := parseBasis(last.Get(schemas.HeaderBasis))
	if !found || !ok || before.readAs != as || before.messages != messages || last.Get(schemas.HeaderExtract) == x.file.ResponseID {
		return l, nil
	}
	var marker schemas.WindowComplete
	if err := json.Unmarshal(last.Body, &marker); err != nil {
		return l, nil
	}
	return lastExtract{before, marker, last.Sequence}, nil
}

// sameFile completes the window of a file with the same bytes as the last one: only the
// marker is new. done is false for any other.
func (x *export) sameFile(ctx context.Context, l lastExtract) (done bool, err error) {
	if l.sequence == 0 {
		return false, nil
	}
	if sum, err := x.sum(ctx); err != nil || sum != l.marker.SHA256 {
		return false, err
	}
	return true, x.sameAgain(ctx, l)
}

// sameText completes the window of a file that has the same rows, byte by byte and in the same
// order, as the last one: a file that is made anew has other times and names in its ZIP. done is
// false for any other.
func (x *export) sameText(ctx context.Context, l lastExtract, a *archive.Archive) (done bool, err error) {
	if l.text == "" || l.text != a.Text() || !x.plain(a) {
		return false, nil
	}
	l.marker.SHA256, l.marker.Files = a.SHA256, filesOf(a, x.file.Kind)
	return true, x.sameAgain(ctx, l)
}

// sameAgain says that an extract brought what the last one did.
func (x *export) sameAgain(ctx context.Context, l lastExtract) error {
	l.marker.ResponseID, l.marker.Added, l.marker.Revised = x.file.ResponseID, 0, 0
	l.marker.RequestedAt, l.marker.CompletedAt = x.entry.RequestedAt, time.Now().UTC()
	m, err := x.w.o.Names.WindowCompleteMessage(l.marker)
	if err != nil {
		return err
	}
	l.messages++
	m.Header[schemas.HeaderBasis] = l.String()
	err = x.step(ctx, "publish rows", func(ctx context.Context) error {
		trace.Tell(ctx, &m)
		_, err := x.w.o.Rows.Append(ctx, []schemas.Message{m}, l.sequence)
		return err
	})
	if err != nil {
		return err
	}
	x.w.metrics.rows.WithLabelValues(string(x.file.Kind)).Inc()
	return x.complete(ctx, l.rows, outcome{total: l.marker.Rows})
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
		mark = x.privacy.Mark()
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

// basis is what this extract goes by; "" where the file is to be read whenever it comes,
// because there is something to say of it besides its rows. What is new about its shape is
// said once.
func (p *publication) basis(a *archive.Archive) string {
	as := p.readAs()
	if as == "" || p.rejected > 0 || p.unsaid || p.zone.finding().suspect || !p.plain(a) {
		return ""
	}
	b := basis{readAs: as, rows: p.window.count, messages: p.window.count + p.window.markers + 1}
	if !p.withholds() { // a digest tells what a small file has
		b.text = a.Text()
	}
	return b.String()
}

// plain reports a file with nothing in it but sound members of its window's kind.
func (x *export) plain(a *archive.Archive) bool {
	return len(a.Members) > 0 && len(a.Skipped) == 0 && !slices.ContainsFunc(a.Members, func(m archive.Member) bool {
		return m.Kind != x.file.Kind || m.Torn > 0
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
