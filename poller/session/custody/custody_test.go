package custody

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"

	"github.com/rs/zerolog"
)

// keeping is custody of a session, and all around it.
type keeping struct {
	*Custody
	bucket  *bucket
	gateway *gateway
	numbers *numbers
	logs    *strings.Builder
}

func newKeeping() *keeping {
	k := &keeping{bucket: &bucket{}, gateway: &gateway{}, numbers: &numbers{}, logs: &strings.Builder{}}
	o := Options{
		Tenant: "acme", Agent: "291", Epoch: 7, Entries: k.bucket, Seal: sealer{},
		Logger: zerolog.New(k.logs).Level(zerolog.InfoLevel),
	}
	k.Custody = New(o, k.gateway, k.numbers)
	return k
}

// signedIn is custody of a session that was just begun.
func (k *keeping) signedIn(t *testing.T, guid string) {
	t.Helper()
	k.gateway.guid = guid
	k.Begin()
	k.Take()
	if err := k.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// inBucket is the entry there, and the ticket in it.
func (k *keeping) inBucket(t *testing.T) (e schemas.Session, ticket string) {
	t.Helper()
	if err := json.Unmarshal(k.bucket.value, &e); err != nil {
		t.Fatal(err)
	}
	if e.GUID == "" {
		return e, ""
	}
	plain, err := sealer{}.Open(e.GUID, "acme.291")
	if err != nil {
		t.Fatal(err)
	}
	return e, string(plain)
}

// hand puts a GUID into the bucket as another system does.
func (k *keeping) hand(guid string) {
	sealed, _ := sealer{}.Seal([]byte(guid), "acme.291")
	k.bucket.put(`{"guid":"` + sealed + `"}`)
}

func TestWhatCountsAsHandedOver(t *testing.T) {
	k := newKeeping()
	sealed := func(plain, key string) string {
		text, _ := sealer{}.Seal([]byte(plain), key)
		return text
	}
	k.kept = ticket{guid: "now", sealed: "x"}
	k.replaced = ticket{guid: "before", sealed: "y"}
	for name, c := range map[string]struct {
		sealed string
		want   bool
	}{
		"another":          {sealed("other", "acme.291"), true},
		"with cookies":     {sealed("other\nlb=1", "acme.291"), true},
		"none":             {"", false},
		"the current one":  {sealed("now\nlb=1", "acme.291"), false},
		"the one before":   {sealed("before\nlb=1", "acme.291"), false},
		"of another agent": {sealed("other", "acme.292"), false},
		"empty":            {sealed("", "acme.291"), false},
	} {
		got, ok := k.handed(schemas.Session{GUID: c.sealed})
		if ok != c.want || ok && got.guid != "other" {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
	}
}

func TestTheEntryOfASession(t *testing.T) {
	k := newKeeping()
	k.numbers.seq = 9
	k.signedIn(t, "first")
	e, ticket := k.inBucket(t)
	if !e.Polling || e.Epoch != 7 || e.LastSeq != 9 || e.Tenant != "acme" || e.Agent != "291" || e.UpdatedAt.IsZero() || ticket != "first" {
		t.Errorf("while it is polled: %+v, %s", e, ticket)
	}
	k.gateway.cookie = "lb=1"
	if err := k.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e, ticket := k.inBucket(t); e.Polling || ticket != "first\nlb=1" || k.live {
		t.Errorf("left: %+v, %s", e, ticket)
	}
	if err := k.Over(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	if e, ticket := k.inBucket(t); e.Polling || ticket != "" || e.LastSeq != 9 {
		t.Errorf("over: %+v, %s", e, ticket)
	}
}

// A new GUID is written at once, new cookies now and then, and nothing else.
func TestWhenTheTicketIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		k.signedIn(t, "first")
		keep := func(after time.Duration, want string, writes int) {
			t.Helper()
			time.Sleep(after)
			before := k.bucket.writes
			if err := k.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, ticket := k.inBucket(t); ticket != want || k.bucket.writes-before != writes {
				t.Errorf("%q after %d writes, want %q after %d", ticket, k.bucket.writes-before, want, writes)
			}
		}
		keep(time.Minute, "first", 0)
		k.gateway.cookie = "lb=1"
		keep(0, "first\nlb=1", 1)
		k.gateway.cookie = "lb=2"
		keep(cookiesAfter-time.Millisecond, "first\nlb=1", 0)
		keep(time.Millisecond, "first\nlb=2", 1)
		k.gateway.guid = "second"
		keep(0, "second\nlb=2", 1)
		k.o.Seal = sealer{fail: errors.New("no key")}
		k.gateway.guid = "third"
		keep(0, "second\nlb=2", 0)
		if !strings.Contains(k.logs.String(), "can't be sealed") {
			t.Errorf("logged: %s", k.logs)
		}
	})
}

func TestWhatIsTakenOverAtTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		age        time.Duration
		left       bool // in order: the entry says when it was polled last
		othersCare bool
		want       bool
	}{
		"young":                          {time.Minute, true, false, true},
		"old":                            {2 * time.Minute, true, false, false},
		"old, and not our trade":         {2 * time.Minute, true, true, true},
		"old, and polled on for a while": {2 * time.Minute, false, false, true},
		"older than a session's silence": {3 * time.Minute, false, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			before := newKeeping()
			before.signedIn(t, "first")
			if c.left {
				if err := before.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(c.age)
			k := newKeeping()
			k.bucket.put(string(before.bucket.value))
			k.o.OthersSignIn = c.othersCare
			if _, err := k.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := k.TakeOver(); got != c.want || (k.gateway.guid == "first") != c.want || k.numbers.forgotten > 0 != c.want {
				t.Errorf("%s: taken over: %t, %+v", name, got, k.gateway)
			}
		})
	}
}

// An owner that did not stop may have a poll in flight: until it has ended the session is not said
// to be given back.
func TestGivenBackWhenNobodyPolls(t *testing.T) {
	for owner, wait := range map[string]time.Duration{`"polling":true`: 110 * time.Second, `"polling":false`: 0} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeeping()
			k.o.OthersSignIn, k.o.PollTimeout = true, 110*time.Second
			k.hand("first")
			k.bucket.put(strings.Replace(string(k.bucket.value), "{", `{"stop":true,"epoch":6,`+owner+`,`, 1))
			begun := time.Now()
			if _, err := k.Load(t.Context()); err != nil || k.TakeOver() {
				t.Fatalf("taken over, %v", err)
			}
			if err := k.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e, _ := k.inBucket(t); (e.Phase == "") != (wait > 0) || e.Polling {
				t.Errorf("%s: at once: %+v", owner, e)
			}
			time.Sleep(max(0, time.Until(k.Quiet())))
			if taken, err := k.HandedOver(t.Context()); taken || err != nil {
				t.Fatalf("taken %t, %v", taken, err)
			}
			if e, _ := k.inBucket(t); e.Phase != schemas.SessionReturned || time.Since(begun) != wait {
				t.Errorf("%s: after %s: %+v", owner, time.Since(begun), e)
			}
		})
	}
}

func TestSomebodyElseWrote(t *testing.T) {
	t.Run("a GUID for a session that is polled", func(t *testing.T) {
		k := newKeeping()
		k.signedIn(t, "first")
		k.hand("handed")
		if err := k.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ticket := k.inBucket(t); ticket != "handed" || k.gateway.guid != "handed" {
			t.Errorf("kept %q, polled with %q", ticket, k.gateway.guid)
		}
	})
	t.Run("a GUID at a node that is not ours, for a session that is polled", func(t *testing.T) {
		k := newKeeping()
		k.o.OthersSignIn, k.o.Plain = true, true
		k.o.Move = func(url string) error {
			if url != "n1" {
				return errors.New("unknown node")
			}
			return nil
		}
		k.bucket.put(`{"guid":"first","url":"n1"}`)
		if _, err := k.Load(t.Context()); err != nil || !k.TakeOver() {
			t.Fatalf("not taken over, %v", err)
		}
		k.Begin()
		k.gateway.guid = "rotated"
		if err := k.Keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.bucket.put(`{"guid":"other","url":"n9"}`)
		if err := k.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		var e schemas.Session
		if err := json.Unmarshal(k.bucket.value, &e); err != nil || e.Phase != schemas.SessionRefused || e.GUID != "rotated" || e.URL != "n1" {
			t.Errorf("the entry is %+v, %v: who goes on with it finds no node", e, err)
		}
	})
	t.Run("a GUID while there is no session", func(t *testing.T) {
		k := newKeeping()
		k.hand("handed")
		if err := k.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ticket := k.inBucket(t); ticket != "handed" || k.gateway.guid != "" {
			t.Errorf("left %q, polled with %q", ticket, k.gateway.guid)
		}
		if ok, err := k.HandedOver(t.Context()); !ok || err != nil || k.gateway.guid != "handed" {
			t.Errorf("taken: %t, %v", ok, err)
		}
	})
	t.Run("a higher epoch", func(t *testing.T) {
		k := newKeeping()
		k.signedIn(t, "first")
		k.bucket.put(`{"epoch":8}`)
		_, handed := k.HandedOver(t.Context())
		_, newer := k.Newer(t.Context(), "first")
		k.revision = 0
		for name, err := range map[string]error{"save": k.Save(t.Context()), "refresh": k.Refresh(t.Context()), "handed over": handed, "newer": newer} {
			if !errors.Is(err, ErrFenced) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if string(k.bucket.value) != `{"epoch":8}` {
			t.Errorf("overwritten with %s", k.bucket.value)
		}
	})
	t.Run("what is no entry", func(t *testing.T) {
		k := newKeeping()
		k.signedIn(t, "first")
		k.bucket.put("4f3c1d9e")
		if err := k.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ticket := k.inBucket(t); ticket != "first" || strings.Contains(k.logs.String(), "4f3c1d9e") {
			t.Errorf("kept %q, logged: %s", ticket, k.logs)
		}
	})
}

// A refresh that fails is not repeated, and logged once; a save goes on until it is done.
func TestABucketThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeping()
		k.signedIn(t, "first")
		k.bucket.fail = errors.New("no responders")
		for range 3 {
			time.Sleep(refreshAfter)
			if !k.RefreshDue() {
				t.Error("no refresh is due")
			}
			if err := k.Refresh(t.Context()); err != nil || k.RefreshDue() {
				t.Errorf("%v, due again: %t", err, k.RefreshDue())
			}
		}
		begun := time.Now()
		time.AfterFunc(time.Minute, func() { k.bucket.setFail(nil) })
		if err := k.Save(t.Context()); err != nil || time.Since(begun) < time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
		if n := strings.Count(k.logs.String(), "session entry is not refreshed"); n != 1 {
			t.Errorf("logged %d times: %s", n, k.logs)
		}
	})
}

