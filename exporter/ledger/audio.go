package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"aiccbridge/schemas"
)

// audioBudget names a tenant's budget of requests for audio.
func audioBudget(tenant string) string {
	sum := sha256.Sum256([]byte("audio of " + tenant))
	return hex.EncodeToString(sum[:8])
}

// atOnce is for how much time requests for audio may be made at once.
const atOnce = 2 * time.Second

// TakeAudio takes one of a tenant's requests for audio, of which all bridges together may
// make so many a minute. It may be made after wait; if that is more than most, none is taken.
func (l *Ledger) TakeAudio(ctx context.Context, tenant string, perMinute int, most time.Duration) (wait time.Duration, err error) {
	every := time.Minute / time.Duration(max(perMinute, 1))
	for {
		b, err := l.readBudget(ctx, audioBudget(tenant))
		if err != nil {
			return 0, err
		}
		now := time.Now()
		earliest := now.Add(-max(0, atOnce-every))
		at := b.Next
		if at.Before(earliest) || at.After(now.Add(maxQuiet)) { // not used for a while; or a wrong clock's
			at = earliest
		}
		if wait = max(0, at.Sub(now)); wait > most {
			return wait, nil
		}
		b.Next = at.Add(every)
		if ok, err := l.swapBudget(ctx, b); ok || err != nil {
			return wait, err
		}
	}
}

// FetchAudio says that a tenant's audio is fetched.
func (l *Ledger) FetchAudio(ctx context.Context, tenant string) error {
	return l.HoldOff(ctx, audioBudget(tenant), time.Now())
}

// AudioFetched is when a bridge last said so, or asked for audio; zero: never.
func (l *Ledger) AudioFetched(tenant string) time.Time {
	return l.Budget(audioBudget(tenant)).Next
}

// readBudget asks the bucket how a budget stands.
func (l *Ledger) readBudget(ctx context.Context, name string) (Budget, error) {
	value, revision, err := l.o.Bucket.Get(ctx, schemas.BudgetKey(name))
	b := Budget{name: name}
	if err == nil && revision > 0 {
		b, err = decodeBudget(name, value, revision)
	}
	if err != nil {
		return b, fmt.Errorf("read budget %s: %w", name, err)
	}
	return b, nil
}
