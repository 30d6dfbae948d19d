package embedded

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var neighbourly = User{Name: "analytics", Password: "n-secret", Role: RoleReader}

func TestF39GreedyReader(t *testing.T) {
	const wants = 1000
	s := start(t, Options{Users: []User{reader, neighbourly, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	nc, rjs := signedIn(t, s, reader)
	_, njs := signedIn(t, s, neighbourly)
	ctx := soon(t)
	if err := s.Crowded(); err != nil {
		t.Errorf("an alarm at first: %v", err)
	}
	if _, err := njs.CreateConsumer(ctx, "AICC_FILES", jetstream.ConsumerConfig{Durable: "theirs"}); err != nil {
		t.Fatal(err)
	}
	made, refused := 0, 0
	for i := range 3 * wants {
		stream := []string{"AICC_FILES", "AICC_EVENTS", "AICC_ROWS"}[i%3]
		name := fmt.Sprintf("mine-%d", i)
		m, err := nc.Request("$JS.API.CONSUMER.DURABLE.CREATE."+stream+"."+name,
			fmt.Appendf(nil, `{"stream_name":%q,"config":{"durable_name":%q,"ack_policy":"explicit"}}`, stream, name), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var answer server.JSApiConsumerCreateResponse
		switch err := json.Unmarshal(m.Data, &answer); {
		case err != nil:
			t.Fatal(err)
		case answer.Error == nil:
			made++
		case answer.Error.ErrCode == 10026:
			refused++
		default:
			t.Fatal(answer.Error)
		}
	}
	for _, stream := range []string{"AICC_FILES", "AICC_EVENTS", "AICC_ROWS"} {
		if err := rjs.DeleteConsumer(ctx, stream, "theirs"); stream == "AICC_FILES" && !is403(err) {
			t.Errorf("another's durable deleted: %v", err)
		}
		// What exports and the poller do all the time.
		if _, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{}); err != nil {
			t.Errorf("the bridge's consumer of %s: %v", stream, err)
		}
	}
	if _, err := njs.CreateConsumer(ctx, "AICC_ROWS", jetstream.ConsumerConfig{Durable: "further"}); err != nil {
		t.Errorf("another reader's: %v", err)
	}
	theirs, err := njs.Consumer(ctx, "AICC_FILES", "theirs")
	if err == nil {
		_, err = theirs.Next(jetstream.FetchMaxWait(time.Minute))
	}
	if err != nil {
		t.Errorf("another reader's durable: %v", err)
	}
	alarm := s.Crowded()
	if alarm == nil || !strings.Contains(alarm.Error(), reader.Name) {
		t.Errorf("alarm %v, want one that names the reader", alarm)
	}
	if made != maxOfReader {
		t.Errorf("%d consumers made, want %d", made, maxOfReader)
	}
	begin := time.Now()
	s.Shutdown()
	t.Attr("tries", fmt.Sprint(3*wants))
	t.Attr("lost", "0")
	t.Attr("figure", fmt.Sprintf("%d durables wanted by one reader, %d made, %d refused; the bridge's and another reader's are made, his durable is there, the alarm names the reader", 3*wants, made, refused))
	t.Attr("measured", fmt.Sprintf("stopped in %.1f s", time.Since(begin).Seconds()))
}

func is403(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.Code == http.StatusForbidden
}

// What a reader tries with a consumer of somebody else's.
func TestReadersKeepApart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir, Users: []User{reader, neighbourly, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	_, njs := signedIn(t, s, neighbourly)
	ctx := soon(t)
	for _, c := range []jetstream.ConsumerConfig{{Durable: "theirs"}, {Name: "passing", InactiveThreshold: time.Hour}} {
		if _, err := njs.CreateConsumer(ctx, "AICC_EVENTS", c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.CreateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "ops"}); err != nil {
		t.Fatal(err)
	}
	for _, restarted := range []bool{false, true} {
		if restarted {
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		nc, rjs := signedIn(t, s, reader)
		_, njs := signedIn(t, s, neighbourly)
		for _, name := range []string{"theirs", "passing", "ops"} {
			if err := rjs.DeleteConsumer(ctx, "AICC_EVENTS", name); !is403(err) {
				t.Errorf("delete %s: %v", name, err)
			}
			for subject, body := range map[string]string{
				"CREATE.AICC_EVENTS." + name:                `"name":"` + name + `","inactive_threshold":1`,
				"CREATE.AICC_EVENTS":                        `"name":"` + name + `","inactive_threshold":1`,
				"DURABLE.CREATE.AICC_EVENTS." + name:        `"durable_name":"` + name + `","inactive_threshold":1`,
				"CREATE.AICC_EVENTS." + name + ".aicc.v1.>": `"durable_name":"` + name + `","name":"` + name + `","filter_subject":"aicc.v1.>"`,
				"CREATE.AICC_EVENTS.x":                      `"name":"` + name + `","durable_name":"` + name + `","description":"x"`,
			} {
				for _, action := range []string{"", "create", "update"} {
					for _, forged := range []nats.Header{nil, {server.ClientInfoHdr: {`{"user":"analytics"}`, `{"user":"analytics"}`}}} {
						m, err := nc.RequestMsg(&nats.Msg{
							Subject: "$JS.API.CONSUMER." + subject, Header: forged,
							Data: []byte(`{"stream_name":"AICC_EVENTS","action":"` + action + `","config":{` + body + `,"metadata":{"` + metaReader + `":"analytics"}}}`),
						}, 5*time.Second)
						if err != nil || !strings.Contains(string(m.Data), `"error"`) {
							t.Errorf("%s %s: %v %s", action, subject, err, m.Data)
						}
					}
				}
			}
		}
		own, err := njs.CreateOrUpdateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "theirs", Description: "changed"})
		if err != nil {
			t.Fatalf("their own: %v", err)
		}
		if c := own.CachedInfo().Config; c.InactiveThreshold != idle || c.Metadata[metaReader] != neighbourly.Name {
			t.Errorf("made as %+v", c)
		}
		ops := jetstream.ConsumerConfig{Durable: "ops"}
		if _, err := rjs.CreateOrUpdateConsumer(ctx, "AICC_EVENTS", ops); err != nil {
			t.Errorf("a durable that an admin made for readers, asked for as it is: %v", err)
		}
		if err := rjs.DeleteConsumer(ctx, "AICC_EVENTS", "none"); !errors.Is(err, jetstream.ErrConsumerNotFound) {
			t.Errorf("delete what is not there: %v", err)
		}
	}
	_, njs = signedIn(t, s, neighbourly)
	if err := njs.DeleteConsumer(ctx, "AICC_EVENTS", "theirs"); err != nil {
		t.Errorf("their own: %v", err)
	}
	_, rjs := signedIn(t, s, reader)
	if _, err := rjs.CreateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "theirs"}); err != nil {
		t.Errorf("a name that is free again: %v", err)
	}
}

