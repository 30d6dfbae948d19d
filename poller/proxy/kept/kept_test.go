package kept

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"aiccbridge/bus/kv"
	"aiccbridge/internal/hubtest"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPlace: of two owners the later one has the entry, however often the other writes; what nobody
// of a higher epoch wrote is written over.
func TestPlace(t *testing.T) {
	t.Parallel()
	hub, _ := hubtest.Start(t)
	bucket, key := kv.Open(hub.Conn(), schemas.BucketClients), schemas.AgentKey("acme", "101")
	there := func() (Entry, uint64) {
		t.Helper()
		value, revision, err := bucket.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		e, _ := Read(value)
		return e, revision
	}
	write := func(p *Place, login string) error {
		return p.Write(t.Context(), Entry{Tenant: "acme", Agent: "101", LoginTime: login, Badges: []Badge{{Sealed: "x"}}})
	}
	fine := func(what string, err error, login string, epoch uint64) {
		t.Helper()
		if e, _ := there(); err != nil || e.LoginTime != login || e.Epoch != epoch {
			t.Errorf("%s: %v, %+v", what, err, e)
		}
	}
	beaten := func(what string, err error, login string) {
		t.Helper()
		outgrown := (*record.Outgrown)(nil)
		if e, _ := there(); !errors.As(err, &outgrown) || outgrown.Epoch != 8 || e.LoginTime != login {
			t.Errorf("%s: %v, %+v", what, err, e)
		}
	}
	old, later := NewPlace(bucket, key, 7), NewPlace(bucket, key, 8)
	fine("the first", write(old, "a"), "a", 7)
	fine("again", write(old, "b"), "b", 7)
	_, revision := there()
	later.Found(revision)
	fine("the old one, before the later one wrote", write(old, "c"), "c", 7)
	fine("the later one, who read before that", write(later, "d"), "d", 8)
	beaten("the old one", write(old, "e"), "d")
	beaten("the old one again", write(old, "e"), "d")
	beaten("the old one's removal", old.Remove(t.Context()), "d")
	if err := bucket.Delete(t.Context(), key); err != nil { // by hand
		t.Fatal(err)
	}
	fine("what was deleted", write(later, "f"), "f", 8)
	if _, err := bucket.Put(t.Context(), key, []byte("no entry")); err != nil {
		t.Fatal(err)
	}
	fine("what is no entry", write(later, "g"), "g", 8)
	if _, err := bucket.Put(t.Context(), key, []byte(`{"tenant":"acme","agent":"101","badges":[{}]}`)); err != nil {
		t.Fatal(err)
	}
	fine("of a bridge without epochs", write(later, "h"), "h", 8)
	if err := later.Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if _, revision := there(); revision != 0 {
		t.Error("it is still there")
	}
	if err := later.Remove(t.Context()); err != nil {
		t.Errorf("removed again: %v", err)
	}
	fine("after that", write(later, "i"), "i", 8)
}
