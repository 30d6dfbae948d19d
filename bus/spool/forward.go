package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/internal/wire"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// forwarder carries one class from the spool to where it goes.
type forwarder struct {
	class
	spool   *Spool
	deliver delivery // nil: this class stays in the spool

	shared    *wire.Shared  // where the lanes meet on their way to the hub
	lineage   lineage       // the spool's, as the hub knows it
	added     chan struct{} // something was stored
	leftover  uint64        // up to here an earlier process may have sent
	progress  *progress
	trimmed   uint64
	head      uint64 // the first message, as upkeep saw it last
	headSince time.Time
	ends      ends // of the hub's lanes
}

// delivery brings one message to its end: nil when the spool need not keep it
// any longer. Otherwise ctx has ended.
type delivery func(ctx context.Context, key string, m schemas.Stored) error

func newForwarder(s *Spool, c class) *forwarder {
	f := &forwarder{class: c, spool: s, progress: newProgress(), added: make(chan struct{}, 1)}
	switch {
	case c.hubStream != "":
		f.deliver = f.store
		f.shared = s.hub.Shared(c.hubStream, func(int) {})
	case s.opts.Notice != nil:
		f.deliver = f.notice
	}
	return f
}

// locate notes where the spool's stream stands before anything is added, and begins a
// line of this process.
func (f *forwarder) locate(ctx context.Context) error {
	info, err := f.spool.look(ctx, f.stream)
	if err != nil {
		return err
	}
	if f.lineage, err = readLineage(info.Config.Metadata); err != nil {
		return fmt.Errorf("stream %s: %w", f.stream, err)
	}
	f.lineage = f.lineage.begin(uuid.NewString(), info.State.LastSeq+1, info.State.FirstSeq)
	begun := info.Config
	begun.Metadata = maps.Clone(begun.Metadata)
	begun.Metadata[metaLines] = f.lineage.text()
	if err := f.noteLine(ctx, begun); err != nil {
		return err
	}
	f.leftover = info.State.LastSeq
	f.trimmed = max(info.State.FirstSeq, 1) - 1
	f.progress.start(f.trimmed)
	return nil
}

// look asks where a stream stands, until the local server has answered: its disk may be slow.
func (s *Spool) look(ctx context.Context, stream string) (info *jetstream.StreamInfo, err error) {
	err = s.local.Ask(ctx, stream, func(ctx context.Context) error {
		info, err = s.local.StreamInfo(ctx, stream)
		return err
	})
	return info, err
}

