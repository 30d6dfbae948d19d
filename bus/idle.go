package bus

import (
	"context"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// FilesIdle reports that no file waits for a worker, and none is with one: nothing more is
// to be expected of the files that were handed over so far, but for one that was stored a
// moment ago. It tries once.
func (b *Bus) FilesIdle(ctx context.Context) (bool, error) {
	return b.idle(ctx, schemas.FileConsumer)
}

// RecordingsIdle reports that no row of the recording index waits for its audio.
func (b *Bus) RecordingsIdle(ctx context.Context) (bool, error) {
	return b.idle(ctx, schemas.RecordingConsumer)
}

func (b *Bus) idle(ctx context.Context, consumer string) (bool, error) {
	start, q := time.Now(), b.queue(consumer, nil)
	cons, err := b.conn.JetStream().Consumer(ctx, q.stream, q.consumer)
	if err != nil {
		return false, fmt.Errorf("look at consumer %s: %w", consumer, b.conn.Explain(start, consumer, err))
	}
	info := cons.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0, nil
}
