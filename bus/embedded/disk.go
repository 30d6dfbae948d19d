package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/trouble"
)

const (
	lookEvery = time.Second
	// leastFree is what a restart must be able to write; with less it would only
	// interrupt the readers.
	leastFree = 1 << 20
	// The pause between two restarts of a store that goes on failing doubles from
	// the first to the last, and further for a stream that does not come back, while
	// the others work; a store that held twice as long begins anew.
	firstPause, lastPause, rarePause = 2 * time.Second, 15 * time.Second, 10 * time.Minute
	// fillPause follows a failed attempt to make the reserve.
	fillPause = time.Minute
)

// disk is what one look at the disk leaves for the next.
type disk struct {
	reserve reserve
	log     zerolog.Logger
	fillAt  time.Time       // the reserve is not tried before
	unfit   error           // why it could not be made, or given up, the last time
	stuck   trouble.Episode // it can't be given up
	low     trouble.Episode // downloads must stop

	restarted time.Time
	pause     time.Duration
	failed    bool  // the store, since the reserve was last made
	seen      int64 // free bytes at the last look
}

// Run looks after disk and store every second until ctx ends, and returns nil:
// the limit follows the free space, and what happens to a full disk is drawn in
// the package's comment. Without Run the server keeps what Start has found.
func (s *Server) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			s.look(now)
		}
	}
}

// Low reports why downloads must stop, so that the polls can go on: little space,
// the reserve given up, a limit almost reached, or a store that fails. It is what
// the last look has found, and its text changes only with the reason.
func (s *Server) Low() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.low
}

// look is one step of the drawing. Only one look runs at a time.
func (s *Server) look(now time.Time) {
	store := s.storeError()
	if errors.Is(store, errShutDown) || errors.Is(store, errRestarting) {
		return // somebody else is at it
	}
	free, err := s.options.free(s.options.Dir)
	if err != nil {
		s.setLow(fmt.Errorf("free space of %s: %w", s.options.Dir, err))
		return
	}
	free, store = s.mend(now, free, store)
	if ns, _ := s.running(); ns != nil {
		if err := s.setLimit(ns); store == nil {
			store = err
		}
	}
	s.setLow(s.reasonToStop(free, store))
}

// mend gives the reserve up or makes it again, and restarts a store that needs it. It
// returns what is free and what is wrong afterwards.
func (s *Server) mend(now time.Time, free int64, store error) (int64, error) {
	d := &s.disk
	gaveUp := d.reserve.held && (store != nil || free < d.reserve.full()) && d.giveUp()
	if gaveUp {
		free += d.reserve.size
	}
	if store != nil && (gaveUp || d.restartDue(now, free, store, s.isDown())) {
		store = s.cure(now, store)
	}
	if store == nil && d.fillDue(now, free) && d.fill(now) && d.failed {
		store = s.cure(now, errAfterwards)
		d.failed = false
	}
	d.seen = free
	return free, store
}

// storeError is what only a restart cures.
func (s *Server) storeError() error {
	s.mu.Lock()
	ns, lost, err := s.server, s.lost, s.down
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.options.failing(ns, lost)
}

func (s *Server) isDown() bool {
	ns, _ := s.running()
	return ns == nil
}

// cure restarts the server and returns what is wrong then.
func (s *Server) cure(now time.Time, why error) error {
	d := &s.disk
	if now.Sub(d.restarted) > 2*max(d.pause, lastPause) {
		d.pause = 0
	}
	d.pause = min(max(firstPause, 2*d.pause), longestPause(why))
	d.restarted, d.failed = now, true
	d.log.Warn().Err(why).Stringer("pause", d.pause).Msg("nats restarts in place")
	begin := time.Now()
	if err := s.Restart(); err != nil {
		d.log.Error().Err(err).Msg("restart in place failed")
		return err
	}
	d.log.Info().Stringer("took", time.Since(begin).Round(time.Millisecond)).Msg("nats restarted in place")
	return s.storeError()
}

// errAfterwards is why the server is restarted once more when a full disk is over:
// a stream that was not written to since may refuse its next message, or have
// failed to remove one, and says so nowhere.
var errAfterwards = errors.New("a stream may still suffer from the full disk")

