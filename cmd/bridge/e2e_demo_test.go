package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/nats-io/nats.go"

	"aiccbridge/internal/conform"
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
// the truth. All that the demo published is as the contract says.
func TestDemoWithRecordings(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	o := demoOptions{
		agents: 10, last: 20 * time.Second, seed: 1, asJSON: true, address: freePort(t), audio: true,
		drained: func(ctx context.Context, b *bridge) error { keepsTheContract(ctx, t, b); return nil },
	}
	failure := o.run(t.Context(), &out, &errOut)
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	var r truthcheck.Report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil || failure != nil || r.Recordings == nil {
		t.Fatalf("%v, %v\n%s\n%s", failure, err, out.Bytes(), errOut.Bytes())
	}
	if a := *r.Recordings; !r.OK || a.InTruth < 10 || a.Stored+a.Missing != a.InTruth || a.WrongDigest+a.Had+a.Invented+a.Repeated+a.Unsaid != 0 {
		t.Errorf("the report is %s", lines[len(lines)-1])
	}
	t.Logf("%s", lines[len(lines)-1])
}

// keepsTheContract holds all messages and entries against their schemas, and has the
// CloudEvents SDK read all messages.
func keepsTheContract(ctx context.Context, t *testing.T, b *bridge) {
	all := looking{Questions: questions(b.bus), bus: b.bus, out: io.Discard}
	for _, p := range all.holdings(conform.New(b.names)) {
		v := validation{Where: p.name}
		if err := p.check(ctx, v.note); err != nil {
			t.Error(err)
		}
		if v.Invalid > 0 {
			t.Errorf("%+v", v)
		}
		t.Logf("%-18s %d checked", v.Where, v.Checked)
	}
	types := map[string]int{}
	for _, s := range schemas.Streams() {
		err := b.bus.Read(ctx, s, "", 0, func(m schemas.Stored) error {
			e, err := binding.ToEvent(ctx, nats_jetstream.NewMessage(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Body}))
			if err == nil {
				err = e.Validate()
			}
			switch {
			case err != nil:
				t.Errorf("message %d of %s: %v", m.Sequence, s, err)
			case e.ID() != m.Get("ce-id") || e.Source() != m.Get("ce-source") || e.Type() != m.Get("ce-type") || !bytes.Equal(e.Data(), m.Body):
				t.Errorf("message %d of %s is read as %v", m.Sequence, s, e)
			}
			types[e.Type()]++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("the SDK read %v", types)
	for _, typ := range schemas.MessageTypes() {
		if seldom := []string{schemas.TypeAudit, schemas.TypeDeadLetter, schemas.TypeDrift, schemas.TypeGap, schemas.TypeHeartbeat, schemas.TypeReconstructed, schemas.TypeResolved}; types[typ] == 0 && !slices.Contains(seldom, typ) {
			t.Errorf("there was no %s", typ)
		}
	}
}
