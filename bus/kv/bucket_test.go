package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/group"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/schemas"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	k := Open(c, schemas.BucketWindows)
	ctx := t.Context()
	get := func(want string, wantRevision uint64) {
		t.Helper()
		v, r, err := k.Get(ctx, "acme.cdr")
		if err != nil || string(v) != want || r != wantRevision {
			t.Errorf("got %q at %d, %v; want %q at %d", v, r, err, want, wantRevision)
		}
	}
	swap := func(value string, revision uint64, wantOK bool) uint64 {
		t.Helper()
		r, ok, err := k.Swap(ctx, "acme.cdr", []byte(value), revision)
		if err != nil || ok != wantOK || ok != (r != 0) {
			t.Errorf("swap at %d: %d %v %v", revision, r, ok, err)
		}
		return r
	}
	get("", 0)
	swap("x", 7, false) // there is none
	r := swap("1", 0, true)
	get("1", r)
	swap("x", 0, false) // there is one now
	r2 := swap("2", r, true)
	swap("x", r, false)
	get("2", r2)
	if err := k.Delete(ctx, "acme.cdr"); err != nil {
		t.Fatal(err)
	}
	get("", 0)
	swap("x", r2, false)
	r3 := swap("3", 0, true) // a deleted key is no key
	if r3 <= r2 {
		t.Errorf("revision %d after %d", r3, r2)
	}
	r4, err := k.Put(ctx, "acme.cdr", []byte("4"))
	if err != nil {
		t.Fatal(err)
	}
	get("4", r4)
	// It is an ordinary bucket for everybody else.
	kv, err := c.JetStream().KeyValue(ctx, "AICC_WINDOWS")
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(ctx, "acme.cdr")
	if err != nil || string(e.Value()) != "4" || e.Revision() != r4 {
		t.Errorf("seen from outside: %v %v", e, err)
	}
	if err := kv.Purge(ctx, "acme.cdr"); err != nil {
		t.Fatal(err)
	}
	get("", 0)
	if err := k.Delete(ctx, "never.there"); err != nil {
		t.Error(err)
	}
}

func TestBucketRefuses(t *testing.T) {
	t.Parallel()
	k := Open(hubtest.Ready(t), schemas.BucketState)
	_, _, err := k.SwapEntry(t.Context(), "a b", Entry{Delete: true}, 1)
	if err == nil || !strings.HasPrefix(err.Error(), "delete a b in bucket") {
		t.Errorf("error %v", err)
	}
	for _, key := range []string{"", ".a", "a.", "a..b", "a b", "a.*", ">"} {
		if _, err := k.Put(t.Context(), key, nil); err == nil {
			t.Errorf("key %q was taken", key)
		}
	}
	big := bytes.Repeat([]byte{'x'}, embedded.DefaultMaxPayloadBytes+1)
	var p *schemas.Permanent
	if _, _, err := k.Swap(t.Context(), "a", big, 0); !errors.As(err, &p) || p.Reason != schemas.ReasonOversized {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := k.Get(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Every increment counts once, whoever makes it.
func TestSwapUnderConcurrency(t *testing.T) {
	t.Parallel()
	k := Open(hubtest.Ready(t), schemas.BucketWindows)
	const workers, each = 8, 10
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for done := 0; done < each; {
				v, r, err := k.Get(t.Context(), "counter")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(v)) // "" is 0
				_, ok, err := k.Swap(t.Context(), "counter", []byte(strconv.Itoa(n+1)), r)
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					done++
				}
			}
		})
	}
	group.Wait()
	if v, _, err := k.Get(t.Context(), "counter"); err != nil || string(v) != fmt.Sprint(workers*each) {
		t.Errorf("counted %s, %v", v, err)
	}
}

// The answer to a swap is lost: the repeat finds its own value and says so.
func TestSwapWithLostAnswer(t *testing.T) {
	t.Parallel()
	l := bustest.NewLossy(bustest.Server(t))
	c := hubtest.Open(t, l, hubtest.Quick(300*time.Millisecond))
	hubtest.Ensure(t, c)
	k := Open(c, schemas.BucketWindows)
	if _, _, err := k.Get(t.Context(), "k"); err != nil { // the handle is there
		t.Fatal(err)
	}
	r := uint64(0)
	for i := range 2 {
		l.Drop(`"stream":"KV_AICC_WINDOWS"`, 1)
		next, ok, err := k.Swap(t.Context(), "k", []byte("v"), r)
		if err != nil || !ok || next != r+1 {
			t.Fatalf("swap %d: %d %v %v", i, next, ok, err)
		}
		r = next
	}
	if _, ok, err := k.Swap(t.Context(), "k", []byte("v"), 1); ok || err != nil {
		t.Errorf("the same value by another call counts as its own: %v %v", ok, err)
	}
}

