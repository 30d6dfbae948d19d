package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/members"
	"aiccbridge/schemas"
)

// maxQuiet is how far ahead a time of the next request may be. What is further ahead was
// written by a clock that was wrong.
const maxQuiet = time.Hour

// budgetKeys is what the keys of budgets begin with; names are hex digits.
var budgetKeys = strings.TrimSuffix(schemas.BudgetKey("0"), "0")

// turns say when the platform may next be asked for an extract under one access key, which
// tenants may share: the value under [schemas.BudgetKey] in the bucket of windows, changed by
// compare-and-set only. Whoever asks has written its attempt down before.
type turns struct {
	Next time.Time `json:"next"` // no request before
	// Line holds the tenants that have something to ask for and wait, first come first.
	Line []string `json:"line,omitempty"`
}

// Budget is how a budget stands, as far as this bridge has seen. All attempts that were
// written down for an earlier turn have been seen, too: they are older entries of the same
// bucket. So no two planners take one turn, nor the same last place, wherever they run.
type Budget struct {
	turns
	further  members.Further // a newer bridge's
	name     string
	revision uint64
}

// Budget returns how a budget stands; nobody has asked on one that is not known. Read it
// before [Ledger.Outstanding].
func (l *Ledger) Budget(name string) Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.budgets[name]
	b.name = name
	return b
}

// Quiet reports that nobody may ask at now.
func (b Budget) Quiet(now time.Time) bool {
	return b.Next.After(now) && !b.Next.After(now.Add(maxQuiet))
}

// Ahead is how many tenants wait before one.
func (b Budget) Ahead(tenant string) int {
	if at := slices.Index(b.Line, tenant); at >= 0 {
		return at
	}
	return len(b.Line)
}

// Outstanding counts the extracts under way that other tenants have asked for on a budget:
// the live ones, and those of backfills. One that is overdue counts no more: nobody may work on
// its tenant any longer.
func (l *Ledger) Outstanding(name, tenant string, now time.Time) (live, backfills int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		under := e.State == schemas.WindowRequested || e.State == schemas.WindowReady
		switch {
		case !under || e.Budget != name || e.Tenant == tenant || !e.DueAt.After(now):
		case e.Backfilling():
			backfills++
		default:
			live++
		}
	}
	return live, backfills
}

// Queue puts a tenant at the end of the line, unless it stands there.
func (l *Ledger) Queue(ctx context.Context, b Budget, tenant string) error {
	if slices.Contains(b.Line, tenant) {
		return nil
	}
	b.Line = append(slices.Clone(b.Line), tenant)
	_, err := l.swapBudget(ctx, b)
	return err
}

// Take takes the turn for a tenant whose attempt is written down; nobody is to ask before
// next. Who waits before it has let its turn go by, and waits no more. false: the budget has
// changed since b was read, and the turn is somebody else's.
func (l *Ledger) Take(ctx context.Context, b Budget, tenant string, next time.Time) (bool, error) {
	b.Next = next
	b.Line = slices.Clone(b.Line[min(b.Ahead(tenant)+1, len(b.Line)):])
	return l.swapBudget(ctx, b)
}

// HoldOff lets nobody ask on a budget before until, because the platform wants that.
func (l *Ledger) HoldOff(ctx context.Context, name string, until time.Time) error {
	for {
		b, err := l.readBudget(ctx, name)
		if err != nil {
			return err
		}
		if !b.Next.Before(until) {
			return nil
		}
		b.Next = until
		if ok, err := l.swapBudget(ctx, b); ok || err != nil {
			return err
		}
	}
}

func (l *Ledger) swapBudget(ctx context.Context, b Budget) (bool, error) {
	key := schemas.BudgetKey(b.name)
	value, err := members.Encode(b.turns, b.further)
	if err != nil {
		return false, fmt.Errorf("encode budget %s: %w", b.name, err)
	}
	next, ok, err := l.o.Bucket.Swap(ctx, key, value, b.revision)
	if err != nil {
		return false, fmt.Errorf("write budget %s: %w", b.name, err)
	}
	if ok {
		l.mu.Lock()
		b.revision = next
		l.rememberBudget(b)
		l.mu.Unlock()
	}
	return ok, nil
}

// followBudget takes over a change of the bucket; a budget that was deleted is a new one.
func (l *Ledger) followBudget(name string, value []byte, revision uint64) {
	if value == nil {
		delete(l.budgets, name)
	} else if b, err := decodeBudget(name, value, revision); err == nil {
		l.rememberBudget(b)
	}
}

func decodeBudget(name string, value []byte, revision uint64) (b Budget, err error) {
	b.name, b.revision = name, revision
	b.further, err = members.Decode(value, &b.turns)
	return b, err
}

func (l *Ledger) rememberBudget(b Budget) {
	if b.revision > l.budgets[b.name].revision {
		l.budgets[b.name] = b
	}
}
