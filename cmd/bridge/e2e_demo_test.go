package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// TestDemo runs the command that the README begins with.
func TestDemo(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	code := execute([]string{"demo", "--for", "20s", "--json", "--agents", "10", "--listen", freePort(t)}, &out, &errOut)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, out.Bytes(), errOut.Bytes())
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	var r truthcheck.Report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("the last line is not the report: %v: %q", err, lines[len(lines)-1])
	}
	switch {
	case !r.OK, len(r.Problems) > 0, r.Events.Popped != r.Events.Stored, r.Events.Gaps != 0,
		r.Files.Made != r.Files.Accepted, r.Files.Failed != 0, r.Rows.InFiles != r.Rows.InStream, r.Rows.Duplicates != 0:
		t.Errorf("the report is %s", lines[len(lines)-1])
	case r.Events.Stored <= 50, r.Files.Made < 6, r.Rows.InStream < 10:
		t.Errorf("too little happened: %s", lines[len(lines)-1])
	}
	for _, kind := range schemas.Kinds() {
		if !strings.Contains(lastLineWith(errOut.String(), "rows "), string(kind)+" ") {
			t.Errorf("the live view shows no rows of %s:\n%s", kind, errOut.Bytes())
		}
	}
	t.Logf("%s", lines[len(lines)-1])
}

func lastLineWith(text, part string) (last string) {
	for line := range strings.Lines(text) {
		if _, rows, ok := strings.Cut(line, part); ok {
			last = rows
		}
	}
	return last
}

// TestDemoWithRecordings: what became of each recording is said, and all digests are those of
// the truth.
func TestDemoWithRecordings(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	code := execute([]string{"demo", "--recordings", "--for", "20s", "--json", "--agents", "10", "--listen", freePort(t)}, &out, &errOut)
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	var r truthcheck.Report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || code != exitOK || r.Recordings == nil {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, out.Bytes(), errOut.Bytes())
	}
	if a := *r.Recordings; !r.OK || a.InTruth < 10 || a.Stored+a.Missing != a.InTruth || a.WrongDigest+a.Had+a.Invented+a.Repeated+a.Unsaid != 0 {
		t.Errorf("the report is %s", lines[len(lines)-1])
	}
	t.Logf("%s", lines[len(lines)-1])
}
