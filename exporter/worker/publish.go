package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/sabotage"
	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// publish brings the rows of a sound archive into the stream: kind by kind, the
// window's own kind last, whose last batch ends with the window's marker.
func (x *export) publish(ctx context.Context, a *archive.Archive) error {
	f := x.file
	kinds := []schemas.Kind{f.Kind}
	for _, m := range a.Members {
		if slices.Contains(kinds, m.Kind) {
			continue
		}
		if x.elsewhere(m.Kind) {
			x.log().Warn().Str("member", m.Name).Str("rows", string(m.Kind)).Msg("rows of another kind were skipped: their own windows bring them, which are others")
			continue
		}
		kinds = append([]schemas.Kind{m.Kind}, kinds...)
	}
	for _, k := range kinds {
		if err := x.checkHeaders(k, a); err != nil {
			return &schemas.Permanent{Reason: schemas.ReasonMissingColumns, Err: err}
		}
	}
	if err := x.sayShapes(ctx, a); err != nil {
		return err
	}
	var p *publication // in the end that of the window's own kind
	err := x.step(ctx, "publish rows", func(ctx context.Context) error {
		for _, k := range kinds {
			p = &publication{export: x, kind: k, zone: newZoneCheck(x.written(k), f.Window)}
			if err := p.run(ctx, a); err != nil {
				return fmt.Errorf("publish %s rows: %w", k, err)
			}
		}
		trace.Note(ctx, trace.Count("rows", p.total), trace.Count("added", p.added), trace.Count("revised", p.revised), trace.Count("rejected", p.rejected))
		return nil
	})
	if err != nil {
		return err
	}
	return x.complete(ctx, p.window.count, p.outcome)
}

// outcome counts the rows of a file.
type outcome struct {
	total, added, revised, rejected int
	before                          bool // it was published before, and not counted again
}

// rows are those that the ledger is told of; held is how many the window has.
func (o outcome) rows(held int) ledger.Rows {
	if o.before {
		return ledger.Rows{Held: held, New: -1}
	}
	return ledger.Rows{Held: held, New: o.added - o.revised}
}

// complete ends the window's extract once its marker is stored; held is how many rows the
// window has.
func (x *export) complete(ctx context.Context, held int, o outcome) error {
	sabotage.Point("rows.marker_written")
	err := x.step(ctx, "complete window", func(ctx context.Context) error {
		return x.w.o.Ledger.CompleteWith(ctx, x.file, o.rows(held), time.Now())
	})
	if err != nil {
		return err
	}
	x.w.metrics.files.WithLabelValues(string(x.file.Kind), "complete").Inc()
	x.log().Info().Int("rows", o.total).Int("added", o.added).Int("revised", o.revised).Int("rejected", o.rejected).Msg("window complete")
	return nil
}

// elsewhere reports whether rows of another kind, which a file has that was asked for one,
// come with files of their own, of windows that are not cut like this file's: then they would
// be in the stream twice.
func (x *export) elsewhere(k schemas.Kind) bool {
	all := x.w.o.Ledger.Entries(x.file.Tenant, k)
	if len(all) == 0 {
		return false
	}
	newest, w := all[len(all)-1].Window, x.file.Window
	length := w.To.Sub(w.From)
	return newest.To.Sub(newest.From) != length || w.From.Sub(newest.From)%length != 0
}

