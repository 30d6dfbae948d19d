package witness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2/maybe" // on Windows, which has no atomic replacement, a plain write
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

const (
	marksFile   = "marks"
	streamsFile = "streams.json"
	// remembered is how long the alarm about a damage lasts.
	remembered = 24 * time.Hour
)

// Options say where a book is kept, and what for.
type Options struct {
	// Dir is the book's own folder; made when missing. Required.
	Dir string
	// Names are those of the streams. Required.
	Names schemas.Names
	// Hub is the address of an external hub, "" for the own server: of another hub
	// nothing is known.
	Hub string

	// Logger gets what is missing. The zero value discards.
	Logger zerolog.Logger
	// Registerer gets the metrics. nil: none. A second book on the same one panics.
	Registerer prometheus.Registerer
}

// Book is what is remembered of the streams. It is safe for concurrent use.
type Book struct {
	opts   Options
	events string // what the subjects of agents' messages match
	marks  *marks
	lost   *prometheus.CounterVec
	unsaid atomic.Int64 // how many gaps are; spares the lock

	mu    sync.Mutex
	notes notes
	back  map[string]bool // see wentBack
	saved []byte
	held  bool // a mark or the file could not be written, and it was said
}

// notes are what is kept in a file beside the marks.
type notes struct {
	Hub     string                   `json:"hub"`
	Streams map[string]shape         `json:"streams"`
	Unsaid  map[string][]schemas.Gap `json:"unsaid"` // by the agent's filter
	Damages []Damage                 `json:"damages"`
}

// Damage is what was missing at one look.
type Damage struct {
	Stream   string
	Messages uint64 // that were acknowledged
	Found    time.Time
}

// Open reads the book, or begins one. What can't be read is left out: then less is known.
func Open(o Options) (*Book, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of what was acknowledged: %w", err)
	}
	m, err := openMarks(filepath.Join(o.Dir, marksFile))
	if err != nil {
		return nil, fmt.Errorf("open marks of what was acknowledged: %w", err)
	}
	b := &Book{
		opts: o, marks: m, back: map[string]bool{}, events: o.Names.StreamSubjects(schemas.StreamEvents)[0],
		lost: promauto.With(o.Registerer).NewCounterVec(prometheus.CounterOpts{
			Namespace: "aicc", Subsystem: "witness", Name: "lost_messages_total",
			Help: "Messages that were acknowledged and are not in their stream any more, by stream.",
		}, []string{"stream"}),
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, streamsFile))
	if err == nil && json.Unmarshal(text, &b.notes) != nil {
		b.notes = notes{}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = m.close()
		return nil, fmt.Errorf("read how the streams looked: %w", err)
	}
	b.begin()
	return b, nil
}

// begin makes notes complete, and forgets those of another hub.
func (b *Book) begin() {
	if b.notes.Hub != b.opts.Hub || b.notes.Streams == nil {
		b.notes.Streams = map[string]shape{}
		hubs := b.opts.Names.Stream(schemas.StreamEvents)
		for filter, m := range b.marks.of(hubs) {
			b.noted(b.marks.drop(markKey(hubs, filter), m))
		}
	}
	if b.notes.Unsaid == nil {
		b.notes.Unsaid = map[string][]schemas.Gap{}
	}
	b.notes.Hub = b.opts.Hub
	for _, list := range b.notes.Unsaid {
		b.unsaid.Add(int64(len(list)))
	}
}

// Close writes what is known. Nothing may be stored any more.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.save(), b.marks.close())
}

// Stored notes that a stream has a message, at a sequence; of agents' messages only, and
// for as long as none follows. Publishers call it before they say so themselves.
func (b *Book) Stored(stream string, m *nats.Msg, sequence uint64) {
	if !schemas.Covers(b.events, m.Subject) {
		return
	}
	at, ok := positionOf(m.Header.Get("ce-id"))
	if !ok {
		return
	}
	key := markKey(stream, schemas.AgentOf(m.Subject))
	if old, _ := b.marks.get(key); sequence < old.sequence {
		b.mu.Lock()
		b.back[stream] = true
		b.mu.Unlock()
	}
	b.noted(b.marks.set(key, mark{at, sequence, time.Now()}))
}

// wentBack reports once that a stream has given away sequences again that it had
// acknowledged: something was put back, and has gone on.
func (b *Book) wentBack(stream string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	back := b.back[stream]
	delete(b.back, stream)
	return back
}

// Sync makes the marks outlive a power cut, too.
func (b *Book) Sync() { b.noted(b.marks.sync()) }

// noted says once that the book can't be written: what is stored is stored all the same.
func (b *Book) noted(err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		b.opts.Logger.Warn().Err(err).Msg("what was acknowledged can't be noted; damage of the streams may go unseen")
	}
	b.held = true
}

// Unsaid are the gaps that an agent's recorder has not stored yet. They have all but
// tenant, agent and position. filter is the agent's.
func (b *Book) Unsaid(filter string) []schemas.Gap {
	if b.unsaid.Load() == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes.Unsaid[filter])
}

// Said notes that the first of them is stored.
func (b *Book) Said(filter string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.notes.Unsaid[filter]
	if len(list) == 0 {
		return
	}
	b.unsaid.Add(-1)
	if b.notes.Unsaid[filter] = slices.Delete(list, 0, 1); len(list) == 1 {
		delete(b.notes.Unsaid, filter)
	}
	if err := b.save(); err != nil {
		b.opts.Logger.Debug().Err(err).Msg("gap record may be stored again after a restart")
	}
}

// Found says which streams were damaged within the last day, nil when none was.
func (b *Book) Found() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, d := range b.notes.Damages {
		if time.Since(d.Found) < remembered {
			all = append(all, fmt.Sprintf("%d acknowledged messages are not in %s any more (found %s)", d.Messages, d.Stream, d.Found.UTC().Format(time.RFC3339)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// Damaged reports that a stream was, within the last day.
func (b *Book) Damaged(stream string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.notes.Damages, func(d Damage) bool { return d.Stream == stream && time.Since(d.Found) < remembered })
}

// add notes what is missing, for the agents, the alarm and the counter.
func (b *Book) add(stream string, messages uint64, gaps map[string]schemas.Gap) {
	b.lost.WithLabelValues(stream).Add(float64(messages))
	b.opts.Logger.Error().Str("stream", stream).Uint64("messages", messages).Int("agents", len(gaps)).
		Msg("messages that were acknowledged are not in the stream any more: it was damaged, or put back from an older copy; gap records (store_damaged) follow for the agents")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes.Damages = append(slices.DeleteFunc(b.notes.Damages, func(d Damage) bool { return time.Since(d.Found) >= remembered }),
		Damage{stream, messages, time.Now()})
	b.owe(gaps)
}

// owe adds gaps that are to be said. The caller holds the lock.
func (b *Book) owe(gaps map[string]schemas.Gap) {
	for filter, g := range gaps {
		b.notes.Unsaid[filter] = append(b.notes.Unsaid[filter], g)
		b.unsaid.Add(1)
	}
}

// save writes the notes if they have changed. The caller holds the lock.
func (b *Book) save() error {
	text, err := json.Marshal(b.notes)
	if err != nil || string(text) == string(b.saved) {
		return err
	}
	if err := maybe.WriteFile(filepath.Join(b.opts.Dir, streamsFile), text, 0o600); err != nil {
		return fmt.Errorf("write how the streams look: %w", err)
	}
	b.saved = text
	return nil
}
