package wallboard

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/privacy"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// ringing is how long before an agent is on a call its first event may be.
const ringing = 2 * time.Minute

// How often what is not followed is looked at.
const (
	paintFirst     = 100 * time.Millisecond
	paintEvery     = 500 * time.Millisecond
	paceEvery      = time.Second
	bridgesEvery   = 5 * time.Second
	statementEvery = 10 * time.Second
	letterEvery    = 10 * time.Minute // though none is new: they grow older than a day
	lookLimit      = 10 * time.Second // of one look
)

// watcher fills a floor.
type watcher struct {
	*Board
	floor   *floor
	mask    *privacy.Policy
	painter *painter
}

// watch reads the hub and paints, until ctx ends.
func (b *Board) watch(ctx context.Context) {
	phones, lists := events.PhoneNames()
	mask, err := privacy.New(privacy.Options{PhoneNumbers: privacy.Mask, Phones: phones, Lists: lists})
	if err != nil { // it has nothing of a user's
		b.o.Logger.Error().Err(err).Msg("the wallboard cannot mask numbers, and shows nothing")
		return
	}
	w := &watcher{Board: b, floor: newFloor(), mask: mask, painter: newPainter(b.o, mask)}
	defer w.sheet.clear()
	var group sync.WaitGroup
	for _, f := range []func(context.Context){
		w.agents, w.windows,
		w.every(paceEvery, "pace", w.pace),
		w.every(bridgesEvery, "owners", w.owners),
		w.every(bridgesEvery, "bridges", w.bridges),
		w.every(paceEvery, "numbers", w.numbers),
		w.every(statementEvery, "coverage", w.renewed(schemas.StreamCoverage, 0, w.coverage)),
		w.every(statementEvery, "letters", w.renewed(schemas.StreamDeadLetters, letterEvery, w.letters)),
		w.paint,
	} {
		group.Go(func() { f(ctx) })
	}
	group.Wait()
}

func (w *watcher) agents(ctx context.Context) {
	w.follow(ctx, schemas.BucketState, w.floor.agent, func(f *floor) { f.loadedAgents = true })
}

func (w *watcher) windows(ctx context.Context) {
	w.follow(ctx, schemas.BucketWindows, func(key string, e schemas.Stored, made time.Time) {
		w.floor.window(key, e, made, time.Now())
	}, func(f *floor) { f.loadedWindows = true })
}

// follow follows a bucket; loaded is called when all that is there has been read.
func (w *watcher) follow(ctx context.Context, bucket schemas.Bucket, f func(string, schemas.Stored, time.Time), loaded func(*floor)) {
	err := w.o.Hub.Follow(ctx, bucket, f, func(time.Time) { w.floor.change(loaded) })
	if err != nil && ctx.Err() == nil {
		w.o.Logger.Warn().Err(err).Msg("the wallboard cannot follow a bucket")
	}
}

// every looks at once and then every period, until ctx ends. Failures are logged when they
// begin, and when they are over.
func (w *watcher) every(period time.Duration, what string, look func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		var failing trouble.Episode
		for more := true; more; more = retry.Wait(ctx, period) == nil {
			limited, cancel := context.WithTimeout(ctx, lookLimit)
			err := look(limited)
			cancel()
			if ctx.Err() == nil {
				w.report(&failing, what, err)
			}
		}
	}
}

// report logs changes only.
func (w *watcher) report(failing *trouble.Episode, what string, err error) {
	log := w.o.Logger.With().Str("what", what).Logger()
	if err != nil {
		if _, changed := failing.Failed(trouble.Gist(err.Error()), zerolog.WarnLevel); changed {
			log.Warn().Err(err).Msg("the wallboard cannot be brought up to date")
		}
	} else if failures, _ := failing.Over(); failures > 0 {
		log.Info().Msg("the wallboard is up to date again")
	}
}

// pace counts the messages of agents that the hub has stored.
func (w *watcher) pace(ctx context.Context) error {
	connected := w.o.Hub.Connected()
	var end uint64
	err := connected
	if err == nil {
		end, err = w.o.Hub.End(ctx, schemas.StreamEvents)
	}
	now := time.Now()
	w.floor.change(func(f *floor) {
		f.pace.take(end, err == nil, now)
		switch {
		case err == nil:
			f.away = time.Time{}
		case f.away.IsZero():
			f.away = now
		}
	})
	return nil // the page says so
}

