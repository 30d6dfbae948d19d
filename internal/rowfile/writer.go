package rowfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"aiccbridge/schemas"
)

// groupRows is how many rows are kept in memory before they are written: what readers
// split their work by. DuckDB and Spark write groups of about this size.
const groupRows = 100_000

// Writer writes the rows of one kind into a Parquet file. Not for concurrent use.
type Writer struct {
	kind   schemas.Kind
	layout layout
	file   *parquet.GenericWriter[any]
}

// NewWriter begins a file of a kind in w. It is whole only after [Writer.Close]. The error
// is one of an unknown kind; nothing is written yet.
func NewWriter(w io.Writer, k schemas.Kind) (*Writer, error) {
	l, err := layoutOf(k)
	if err != nil {
		return nil, fmt.Errorf("begin Parquet file: %w", err)
	}
	file := parquet.NewGenericWriter[any](w,
		parquet.SchemaOf(reflect.New(l.record).Interface()), parquet.Compression(&parquet.Zstd),
		parquet.MaxRowsPerRowGroup(groupRows), parquet.KeyValueMetadata("aicc.kind", string(k)),
	)
	return &Writer{kind: k, layout: l, file: file}, nil
}

// Write adds one row: a message of the type aicc.v1.row.<kind>, whose body and headers are
// those of the stream. An error says which row it was; the file is useless then.
func (w *Writer) Write(m schemas.Message) error {
	if want := schemas.TypeRow + string(w.kind); m.Type != want {
		return fmt.Errorf("write row %s: it is a %s, want %s", m.ID, m.Type, want)
	}
	record := reflect.New(w.layout.record)
	decoder := json.NewDecoder(bytes.NewReader(m.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(record.Interface()); err != nil {
		return fmt.Errorf("write row %s: its body does not fit the columns of %s: %w", m.ID, w.kind, err)
	}
	if err := w.layout.fill(record.Elem(), m); err != nil {
		return fmt.Errorf("write row %s: %w", m.ID, err)
	}
	if _, err := w.file.Write([]any{record.Interface()}); err != nil {
		return fmt.Errorf("write row %s: %w", m.ID, err)
	}
	return nil
}

// Close ends the file. It does not close what was written into.
func (w *Writer) Close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("end Parquet file: %w", err)
	}
	return nil
}

// fill sets the columns that a row's body has elsewhere, and those of its headers.
func (l layout) fill(record reflect.Value, m schemas.Message) error {
	body := record.Field(0).Interface().(members) // layoutOf put it there
	header := schemas.ReadRowHeader(m.Headers())
	for column, name := range body.Names {
		field, ok := l.names[column]
		if !ok {
			return fmt.Errorf("names: column %s has no names", column)
		}
		record.Field(field).Set(reflect.ValueOf(&name))
	}
	for column, text := range map[string]string{
		"row_id": body.Row.ID, "row_file": body.Row.File,
		"row_key": header.Key, "row_extract": header.Extract,
	} {
		record.Field(l.row[column]).SetString(text)
	}
	record.Field(l.row["row_ordinal"]).SetInt(body.Row.Ordinal)
	record.Field(l.row["row_revision"]).SetInt(body.Row.Revision)
	return nil
}
