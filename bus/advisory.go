package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"aiccbridge/schemas"
)

// advisory is what the server says when a consumer's max_deliver is reached. The
// message is then never delivered again, and nothing else tells.
type advisory struct {
	Sequence   uint64 `json:"stream_seq"`
	Deliveries int    `json:"deliveries"`
}

// advisorySubject is where the server says it of the workers' consumer.
func (b *Bus) advisorySubject() string {
	return "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + b.names.Stream(schemas.StreamFiles) + "." + schemas.FileConsumer
}

// watchAdvisories makes dead letters of files that the server has given up, until
// intake ends. The bridge's own consumer has no such limit and its workers give up
// by themselves; this is for one that somebody has changed. Advisories that came
// while no bridge listened are lost: the window of such a file is overdue in the
// ledger before long, and asked for again.
func (b *Bus) watchAdvisories(intake, work context.Context) {
	sub, err := b.conn.JetStream().Conn().SubscribeSync(b.advisorySubject())
	if err != nil {
		b.log.Warn().Err(err).Msg("advisories are not heard")
		return
	}
	defer func() { _ = sub.Unsubscribe() }() // fails on a closed connection only
	for {
		msg, err := sub.NextMsgWithContext(intake)
		switch {
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // some were lost; see above
		case err != nil:
			return // intake has ended, or the connection
		}
		if err := b.exhausted(work, msg.Data); err != nil {
			b.log.Error().Err(err).Msg("advisory not worked off")
		}
	}
}

// exhausted stores the dead letter of one advisory. Every bridge does; by its
// ce-id it is one.
func (b *Bus) exhausted(ctx context.Context, data []byte) error {
	var a advisory
	if err := json.Unmarshal(data, &a); err != nil || a.Sequence == 0 {
		return errors.Join(fmt.Errorf("advisory names no message"), err)
	}
	name := b.names.Stream(schemas.StreamFiles)
	var file schemas.Stored
	var found bool // false: its time in the stream is over
	err := b.conn.Retry(ctx, b.conn.Trouble("asset", name), func(ctx context.Context) (err error) {
		file, found, err = b.conn.At(ctx, name, a.Sequence)
		return err
	})
	if err != nil || !found {
		return err
	}
	d := schemas.Delivery{Attempt: a.Deliveries, Message: file}
	p := &schemas.Permanent{
		Reason: schemas.ReasonAttempts,
		Err:    errors.New("the server delivers it no more: max_deliver of the consumer is reached"),
	}
	letter, err := b.letter(d, p)
	if err == nil {
		err = b.Publish(ctx, letter)
	}
	if err != nil {
		return fmt.Errorf("store dead letter of %s/%d: %w", name, a.Sequence, err)
	}
	b.metrics.deadLetters.WithLabelValues(string(p.Reason)).Inc()
	b.log.Error().Str("subject", file.Subject).Uint64("sequence", file.Sequence).Int("attempt", a.Deliveries).
		Msg("file given up by the server; see the dead letter, and take max_deliver off the consumer")
	return nil
}
