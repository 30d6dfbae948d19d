package consuming

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/faultproxy"
	"aiccbridge/internal/scenario"
	"aiccbridge/schemas"
)

const password = "test-only"

func TestMain(m *testing.M) {
	for _, user := range []string{"BRIDGE", "APPLY", "READER"} {
		if err := os.Setenv("NATS_"+user+"_PASSWORD", `"`+password+`"`); err != nil {
			panic(err)
		}
	}
	_ = flag.Set("test.parallel", "6") // the recipes mostly wait; the flag exists
	// The server forgets the store of a stream that is being made when it is shut down
	// (nats-server 2.15.2); the clock that stores share goes on with it.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// hub is a nats-server with the shipped configuration and rights, the contract's streams, and
// a way to it that can be slow or silent.
type hub struct {
	*bus.Bus
	names schemas.Names
	way   *faultproxy.Proxy
}

// The users of a hub.
const (
	reader = "reader" // as docs/nats has it
	admin  = "admin"
)

func startHub(t *testing.T) *hub {
	t.Helper()
	o, err := server.ProcessConfigFile("../nats/server.conf")
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.Port, o.StoreDir, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, t.TempDir(), true, true
	o.SyncAlways = false // nobody kills the server
	o.Users = append(o.Users, &server.User{Username: admin, Password: password, Account: o.Accounts[0]})
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not take connections")
	}
	h := &hub{}
	if h.names, err = schemas.NewNames("aicc"); err != nil {
		t.Fatal(err)
	}
	var b bus.Options
	b.Names, b.Instance, b.URL, b.User, b.Password, b.InboxPrefix = h.names, "test", s.ClientURL(), admin, password, assets.ReaderInbox
	if h.Bus, err = bus.Connect(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := assets.NewTable(h.Conn(), assets.Options{}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.way, err = faultproxy.Listen(strings.TrimPrefix(s.ClientURL(), "nats://")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.way.Close)
	return h
}

// url is where a user connects.
func (h *hub) url(user string) string {
	return fmt.Sprintf("nats://%s:%s@%s", user, password, h.way.Addr())
}

// play publishes a scenario.
func (h *hub) play(t *testing.T, text string) {
	t.Helper()
	s, err := scenario.Parse([]byte(text))
	if err == nil {
		_, err = scenario.Play(t.Context(), s, scenario.Options{Hub: playing{h}, Names: h.names})
	}
	if err != nil {
		t.Error(err)
	}
}

// playing is the hub as a scenario needs it.
type playing struct{ *hub }

// PutState writes where an agent stands.
func (h playing) PutState(ctx context.Context, key string, value []byte) error {
	_, err := kv.Open(h.Conn(), schemas.BucketState).Put(ctx, key, value)
	return err
}

// ReadRows calls f for the headers of a window's rows.
func (h playing) ReadRows(ctx context.Context, subject string, f func(schemas.RowHeader, uint64)) (uint64, error) {
	return h.Rows().ReadBack(ctx, subject, f)
}

// AppendRows stores rows behind the last sequence of their window.
func (h playing) AppendRows(ctx context.Context, rows []schemas.Message, last uint64) (uint64, error) {
	return h.Rows().Append(ctx, rows, last)
}

// messages are those of a stream that match a filter.
func (h *hub) messages(t *testing.T, stream schemas.Stream, filter string) (all []schemas.Stored) {
	t.Helper()
	if err := h.Read(t.Context(), stream, filter, 0, func(m schemas.Stored) error { all = append(all, m); return nil }); err != nil {
		t.Error(err)
	}
	return all
}

// begin is when the scenarios begin, change when their second part does.
func begin() time.Time { return time.Now().UTC().Truncate(time.Second).Add(-30 * time.Minute) }

const secondPart = 10 * time.Minute

// agents are those of the scenarios: one has an id that subjects cannot have.
var agents = []string{"101", "102", "103", oddAgent, "105", "106"}

const oddAgent = "Ä.4 *"

// script is a part of what happens: calls of every agent, a gap, heartbeats, and windows. The
// second part has a later epoch, and extracts the first part's windows anew: half of the rows
// are revised, some with another row of their key, and one is late.
func script(from time.Time, part int) string {
	var s strings.Builder
	at := time.Duration(part-1) * secondPart
	fmt.Fprintf(&s, "tenant: acme\nbegin: %s\nepoch: %d\nsteps:\n", from.Format(time.RFC3339), part)
	for n, agent := range agents {
		fmt.Fprintf(&s, "  - { at: %s, agent: %q, event: AgentState_Ready }\n", at, agent)
		for call := range 12 {
			rings := at + time.Duration(call)*20*time.Second + time.Duration(n)*time.Second
			fmt.Fprintf(&s, "  - { at: %s, agent: %q, call: %d-%d, caller: \"5550100\", ring: 1s, talk: 5s, wrapup: 2s }\n", rings, agent, from.Unix()+int64(call), n)
		}
		fmt.Fprintf(&s, "  - { at: %s, agent: %q, gap: poll_unknown, lasting: 1s }\n", at+5*time.Minute, agent)
		fmt.Fprintf(&s, "  - { at: %s, agent: %q, heartbeat: true }\n", at+6*time.Minute, agent)
	}
	for window := range 4 * part {
		rows := 40 + part
		fmt.Fprintf(&s, "  - at: %s\n    window: { kind: cdr, from: %dm, to: %dm }\n    rows:\n", at+7*time.Minute, window-60, window-59)
		for row := range rows {
			agent := "101"
			if part == 2 && row%2 == 0 {
				agent = "102" // as the platform corrects it
			}
			fmt.Fprintf(&s, "      - { call_id: %d-%d, call_id_num: \"1\", agent_id: %q }\n", from.Unix()+int64(60*window), row, agent)
			if row%5 == 0 { // another row of the same natural key
				fmt.Fprintf(&s, "      - { call_id: %d-%d, call_id_num: \"1\", agent_id: \"103\" }\n", from.Unix()+int64(60*window), row)
			}
		}
	}
	return s.String()
}
