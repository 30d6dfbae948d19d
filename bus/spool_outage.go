package bus

import (
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// outage logs how the hub comes and goes. Many goroutines report, and what they
// report overlaps; a tick judges a whole second at once.
type outage struct {
	log       zerolog.Logger
	succeeded atomic.Int64
	first     atomic.Pointer[time.Time] // the first success since the last tick
	last      atomic.Pointer[error]

	awaySince time.Time // zero: not away
	held      uint64    // how many messages waited at the last tick
	backSince time.Time // zero: away, or caught up
	brought   uint64    // to the hub since then
}

func (o *outage) failed(err error) { o.last.Store(&err) }

func (o *outage) success() {
	if o.succeeded.Add(1) == 1 {
		now := time.Now()
		o.first.Store(&now)
	}
}

// tick has one caller. waiting is what is left when it is called: when the hub has
// come back meanwhile, what was there a tick earlier says how many waited. A
// connection that is down has been said.
func (o *outage) tick(waiting uint64, connected bool) {
	first := o.first.Swap(nil)
	successes, failure := uint64(o.succeeded.Swap(0)), o.last.Swap(nil)
	switch {
	case successes == 0 && failure != nil && o.awaySince.IsZero():
		o.awaySince, o.backSince = time.Now(), time.Time{}
		level := zerolog.WarnLevel
		if !connected {
			level = zerolog.DebugLevel
		}
		o.log.WithLevel(level).Err(*failure).Msg("hub takes no messages; they wait in the spool")
	case successes > 0 && !o.awaySince.IsZero():
		o.backSince, o.brought = time.Now(), 0
		if first != nil {
			o.backSince = *first
		}
		if waiting > 0 {
			o.log.Info().Uint64("messages", max(o.held, waiting)).Stringer("away", o.backSince.Sub(o.awaySince).Round(time.Millisecond)).Msg("hub is back; catching up")
		}
		o.awaySince = time.Time{}
	}
	o.held = waiting
	o.brought += successes
	if waiting == 0 && o.awaySince.IsZero() && !o.backSince.IsZero() {
		o.log.Info().Uint64("messages", o.brought).Stringer("took", time.Since(o.backSince).Round(time.Millisecond)).Msg("caught up with the hub")
		o.backSince = time.Time{}
	}
}