// A reader reads by way of another's consumers, or acknowledges for him: in vain, also in
// the moment when they are made, after a restart, and on connections from before.
func TestF39ReaderOnAnothersConsumers(t *testing.T) {
	dir := t.TempDir()
	odd := User{Name: "Wall. board>1", Password: "o-secret", Role: RoleReader}
	s := start(t, Options{Dir: dir, Users: []User{reader, neighbourly, odd, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	ctx := soon(t)
	const each = 20 // and the one that makeStreams stores
	for i := range each {
		if _, err := js.Publish(ctx, "aicc.v1.t.agent.7.call.ring", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := signedIn(t, s, reader)
	stop := make(chan struct{})
	stolen := make(chan int)
	go func() { // a pull at any time may be the first
		n := 0
		for {
			select {
			case <-stop:
				stolen <- n
				return
			default:
			}
			m, err := before.Request("$JS.API.CONSUMER.MSG.NEXT.AICC_EVENTS.theirs", []byte(`{"batch":100,"expires":1000000000}`), time.Second)
			if err == nil && m.Header.Get("Status") == "" {
				n++
			}
		}
	}()
	_, njs := signedIn(t, s, neighbourly)
	made := []jetstream.ConsumerConfig{{Durable: "theirs"}, {Name: "passing", InactiveThreshold: time.Hour}, {Durable: "{{wildcard(1)}}"}}
	for _, c := range made {
		c.AckPolicy, c.AckWait = jetstream.AckExplicitPolicy, time.Hour
		if _, err := njs.CreateConsumer(ctx, "AICC_EVENTS", c); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	lost := <-stolen
	tries := 0
	for _, restarted := range []bool{false, true} {
		if restarted {
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		for _, u := range []User{reader, odd} {
			nc, ojs := signedIn(t, s, u)
			_, njs := signedIn(t, s, neighbourly)
			for _, c := range made {
				name := c.Name + c.Durable
				mine, err := njs.Consumer(ctx, "AICC_EVENTS", name)
				if err != nil {
					t.Fatal(err)
				}
				m, err := mine.Next(jetstream.FetchMaxWait(time.Minute))
				if err != nil {
					t.Fatalf("his own: %v", err)
				}
				told := errors.New("")
				other, err := ojs.Consumer(ctx, "AICC_EVENTS", name)
				if err == nil {
					_, told = other.Next(jetstream.FetchMaxWait(time.Second))
				}
				if told == nil || !strings.Contains(told.Error(), errNotYours.Error()) {
					t.Errorf("%s on %s: %v, %v", u.Name, name, err, told)
				}
				for _, verdict := range []string{"+ACK", "+TERM", "-NAK", "+NXT"} {
					if answer, err := nc.Request(m.Reply(), []byte(verdict), 200*time.Millisecond); err == nil {
						t.Errorf("%s answers %s: %q", name, verdict, answer.Data)
					}
					tries++
				}
				info, err := mine.Info(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if left := info.NumAckPending + int(info.NumPending) + int(info.AckFloor.Consumer); left != each+1 || info.NumRedelivered != 0 {
					lost++
					t.Errorf("%s touched %s: %d of %d left, %d again", u.Name, name, left, each+1, info.NumRedelivered)
				}
				if err := m.DoubleAck(ctx); err != nil {
					t.Errorf("his own acknowledgement: %v", err)
				}
			}
		}
	}
	t.Attr("tries", fmt.Sprint(tries))
	t.Attr("lost", fmt.Sprint(lost))
	t.Attr("figure", fmt.Sprintf("%d tries to read or acknowledge by another reader's consumer, %d messages taken", tries, lost))
	if lost != 0 {
		t.Errorf("%d messages were taken", lost)
	}
}

// A consumer's name is anybody's again once it is gone, and what nobody made who is a
// reader is for all of them.
func TestNamesChangeHands(t *testing.T) {
	s := start(t, Options{Users: []User{reader, neighbourly, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	ctx := soon(t)
	_, rjs := signedIn(t, s, reader)
	_, njs := signedIn(t, s, neighbourly)
	next := func(js jetstream.JetStream, name string) error {
		c, err := js.Consumer(ctx, "AICC_EVENTS", name)
		if err == nil {
			_, err = c.Next(jetstream.FetchMaxWait(time.Second))
		}
		return err
	}
	for i, turn := range []struct{ owner, other jetstream.JetStream }{{rjs, njs}, {njs, rjs}, {rjs, njs}} {
		if _, err := turn.owner.CreateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Durable: "turns"}); err != nil {
			t.Fatal(err)
		}
		if err := next(turn.owner, "turns"); err != nil {
			t.Errorf("turn %d, its owner: %v", i, err)
		}
		if err := next(turn.other, "turns"); err == nil {
			t.Errorf("turn %d: the other reads", i)
		}
		remover := turn.owner
		if i == 1 {
			remover = js // nobody tells the desk
		}
		if err := remover.DeleteConsumer(ctx, "AICC_EVENTS", "turns"); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := js.Publish(ctx, "aicc.v1.t.agent.7.call.ring", nil); err != nil {
			t.Fatal(err)
		}
	}
	shared := jetstream.ConsumerConfig{Durable: "turns", AckPolicy: jetstream.AckExplicitPolicy}
	if _, err := js.CreateConsumer(ctx, "AICC_EVENTS", shared); err != nil {
		t.Fatal(err)
	}
	if _, err := njs.CreateConsumer(ctx, "AICC_EVENTS", shared); err != nil {
		t.Errorf("asked for as it is: %v", err)
	}
	for _, one := range []jetstream.JetStream{rjs, njs} {
		if err := next(one, "turns"); err != nil {
			t.Errorf("what an admin made: %v", err)
		}
	}
}

// What is pushed to a reader, or answered, no other hears, and none can take his part of
// it by joining his group.
func TestPushedToOneAlone(t *testing.T) {
	s := start(t, Options{Users: []User{reader, neighbourly, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	rnc, _ := signedIn(t, s, reader)
	nnc, _ := signedIn(t, s, neighbourly)
	sub, err := nnc.QueueSubscribeSync("_INBOX.events", "group")
	if err != nil {
		t.Fatal(err)
	}
	thief, err := rnc.QueueSubscribeSync("_INBOX.>", "group")
	if err == nil {
		err = errors.Join(rnc.Flush(), nnc.Flush())
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := nnc.Request("$JS.API.CONSUMER.DURABLE.CREATE.AICC_EVENTS.pushed",
		[]byte(`{"stream_name":"AICC_EVENTS","config":{"durable_name":"pushed","deliver_subject":"_INBOX.events","deliver_group":"group"}}`), 5*time.Second)
	if err != nil || strings.Contains(string(m.Data), `"error"`) {
		t.Fatal(err, string(m.Data))
	}
	for i := range 20 {
		if _, err := js.Publish(soon(t), "aicc.v1.t.agent.7.call.ring", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, err := sub.NextMsg(time.Minute); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if m, err := thief.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("another hears %s", m.Subject)
	}
}

// Room comes back with every consumer that goes, whoever deleted it.
func TestShareComesBack(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	_, rjs := signedIn(t, s, reader)
	ctx := soon(t)
	create := func(i int) error {
		_, err := rjs.CreateConsumer(ctx, "AICC_EVENTS", jetstream.ConsumerConfig{Name: fmt.Sprintf("c-%d", i), InactiveThreshold: 1000 * time.Hour})
		return err
	}
	for i := range maxOnStream {
		if err := create(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(maxOnStream); err == nil {
		t.Fatal("one more than the share")
	}
	if err := create(0); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	if err := js.DeleteConsumer(ctx, "AICC_EVENTS", "c-0"); err != nil {
		t.Fatal(err)
	}
	for err := create(maxOnStream); err != nil; err = create(maxOnStream) {
		if ctx.Err() != nil {
			t.Fatalf("after one went: %v", err)
		}
	}
	c, err := js.Consumer(ctx, "AICC_EVENTS", "c-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CachedInfo().Config.InactiveThreshold; got != idle {
		t.Errorf("goes after %s, want %s", got, idle)
	}
}

// An alarm, too, when it is no reader who makes them.
func TestCrowdedByAdmins(t *testing.T) {
	s := start(t, Options{})
	_, js := connect(t, s)
	if _, err := js.CreateStream(soon(t), jetstream.StreamConfig{Name: "S"}); err != nil {
		t.Fatal(err)
	}
	for range crowded {
		if err := s.Crowded(); err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateConsumer(t.Context(), "S", jetstream.ConsumerConfig{MemoryStorage: true, InactiveThreshold: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Crowded(); err == nil || !strings.Contains(err.Error(), "stream S has 800 consumers of at most 1000") {
		t.Errorf("alarm: %v", err)
	}
}

// The server takes a client's key for his name, whether he has it or not.
func TestNobodyIsAnother(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0", Users: []User{reader, admin}})
	for more, want := range map[string]string{
		"":                           "+OK",
		`,"jwt":"analytics"`:         "+OK", // the name counts
		`,"auth_token":"analytics"`:  "+OK",
		`,"nkey":"analytics"`:        "-ERR",
		`,"nkey":"analytics","x":""`: "-ERR",
		`,"NKEY":"analytics"`:        "-ERR",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "CONNECT {\"user\":%q,\"pass\":%q%s,\"verbose\":true}\r\n", reader.Name, reader.Password, more)
		lines := bufio.NewScanner(conn)
		lines.Scan() // INFO
		lines.Scan()
		if !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("%s: answered %q, want %s", more, lines.Text(), want)
		}
		_ = conn.Close() // read only
	}
}
