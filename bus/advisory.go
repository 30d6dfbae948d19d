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
// while no bridge listened are lost: the planner finds the windows of such files ready
// while [Bus.FilesIdle], and they are asked for again.
func (b *Bus) watchAdvisories(intake, work context.Context, f Work) {
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
		if err := b.exhausted(work, f, msg.Data); err != nil {
			b.log.Error().Err(err).Msg("advisory not worked off")
		}
	}
}

// exhausted stores the dead letter of one advisory and lets it be known. Every bridge
// does; by its ce-id it is one.
func (b *Bus) exhausted(ctx context.Context, f Work, data []byte) error {
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
	if err = b.storeLetter(ctx, d, p); err == nil {
		err = f.GivenUp(ctx, d, p)
	}
	if err != nil {
		return fmt.Errorf("give up %s/%d: %w", name, a.Sequence, err)
	}
	b.log.Error().Str("subject", file.Subject).Uint64("sequence", file.Sequence).Int("attempt", a.Deliveries).
		Msg("the server delivers a file no more, it has become a dead letter; take max_deliver off the consumer")
	return nil
}