// checkHeaders finds out before the first row goes out whether every member of a
// kind has the columns it needs.
func (x *export) checkHeaders(k schemas.Kind, a *archive.Archive) error {
	encoder := x.newEncoder(k, nil)
	for _, m := range a.Of(k) {
		for _, header := range m.Headers {
			if err := encoder.Header(header); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
	}
	return nil
}

// publication is the publishing of one kind of one file.
type publication struct {
	*export
	kind    schemas.Kind
	encoder *rows.Encoder
	zone    *zoneCheck
	walls   []int64 // of the record in hand

	window  *windowRows
	batch   []schemas.Message // being filled
	bytes   int               // in the batch
	storing *storing          // the batch before it; nil: none is under way
	spare   []schemas.Message // the room of an earlier one
	room    []byte            // that of its bodies
	outcome
}

// maxBatchBytes bounds what a batch takes up in memory, here and at the server:
// rows of a thousand bytes fill it by number, oversized ones by size. There are two, one that
// is filled and one that is being stored.
const maxBatchBytes = 8 << 20

func (p *publication) run(ctx context.Context, a *archive.Archive) (err error) {
	if p.window, err = p.readBack(ctx, p.kind); err != nil {
		return err
	}
	defer func() {
		if failed := p.stored(); failed != nil { // before whatever came of the next batch
			err = failed
		}
		err = errors.Join(err, p.window.close())
	}()
	if p.before = p.window.marked; p.before {
		return nil // the marker came with the last rows
	}
	if err := p.members(ctx, a, p.row); err != nil {
		return err
	}
	if err := p.judgeZone(ctx); err != nil {
		return err
	}
	if err := p.siblings(ctx, a); err != nil {
		return err
	}
	if p.window.count == 0 && p.rejected > 0 {
		return &schemas.Permanent{Reason: schemas.ReasonRowIdentity, Err: fmt.Errorf("all %d %s records were rejected", p.rejected, p.kind)}
	}
	if p.kind == p.file.Kind {
		if err := p.mark(ctx, a); err != nil {
			return err
		}
	}
	return cmp.Or(p.flush(ctx), p.stored())
}

// visit is called for each record of a member, whose base name and line go along.
type visit func(ctx context.Context, record []string, base string, line int) error

// members has every record of the kind visited. It counts identical rows anew.
func (p *publication) members(ctx context.Context, a *archive.Archive, f visit) (err error) {
	counted := p.newRowCount()
	defer func() { err = errors.Join(err, counted.rows.Close()) }()
	p.encoder = p.newEncoder(p.kind, counted.count)
	for _, m := range a.Of(p.kind) {
		if err := p.member(ctx, m, f); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

func (p *publication) member(ctx context.Context, m archive.Member, f visit) error {
	records, err := m.Records(ctx, p.progress)
	if err != nil {
		return err
	}
	defer records.Close()
	if err := p.encoder.Header(nil); err != nil {
		return err
	}
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if header, fresh := records.Header(); err == nil && fresh {
			err = p.encoder.Header(header)
		}
		if err == nil && (!p.tenant.Split || p.whole(record)) {
			err = f(ctx, record, m.Name, records.Line())
		}
		if err != nil {
			return err
		}
	}
}

// row adds one record to the batch unless it is in the stream already.
func (p *publication) row(ctx context.Context, record []string, base string, line int) error {
	p.watchZone(record)
	p.conceal(record)
	id, err := p.encoder.Identify(record)
	if errors.Is(err, rows.ErrNoIdentity) {
		return p.rejectRecord(ctx, record, base, line)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	row, err := p.window.add(id, func(rest string) bool { return p.encoder.SameRest(record, rest) })
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	if row.fresh {
		sent, err := p.send(ctx, record, row.id, row.revision, base, line)
		if err != nil {
			return err
		}
		if !sent {
			p.window.drop()
			return nil
		}
	}
	p.total++
	if row.ours {
		p.count(row.revision)
	}
	if row.ours && row.revision > 1 {
		return p.window.change(id)
	}
	return nil
}

// whole reports whether all times of a record are in the window.
func (p *publication) whole(record []string) bool {
	w := p.file.Window
	return !slices.ContainsFunc(p.encoder.Times(record), func(at time.Time) bool { return at.Before(w.From) || !at.Before(w.To) })
}

// siblings publishes the rows that stay as they are while another row of their natural key is
// revised, as the same revision. Which rows these are is known only after the whole file has
// been seen; a key of several rows is rare, and so is a revision: then the file is read once more.
func (p *publication) siblings(ctx context.Context, a *archive.Archive) error {
	if !p.window.turned {
		return nil
	}
	return p.members(ctx, a, func(ctx context.Context, record []string, base string, line int) error {
		p.conceal(record)
		id, err := p.encoder.Identify(record)
		if errors.Is(err, rows.ErrNoIdentity) {
			return nil // it has been seen to
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		revision, is, err := p.window.sibling(id, func(rest string) bool { return p.encoder.SameRest(record, rest) })
		if err != nil || !is {
			return err
		}
		sent, err := p.send(ctx, record, id.Again(revision), revision, base, line)
		if err != nil {
			return err
		}
		if sent {
			p.count(revision)
		} else { // its id and revision are longer than they were
			p.window.count--
			p.total--
		}
		return nil
	})
}

// send adds a row's message to the batch. One that the bus does not take becomes a dead
// letter; sent is false then.
func (p *publication) send(ctx context.Context, record []string, id rows.Identity, revision int, base string, line int) (sent bool, err error) {
	m, err := p.encoder.Message(record, id, revision)
	if err != nil {
		return false, fmt.Errorf("line %d: %w", line, err)
	}
	if !p.w.o.Rows.Fits(m) {
		return false, p.rejectRow(ctx, m, base, line)
	}
	return true, p.put(ctx, m)
}

// count counts a row that this extract brings.
func (p *publication) count(revision int) {
	p.added++
	if revision > 1 {
		p.revised++
	}
}

func (p *publication) put(ctx context.Context, m schemas.Message) error {
	if p.bytes+len(m.Body) > maxBatchBytes {
		m.Body = slices.Clone(m.Body) // it is in the room of the batch that goes now
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	p.batch, p.bytes = append(p.batch, m), p.bytes+len(m.Body)
	if len(p.batch) < schemas.MaxBatch {
		return nil
	}
	return p.flush(ctx)
}

// storing is a batch on its way into the stream.
type storing struct {
	batch []schemas.Message
	room  []byte        // of its bodies
	done  chan struct{} // closed once the others are set
	last  uint64
	err   error
}

// flush has the batch stored behind the last message that this worker knows of, while
// the next one is filled. If another worker wrote meanwhile, it is refused and the file is
// begun again.
func (p *publication) flush(ctx context.Context) error {
	if err := p.stored(); err != nil || len(p.batch) == 0 {
		return err
	}
	s := &storing{batch: p.batch, room: p.encoder.TakeRoom(p.room), done: make(chan struct{})}
	last := p.window.last
	go func() {
		defer close(s.done)
		s.last, s.err = p.w.o.Rows.Append(ctx, s.batch, last)
	}()
	p.storing, p.batch, p.bytes, p.room = s, p.spare[:0], 0, nil
	return nil
}

// stored waits for the batch that is under way, if one is.
func (p *publication) stored() error {
	s := p.storing
	if s == nil {
		return nil
	}
	<-s.done
	p.storing = nil
	if s.err != nil {
		return s.err
	}
	p.window.last, p.spare, p.room = s.last, s.batch, s.room
	p.w.metrics.rows.WithLabelValues(string(p.kind)).Add(float64(len(s.batch)))
	p.progress()
	sabotage.Point("rows.between_batches")
	return nil
}

// mark ends the window's subject with the marker of this extract.
func (p *publication) mark(ctx context.Context, a *archive.Archive) error {
	marker := schemas.WindowComplete{
		Tenant: p.file.Tenant, Kind: p.kind, Window: p.file.Window, ResponseID: p.file.ResponseID,
		Rows: p.total, Added: p.added, Revised: p.revised, Rejected: p.rejected, Files: filesOf(a, p.kind),
		SHA256: a.SHA256, RequestedAt: p.entry.RequestedAt, CompletedAt: time.Now().UTC(),
	}
	m, err := p.w.o.Names.WindowCompleteMessage(marker)
	if err != nil {
		return err
	}
	if b := p.basis(a); b != "" {
		m.Header[schemas.HeaderBasis] = b
	}
	trace.Tell(ctx, &m)
	return p.put(ctx, m)
}

// filesOf is what a marker says of the members of a kind.
func filesOf(a *archive.Archive, k schemas.Kind) []schemas.CompleteFile {
	files := []schemas.CompleteFile{}
	for _, m := range a.Of(k) {
		files = append(files, schemas.CompleteFile{Name: m.Name, Rows: m.Rows, Header: len(m.Headers) > 0, Encoding: m.Charset})
	}
	return files
}
