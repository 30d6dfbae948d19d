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
	start := time.Now()
	cons, err := b.conn.JetStream().Consumer(ctx, b.names.Stream(schemas.StreamFiles), schemas.FileConsumer)
	if err != nil {
		return false, fmt.Errorf("look at the workers' consumer: %w", b.conn.Explain(start, schemas.FileConsumer, err))
	}
	info := cons.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0, nil
}
