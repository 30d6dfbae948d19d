package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"aiccbridge/schemas"
)

// quarantine takes a message that the hub refuses for good out of the way: its
// bytes go to the hub's object store, and a dead letter says so. A dead letter
// that is refused itself is only logged, beside its bytes.
func (f *forwarder) quarantine(ctx context.Context, m schemas.Stored, refusal *schemas.Permanent) error {
	name := fmt.Sprintf("spool/%s/%d", f.id, m.Sequence)
	meta := map[string]string{"subject": m.Subject, "reason": string(refusal.Reason)}
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	object, err := f.spool.hub.Quarantine().Put(ctx, name, meta, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	if f.hubStream != f.spool.opts.Names.Stream(schemas.StreamDeadLetters) {
		if err = f.bury(ctx, m, &schemas.Permanent{Reason: refusal.Reason, Object: object, Err: refusal.Err}); err != nil {
			return err
		}
	}
	f.spool.metrics.refused.WithLabelValues(f.stream).Inc()
	f.spool.log.Error().Err(refusal).Str("subject", m.Subject).Str("object", object).
		Msg("hub refuses a message for good; it is in quarantine")
	return nil
}

// bury spools a dead letter for a message.
func (f *forwarder) bury(ctx context.Context, m schemas.Stored, p *schemas.Permanent) error {
	letter := schemas.DeadLetter{
		Tenant: tenantOf(m.Subject), Reason: p.Reason, Error: p.Err.Error(), Attempts: 1,
		FirstAt: m.StoredAt, LastAt: m.StoredAt, Object: p.Object,
	}
	if p.Object == "" && len(m.Body) <= maxOriginalBytes {
		letter.Original = schemas.Quote(m.Body)
	}
	message, err := f.spool.opts.Names.DeadLetterMessage(letter, fmt.Sprintf("%s/%d", f.id, m.Sequence))
	if err != nil {
		return err
	}
	return f.spool.Publish(ctx, message)
}

// notice hands a callback's notice over, until it is taken.
func (f *forwarder) notice(ctx context.Context, _ string, m schemas.Stored) error {
	n, err := decodeNotice(m.Body)
	if err != nil {
		return f.bury(ctx, m, &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err})
	}
	log := f.spool.hub.newTrouble(f.spool.log.With().Str("tenant", n.Tenant).Logger())
	backOff := newBackOff()
	for ctx.Err() == nil {
		err := f.spool.opts.Notice(ctx, n)
		if refusal := (*schemas.Permanent)(nil); errors.As(err, &refusal) {
			err = f.bury(ctx, m, refusal)
		}
		if err == nil {
			log.over()
			return nil
		}
		if ctx.Err() == nil {
			log.failed(err)
		}
		f.pause(ctx, backOff.NextBackOff())
	}
	return ctx.Err()
}
