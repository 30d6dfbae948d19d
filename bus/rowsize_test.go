package bus

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
	encode "aiccbridge/schemas/rows"
)

// fileRows makes the messages of n rows of a kind, with every column of its newest edition.
func fileRows(t testing.TB, k schemas.Kind, n int) []schemas.Message {
	t.Helper()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	file := schemas.FileReady{
		Tenant: "acme", Kind: k, Window: schemas.Window{From: from, To: from.Add(time.Hour)}, ResponseID: fmt.Sprintf("%032x", 7),
		FileName: fmt.Sprintf("20261101_%032x.zip", 7), ReceivedAt: from.Add(2 * time.Hour), Via: schemas.ViaCallback,
	}
	e := encode.NewEncoder(bustest.Names(t), file, k, encode.Options{})
	list := make([]schemas.Message, n)
	for i := range list {
		var record []string
		for range encode.Columns(k) {
			record = append(record, fmt.Sprint(1000+i))
		}
		id, err := e.Identify(record)
		if err != nil {
			t.Fatal(err)
		}
		if list[i], err = e.Message(record, id, 1); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// TestRowsAreLean: subject, headers and the server's own record of a row together, as the
// stream counts them, are no more than 350 bytes, the fence of their batch taken as spread
// over its rows.
func TestRowsAreLean(t *testing.T) {
	t.Parallel()
	const most = 350
	b := ready(t)
	for _, k := range schemas.Kinds() {
		before, err := b.conn.StreamInfo(t.Context(), "AICC_ROWS")
		if err != nil {
			t.Fatal(err)
		}
		batch := fileRows(t, k, schemas.MaxBatch)
		bodies := 0
		for _, m := range batch {
			bodies += len(m.Body)
		}
		if _, err := b.Rows().Append(t.Context(), batch, 0); err != nil {
			t.Fatal(err)
		}
		after, err := b.conn.StreamInfo(t.Context(), "AICC_ROWS")
		if err != nil {
			t.Fatal(err)
		}
		cost := float64(int(after.State.Bytes-before.State.Bytes)-bodies) / float64(len(batch))
		t.Logf("%s: %.1f bytes a row beside its body", k, cost)
		if cost > most {
			t.Errorf("a row of %s costs its body and %.1f bytes, want at most %d", k, cost, most)
		}
	}
}

// TestSizeIsEnough: what Fits goes by is no less than what a batch's only message is.
func TestSizeIsEnough(t *testing.T) {
	t.Parallel()
	strange := bustest.Message(rowSubject(1), "%ü\"", false)
	strange.Header = map[string]string{"aicc-x": strings.Repeat("é ", 500)}
	for _, m := range append(fileRows(t, schemas.KindCDR, 1), bustest.Message(rowSubject(1), "1", false), strange) {
		b := batch{stream: "AICC_ROWS", id: "ABCDE", msgs: []schemas.Message{m}, fence: fence{"aicc.v1.*.row.*.*", 1 << 60}, place: []string{""}}
		if sent := b.message(0).Size() - len(m.Subject); int64(sent) > size(m) || int64(sent)+2048 < size(m) && m.ID != strange.ID {
			t.Errorf("%s: %d bytes, counted as %d", m.ID, sent, size(m))
		}
	}
}
