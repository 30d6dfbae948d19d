package archive

import (
	"context"
	"fmt"
	"io"
)

// Records reads the records of one member as text, without header lines.
type Records struct {
	file  io.ReadCloser
	table *table
	last  record
}

// Records begins to read a member of an open archive. progress is called while reading.
func (m Member) Records(ctx context.Context, progress func()) (*Records, error) {
	file, err := m.entry.Open()
	if err != nil {
		return nil, fmt.Errorf("open member: %w", err)
	}
	t := m.table(newCSVReader(Steady(ctx, file, progress)))
	t.known, t.top = m.even, len(m.Headers) > 0
	return &Records{file: file, table: t}, nil
}

// Read returns the next record, valid until the next call; io.EOF at the end. Its cells
// are parts of a larger text: clone one that is to be kept for long.
func (r *Records) Read() (record []string, err error) {
	r.last, err = r.table.next()
	return r.last.cells, err
}

// Line is the line of the record read last, from 1.
func (r *Records) Line() int { return r.last.line }

// Header is the header line that counts for the record read last, nil for none. fresh
// says that it did not count for the record before, or that there was none before.
func (r *Records) Header() (names []string, fresh bool) { return r.table.names, r.last.fresh }

// Close ends the reading.
func (r *Records) Close() error { return r.file.Close() }
