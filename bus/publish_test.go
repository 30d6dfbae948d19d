package bus

import (
	"errors"
	"strings"
	"testing"

	"aiccbridge/bus/embedded"
	"aiccbridge/bus/internal/bustest"
	"aiccbridge/schemas"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	b := ready(t)
	m := bustest.Event("1")
	m.Header = map[string]string{"aicc-extra": "a b"}
	for range 2 { // the second is a duplicate and is success, too
		if err := b.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	list := all(t, b, schemas.StreamEvents)
	if len(list) != 1 {
		t.Fatalf("%d messages, want 1", len(list))
	}
	got := list[0]
	if got.Subject != m.Subject || string(got.Body) != string(m.Body) || got.Sequence != 1 || got.StoredAt.IsZero() {
		t.Errorf("stored %+v", got)
	}
	for name, want := range map[string]string{
		"ce-id": "1", "ce-source": "/aicc/acme/test", "aicc-extra": "a%20b",
		"Nats-Expected-Stream": "AICC_EVENTS", schemas.HeaderMsgID: "/aicc/acme/test#1",
	} {
		if got.Get(name) != want {
			t.Errorf("header %s is %q, want %q", name, got.Get(name), want)
		}
	}
	if n := b.counted(t, "duplicates_total", ""); n != 1 {
		t.Errorf("%v duplicates counted", n)
	}
	if n := b.counted(t, "published_total", "AICC_EVENTS"); n != 2 {
		t.Errorf("%v published counted", n)
	}
}

func TestPublishRefusesAtOnce(t *testing.T) {
	t.Parallel()
	b := ready(t)
	big := bustest.Event("1")
	big.Body = []byte(`"` + strings.Repeat("x", embedded.DefaultMaxPayloadBytes) + `"`)
	invalid := bustest.Event("1")
	invalid.Body = []byte("{")
	elsewhere := bustest.Event("1")
	elsewhere.Subject = "aicc.v1.acme.nothing"
	for reason, m := range map[schemas.Reason][]schemas.Message{
		schemas.ReasonOversized: {big},
		schemas.ReasonInvalid:   {invalid, elsewhere},
	} {
		for _, m := range m {
			var p *schemas.Permanent
			if err := b.Publish(t.Context(), m); !errors.As(err, &p) || p.Reason != reason {
				t.Errorf("error %v, want reason %s", err, reason)
			}
		}
	}
}