// noteLine writes the stream's lineage to the disk, for as long as that takes: a message
// whose line nobody knows after the next start would be taken for another's.
func (f *forwarder) noteLine(ctx context.Context, begun jetstream.StreamConfig) error {
	for said := false; ; said = true {
		err := f.spool.local.UpdateStream(ctx, begun, codeNotUpdated)
		if !wire.HasCode(err, codeNotUpdated) {
			if said && err == nil {
				f.spool.log.Info().Str("stream", f.stream).Msg("the disk takes the spool's files again")
			}
			return err
		}
		if !said {
			f.spool.log.Error().Err(err).Str("stream", f.stream).
				Msg("the disk takes no file of the spool, which waits for it, and nothing is polled; make room in the folder data_dir, or see who may write there")
		}
		if err := retry.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// run reads the spool from its first message on and never ahead of what the
// lanes take. It returns when ctx has ended and the lanes are empty.
func (f *forwarder) run(ctx context.Context) error {
	l := newLanes()
	err := f.read(ctx, f.trimmed+1, func(m schemas.Stored) error {
		key := f.lane(m.Subject)
		f.progress.begin(m.Sequence)
		return l.add(ctx, key, m, func(m schemas.Stored) {
			if f.deliver(ctx, key, m) == nil {
				f.progress.done(m.Sequence)
				f.spool.metrics.forwarded.WithLabelValues(f.stream).Inc()
			}
		})
	})
	l.wait()
	last, cancel := f.spool.local.Try(context.WithoutCancel(ctx))
	defer cancel()
	if err := f.trim(last); err != nil { // the next start finds it at the hub
		f.spool.log.Debug().Err(err).Str("stream", f.stream).Msg("spool left untrimmed")
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// read hands over message after message until ctx ends; its error is ctx's, or says
// that the connection to the spool's own server was closed. It asks for each by its
// sequence: a reader that the server keeps would expire in a long outage, when
// nothing is read.
func (f *forwarder) read(ctx context.Context, from uint64, each func(schemas.Stored) error) error {
	for {
		if err := f.spool.valve.Wait(ctx); err != nil {
			return err
		}
		m, found, err := f.next(ctx, from)
		if err != nil {
			return err
		}
		if !found {
			f.idle(ctx)
			continue
		}
		sabotage.Point("spool.fetched")
		if err := each(m); err != nil {
			return err
		}
		from = m.Sequence + 1
	}
}

// next is the first message from a sequence on, for as long as it takes to know.
func (f *forwarder) next(ctx context.Context, from uint64) (m schemas.Stored, found bool, err error) {
	local := f.spool.local
	err = local.Retry(ctx, local.Trouble("asset", f.stream), func(ctx context.Context) error {
		m, found, err = local.At(ctx, f.stream, from, f.subjects)
		return err
	})
	return m, found, err
}

// idle waits until something was added. The timer is for what was stored although
// nobody was told.
func (f *forwarder) idle(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-f.added:
	}
}

// wake ends the next idle.
func (f *forwarder) wake() {
	select {
	case f.added <- struct{}{}:
	default: // it will look anyway
	}
}

// trim removes what has arrived: everything up to the first message that has not.
func (f *forwarder) trim(ctx context.Context) error {
	f.progress.trimming.Lock()
	defer f.progress.trimming.Unlock()
	arrived := f.progress.arrived()
	if arrived == f.trimmed {
		return nil
	}
	f.spool.opts.Witness.Sync()
	sabotage.Point("spool.hub_acked")
	s, err := f.spool.local.Stream(ctx, f.stream)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSequence(arrived+1))
	}
	if err != nil {
		return err
	}
	sabotage.Point("spool.trimmed")
	f.trimmed = arrived
	return nil
}

// quarantineTimeout limits the storing of one message's bytes.
const quarantineTimeout = 30 * time.Second

// quarantine takes a message that the hub refuses for good out of the way: its
// bytes go to the hub's object store, and a dead letter says so. A dead letter
// that is refused itself is only logged, beside its bytes.
func (f *forwarder) quarantine(ctx context.Context, m schemas.Stored, refusal *schemas.Permanent) error {
	name := "spool/" + f.lineage.name(m.Sequence)
	meta := map[string]string{"subject": m.Subject, "reason": string(refusal.Reason)}
	ctx, cancel := context.WithTimeout(ctx, quarantineTimeout)
	defer cancel()
	object, err := f.spool.objects.Put(ctx, name, meta, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	if f.hubStream != f.spool.hub.Names().Stream(schemas.StreamDeadLetters) {
		if err = f.deadLetter(ctx, m, &schemas.Permanent{Reason: refusal.Reason, Object: object, Err: refusal.Err}); err != nil {
			return err
		}
	}
	f.spool.metrics.refused.WithLabelValues(f.stream).Inc()
	f.spool.log.WithLevel(f.spool.outage.refused(refusal.Err)).Err(refusal).Str("subject", m.Subject).Str("object", object).
		Msg("hub refuses a message for good; it is in quarantine")
	return nil
}

// replace puts a message that the hub refuses for good into quarantine, and sends the gap
// record that takes its place, if it had a number: a reader would wait for that, or take
// the hole for a loss.
func (f *forwarder) replace(ctx context.Context, p *laneEnd, a *attempt, refusal *schemas.Permanent) error {
	if a.replaced {
		f.spool.log.WithLevel(f.spool.outage.refused(refusal.Err)).Err(refusal).Str("subject", a.Subject).
			Msg("hub refuses the gap record too; the message's number stays empty")
		return nil
	}
	if err := f.quarantine(ctx, a.Stored, refusal); err != nil {
		return err
	}
	why := fmt.Sprintf("the stream refuses it for good (%s); dead letter %s", refusal.Reason, f.lineage.name(a.Sequence))
	record, ok := f.spool.hub.Names().GapInstead(a.Stored, why)
	if !ok {
		return nil
	}
	a.Subject, a.Header, a.Body = record.Subject, record.Headers(), record.Body
	a.replaced, a.tried, a.withoutID = true, false, false
	err := f.try(ctx, p, a)
	if again := (*schemas.Permanent)(nil); errors.As(err, &again) {
		return f.replace(ctx, p, a, again)
	}
	return err
}

// deadLetter spools a dead letter for a message.
func (f *forwarder) deadLetter(ctx context.Context, m schemas.Stored, p *schemas.Permanent) error {
	letter := schemas.NewDeadLetter(schemas.TenantOf(m.Subject), p.Reason, p.Err.Error(), m.StoredAt)
	if letter.Object = p.Object; letter.Object == "" {
		letter.Keep(m.Body)
	}
	message, err := f.spool.hub.Names().DeadLetterMessage(letter, f.lineage.name(m.Sequence))
	if err != nil {
		return err
	}
	return f.spool.Publish(ctx, message)
}
