package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// settleAgain is the pause after somebody was faster.
const settleAgain = 50 * time.Millisecond

// settle brings a key into step, for as long as it takes. Without an answer of
// the hub it waits for one, then sends what was newest when it began; a later
// value makes the key due again.
func (m *mirror) settle(ctx context.Context, key string) {
	for ctx.Err() == nil {
		done, err := m.step(ctx, key)
		if err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Str("key", key).Msg("entry can't be mirrored; it is left as it is")
			return
		}
		if done {
			return
		}
		_ = retry.Wait(ctx, settleAgain) // the loop sees the end
	}
}

// step tries once to bring a key into step. done is false when somebody changed
// it meanwhile.
func (m *mirror) step(ctx context.Context, key string) (done bool, err error) {
	near, err := m.local.Lookup(ctx, key)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	far := m.far[key]
	m.mu.Unlock()
	if sameValue(near, far) {
		return true, m.remember(ctx, key, far)
	}
	push, err := m.decide(ctx, key, near, far)
	switch {
	case err != nil:
		return false, err
	case push:
		return m.push(ctx, key, near, far)
	}
	return m.pull(ctx, key, near, far), nil
}

// decide says whether the local value goes to the hub, or the hub's comes here.
func (m *mirror) decide(ctx context.Context, key string, near, far schemas.Stored) (push bool, err error) {
	switch {
	case near.Sequence == 0: // we know nothing of it
		return false, nil
	case far.Sequence == 0 || m.isOurs(far): // only the local side changed
		return true, nil
	case near.Get(headerHub) != "": // only the hub's changed
		return false, nil
	}
	record, err := m.local.Lookup(ctx, seenPrefix+key)
	if err != nil || string(record.Body) == identity(far) {
		return true, err
	}
	return m.ours(near, far), nil
}

// push writes the local value over what the hub had.
func (m *mirror) push(ctx context.Context, key string, near, far schemas.Stored) (ok bool, err error) {
	out := copyOf(near, headerMirror, m.name)
	stored, ok, err := m.hub.SwapEntry(ctx, key, out, far.Sequence)
	if err != nil {
		return false, err
	}
	if ok {
		m.learn(key, stored)
		return true, nil
	}
	// Word of what is there may be on its way, or never come: of a purge there is
	// none.
	now, err := m.hub.Lookup(ctx, key)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch have := m.far[key]; {
	case now.Sequence == 0 && have.Sequence == far.Sequence:
		delete(m.far, key)
	case now.Sequence > have.Sequence: // a lower one is a late replica's
		m.far[key] = now
	}
	return false, nil
}

// pull writes the hub's value over the local one, and records it. The end of ctx
// does not come between the two.
func (m *mirror) pull(ctx context.Context, key string, near, far schemas.Stored) (ok bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.patience)
	defer cancel()
	in := copyOf(far, headerHub, identity(far))
	_, ok, err := m.local.SwapEntry(ctx, key, in, near.Sequence)
	return err == nil && ok && m.remember(ctx, key, far) == nil // else: again
}

// remember records that the local side has seen a value of the hub.
func (m *mirror) remember(ctx context.Context, key string, far schemas.Stored) error {
	if far.Sequence == 0 || m.isOurs(far) {
		return nil
	}
	record, err := m.local.Lookup(ctx, seenPrefix+key)
	if err != nil || string(record.Body) == identity(far) {
		return err
	}
	_, err = m.local.Put(ctx, seenPrefix+key, []byte(identity(far)))
	return err
}

func (m *mirror) isOurs(far schemas.Stored) bool { return far.Get(headerMirror) == m.name }

// identity tells an entry from all others, also from those of a bucket that was
// made anew.
func identity(e schemas.Stored) string {
	return fmt.Sprintf("%d@%d", e.Sequence, e.StoredAt.UnixNano())
}

// gone reports that a key has no value: it was deleted, or never there.
func gone(e schemas.Stored) bool { return e.Sequence == 0 || kv.Deleted(e) }

func sameValue(a, b schemas.Stored) bool {
	return gone(a) && gone(b) || gone(a) == gone(b) && bytes.Equal(a.Body, b.Body)
}

// copyOf is an entry for the other side, with a header.
func copyOf(e schemas.Stored, header, value string) kv.Entry {
	out := kv.Entry{Header: map[string]string{header: value}}
	if kv.Deleted(e) {
		out.Delete = true
	} else {
		out.Value = e.Body
	}
	return out
}

// ourSession is the rule for SESSIONS: of two bridges' entries the one with the
// higher epoch stays, and the hub's if they are equal. What another system wrote
// always comes to the local side, a deletion too: it may hand a session over, and
// whoever polls the agent takes that out and writes his own entry again.
func ourSession(local, hub schemas.Stored) bool {
	var mine, other schemas.Session
	byBridge := kv.Swapped(hub) && !kv.Deleted(hub)
	if !byBridge || json.Unmarshal(hub.Body, &other) != nil || other.Epoch == 0 {
		return false
	}
	return json.Unmarshal(local.Body, &mine) == nil && mine.Epoch > other.Epoch
}

// ourState is the rule for STATE: the later position stays; of equal positions
// the later since, and the hub's if that is equal, too. Anything is later than
// what can't be read as a state, or was deleted.
func ourState(local, hub schemas.Stored) bool {
	var mine, other schemas.AgentState
	if kv.Deleted(local) || json.Unmarshal(local.Body, &mine) != nil {
		return false
	}
	if kv.Deleted(hub) || json.Unmarshal(hub.Body, &other) != nil {
		return true
	}
	switch {
	case mine.Epoch != other.Epoch:
		return mine.Epoch > other.Epoch
	case mine.Seq != other.Seq:
		return mine.Seq > other.Seq
	}
	return mine.Since.After(other.Since)
}
