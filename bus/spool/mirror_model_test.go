package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/retry"
	"aiccbridge/schemas"
)

// slot works on one agent's entry in the local bucket as the poller does: it
// writes by compare-and-set, and when somebody was faster it looks, and takes
// over what was handed to it.
type slot struct {
	key      string
	local    *kv.Bucket
	revision uint64
	epoch    uint64
	guid     string
	turns    int
	taken    int  // the last one that was handed over and taken
	handed   int  // the last one that was handed over
	wiped    bool // and then deleted, perhaps before anybody looked
}

func (s *slot) write(ctx context.Context) error {
	for {
		value, err := json.Marshal(schemas.Session{Tenant: "acme", Agent: s.key, GUID: s.guid, Epoch: s.epoch, LastSeq: uint64(s.turns), Polling: true})
		if err != nil {
			return err
		}
		revision, ok, err := s.local.Swap(ctx, s.key, value, s.revision)
		if err != nil {
			return err
		}
		if ok {
			s.revision = revision
			return nil
		}
		if err := s.look(ctx); err != nil {
			return err
		}
	}
}

func (s *slot) look(ctx context.Context) error {
	value, revision, err := s.local.Get(ctx, s.key)
	if err != nil {
		return err
	}
	s.revision = revision
	var e schemas.Session
	if revision == 0 || json.Unmarshal(value, &e) != nil {
		return nil
	}
	text, ok := strings.CutPrefix(e.GUID, "handed-")
	if !ok || e.GUID == s.guid {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= s.taken {
		return fmt.Errorf("%s: %s comes again after %d", s.key, e.GUID, s.taken)
	}
	s.taken, s.guid = n, e.GUID
	return nil
}

// rotate is a new GUID of the session, given by the gateway.
func (s *slot) rotate(ctx context.Context) error {
	s.turns++
	s.guid = fmt.Sprintf("own-%d", s.turns)
	return s.write(ctx)
}

// world is a bridge's sessions under random writers and outages.
type world struct {
	*mirrored
	rand  *rand.Rand
	slots []*slot
	stop  func()
}

func newWorld(t *testing.T, seed uint64) *world {
	m := newMirrored(t, schemas.BucketSessions)
	w := &world{mirrored: m, rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range 3 {
		w.slots = append(w.slots, &slot{key: fmt.Sprintf("acme.%d", i), local: m.local, epoch: 7})
	}
	_, w.stop = m.start()
	return w
}

func (w *world) step(ctx context.Context) error {
	s := w.slots[w.rand.IntN(len(w.slots))]
	switch n := w.rand.IntN(20); {
	case n < 9:
		return s.rotate(ctx)
	case n < 13: // another system hands a session over
		s.handed, s.wiped = s.handed+1, false
		e := schemas.Session{Tenant: "acme", Agent: s.key, GUID: fmt.Sprintf("handed-%d", s.handed), Epoch: uint64(w.rand.IntN(2)) * 3}
		value, err := json.Marshal(e)
		if err == nil {
			_, err = w.outside.Put(ctx, s.key, value)
		}
		return err
	case n < 14:
		s.wiped = true
		return w.outside.Delete(ctx, s.key)
	case n < 15:
		w.link.Cut()
	case n < 17:
		w.link.Heal()
	case n < 18: // the process starts again
		w.stop()
		_, w.stop = w.start()
		s.revision = 0 // and the poller reads what it kept
		return s.look(ctx)
	default:
		_ = retry.Wait(ctx, time.Duration(w.rand.IntN(20))*time.Millisecond)
	}
	return ctx.Err()
}

// converge writes until what was handed over last was noticed.
func (w *world) converge(ctx context.Context) error {
	w.link.Heal()
	for _, s := range w.slots {
		for !s.wiped && s.taken < s.handed {
			if err := s.rotate(ctx); err != nil {
				return fmt.Errorf("%s: %d of %d taken: %w", s.key, s.taken, s.handed, err)
			}
			_ = retry.Wait(ctx, 10*time.Millisecond)
		}
		if err := s.rotate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Random writers on both sides, outages and restarts: what was handed over last
// is always noticed, none is shown twice, and in the end both buckets are equal.
func TestMirrorModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			for range 300 {
				if err := w.step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.converge(bustest.Limited(t, 30*time.Second)); err != nil {
				t.Fatal(err)
			}
			for _, s := range w.slots {
				w.agree(s.key)
			}
		})
	}
}

// agree waits until both sides have the same value. (A deletion may still be on
// its way, so that the local one is not the last word.)
func (w *world) agree(key string) {
	w.t.Helper()
	ctx := bustest.Limited(w.t, 20*time.Second)
	for {
		here, _, err := w.local.Get(ctx, key)
		if err != nil {
			w.t.Fatal(err)
		}
		there, _, err := w.outside.Get(ctx, key)
		if err != nil {
			w.t.Fatalf("%s: %q here, not there: %v", key, here, err)
		}
		if bytes.Equal(here, there) {
			return
		}
		_ = retry.Wait(ctx, 10*time.Millisecond)
	}
}

// What was handed over while the hub was away is noticed, although the session
// went on here.
func TestMirrorModelHandedOverMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	s := w.slots[0]
	if err := s.rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.becomes(w.outside, s.key, string(w.value(s.key)))
	w.link.Cut()
	if err := s.rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.put(w.outside, s.key, `{"guid":"handed-1"}`)
	w.link.Heal()
	w.becomes(w.local, s.key, `{"guid":"handed-1"}`)
	if err := s.rotate(t.Context()); err != nil || s.taken != 1 {
		t.Errorf("it was not noticed: %d %v", s.taken, err)
	}
}

func (w *world) value(key string) []byte {
	w.t.Helper()
	value, _, err := w.local.Get(w.t.Context(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}
