package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Records reads the records of one member as text, without its header line.
type Records struct {
	file    io.ReadCloser
	csv     *csvReader
	decoder *encoding.Decoder // nil: UTF-8
	record  []string
}

// Records begins to read a member of an open archive. progress is called while reading.
func (m Member) Records(ctx context.Context, progress func()) (*Records, error) {
	file, err := m.entry.Open()
	if err != nil {
		return nil, fmt.Errorf("open member: %w", err)
	}
	r := &Records{file: file}
	if r.csv, err = newCSVReader(Steady(ctx, file, progress)); err == nil && m.Header != nil {
		_, err = r.csv.read()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read header: %w", err), file.Close())
	}
	if m.Charset == charsetGB18030 {
		r.decoder = simplifiedchinese.GB18030.NewDecoder()
	}
	return r, nil
}

// Read returns the next record, valid until the next call; io.EOF at the end.
func (r *Records) Read() ([]string, error) {
	cells, err := r.csv.read()
	if err != nil {
		return nil, err
	}
	r.record = r.record[:0]
	for _, cell := range cells {
		if r.decoder != nil && !isASCII(cell) {
			if cell, err = r.decoder.Bytes(cell); err != nil {
				return nil, errCharset
			}
		}
		r.record = append(r.record, string(cell))
	}
	return r.record, nil
}

// Line is the line of the record read last, from 1.
func (r *Records) Line() int { return r.csv.line }

// Close ends the reading.
func (r *Records) Close() error { return r.file.Close() }
