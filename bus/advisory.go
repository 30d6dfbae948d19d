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

// advisorySubject is where the server says it of a queue.
func (q queue) advisorySubject() string {
	return "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + q.stream + "." + q.consumer
}

// watchAdvisories makes dead letters of messages that the server has given up, until
// intake ends. The bridge's own consumer has no such limit and its workers give up
// by themselves; this is for one that somebody has changed. Advisories that came
// while no bridge listened are lost: the planner finds the windows of such files ready
// while [Bus.FilesIdle], and they are asked for again.
func (b *Bus) watchAdvisories(intake, work context.Context, q queue) {
	sub, err := b.conn.JetStream().Conn().SubscribeSync(q.advisorySubject())
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
		if err := b.exhausted(work, q, msg.Data); err != nil {
			b.log.Error().Err(err).Msg("advisory not worked off")
		}
	}
}

// exhausted stores the dead letter of one advisory and lets it be known. Every bridge
// does; by its ce-id it is one.
func (b *Bus) exhausted(ctx context.Context, q queue, data []byte) error {
	var a advisory
	if err := json.Unmarshal(data, &a); err != nil || a.Sequence == 0 {
		return errors.Join(fmt.Errorf("advisory names no message"), err)
	}
	var stored schemas.Stored
	var found bool // false: its time in the stream is over
	err := b.conn.Retry(ctx, b.conn.Trouble("asset", q.stream), func(ctx context.Context) (err error) {
		stored, found, err = b.conn.At(ctx, q.stream, a.Sequence)
		return err
	})
	if err != nil || !found {
		return err
	}
	d := schemas.Delivery{Attempt: a.Deliveries, Message: stored}
	p := &schemas.Permanent{
		Reason: schemas.ReasonAttempts,
		Err:    errors.New("the server delivers it no more: max_deliver of the consumer is reached"),
	}
	if err = b.storeLetter(ctx, q, d, p); err == nil {
		err = q.GivenUp(ctx, d, p)
	}
	if err != nil {
		return fmt.Errorf("give up %s/%d: %w", q.stream, a.Sequence, err)
	}
	b.log.Error().Str("subject", stored.Subject).Uint64("sequence", stored.Sequence).Int("attempt", a.Deliveries).
		Msg("the server delivers a message no more, it has become a dead letter; take max_deliver off the consumer")
	return nil
}
