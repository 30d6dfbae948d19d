package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/exporter/archive"
	"aiccbridge/schemas"
)

// rejectRecord keeps a record that names neither its own id nor a call.
func (p *publication) rejectRecord(ctx context.Context, record []string, base string, line int) error {
	original, err := json.Marshal(p.concealText(record))
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	return p.deadLetter(ctx, schemas.ReasonRowIdentity, "neither an id nor a call id", original, base, line)
}

// rejectRow keeps a row whose message is larger than the bus takes. The others of
// its file go out.
func (p *publication) rejectRow(ctx context.Context, m schemas.Message, base string, line int) error {
	return p.deadLetter(ctx, schemas.ReasonOversized, fmt.Sprintf("as a message it has %d bytes, more than the bus takes", len(m.Body)), m.Body, base, line)
}

// deadLetter keeps one row of a sound file that cannot be published.
func (p *publication) deadLetter(ctx context.Context, reason schemas.Reason, why string, original []byte, base string, line int) error {
	p.rejected++
	cause := fmt.Sprintf("%s of %s, line %d: %s", base, p.file.FileName, line, why)
	letter := schemas.NewDeadLetter(p.file.Tenant, reason, cause, time.Now().UTC())
	if !letter.Keep(original) {
		object, err := p.w.o.Quarantine.Put(ctx, fmt.Sprintf("%s/%s/%s/%d.json", schemas.EncodeToken(p.file.Tenant), p.file.FileName, base, line),
			map[string]string{"tenant": p.file.Tenant, "kind": string(p.kind), "window": p.file.Window.String(), "reason": string(reason)},
			archive.Steady(ctx, bytes.NewReader(original), p.progress))
		if err != nil {
			return fmt.Errorf("put line %d in quarantine: %w", line, err)
		}
		letter.Object = object
	}
	m, err := p.w.o.Names.DeadLetterMessage(letter, fmt.Sprintf("row.%s.%s.%d", p.file.ResponseID, base, line))
	if err != nil {
		return err
	}
	return p.w.o.Publisher.Publish(ctx, m)
}