func TestBucketWatch(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	c := hubtest.Open(t, s)
	hubtest.Ensure(t, c)
	k := Open(c, schemas.BucketSessions)
	put := func(key, value string) {
		if _, err := k.Put(t.Context(), key, []byte(value)); err != nil {
			t.Error(err)
		}
	}
	put("acme.1", "old")
	put("acme.1", "a")
	put("acme.2", "")
	put("other.1", "c")
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- k.Watch(ctx, "acme.>", func(key string, value []byte, revision uint64) {
			if value == nil {
				value = []byte("(deleted)")
			}
			if revision == 0 {
				t.Error("revision 0")
			}
			events <- key + "=" + string(value)
		}, func() { events <- "loaded" })
	}()
	want := func(list ...string) {
		t.Helper()
		for _, w := range list {
			if got := <-events; got != w {
				t.Errorf("saw %s, want %s", got, w)
			}
		}
	}
	want("acme.1=a", "acme.2=", "loaded")
	put("acme.3", "d")
	if err := k.Delete(t.Context(), "acme.1"); err != nil {
		t.Fatal(err)
	}
	want("acme.3=d", "acme.1=(deleted)")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	put("acme.4", "e")
	want("acme.4=e")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBucketWatchOfABucketMadeAnew(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t, hubtest.Quick(200*time.Millisecond))
	k := Open(c, schemas.BucketSessions)
	put := func(key string) {
		t.Helper()
		if _, err := k.Put(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	put("old.1")
	put("old.2")
	put("old.3")
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- k.Watch(ctx, ">", func(key string, _ []byte, _ uint64) { seen <- key }, func() { seen <- "loaded" })
	}()
	for bustest.Receive(t, seen) != "loaded" {
	}
	if err := hubtest.Superior(t, c).JetStream().DeleteStream(t.Context(), "KV_AICC_SESSIONS"); err != nil {
		t.Fatal(err)
	}
	hubtest.Ensure(t, c)
	put("new.1")
	if got := bustest.Receive(t, seen); got != "new.1" {
		t.Errorf("saw %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A stream that took over a bucket's subjects must not get its values.
func TestBucketWritesToItsOwnStreamOnly(t *testing.T) {
	t.Parallel()
	c := hubtest.Open(t, bustest.Server(t))
	if _, err := hubtest.Superior(t, c).JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"$KV.AICC_STATE.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c, schemas.BucketState).Put(bustest.Limited(t, 300*time.Millisecond), "k", []byte("v")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	s, err := hubtest.Superior(t, c).JetStream().Stream(t.Context(), "OTHER")
	if err != nil || s.CachedInfo().State.Msgs != 0 {
		t.Errorf("the wrong stream took the value: %v", err)
	}
}

func TestBucketWatchOfAnEmptyBucket(t *testing.T) {
	t.Parallel()
	k := Open(hubtest.Ready(t), schemas.BucketSessions)
	ctx, cancel := context.WithCancel(t.Context())
	err := k.Watch(ctx, ">", func(string, []byte, uint64) { t.Error("called") }, cancel)
	if err != nil {
		t.Error(err)
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	o := OpenObjects(c, schemas.BucketQuarantine)
	ctx := t.Context()
	content := strings.Repeat("damaged ", 100_000)
	for range 2 {
		name, err := o.Put(ctx, "acme/20261101_x.zip", map[string]string{"reason": "damaged_zip"}, strings.NewReader(content))
		if err != nil || name != "AICC_QUARANTINE/acme/20261101_x.zip" {
			t.Fatalf("%q %v", name, err)
		}
	}
	r, found, err := o.Get(ctx, "acme/20261101_x.zip")
	if err != nil || !found {
		t.Fatal(found, err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil || got.String() != content {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
	store, err := c.JetStream().ObjectStore(ctx, "AICC_QUARANTINE")
	if err != nil {
		t.Fatal(err)
	}
	info, err := store.GetInfo(ctx, "acme/20261101_x.zip")
	if err != nil || !strings.HasPrefix(info.Digest, "SHA-256=") || info.Metadata["reason"] != "damaged_zip" {
		t.Errorf("%+v %v", info, err)
	}
	for name, want := range map[string]bool{"acme/20261101_x.zip": true, "nothing": false} {
		object, has, err := o.Find(ctx, name)
		if err != nil || has != want || has && (object.Bytes != int64(len(content)) || object.Meta["reason"] != "damaged_zip" || object.StoredAt.IsZero()) {
			t.Errorf("%s: %+v %v %v", name, object, has, err)
		}
	}
	if _, found, err := o.Get(ctx, "nothing"); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	if _, has, err := OpenObjects(c, schemas.BucketRecordings).Find(ctx, "acme/20261101_x.zip"); has || err != nil {
		t.Errorf("the stores are one: %v %v", has, err)
	}
	broken := errors.New("disk")
	if _, err := o.Put(ctx, "half", nil, iotestErr(content, broken)); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, has, err := o.Find(ctx, "half"); has || err != nil {
		t.Errorf("half an object is there: %v %v", has, err)
	}
	if err := hubtest.Superior(t, c).JetStream().DeleteObjectStore(ctx, "AICC_QUARANTINE"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Put(ctx, "x", nil, strings.NewReader("")); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("error %v", err)
	}
}

// iotestErr reads s, then fails.
func iotestErr(s string, err error) *failing { return &failing{Reader: strings.NewReader(s), err: err} }

type failing struct {
	*strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil {
		err = f.err
	}
	return n, err
}

// TestObjectsGo: those of a prefix are listed, and of a deleted one nothing is left.
func TestObjectsGo(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	o := OpenObjects(c, schemas.BucketRecordings)
	ctx := t.Context()
	names := func(prefix string) (list []string) {
		err := o.Each(ctx, prefix, func(object schemas.Object) error {
			list = append(list, object.Name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return list
	}
	if got := names(""); len(got) != 0 {
		t.Errorf("an empty store has %v", got)
	}
	for _, name := range []string{"acme/7/1.wav", "acme/8/1.wav", "acme2/7/1.wav"} {
		if _, err := o.Put(ctx, name, nil, strings.NewReader("sound")); err != nil {
			t.Fatal(err)
		}
	}
	if got := names("acme/"); !slices.Equal(got, []string{"acme/7/1.wav", "acme/8/1.wav"}) {
		t.Errorf("of acme: %v", got)
	}
	stop := errors.New("enough")
	if err := o.Each(ctx, "", func(schemas.Object) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	for range 2 {
		if err := o.Delete(ctx, "acme/7/1.wav"); err != nil {
			t.Error(err)
		}
	}
	if got := names(""); !slices.Equal(got, []string{"acme/8/1.wav", "acme2/7/1.wav"}) {
		t.Errorf("left: %v", got)
	}
	info, err := c.StreamInfo(ctx, "OBJ_AICC_RECORDINGS")
	if err != nil || info.State.Msgs != 4 { // one part and one head of each
		t.Errorf("%+v %v", info, err)
	}
}

// TestObjectsSweep: parts that belong to no object go once they are old enough, and nothing
// else does.
func TestObjectsSweep(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	o := OpenObjects(c, schemas.BucketRecordings)
	ctx := t.Context()
	sound := strings.Repeat("sound", 100_000) // of several parts
	if _, err := o.Put(ctx, "acme/7/1.wav", nil, strings.NewReader(sound)); err != nil {
		t.Fatal(err)
	}
	for range 3 { // as a put that was killed left them
		if _, err := c.JetStream().Publish(ctx, "$O.AICC_RECORDINGS.C.orphan", []byte("part")); err != nil {
			t.Fatal(err)
		}
	}
	messages := func() uint64 {
		info, err := c.StreamInfo(ctx, "OBJ_AICC_RECORDINGS")
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	all := messages()
	for _, step := range []struct {
		before time.Time
		left   uint64
	}{{time.Now().Add(-time.Hour), all}, {time.Now().Add(time.Hour), all - 3}, {time.Now().Add(time.Hour), all - 3}} {
		if err := o.Sweep(ctx, step.before); err != nil || messages() != step.left {
			t.Errorf("%d of %d messages left, want %d: %v", messages(), all, step.left, err)
		}
	}
	r, found, err := o.Get(ctx, "acme/7/1.wav")
	if err != nil || !found {
		t.Fatalf("the object: %v %v", found, err)
	}
	defer r.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil || got.String() != sound {
		t.Errorf("%d bytes, %v", got.Len(), err)
	}
}

// TestStatesAtATime: many states that are put at once are all there, each with the revision
// that its call returned, and most of them were stored in batches.
func TestStatesAtATime(t *testing.T) {
	t.Parallel()
	k := Open(hubtest.Ready(t), schemas.BucketState)
	const agents = 500
	revisions := make([]uint64, agents)
	var all sync.WaitGroup
	for i := range agents {
		all.Go(func() {
			var err error
			for round := range 3 {
				if revisions[i], err = k.Put(t.Context(), fmt.Sprintf("acme.%d", i), []byte(fmt.Sprint(i, round))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	batched := 0
	for i, revision := range revisions {
		e, err := k.Lookup(t.Context(), fmt.Sprintf("acme.%d", i))
		if err != nil || string(e.Body) != fmt.Sprint(i, 2) || e.Sequence != revision {
			t.Fatalf("state %d is %q at %d, want %d: %v", i, e.Body, e.Sequence, revision, err)
		}
		if group.Batch(e.Header) != "" {
			batched++
		}
	}
	if batched < agents/2 {
		t.Errorf("%d of %d were stored in a batch", batched, agents)
	}
}
