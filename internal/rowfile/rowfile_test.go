package rowfile_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"aiccbridge/internal/rowfile"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// encoderOf reads files of a kind that an hour of 2026 was extracted into.
func encoderOf(t *testing.T, k schemas.Kind, zone *time.Location) *rows.Encoder {
	t.Helper()
	n, err := schemas.NewNames("aicc")
	if err != nil {
		t.Fatal(err)
	}
	return rows.NewEncoder(n, fileOf(k, 4), k, rows.Options{Zone: zone})
}

// fileOf is the file of an hour of that day.
func fileOf(k schemas.Kind, hour int) schemas.FileReady {
	from := time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC)
	id := strings.Repeat("0a", 16)
	return schemas.FileReady{
		Tenant: "acme", Kind: k, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, ResponseID: id,
		FileName: "20261101_" + id + ".zip", ReceivedAt: from.Add(time.Hour), Via: schemas.ViaCallback,
	}
}

// operation is a row with a code that has a name, one that has none, a cell that does not
// fit, a cell too many, and a time that the clocks of New York show twice.
func operation(t *testing.T) schemas.Message {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	e := encoderOf(t, schemas.KindOperation, zone)
	record := strings.Split("9000002,testak01,202405019999,101,,12,1714525260-1001,2026-11-01 01:30:00,soon,38,-1,0,5,39,1,4,,0,0,1714525198-7,3,beyond", ",")
	return row(t, e, record)
}

// row is the message of a record.
func row(t *testing.T, e *rows.Encoder, record []string) schemas.Message {
	t.Helper()
	id, err := e.Identify(record)
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Message(record, id, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRowsAreReadBack holds what is in a file against the row, column by column.
func TestRowsAreReadBack(t *testing.T) {
	var file bytes.Buffer
	w, err := rowfile.NewWriter(&file, schemas.KindOperation)
	if err != nil {
		t.Fatal(err)
	}
	m := operation(t)
	if err := w.Write(m); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	type columns struct {
		Tenant    string            `parquet:"tenant"`
		AgentID   *string           `parquet:"agent_id,optional"`
		ServiceNo *string           `parquet:"service_no,optional"`
		Begin     *time.Time        `parquet:"begin_time,optional,timestamp(microsecond)"`
		End       *time.Time        `parquet:"end_time,optional,timestamp(microsecond)"`
		Operation *int64            `parquet:"op_type,optional"`
		Name      *string           `parquet:"op_type_name,optional"`
		Cause     *string           `parquet:"op_cause_name,optional"`
		Unparsed  map[string]string `parquet:"unparsed"`
		Extra     map[string]string `parquet:"extra"`
		Ambiguous []string          `parquet:"ambiguous,list"`
		ID        string            `parquet:"row_id"`
		Key       string            `parquet:"row_key"`
		Revision  int64             `parquet:"row_revision"`
	}
	got := make([]columns, 2)
	reader := parquet.NewGenericReader[columns](bytes.NewReader(file.Bytes()))
	defer reader.Close()
	if n, err := reader.Read(got); n != 1 || err != io.EOF {
		t.Fatalf("%d rows: %v", n, err)
	}
	r := got[0]
	switch {
	case r.Tenant != "acme" || *r.AgentID != "101" || r.ServiceNo != nil:
		t.Errorf("text: %+v", r)
	case !r.Begin.Equal(time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC)) || r.End != nil:
		t.Errorf("times: %v, %v", r.Begin, r.End)
	case *r.Operation != 38 || *r.Name != "hold" || r.Cause != nil:
		t.Errorf("codes: %+v", r)
	case r.Unparsed["end_time"] != "soon" || r.Extra["col22"] != "beyond" || len(r.Ambiguous) != 1 || r.Ambiguous[0] != "begin_time":
		t.Errorf("the rest: %+v", r)
	case r.ID != m.ID || r.Key != schemas.ReadRowHeader(m.Headers()).Key || r.Key == "" || r.Revision != 1:
		t.Errorf("identity: %+v", r)
	}
}

// TestNothingIsLeftOutInSilence has rows refused that the file's columns do not hold.
func TestNothingIsLeftOutInSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*schemas.Message)
		want   string
	}{
		"other kind":      {func(m *schemas.Message) { m.Type = schemas.TypeRow + "cdr" }, "want aicc.v1.row.operation"},
		"marker":          {func(m *schemas.Message) { m.Type = schemas.TypeWindowComplete }, "want aicc.v1.row.operation"},
		"unknown column":  {func(m *schemas.Message) { m.Body = bytes.Replace(m.Body, []byte(`"id"`), []byte(`"ids"`), 1) }, `"ids"`},
		"text for a code": {func(m *schemas.Message) { m.Body = bytes.Replace(m.Body, []byte(`:38,`), []byte(`:"38",`), 1) }, "does not fit"},
		"unknown name": {func(m *schemas.Message) {
			m.Body = bytes.Replace(m.Body, []byte(`"op_type":"hold"`), []byte(`"agent":"x"`), 1)
		}, "agent has no names"},
	} {
		w, err := rowfile.NewWriter(io.Discard, schemas.KindOperation)
		if err != nil {
			t.Fatal(err)
		}
		m := operation(t)
		tt.change(&m)
		if err := w.Write(m); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), m.ID) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, err := rowfile.NewWriter(io.Discard, "other"); err == nil {
		t.Error("a file of an unknown kind")
	}
}
