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
		_, err = theirs.Next(jetstream.FetchMaxWait(5 * time.Second))
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