func (w *watcher) owners(ctx context.Context) error {
	owners, err := w.q.Owners(ctx, "")
	if err == nil {
		w.floor.change(func(f *floor) { f.owners, f.ownersKnown = owners, true })
	}
	return err
}

func (w *watcher) bridges(ctx context.Context) error {
	all, err := w.o.Bridges(ctx)
	if err == nil || len(all) > 0 { // else what they said before stands
		asked := err == nil && w.o.Hub.Connected() == nil
		w.floor.change(func(f *floor) { f.hear(all, asked, time.Now()) })
	}
	return err
}

func (w *watcher) coverage(ctx context.Context) error {
	all, err := w.q.Coverage(ctx)
	if err == nil {
		w.floor.change(func(f *floor) { f.coverage, f.coverageKnown = all, true })
	}
	return err
}

func (w *watcher) letters(ctx context.Context) error {
	all, err := w.q.LetterCounts(ctx)
	if err == nil {
		w.floor.change(func(f *floor) { f.letters, f.lettersKnown = all, true })
	}
	return err
}

// renewed looks only when a stream has something new, or a time has passed; 0: only then.
func (w *watcher) renewed(stream schemas.Stream, after time.Duration, look func(context.Context) error) func(context.Context) error {
	seen, at := ^uint64(0), time.Time{}
	return func(ctx context.Context) error {
		end, err := w.o.Hub.End(ctx, stream)
		if err != nil || end == seen && (after == 0 || time.Since(at) < after) {
			return err
		}
		if err = look(ctx); err == nil {
			seen, at = end, time.Now()
		}
		return err
	}
}

// numbers finds out whom the calls that are shown are with.
func (w *watcher) numbers(ctx context.Context) (err error) {
	for _, c := range w.unnumbered() {
		var n numbers
		if n, err = w.of(ctx, c); err != nil {
			break
		}
		w.floor.change(func(f *floor) { f.calls[callID{c.Tenant, c.ID}] = n })
	}
	return err
}

// of are the numbers of a call, as its last event says that has them.
func (w *watcher) of(ctx context.Context, c call) (n numbers, err error) {
	filter := strings.TrimSuffix(w.o.Names.Agent(c.Tenant, c.Agents[0]), ">") + string(schemas.GroupCall) + ".*"
	err = w.o.Hub.ReadSince(ctx, schemas.StreamEvents, filter, c.Since.Add(-ringing), func(m schemas.Stored) error {
		var e schemas.Event
		if json.Unmarshal(m.Body, &e) == nil && e.CallID == c.ID && e.Caller != "" {
			n = numbers{w.masked("caller", e.Caller), w.masked("called", e.Called)}
		}
		return nil
	})
	return n, err
}

// unnumbered are calls that are shown, and not known whom with; what is known of calls that
// are over is forgotten.
func (w *watcher) unnumbered() (calls []call) {
	w.floor.change(func(f *floor) {
		known := map[callID]numbers{}
		for _, c := range f.callsNow() {
			id := callID{c.Tenant, c.ID}
			if n, ok := f.calls[id]; ok {
				known[id] = n
			} else if len(known)+len(calls) < mostCalls {
				calls = append(calls, c)
			}
		}
		f.calls = known
	})
	return calls
}

// masked is what may be shown of a number.
func (w *watcher) masked(field, number string) string {
	if strings.HasPrefix(number, "hmac:") {
		return ""
	}
	shown, _ := w.mask.Cell(field, number)
	return shown
}

// paint paints until ctx ends.
func (w *watcher) paint(ctx context.Context) {
	for wait := paintFirst; retry.Wait(ctx, wait) == nil; wait = paintEvery {
		var c change
		ready := false
		w.floor.change(func(f *floor) {
			if ready = f.known(time.Now()); ready {
				c = w.painter.paint(f, time.Now())
			}
		})
		if ready {
			w.sheet.put(c)
		}
	}
}
