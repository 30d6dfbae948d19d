package assets

import (
	"context"
	"fmt"
)

// serverMax is how many consumers a server takes on one stream unless it is told
// otherwise.
const serverMax = 1000

// Crowded reports a stream, or the account, that has more than four fifths of the
// consumers that it may have, whoever made them: the bridge needs one for each read. What
// cannot be looked at now is left to others.
func (t *Table) Crowded(ctx context.Context) error {
	const remedy = "see whose they are (nats consumer ls), delete those that nobody uses, and have their makers set an inactivity threshold"
	crowded := func(n, limit int) bool { return limit > 0 && n > limit/5*4 }
	for _, a := range t.assets {
		info, err := t.conn.StreamInfo(ctx, a.Name)
		if err != nil {
			continue
		}
		limit := serverMax
		if own := info.Config.MaxConsumers; own > 0 {
			limit = own
		}
		if n := info.State.Consumers; crowded(n, limit) {
			return fmt.Errorf("stream %s has %d consumers of at most %d; %s", a.Name, n, limit, remedy)
		}
	}
	info, err := t.conn.JetStream().AccountInfo(ctx)
	if err == nil && crowded(info.Consumers, info.Limits.MaxConsumers) {
		return fmt.Errorf("the account has %d consumers of at most %d; %s", info.Consumers, info.Limits.MaxConsumers, remedy)
	}
	return nil
}
