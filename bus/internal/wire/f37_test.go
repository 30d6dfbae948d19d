package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
	"aiccbridge/schemas"
)

const (
	// acknowledgeable is in each message that a reader gets.
	acknowledgeable = "$JS.ACK."
	readerMade      = "io.nats.jetstream.api.v1.consumer_create_response"
	looked          = "io.nats.jetstream.api.v1.stream_msg_get_response"
)

// The wire falls silent while a range is read: before the first message, in the midst
// of them, at the answers between. All of the range is handed over, or there is an
// error; never less without one.
func TestF37SilenceInTheMidstOfARead(t *testing.T) {
	t.Parallel()
	const messages = 200
	s := bustest.Server(t)
	publishTo(t, s, messages)
	cases := map[string]struct {
		at, filter string
		from, want int
		timeout    time.Duration
		silence    time.Duration
		mayFail    bool // the silence outlasts a long one
	}{
		"before the first message":       {acknowledgeable, "", 0, messages, 300 * time.Millisecond, 700 * time.Millisecond, false},
		"for three requests' time":       {acknowledgeable, "", 0, messages, 300 * time.Millisecond, 1100 * time.Millisecond, false},
		"at a message in the midst":      {`e.150"`, "", 0, messages, 300 * time.Millisecond, 700 * time.Millisecond, false},
		"at the last":                    {"." + fmt.Sprint(messages) + ".", "", 0, messages, 300 * time.Millisecond, 700 * time.Millisecond, false},
		"of one agent":                   {acknowledgeable, "aicc.v1.acme.agent.1.>", 0, messages / 2, 300 * time.Millisecond, 700 * time.Millisecond, false},
		"from a place on":                {acknowledgeable, "", 101, messages - 100, 300 * time.Millisecond, 700 * time.Millisecond, false},
		"at the answer about the reader": {readerMade, "", 0, messages, 300 * time.Millisecond, 200 * time.Millisecond, false},
		"two seconds and a half":         {acknowledgeable, "", 0, messages, 0, 2500 * time.Millisecond, false},
		"four seconds":                   {acknowledgeable, "", 0, messages, 0, 4 * time.Second, false},
		"longer than is waited for":      {acknowledgeable, "", 0, messages, 100 * time.Millisecond, 1500 * time.Millisecond, true},
	}
	var lost atomic.Int64
	t.Run("silence", func(t *testing.T) {
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				link := bustest.NewStalling(s)
				c := hubtest.Open(t, link, hubtest.Quick(tc.timeout))
				link.Stall(tc.at, tc.silence)
				got := 0
				err := c.Read(t.Context(), wire.Range{Stream: "AICC_EVENTS", Filter: tc.filter, From: uint64(tc.from)}, func(schemas.Stored) error {
					got++
					return nil
				})
				if link.Stalls() != 1 {
					t.Fatal("there was no silence")
				}
				if err == nil {
					lost.Add(int64(tc.want - got))
				}
				if tc.mayFail && err != nil {
					return
				}
				if got != tc.want || err != nil {
					t.Errorf("%d of %d messages, %v", got, tc.want, err)
				}
			})
		}
	})
	t.Attr("figure", fmt.Sprintf("%d silences of up to 4 s, %d messages missing from a read that ended without an error", len(cases), lost.Load()))
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("lost", fmt.Sprint(lost.Load()))
}

// A reader whose server lags behind the stream's leader knows of nothing yet. That is
// not the end of the range.
func TestReaderThatLags(t *testing.T) {
	t.Parallel()
	const messages = 20
	s := bustest.Server(t)
	publishTo(t, s, messages)
	lags := &bustest.Link{InProcessConnProvider: s, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		copy(p, bytes.ReplaceAll(p[:n], []byte(`"num_pending":20`), []byte(`"num_pending":0 `)))
		return n, err
	}}
	c := hubtest.Open(t, lags, hubtest.Quick(300*time.Millisecond))
	if got := hubtest.All(t, c, schemas.StreamEvents); len(got) != messages {
		t.Errorf("%d of %d messages", len(got), messages)
	}
}

// What goes while it is read is not waited for.
func TestReadOfWhatGoes(t *testing.T) {
	t.Parallel()
	c := ready(t, hubtest.Quick(300*time.Millisecond))
	for i := range 10 {
		if err := c.Publish(t.Context(), bustest.Event(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	begin := time.Now()
	err := c.Read(t.Context(), schemas.StreamEvents, "", 0, func(schemas.Stored) error {
		got++
		stream, err := hubtest.Superior(t, c.Conn).JetStream().Stream(t.Context(), "AICC_EVENTS")
		if err != nil {
			return err
		}
		return stream.Purge(t.Context())
	})
	if err != nil || got == 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("%d messages in %s, %v", got, time.Since(begin), err)
	}
}

// A follower says that it has caught up when it has, not when nothing is pending.
func TestF37SilenceBeforeAFollowerHasCaughtUp(t *testing.T) {
	t.Parallel()
	const messages = 200
	s := bustest.Server(t)
	publishTo(t, s, messages)
	cases := map[string]struct {
		at      string
		silence time.Duration
	}{
		"before the first message":  {acknowledgeable, 700 * time.Millisecond},
		"longer than is waited for": {acknowledgeable, 2500 * time.Millisecond},
		"at a message in the midst": {`e.150"`, 2500 * time.Millisecond},
		"at the answer that ends":   {looked, 700 * time.Millisecond},
	}
	var early atomic.Int64
	t.Run("silence", func(t *testing.T) {
		for name, tc := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				link := bustest.NewStalling(s)
				c := hubtest.Open(t, link, hubtest.Quick(300*time.Millisecond))
				link.Stall(tc.at, tc.silence)
				ctx, stop := context.WithCancel(t.Context())
				got := map[uint64]bool{}
				f := c.FollowNewest("AICC_EVENTS", "", func(m schemas.Stored, _ time.Time) error {
					got[m.Sequence] = true
					return nil
				}, func(time.Time) { stop() })
				if err := f.Run(ctx); err != nil {
					t.Error(err)
				}
				early.Add(int64(messages - len(got)))
				if link.Stalls() != 1 || len(got) != messages {
					t.Errorf("caught up with %d of %d messages, %d silences", len(got), messages, link.Stalls())
				}
			})
		}
	})
	t.Attr("figure", fmt.Sprintf("%d silences, %d messages missing when the follower said it had caught up", len(cases), early.Load()))
	t.Attr("tries", fmt.Sprint(len(cases)))
	t.Attr("lost", fmt.Sprint(early.Load()))
}

// publishTo stores messages of two agents, each on a subject of its own.
func publishTo(t *testing.T, s nats.InProcessConnProvider, messages int) {
	t.Helper()
	c := open(t, s)
	hubtest.Ensure(t, c.Conn)
	for i := range messages {
		m := bustest.Message(fmt.Sprintf("aicc.v1.acme.agent.%d.call.e%d", i%2, i), fmt.Sprintf("e.%d", i), true)
		if err := c.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}
