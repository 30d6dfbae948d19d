package session

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/record"
)

func newTestPace(t *testing.T) *pace {
	p := newPace(options(t, &strings.Builder{}))
	p.begin(time.Now(), time.Now())
	return p
}

func TestThePauseAfterAGoodPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t)
		event, empty := answer(ccgateway.OutcomeEvent, "0"), answer(ccgateway.OutcomeEmpty, "0")
		if next := p.good(event); next.Sub(event.ReceivedAt) != defaultEventGap || !p.more {
			t.Errorf("after an event: %s, more: %t", next.Sub(event.ReceivedAt), p.more)
		}
		if next := p.good(empty); next.Sub(empty.ReceivedAt) != defaultIdleGap || p.more {
			t.Errorf("after nothing: %s, more: %t", next.Sub(empty.ReceivedAt), p.more)
		}
	})
}

// until polls badly until there is no use in another.
func until(p *pace, polls ...ccgateway.Poll) (pauses []time.Duration, over record.Cause) {
	for i := 0; ; i++ {
		next, over := p.bad(polls[min(i, len(polls)-1)])
		if over != "" {
			return pauses, over
		}
		pauses = append(pauses, time.Until(next))
		time.Sleep(time.Until(next))
	}
}

func TestWhenThereIsNoUseInAnotherPoll(t *testing.T) {
	denied := answer(ccgateway.OutcomeHTTPError, "")
	denied.Class, denied.Status = ccgateway.ClassAuth, 401
	refused, unknown := answer(ccgateway.OutcomeRefused, "100-007"), answer(ccgateway.OutcomeUnknown, "")
	for name, c := range map[string]struct {
		polls       []ccgateway.Poll
		over        record.Cause
		least, most int
		longest     time.Duration
	}{
		"no answer":            {[]ccgateway.Poll{unknown}, record.CauseLost, maxFails, maxFails, maxErrorGap},
		"busy":                 {[]ccgateway.Poll{refused}, record.CauseLost, maxFails, maxFails, maxErrorGap},
		"denied twice":         {[]ccgateway.Poll{denied}, record.CauseAuth, 1, 1, maxErrorGap},
		"denied now and then":  {[]ccgateway.Poll{denied, refused, denied, refused, denied, denied}, record.CauseAuth, 5, 5, maxErrorGap},
		"a switchover goes on": {[]ccgateway.Poll{answer(ccgateway.OutcomeRefused, "000-004")}, record.CauseRecovery, 270, 275, defaultErrorGap},
	} {
		synctest.Test(t, func(t *testing.T) {
			pauses, over := until(newTestPace(t), c.polls...)
			if over != c.over || len(pauses) < c.least || len(pauses) > c.most {
				t.Errorf("%s: %s after %d polls", name, over, len(pauses))
			}
			if slices.Min(pauses) <= minErrorGap || slices.Max(pauses) > c.longest {
				t.Errorf("%s: pauses %v", name, pauses)
			}
		})
	}
}

func TestASilenceThatLastsIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t)
		time.Sleep(defaultMaxSilence)
		if _, over := p.bad(answer(ccgateway.OutcomeUnknown, "")); over != "" {
			t.Errorf("given up after %s: %s", defaultMaxSilence, over)
		}
		time.Sleep(time.Second)
		if _, over := p.bad(answer(ccgateway.OutcomeUnknown, "")); over != record.CauseLost {
			t.Errorf("not given up: %q", over)
		}
	})
}

// A good poll makes all that was bad before count no more.
func TestAGoodPollStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t)
		for range 5 {
			p.oneMore = true
			for range maxFails {
				next, over := p.bad(answer(ccgateway.OutcomeUnknown, ""))
				if over != "" {
					t.Fatalf("given up: %s", over)
				}
				time.Sleep(time.Until(next))
			}
			if p.good(answer(ccgateway.OutcomeEmpty, "0")); p.oneMore {
				t.Error("000-003 after a good poll gets no more poll")
			}
		}
	})
}

func TestWhenAQueueMayBeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPace(t)
		p.askedAt = time.Now().Add(minErrorGap - time.Millisecond)
		if p.queueLost() {
			t.Error("lost within no time")
		}
		p.begin(time.Now(), time.Now().Add(-time.Minute)) // goes on, and was not asked for a minute
		p.askedAt = time.Now()
		if !p.queueLost() {
			t.Error("a queue that nobody asked for a minute is not lost")
		}
		p.good(answer(ccgateway.OutcomeEmpty, "0"))
		if p.queueLost() {
			t.Error("lost, although it was just asked")
		}
	})
}

func TestHeartbeatsAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, never := newTestPace(t), newTestPace(t)
		never.o.Heartbeat = -1
		n := 0
		for range 600 {
			time.Sleep(time.Second)
			if p.beatDue() {
				n++
			}
			if never.beatDue() {
				t.Fatal("a heartbeat is due that is switched off")
			}
		}
		if n != 2 {
			t.Errorf("%d heartbeats in ten minutes, want 2", n)
		}
	})
}

func TestOptions(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"too fast":         func(o *Options) { o.EventGap = 199 * time.Millisecond },
		"too slow":         func(o *Options) { o.IdleGap = 501 * time.Millisecond },
		"errors too fast":  func(o *Options) { o.ErrorGap = time.Second },
		"errors too slow":  func(o *Options) { o.ErrorGap = 16 * time.Second },
		"negative silence": func(o *Options) { o.MaxSilence = -1 },
	} {
		o := options(t, &strings.Builder{})
		if _, err := NewTenant(o); err != nil {
			t.Fatal(err)
		}
		if spoil(&o); o.validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
