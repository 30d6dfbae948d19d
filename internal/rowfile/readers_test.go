//go:build readers

package rowfile_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/internal/rowfile"
	"aiccbridge/schemas"
	"aiccbridge/schemas/rows"
)

// TestReaders has readers that are not ours take 1,000 simulated rows of each kind: Ajv in
// strict mode by the JSON Schemas, and DuckDB from a Parquet file.
func TestReaders(t *testing.T) {
	all := simulatedRows(t)
	all[schemas.KindOperation] = append(all[schemas.KindOperation][:wanted-1], operation(t)) // the simulator writes no cell that does not fit
	t.Run("ajv", func(t *testing.T) { ajvAccepts(t, all) })
	for _, k := range schemas.Kinds() {
		t.Run("duckdb/"+string(k), func(t *testing.T) { duckDBReads(t, k, all[k]) })
	}
}

// node runs one of the scripts and decodes what it prints.
func node(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	var complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("testdata", "readers", script)}, args...)...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v (make readers installs what it needs)\n%s", script, err, complaints.Bytes())
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("node %s: %v", script, err)
	}
}

// verdict is what accept.mjs prints.
type verdict struct {
	Compiled int
	Accepted map[string]int
	Refused  []string
}

// ajvJudges has the messages validated by the schemas of a folder.
func ajvJudges(t *testing.T, folder string, all map[schemas.Kind][]schemas.Message) (v verdict) {
	t.Helper()
	dir := t.TempDir()
	for k, messages := range all {
		var lines bytes.Buffer
		for _, m := range messages {
			lines.Write(append(m.Body, '\n'))
		}
		if err := os.WriteFile(filepath.Join(dir, "row."+string(k)+".jsonl"), lines.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node(t, &v, "accept.mjs", folder, dir)
	return v
}

const published = "../../schemas/jsonschema"

func ajvAccepts(t *testing.T, all map[schemas.Kind][]schemas.Message) {
	v := ajvJudges(t, published, all)
	accepted := map[string]int{}
	for _, k := range schemas.Kinds() {
		accepted["row."+string(k)] = wanted
	}
	if diff := cmp.Diff(verdict{len(schemas.MessageTypes()), accepted, nil}, verdict{v.Compiled, v.Accepted, nil}); diff != "" || len(v.Refused) > 0 {
		t.Errorf("(-want +got):\n%s%s", diff, strings.Join(v.Refused[:min(len(v.Refused), 5)], "\n"))
	}
}

// TestReadersBite: a wrong type and a schema that strict mode does not take are refused.
func TestReadersBite(t *testing.T) {
	wrong := operation(t)
	wrong.Body = bytes.Replace(wrong.Body, []byte(`"op_type":38`), []byte(`"op_type":"38"`), 1)
	v := ajvJudges(t, published, map[schemas.Kind][]schemas.Message{schemas.KindOperation: {operation(t), wrong}})
	if v.Accepted["row.operation"] != 1 || len(v.Refused) != 1 || !strings.Contains(v.Refused[0], "row.operation, line 2: data/op_type must be integer") {
		t.Errorf("a text for a code: %+v", v)
	}
	loose := t.TempDir()
	schema := []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"type":["string","integer"]}}}`)
	if err := os.WriteFile(filepath.Join(loose, "row.cdr.json"), schema, 0o600); err != nil {
		t.Fatal(err)
	}
	if v := ajvJudges(t, loose, nil); v.Compiled != 0 || len(v.Refused) != 1 || !strings.Contains(v.Refused[0], "use allowUnionTypes") {
		t.Errorf("a union: %+v", v)
	}
}

func duckDBReads(t *testing.T, k schemas.Kind, messages []schemas.Message) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	writeFile(t, path, k, messages)
	var got struct {
		Types map[string]string
		Rows  []map[string]any
	}
	node(t, &got, "read.mjs", path)
	if diff := cmp.Diff(documentedTypes(k), got.Types); diff != "" {
		t.Errorf("types (-documented +read):\n%s", diff)
	}
	if len(got.Rows) != len(messages) {
		t.Fatalf("%d rows, want %d", len(got.Rows), len(messages))
	}
	for i, m := range messages {
		if diff := cmp.Diff(documentedCells(t, k, m), got.Rows[i]); diff != "" {
			t.Fatalf("%s (-row +read):\n%s", m.Body, diff)
		}
	}
}

func writeFile(t *testing.T, path string, k schemas.Kind, messages []schemas.Message) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w, err := rowfile.NewWriter(file, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// documentedTypes are those of docs/parquet.md, as DuckDB names them.
func documentedTypes(k schemas.Kind) map[string]string {
	types := map[string]string{
		"unparsed": "MAP(VARCHAR, VARCHAR)", "extra": "MAP(VARCHAR, VARCHAR)", "ambiguous": "VARCHAR[]",
		"row_ordinal": "BIGINT", "row_revision": "BIGINT",
	}
	for _, text := range []string{"tenant", "kind", "window", "row_id", "row_key", "row_file", "row_extract"} {
		types[text] = "VARCHAR"
	}
	for _, s := range rows.Spans(k) {
		types[s.Name] = "BIGINT"
	}
	for _, c := range rows.Columns(k) {
		types[c.Name] = map[rows.ColumnType]string{
			rows.Text: "VARCHAR", rows.Integer: "BIGINT", rows.Time: "TIMESTAMP WITH TIME ZONE", rows.TimeUTC: "TIMESTAMP WITH TIME ZONE",
		}[c.Type]
		if c.Named() {
			types[c.Name+"_name"] = "VARCHAR"
		}
	}
	return types
}

// documentedCells are what read.mjs is to print of a row.
func documentedCells(t *testing.T, k schemas.Kind, m schemas.Message) map[string]any {
	t.Helper()
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(m.Body))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		t.Fatal(err)
	}
	object := func(name string) map[string]any {
		if o, ok := body[name].(map[string]any); ok {
			return o
		}
		return map[string]any{}
	}
	header := schemas.ReadRowHeader(m.Headers())
	cells := map[string]any{"row_key": header.Key, "row_extract": header.Extract}
	for column := range documentedTypes(k) {
		if _, fromHeader := cells[column]; !fromHeader {
			cells[column] = printed(t, documentedTypes(k)[column], body[column])
		}
	}
	for column, name := range object("names") {
		cells[column+"_name"] = name
	}
	for _, part := range []string{"unparsed", "extra"} {
		cells[part] = object(part)
	}
	if cells["ambiguous"] == nil {
		cells["ambiguous"] = []any{}
	}
	for name, value := range object("row") {
		cells["row_"+name] = printed(t, documentedTypes(k)["row_"+name], value)
	}
	return cells
}

// printed is a value of the body as DuckDB's client writes one of its type.
func printed(t *testing.T, typ string, value any) any {
	t.Helper()
	switch text, _ := value.(string); {
	case value == nil:
		return nil
	case typ == "BIGINT":
		return value.(json.Number).String()
	case typ == "TIMESTAMP WITH TIME ZONE":
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(at.UnixMicro(), 10)
	}
	return value
}
