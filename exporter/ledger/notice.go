package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"aiccbridge/internal/trace"
	"aiccbridge/schemas"
)

// holdUnmatched is how long a notice waits for the answer of its own query
// before it becomes a dead letter.
const holdUnmatched = 24 * time.Hour

// Accept stores that a file is ready. nil means stored, now or earlier: the
// caller may acknowledge. A notice whose response id no window knows yet (the
// callback may overtake the answer of its own query) is stored too, and matched
// when that answer comes. One that names its request is taken for it at once.
func (l *Ledger) Accept(ctx context.Context, n schemas.FileNotice) error {
	if err := checkNotice(n); err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	l.hear(n)
	if err := l.Await(ctx); err != nil {
		return err
	}
	if key, ok := l.find(n.Tenant, n.ResponseID); ok {
		return l.ready(ctx, key, n)
	}
	if n.Request != nil {
		if done, err := l.adopt(ctx, n); done || err != nil {
			return err
		}
	}
	value, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode file notice: %w", err)
	}
	if _, _, err := l.o.Bucket.Swap(ctx, schemas.UnmatchedKey(n.Tenant, n.ResponseID), value, 0); err != nil {
		return fmt.Errorf("store unmatched notice: %w", err)
	}
	_, err = l.claim(ctx, n.Tenant, n.ResponseID)
	return err
}

// adopt takes a notice for the request that it names, whose answer has not come,
// or never will: its response id is learnt from the callback. done is false when
// the notice must be held instead, because the ledger does not fit what it says.
// A window that has been asked for again since needs it no more: the callback has
// done what it can, and a repeat will not do better.
func (l *Ledger) adopt(ctx context.Context, n schemas.FileNotice) (done bool, err error) {
	key := schemas.WindowKey(n.Tenant, n.Request.Kind, n.Request.Window)
	e, err := l.get(ctx, key)
	if err != nil || e.revision == 0 {
		return false, err
	}
	if requestOf(e.WindowEntry).At.After(n.Request.At) {
		return true, nil
	}
	err = l.change(ctx, key, func(e *schemas.WindowEntry) bool {
		if e.ResponseID != "" || !requestOf(*e).At.Equal(n.Request.At) {
			return false
		}
		// Also one that was given up for lost, or for refused: a firewall may refuse
		// the answer only.
		e.State, e.ResponseID = schemas.WindowRequested, n.ResponseID
		e.DueAt = time.Now().Add(l.o.ReadyFor)
		return true
	})
	if err != nil {
		return false, err
	}
	if found, ok := l.find(n.Tenant, n.ResponseID); !ok || found != key {
		return false, nil
	}
	return true, l.ready(ctx, key, n)
}

// requestOf names the newest request for a window, as a callback's address can name it.
func requestOf(e schemas.WindowEntry) schemas.WindowRequest {
	return schemas.WindowRequest{Kind: e.Kind, Window: e.Window, At: e.RequestedAt.Truncate(time.Millisecond).UTC()}
}

// checkNotice reports a notice that must not be stored. A file name with another
// id than the notice's own would bring the rows of another extract into the
// window.
func checkNotice(n schemas.FileNotice) error {
	if err := n.Validate(); err != nil {
		return err
	}
	_, id, _ := strings.Cut(strings.TrimSuffix(n.FileName, ".zip"), "_")
	if id, err := schemas.NormaliseResponseID(id); err != nil || id != n.ResponseID {
		return errors.New("file notice: the file name holds another id than response_id")
	}
	return nil
}

// claim matches a stored notice with its window, if both are there. It is called
// by whoever writes the second of the two, so that one of them sees both.
func (l *Ledger) claim(ctx context.Context, tenant, responseID string) (matched bool, err error) {
	window, ok := l.find(tenant, responseID)
	if !ok {
		return false, nil
	}
	key := schemas.UnmatchedKey(tenant, responseID)
	value, revision, err := l.o.Bucket.Get(ctx, key)
	if err != nil || revision == 0 {
		return true, err
	}
	var n schemas.FileNotice
	if err := json.Unmarshal(value, &n); err != nil {
		return false, fmt.Errorf("read unmatched notice %s: %w", key, err)
	}
	if err := l.ready(ctx, window, n); err != nil {
		return false, err
	}
	return true, l.o.Bucket.Delete(ctx, key)
}

