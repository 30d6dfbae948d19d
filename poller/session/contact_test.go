package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccgateway"
)

func newTestContact(t *testing.T) (*Contact, *strings.Builder) {
	var logs strings.Builder
	o := options(t, &logs)
	tenant := &Tenant{options: o, counts: o.Metrics.of("acme")}
	return tenant.Contact("291"), &logs
}

// ask polls for so long.
func ask(c *Contact, o ccgateway.Outcome, status int, held time.Duration) {
	c.during(func() ccgateway.Poll {
		p := ccgateway.Poll{Outcome: o, Status: status, SentAt: time.Now()}
		time.Sleep(held)
		p.ReceivedAt = time.Now()
		return p
	})
}

func TestHowLongTheGatewayHeardNothing(t *testing.T) {
	for name, c := range map[string]struct {
		poll func(*Contact)
		want time.Duration // a second after the poll
	}{
		"answered":   {func(c *Contact) { ask(c, ccgateway.OutcomeEmpty, 200, 10*time.Second) }, time.Second},
		"no answer":  {func(c *Contact) { ask(c, ccgateway.OutcomeUnknown, 0, 10*time.Second) }, 11 * time.Second},
		"not sent":   {func(c *Contact) { ask(c, ccgateway.OutcomeNotSent, 0, 10*time.Second) }, 16 * time.Second},
		"no session": {func(c *Contact) { c.clear() }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			contact, _ := newTestContact(t)
			contact.at(time.Now())
			time.Sleep(5 * time.Second)
			c.poll(contact)
			time.Sleep(time.Second)
			if got := contact.silence(time.Now()); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		})
	}
}

func TestALongSilenceIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		contact, logs := newTestContact(t)
		contact.at(time.Now())
		for range 40 {
			time.Sleep(5 * time.Second)
			contact.Look()
		}
		if got := contact.peak.value(); got != 200*time.Second {
			t.Errorf("the longest silence was %s", got)
		}
		ask(contact, ccgateway.OutcomeEmpty, 200, time.Second)
		contact.Look()
		ask(contact, ccgateway.OutcomeEmpty, 200, time.Second)
		if said := logs.String(); strings.Count(said, "gateway gets no request") != 1 || strings.Count(said, "gateway gets requests of the agent again") != 1 {
			t.Errorf("logged: %s", said)
		}
	})
}

func TestAPeakIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p peak
		p.observe(time.Minute)
		for after, want := range []time.Duration{time.Minute, time.Minute, 0} {
			if after > 0 {
				time.Sleep(peakSpan)
			}
			if got := p.value(); got != want {
				t.Errorf("after %d spans: %s, want %s", after, got, want)
			}
		}
	})
}
