package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/schemas"
)

func TestReaderReads(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	rnc, rjs := signedIn(t, s, reader)
	ctx := soon(t)

	type check func() error
	ephemeral := func(c jetstream.ConsumerConfig) check {
		return func() error {
			cons, err := rjs.CreateOrUpdateConsumer(ctx, "AICC_EVENTS", c)
			if err != nil {
				return err
			}
			msg, err := cons.Next(jetstream.FetchMaxWait(time.Minute))
			if err != nil {
				return err
			}
			if string(msg.Data()) != "one" {
				return fmt.Errorf("read %q", msg.Data())
			}
			return msg.DoubleAck(ctx)
		}
	}
	for name, read := range map[string]check{
		"account info": func() error { _, err := rjs.AccountInfo(ctx); return err },
		"user info":    func() error { _, err := rnc.Request("$SYS.REQ.USER.INFO", nil, 5*time.Second); return err },
		"messages as they come": func() error {
			sub, err := rnc.SubscribeSync("aicc.v1.t.agent.*.state.>")
			if err != nil {
				return err
			}
			if err := rnc.Flush(); err != nil {
				return err
			}
			if _, err := js.Publish(ctx, "aicc.v1.t.agent.7.state.ready", []byte("now")); err != nil {
				return err
			}
			_, err = sub.NextMsg(time.Minute)
			return err
		},
		"list streams": func() error {
			l := rjs.ListStreams(ctx)
			n := 0
			for range l.Info() {
				n++
			}
			if n < 10 {
				return fmt.Errorf("%d streams", n)
			}
			return l.Err()
		},
		"stream by subject":             func() error { _, err := rjs.StreamNameBySubject(ctx, "aicc.v1.t.agent.7.call.ring"); return err },
		"ephemeral":                     ephemeral(jetstream.ConsumerConfig{}),
		"durable":                       ephemeral(jetstream.ConsumerConfig{Durable: "mine"}),
		"filtered":                      ephemeral(jetstream.ConsumerConfig{FilterSubject: "aicc.v1.t.agent.>"}),
		"name as of workers, elsewhere": ephemeral(jetstream.ConsumerConfig{Durable: "exporter"}),
		"ordered": func() error {
			cons, err := rjs.OrderedConsumer(ctx, "AICC_EVENTS", jetstream.OrderedConsumerConfig{})
			if err != nil {
				return err
			}
			_, err = cons.Next(jetstream.FetchMaxWait(time.Minute))
			return err
		},
		"consume": func() error {
			cons, err := rjs.CreateConsumer(ctx, "AICC_FILES", jetstream.ConsumerConfig{Durable: "files"})
			if err != nil {
				return err
			}
			got := make(chan error, 10)
			c, err := cons.Consume(func(m jetstream.Msg) { got <- m.DoubleAck(ctx) })
			if err != nil {
				return err
			}
			defer func() { c.Stop(); <-c.Closed() }()
			if err := <-got; err != nil {
				return err
			}
			if _, err := cons.Info(ctx); err != nil {
				return err
			}
			return rjs.DeleteConsumer(ctx, "AICC_FILES", "files")
		},
		"message by number": func() error {
			st, err := rjs.Stream(ctx, "AICC_DEADLETTERS")
			if err != nil {
				return err
			}
			_, err = st.GetMsg(ctx, 1)
			return err
		},
		"many at once": func() error {
			cons, err := rjs.CreateConsumer(ctx, "OBJ_AICC_RECORDINGS", jetstream.ConsumerConfig{})
			if err != nil {
				return err
			}
			batch, err := cons.Fetch(4)
			if err != nil {
				return err
			}
			n := 0
			for range batch.Messages() {
				n++
			}
			if n != 4 { // three chunks and the description
				return fmt.Errorf("%d messages", n)
			}
			return batch.Error()
		},
		"key": func() error {
			kv, err := rjs.KeyValue(ctx, "AICC_STATE")
			if err != nil {
				return err
			}
			_, err = kv.Get(ctx, "t.7")
			return err
		},
		"keys": func() error {
			kv, err := rjs.KeyValue(ctx, "AICC_WINDOWS")
			if err != nil {
				return err
			}
			keys, err := kv.Keys(ctx)
			if err == nil && len(keys) != 1 {
				err = fmt.Errorf("keys %v", keys)
			}
			return err
		},
		"object": func() error {
			objects, err := rjs.ObjectStore(ctx, "AICC_RECORDINGS")
			if err != nil {
				return err
			}
			data, err := objects.GetBytes(ctx, "a.zip")
			if err == nil && len(data) != 300<<10 {
				err = fmt.Errorf("%d bytes", len(data))
			}
			return err
		},
	} {
		if err := read(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a reader tries in vain. Nothing may have changed afterwards, whatever the
// client was told.
func TestReaderChangesNothing(t *testing.T) {
	if diff := tryEverything(t); diff != "" {
		t.Errorf("a reader changed this:\n%s", diff)
	}
}

// tryEverything returns what a reader could change.
func tryEverything(t *testing.T) (diff string) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	before := state(t, js)
	nc, rjs := signedIn(t, s, reader)
	if _, err := rjs.CreateConsumer(soon(t), "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "mine"}); err != nil {
		t.Fatal(err)
	}

	const event, key = "aicc.v1.t.agent.7.call.ring", "$KV.AICC_STATE.t.7"
	for _, try := range []struct{ subject, reply, body string }{
		{event, "", "forged"},
		{event, nats.NewInbox(), "forged"},
		{key, "", "forged"},
		{"$O.AICC_RECORDINGS.M.YS56aXA=", "", "forged"},
		{"$JS.API.STREAM.PURGE.AICC_EVENTS", "", ""},
		{"$JS.API.STREAM.DELETE.AICC_EVENTS", "", ""},
		{"$JS.API.STREAM.UPDATE.AICC_EVENTS", "", `{"name":"AICC_EVENTS","subjects":["x"]}`},
		{"$JS.API.STREAM.CREATE.EVIL", "", `{"name":"EVIL","subjects":["evil"]}`},
		{"$JS.API.STREAM.MSG.DELETE.AICC_EVENTS", "", `{"seq":1}`},
		{"$JS.API.STREAM.SNAPSHOT.AICC_EVENTS", "", `{"deliver_subject":"` + event + `"}`},
		{"$JS.API.STREAM.RESTORE.AICC_EVENTS", "", `{}`},
		{"$JS.API.CONSUMER.DELETE.AICC_FILES.exporter", "", ""},
		{"$JS.API.CONSUMER.MSG.NEXT.AICC_FILES.exporter", nats.NewInbox(), ""},
		{"$JS.API.CONSUMER.PAUSE.AICC_FILES.exporter", "", `{"pause_until":"2100-01-01T00:00:00Z"}`},
		{"$JS.API.CONSUMER.RESET.AICC_FILES.exporter", "", ""},
		{"$JS.ACK.AICC_FILES.exporter.1.1.1.1.1", "", "+TERM"},
		{"$JS.API.CONSUMER.CREATE.AICC_FILES.exporter", "", `{"stream_name":"AICC_FILES","config":{"durable_name":"exporter","name":"exporter","ack_policy":"explicit","max_deliver":1}}`},
		{"$JS.API.CONSUMER.DURABLE.CREATE.AICC_FILES.exporter", "", `{"stream_name":"AICC_FILES","config":{"durable_name":"exporter","max_deliver":1}}`},
		{"$JS.API.CONSUMER.CREATE.AICC_FILES", "", `{"stream_name":"AICC_FILES","config":{"name":"exporter","max_deliver":1}}`},
		{"$JS.API.CONSUMER.CREATE.AICC_FILES", "", `{"stream_name":"AICC_FILES","Config":{"NAME":"exporter","max_deliver":1}}`},
		{"$JS.API.CONSUMER.CREATE.AICC_FILES.x", "", `{"stream_name":"AICC_FILES","config":{"name":"exporter"}}`},
		// by way of an answer
		{"$JS.API.STREAM.INFO.AICC_EVENTS", event, ""},
		{"$JS.API.STREAM.INFO.AICC_EVENTS", key, ""},
		{"$JS.API.STREAM.INFO.AICC_EVENTS", "$JS.API.STREAM.PURGE.AICC_ROWS", ""},
		{"$JS.API.STREAM.MSG.GET.AICC_EVENTS", event, `{"seq":1}`},
		{"$JS.API.DIRECT.GET.AICC_ROWS", event, `{"seq":1}`},
		{"$JS.API.CONSUMER.MSG.NEXT.AICC_EVENTS.mine", event, ""},
		{"$JS.ACK.AICC_EVENTS.mine.1.1.1.1.1", "$JS.API.STREAM.PURGE.AICC_EVENTS", "+ACK"},
		// by way of a push
		{"$JS.API.CONSUMER.CREATE.AICC_EVENTS", "", `{"stream_name":"AICC_EVENTS","config":{"deliver_subject":"aicc.v1.t.deadletter.x"}}`},
		{"$JS.API.CONSUMER.CREATE.AICC_EVENTS", "", `{"stream_name":"AICC_EVENTS","config":{"Deliver_Subject":"aicc.v1.t.deadletter.x"}}`},
		{"$JS.API.CONSUMER.CREATE.AICC_EVENTS", "", `{"config":{},"stream_name":"AICC_EVENTS","config":{"deliver_subject":"aicc.v1.t.deadletter.x"}}`},
	} {
		if try.reply == "" && strings.HasPrefix(try.subject, "$JS.API.") {
			// One after the other: the server itself does not stand a change and a
			// deletion of one stream at once. Any answer will do, also none.
			_, _ = nc.Request(try.subject, []byte(try.body), 200*time.Millisecond)
			continue
		}
		if err := nc.PublishMsg(&nats.Msg{Subject: try.subject, Reply: try.reply, Data: []byte(try.body)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	// The desk answers in order, so all is done when this is.
	if _, err := nc.Request("$JS.API.CONSUMER.CREATE.AICC_EVENTS", []byte(`{}`), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	return cmp.Diff(before, state(t, js))
}

func TestReaderIsToldNo(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	nc, rjs := signedIn(t, s, reader)
	ctx := soon(t)
	for name, err := range map[string]error{
		"purge":    request(nc, "$JS.API.STREAM.PURGE.AICC_EVENTS"),
		"delete":   request(nc, "$JS.API.STREAM.DELETE.AICC_EVENTS"),
		"sessions": request(nc, "$JS.API.STREAM.INFO.KV_AICC_SESSIONS"),
		"session":  request(nc, "$JS.API.DIRECT.GET.KV_AICC_SESSIONS.$KV.AICC_SESSIONS.t.7"),
		"others":   request(nc, "$JS.API.STREAM.INFO.OTHER"),
	} {
		if !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s: %v, want no responders", name, err)
		}
	}
	_, err := rjs.CreateOrUpdateConsumer(ctx, "AICC_FILES", jetstream.ConsumerConfig{Durable: schemas.FileConsumer})
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.Code != 403 {
		t.Errorf("the workers' consumer: %v", err)
	}
	if _, err := rjs.CreateConsumer(ctx, "KV_AICC_SESSIONS", jetstream.ConsumerConfig{}); err == nil {
		t.Error("a consumer of the sessions")
	}
	for _, subject := range []string{">", "aicc.>", "$KV.>", "_READERS.>", "$JS.ADVISORY.>"} {
		sub, err := nc.SubscribeSync(subject)
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, "aicc.v1.t.agent.7.call.ring", nil); err != nil {
			t.Fatal(err)
		}
		if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("heard %s on %s", m.Subject, subject)
		}
	}
}

// The desk outlives the loss of its connection, which the server cuts when it finds
// it slow.
func TestDeskComesBack(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	_, rjs := signedIn(t, s, reader)
	back := make(chan struct{})
	s.desk.conn.SetReconnectHandler(func(*nats.Conn) { close(back) })
	s.desk.conn.SetClosedHandler(func(*nats.Conn) { t.Error("the desk is closed") })
	id, err := s.desk.conn.GetClientID()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.DisconnectClientByID(id); err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
	case <-soon(t).Done():
		t.Fatal("the desk does not come back")
	}
	err = nats.ErrNoResponders
	for errors.Is(err, nats.ErrNoResponders) { // it is back before the server knows what it listens to
		_, err = rjs.CreateConsumer(soon(t), "AICC_EVENTS", jetstream.ConsumerConfig{})
	}
	if err != nil {
		t.Error(err)
	}
	s.desk.conn.SetClosedHandler(nil)
}

// TestReadersAsk: what the bridges answer, they answer readers, too.
func TestReadersAsk(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	nc, js := connect(t, s)
	makeStreams(t, js)
	rnc, _ := signedIn(t, s, reader)
	for _, subject := range []string{"aicc.ask.status", "$SRV.PING"} {
		sub, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) })
		if err == nil {
			err = nc.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Unsubscribe()
		if m, err := rnc.Request(subject, []byte("who"), 5*time.Second); err != nil || string(m.Data) != "who" {
			t.Errorf("%s: %+v %v", subject, m, err)
		}
	}
}