// An entry that another system may change unheard is looked at three times as often.
func TestWhenAnEntryIsRefreshed(t *testing.T) {
	for want, o := range map[time.Duration]Options{lookAfter: {OthersSignIn: true}, refreshAfter: {OthersSignIn: true, Watched: true}} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeeping()
			o.Tenant, o.Agent, o.Epoch, o.Entries, o.Seal = "acme", "291", 7, k.bucket, sealer{}
			k.bucket.put(`{}`)
			k.Custody = New(o, k.gateway, k.numbers)
			if _, err := k.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.signedIn(t, "first")
			time.Sleep(want - time.Nanosecond)
			early := k.RefreshDue()
			time.Sleep(time.Nanosecond)
			if early || !k.RefreshDue() {
				t.Errorf("watched %t: due early %t, after %s %t", o.Watched, early, want, k.RefreshDue())
			}
		})
	}
}

func TestANewerGUID(t *testing.T) {
	k := newKeeping()
	k.signedIn(t, "first")
	if found, err := k.Newer(t.Context(), "first"); found || err != nil {
		t.Errorf("nothing newer: %t, %v", found, err)
	}
	if found, err := k.Newer(t.Context(), "used before"); !found || err != nil {
		t.Errorf("told by the answer: %t, %v", found, err)
	}
	k.hand("handed")
	if found, err := k.Newer(t.Context(), "first"); !found || err != nil || k.gateway.guid != "handed" {
		t.Errorf("handed over: %t, %v, %s", found, err, k.gateway.guid)
	}
	k.bucket.fail = errors.New("no responders")
	if found, err := k.Newer(t.Context(), "handed"); found || err != nil {
		t.Errorf("unreachable: %t, %v", found, err)
	}
}

// Only in a session whose GUID rotates, and did not since, is a new one asked for.
func TestRenew(t *testing.T) {
	for name, c := range map[string]struct {
		rotates, missed, since bool
		want                   int
	}{
		"rotates, one may be missed": {true, true, false, 1}, "rotates, none missed": {true, false, false, 0},
		"never rotated": {false, true, false, 0}, "replaced since": {true, true, true, 0},
	} {
		k := newKeeping()
		k.signedIn(t, "first")
		used := k.GUID()
		if c.rotates {
			k.gateway.guid = "second"
			if err := k.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		k.RotatedSince(used)
		if c.missed {
			k.MayHaveMissed()
		}
		if c.since {
			k.gateway.guid = "third"
			if err := k.Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		k.gateway.updated = "asked-for"
		err := errors.Join(k.Renew(t.Context()), k.Renew(t.Context()))
		if _, ticket := k.inBucket(t); err != nil || k.gateway.updates != c.want || (ticket == "asked-for") != (c.want > 0) {
			t.Errorf("%s: asked %d times, kept %s, %v", name, k.gateway.updates, ticket, err)
		}
	}
}

// TestFurtherMembersAreKept: what a newer bridge has added to an entry is still there after this
// one has written it, whether it read that at its start or when the newer was faster.
func TestFurtherMembersAreKept(t *testing.T) {
	k := newKeeping()
	k.bucket.put(`{"tenant":"acme","agent":"291","polling":false,"epoch":1,"last_seq":7,"node":{"of":[1,2.50]}}`)
	if _, err := k.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.signedIn(t, "one")
	if text := string(k.bucket.value); !strings.Contains(text, `"node":{"of":[1,2.50]}`) || !strings.Contains(text, `"polling":true`) {
		t.Errorf("the entry is %s", text)
	}
	k.bucket.put(`{"tenant":"acme","agent":"291","polling":false,"epoch":1,"last_seq":7,"since":null}`)
	if err := k.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := string(k.bucket.value); !strings.Contains(text, `"since":null`) || strings.Contains(text, "node") {
		t.Errorf("the entry is %s", text)
	}
}