// ready hands the file of a requested window to the workers: first the message
// is stored, then the ledger says so. A window that failed because its callback
// or its file did not come in time takes it as well: better late. Any other state
// means that this was done before, or that the extract was given up for a newer one.
func (l *Ledger) ready(ctx context.Context, key string, n schemas.FileNotice) (err error) {
	e, err := l.get(ctx, key)
	if err != nil {
		return err
	}
	if !awaits(e.WindowEntry, n) {
		return nil
	}
	name := "file name predicted"
	if n.Via == schemas.ViaCallback {
		name = "callback received"
	}
	ctx, span := l.o.Tracer.Resume(ctx, e.Trace, name, n.ReceivedAt, trace.Of(e.Tenant, e.Kind, e.Window)...)
	defer func() { span.End(trace.Class(err)) }()
	m, err := l.o.Names.FileReadyMessage(schemas.FileReady{
		Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, ResponseID: n.ResponseID,
		FileName: n.FileName, AccountID: n.AccountID, ReceivedAt: n.ReceivedAt, Via: n.Via,
	})
	if err != nil {
		return err
	}
	if err := l.handOver(ctx, m, e.RequestedAt); err != nil {
		return fmt.Errorf("hand over %s: %w", n.FileName, err)
	}
	return l.markReady(ctx, key, n)
}

// handOver stores a file's message once. A crash between the message and the
// ledger makes a redo of it, which may come long after the bus has forgotten the
// message's id; so it looks first.
func (l *Ledger) handOver(ctx context.Context, m schemas.Message, since time.Time) error {
	if stored, err := l.o.Publisher.Stored(ctx, m, since); stored || err != nil {
		return err
	}
	ctx, span := l.o.Tracer.Start(ctx, "publish file_ready")
	trace.Tell(ctx, &m)
	err := l.o.Publisher.Publish(ctx, m)
	span.End(trace.Class(err))
	return err
}

func (l *Ledger) markReady(ctx context.Context, key string, n schemas.FileNotice) error {
	return l.change(ctx, key, func(e *schemas.WindowEntry) bool {
		if !awaits(*e, n) {
			return false
		}
		e.State, e.FileName, e.Via, e.ReadyAt = schemas.WindowReady, n.FileName, n.Via, n.ReceivedAt
		e.DueAt = time.Now().Add(l.o.ReadyFor)
		return true
	})
}

func awaits(e schemas.WindowEntry, n schemas.FileNotice) bool {
	late := e.State == schemas.WindowFailed && n.Via == schemas.ViaCallback && Welcome(e, n.Via)
	return (e.State == schemas.WindowRequested || late) && e.ResponseID == n.ResponseID
}

// Welcome reports whether the file of a failed window's extract may come all the same, by
// the way given. One that only took too long may by any. A callback makes good for a file
// that was looked for under a predicted name, and was not there or could not be had; one
// whose callback had come has been tried, and its message is over.
func Welcome(e schemas.WindowEntry, via schemas.Via) bool {
	switch e.Reason {
	case schemas.ReasonOverdue:
		return true
	case schemas.ReasonFileMissing, schemas.ReasonAttempts:
		return via == schemas.ViaCallback && e.Via != schemas.ViaCallback
	}
	return false
}

// SettleNotices matches a tenant's stored notices that a crash left behind, and makes dead
// letters of those that nobody asked for within a day.
func (l *Ledger) SettleNotices(ctx context.Context, tenant string, now time.Time) error {
	for key, n := range l.held(tenant) {
		if err := l.rectifyNotice(ctx, key, &n, now); err != nil {
			return err
		}
		matched, err := l.claim(ctx, tenant, n.ResponseID)
		if err == nil && !matched && now.Sub(n.ReceivedAt) >= holdUnmatched {
			err = l.deadLetter(ctx, key, n, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) deadLetter(ctx context.Context, key string, n schemas.FileNotice, now time.Time) error {
	original, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode file notice: %w", err)
	}
	letter := schemas.NewDeadLetter(n.Tenant, schemas.ReasonUnknownResponse, "no extract with this response id was asked for", now)
	letter.FirstAt = n.ReceivedAt
	letter.ResponseID = n.ResponseID
	if n.Request != nil {
		letter.Kind, letter.Window = n.Request.Kind, n.Request.Window
	}
	letter.Original = original // whole: a callback's body was bounded where it came in
	m, err := l.o.Names.DeadLetterMessage(letter, "notice."+n.ResponseID)
	if err != nil {
		return err
	}
	if err = l.o.Publisher.Publish(ctx, m); err == nil {
		err = l.o.Bucket.Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("make a dead letter of notice %s: %w", key, err)
	}
	return nil
}

func (l *Ledger) held(tenant string) map[string]schemas.FileNotice {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := map[string]schemas.FileNotice{}
	for key, n := range l.unmatched {
		if n.Tenant == tenant {
			held[key] = n
		}
	}
	return held
}

// Expects reports whether the response id of an extract that was asked for may not be known
// yet: its answer has not come, or the ledger has not been read.
func (l *Ledger) Expects(tenant string) bool {
	select {
	case <-l.loaded:
	default:
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Tenant == tenant && e.State == schemas.WindowRequested && e.ResponseID == "" {
			return true
		}
	}
	return false
}

// Knows reports whether an extract with this response id was asked for, now or
// before.
func (l *Ledger) Knows(tenant, responseID string) bool {
	_, ok := l.find(tenant, responseID)
	return ok
}