func request(nc *nats.Conn, subject string) error {
	m, err := nc.Request(subject, nil, 5*time.Second)
	if err == nil {
		err = fmt.Errorf("answered %s", m.Data)
	}
	return err
}

func TestAdminDoesEverything(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	_, ajs := signedIn(t, s, admin)
	ctx := soon(t)
	if _, err := ajs.Publish(ctx, "aicc.v1.t.agent.7.call.ring", []byte("two")); err != nil {
		t.Error(err)
	}
	st, err := ajs.Stream(ctx, "AICC_EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Purge(ctx); err != nil {
		t.Error(err)
	}
	if err := ajs.DeleteConsumer(ctx, "AICC_FILES", schemas.FileConsumer); err != nil {
		t.Error(err)
	}
	if kv, err := ajs.KeyValue(ctx, "AICC_SESSIONS"); err != nil {
		t.Error(err)
	} else if _, err := kv.Get(ctx, "t.7"); err != nil {
		t.Error(err)
	}
	if err := ajs.DeleteStream(ctx, "AICC_EVENTS"); err != nil {
		t.Error(err)
	}
}

func FuzzDesk(f *testing.F) {
	d := &desk{shared: map[string]string{schemas.FileConsumer: "AICC_FILES"}}
	f.Add("CONSUMER.CREATE.AICC_FILES.x.>", []byte(`{"stream_name":"AICC_FILES","config":{"deliver_subject":"_INBOX.a","durable_name":"x"}}`))
	f.Add("CONSUMER.CREATE.AICC_FILES", []byte(`{"config":{"name":"exporter"}}`))
	f.Add("CONSUMER.CREATE.S", []byte(`{"config":{"DELIVER_subject":"a.b"}}`))
	f.Add("CONSUMER.CREATE.S", []byte(`{"config":{"deliver_subject":"_INBOX."}}`))
	f.Fuzz(func(t *testing.T, call string, body []byte) {
		checked, err := d.check("wall board", call, body)
		if err != nil {
			return
		}
		out, err := json.Marshal(checked)
		if err != nil {
			t.Fatal(err)
		}
		var r struct {
			Config map[string]any `json:"config"`
		}
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatal(err)
		}
		if to, ok := r.Config["deliver_subject"].(string); ok && to != "" && !strings.HasPrefix(to, "_READERS.wall=20board._INBOX.") {
			t.Errorf("pushes to %q", to)
		}
	})
}
