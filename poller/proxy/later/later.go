// Package later lets polling go on while nothing can be stored: what should be stored waits in
// memory, in order, until it can be.
//
// Invariants:
//
//   - Messages are stored in the order in which they came, each agent's and all: once one waits, the
//     next ones wait behind it.
//   - What waits is lost if the process ends before it is stored. The agent's last message in the
//     stream then does not say that its polling ended, so the next owner records a gap.
//   - One that the store refuses for good is a dead letter, and a gap record has its number.
//   - No more than so many wait; then whoever has another one waits, as without this package.
//
// It imports schemas, the contracts of poller/record and poller/session/custody, and insist.
package later

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"

	"aiccbridge/poller/internal/insist"
	"aiccbridge/poller/record"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"
)

const (
	patience = 2 * time.Second // with the store, before a message waits
	most     = 10_000          // messages that wait, if they are small
	small    = 8 << 10         // what one takes up beside its body
)

// Store takes messages for another store. Make it with [New].
type Store struct {
	under record.Store
	names schemas.Names
	log   zerolog.Logger
	room  *semaphore.Weighted // bytes that may wait
	more  chan struct{}       // room for one word: something waits, or nothing more comes

	mu      sync.Mutex
	backlog []schemas.Message
	over    bool // nothing more comes
}

// New returns a store that stores nothing late before [Store.Run].
func New(under record.Store, names schemas.Names, log zerolog.Logger) *Store {
	return &Store{under: under, names: names, log: log, room: semaphore.NewWeighted(most * small), more: make(chan struct{}, 1)}
}

// weight is what a message takes up while it waits.
func weight(m schemas.Message) int64 { return small + int64(len(m.Body)) }

// Publish stores a message, or lets it wait if that takes long.
func (s *Store) Publish(ctx context.Context, m schemas.Message) error {
	if !s.behind() {
		brief, cancel := context.WithTimeout(ctx, patience)
		err := s.under.Publish(brief, m)
		cancel()
		var permanent *schemas.Permanent
		if err == nil || ctx.Err() != nil || errors.As(err, &permanent) {
			return err
		}
	}
	if err := s.room.Acquire(ctx, weight(m)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.backlog = append(s.backlog, m); len(s.backlog) == 1 {
		s.log.Warn().Msg("nothing can be stored; polling goes on, and what comes waits in memory")
	}
	s.wake()
	return nil
}

// behind reports that something waits.
func (s *Store) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.backlog) > 0
}

func (s *Store) wake() {
	select {
	case s.more <- struct{}{}:
	default: // it is known
	}
}

// Finish says that nothing more comes: Run ends when nothing waits.
func (s *Store) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.wake()
}

// Run stores what waits, until [Store.Finish] or the end of ctx.
func (s *Store) Run(ctx context.Context) {
	trouble := insist.New(s.log)
	for {
		m, n, over := s.first()
		switch {
		case ctx.Err() != nil && n > 0:
			s.log.Error().Int("messages", n).Msg("messages that could not be stored are lost; the next start records gaps")
			return
		case ctx.Err() != nil || n == 0 && over:
			return
		case n == 0:
			select {
			case <-s.more:
			case <-ctx.Done():
			}
			continue
		}
		if s.store(ctx, trouble, m) == nil {
			s.pop()
		}
	}
}

// store stores a message, for as long as it takes, or what is said in its place. The error is
// the context's.
func (s *Store) store(ctx context.Context, trouble *insist.Trouble, m schemas.Message) error {
	publish := func(m schemas.Message) error {
		return trouble.Insist(ctx, "publish", func(ctx context.Context) error { return s.under.Publish(ctx, m) })
	}
	err := publish(m)
	var refused *schemas.Permanent
	if !errors.As(err, &refused) {
		return insist.Forgive(ctx, s.log, err, "message can't be stored")
	}
	for _, build := range []func() (schemas.Message, error){
		func() (schemas.Message, error) { return s.letter(m, refused) },
		func() (schemas.Message, error) { return s.gap(m, refused) },
	} {
		instead, err := build()
		if err == nil {
			err = publish(instead)
		}
		if err := insist.Forgive(ctx, s.log, err, "what is said in place of a message can't be stored"); err != nil {
			return err
		}
	}
	return nil
}

// letter keeps what the store refuses for good.
func (s *Store) letter(m schemas.Message, refused *schemas.Permanent) (schemas.Message, error) {
	letter := schemas.NewDeadLetter(schemas.TenantOf(m.Subject), refused.Reason, refused.Err.Error(), m.Time)
	letter.Keep(m.Body)
	return s.names.DeadLetterMessage(letter, m.ID)
}

// gap is the record that takes the number of what the store refuses for good.
func (s *Store) gap(m schemas.Message, refused *schemas.Permanent) (schemas.Message, error) {
	as := schemas.Stored{Subject: m.Subject, Header: m.Headers(), Body: m.Body}
	gap, ok := s.names.GapInstead(as, fmt.Sprintf("the stream refuses it for good (%s); dead letter %s", refused.Reason, m.ID))
	if !ok {
		return gap, errNoNumber
	}
	return gap, nil
}

var errNoNumber = errors.New("it has no number of its own")

func (s *Store) first() (m schemas.Message, n int, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backlog) > 0 {
		m = s.backlog[0]
	}
	return m, len(s.backlog), s.over
}

func (s *Store) pop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room.Release(weight(s.backlog[0]))
	s.backlog[0] = schemas.Message{}
	if s.backlog = s.backlog[1:]; len(s.backlog) == 0 {
		s.backlog = nil
		s.log.Info().Msg("all that waited is stored")
	}
}

// Bucket is a bucket of sessions of which a write that takes long counts as done: its owner writes
// the entry again within a minute. Until then a restart finds an older one.
type Bucket struct{ custody.Bucket }

// Swap is as [custody.Bucket] says.
func (b Bucket) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now, ok, err := b.Bucket.Swap(brief, key, value, revision)
	if err != nil && ctx.Err() == nil {
		return revision, true, nil
	}
	return now, ok, err
}