func longestPause(why error) time.Duration {
	if errors.Is(why, errLost) {
		return rarePause
	}
	return lastPause
}

// restartDue reports whether a store that fails should be tried again.
func (d *disk) restartDue(now time.Time, free int64, store error, down bool) bool {
	enough := max(leastFree, d.reserve.full())
	switch {
	case free < leastFree && !down:
		return false
	case free >= enough && d.seen < enough: // space is back
		return true
	}
	return now.Sub(d.restarted) >= min(d.pause, longestPause(store))
}

// giveUp removes the reserve and reports whether that made space.
func (d *disk) giveUp() bool {
	if d.unfit = d.reserve.drop(); d.unfit != nil {
		if _, changed := d.stuck.Failed("", zerolog.ErrorLevel); changed {
			d.log.Error().Err(d.unfit).Msg("the reserve can't be given up")
		}
		return false
	}
	d.stuck.Over()
	d.log.Warn().Msg("disk full or store failing: the reserve is given up")
	return true
}

// fillDue reports whether there is space for the reserve and as much again on
// top as would make the disk low. A failed attempt has a pause behind it, unless space
// has gone and come back since: then somebody else had taken it.
func (d *disk) fillDue(now time.Time, free int64) bool {
	enough := 3 * d.reserve.size
	return d.reserve.size > 0 && !d.reserve.held && free >= enough && (!now.Before(d.fillAt) || d.seen < enough)
}

// fill makes the reserve and reports whether it could.
func (d *disk) fill(now time.Time) bool {
	if d.unfit = d.reserve.fill(); d.unfit != nil {
		d.fillAt = now.Add(fillPause)
		return false
	}
	d.log.Info().Int64("bytes", d.reserve.size).Msg("the reserve is made")
	return true
}

// reasonToStop is the next Low. free is without the reserve, as far as it was
// not made by this look: whoever makes it has space enough.
func (s *Server) reasonToStop(free int64, store error) error {
	b, isLow := s.disk.reserve, s.Low() != nil
	spare, mark := free, 2*b.size
	if b.held {
		spare += b.size
	}
	if isLow {
		mark = 3 * b.size
	}
	switch {
	case store != nil:
		return store
	case b.size > 0 && !b.held && s.disk.unfit != nil:
		return fmt.Errorf("the disk of %s has no place for a reserve of %s, downloads wait for it: %w", s.options.Dir, mebibytes(b.size), s.disk.unfit)
	case b.size > 0 && !b.held:
		return fmt.Errorf("the disk of %s is too full for a reserve of %s; downloads wait until %s are free",
			s.options.Dir, mebibytes(b.size), mebibytes(3*b.size))
	case spare < mark:
		return fmt.Errorf("less than %s are free on the disk of %s, the reserve included; downloads wait for %s",
			mebibytes(2*b.size), s.options.Dir, mebibytes(3*b.size))
	}
	return s.nearLimit(isLow)
}

// nearLimit reports that less than an eighth of the configured limit is left, or
// a quarter if there was a reason to stop already.
func (s *Server) nearLimit(isLow bool) error {
	limit := s.options.MaxStoreBytes
	ns, err := s.running()
	if err != nil || limit <= 0 {
		return err
	}
	least := limit / 8
	if isLow {
		least = limit / 4
	}
	if limit-used(ns) < least {
		return fmt.Errorf("the streams hold almost all of the %s they may; downloads wait until some of it has expired", mebibytes(limit))
	}
	return nil
}

// setLow notes and logs a change.
func (s *Server) setLow(err error) {
	s.mu.Lock()
	s.low = err
	s.mu.Unlock()
	if err == nil {
		if looks, _ := s.disk.low.Over(); looks > 0 {
			s.disk.log.Info().Msg("disk and store are well again; downloads go on")
		}
		return
	}
	if _, changed := s.disk.low.Failed(err.Error(), zerolog.WarnLevel); changed {
		s.disk.log.Warn().Err(err).Msg("disk or store can take little; downloads stop")
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }
