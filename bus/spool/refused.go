package spool

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// quarantineTimeout limits the storing of one message's bytes.
const quarantineTimeout = 30 * time.Second

// quarantine takes a message that the hub refuses for good out of the way: its
// bytes go to the hub's object store, and a dead letter says so. A dead letter
// that is refused itself is only logged, beside its bytes.
func (f *forwarder) quarantine(ctx context.Context, m schemas.Stored, refusal *schemas.Permanent) error {
	name := fmt.Sprintf("spool/%s/%d", f.id, m.Sequence)
	meta := map[string]string{"subject": m.Subject, "reason": string(refusal.Reason)}
	ctx, cancel := context.WithTimeout(ctx, quarantineTimeout)
	defer cancel()
	object, err := f.spool.objects.Put(ctx, name, meta, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	if f.hubStream != f.spool.hub.Names().Stream(schemas.StreamDeadLetters) {
		if err = f.deadLetter(ctx, m, &schemas.Permanent{Reason: refusal.Reason, Object: object, Err: refusal.Err}); err != nil {
			return err
		}
	}
	f.spool.metrics.refused.WithLabelValues(f.stream).Inc()
	f.spool.log.Error().Err(refusal).Str("subject", m.Subject).Str("object", object).
		Msg("hub refuses a message for good; it is in quarantine")
	return nil
}

// deadLetter spools a dead letter for a message.
func (f *forwarder) deadLetter(ctx context.Context, m schemas.Stored, p *schemas.Permanent) error {
	letter := schemas.NewDeadLetter(schemas.TenantOf(m.Subject), p.Reason, p.Err.Error(), m.StoredAt)
	if letter.Object = p.Object; letter.Object == "" {
		letter.Keep(m.Body)
	}
	message, err := f.spool.hub.Names().DeadLetterMessage(letter, fmt.Sprintf("%s/%d", f.id, m.Sequence))
	if err != nil {
		return err
	}
	return f.spool.Publish(ctx, message)
}
