package embedded_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

// A reader must keep up with what the bus makes: every stream but the sessions'
// is open to him, and the workers' consumer is not.
func TestReaderReadsWhatTheBusMakes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := embedded.Start(ctx, embedded.Options{
		Dir: t.TempDir(), Prefix: "own", ReserveBytes: -1,
		Users: []embedded.User{{Name: "r", Password: "r", Role: embedded.RoleReader}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	names, err := schemas.NewNames("own")
	if err != nil {
		t.Fatal(err)
	}
	user, password := s.Login()
	var o bus.Options
	o.Names, o.Instance, o.InProcess, o.User, o.Password = names, "one", s, user, password
	b, err := bus.Connect(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := assets.NewTable(b.Conn(), assets.Options{}).Ensure(ctx); err != nil {
		t.Fatal(err)
	}

	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo("r", "r"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	list := js.StreamNames(ctx)
	for name := range list.Name() {
		seen++
		closed := strings.Contains(name, string(schemas.BucketSessions)) || strings.Contains(name, string(schemas.BucketClients))
		if _, err := js.Stream(ctx, name); (err != nil) != closed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := list.Err(); err != nil || seen < 11 {
		t.Errorf("%d streams, %v", seen, err)
	}
	_, err = js.CreateOrUpdateConsumer(ctx, names.Stream(schemas.StreamFiles), jetstream.ConsumerConfig{Durable: schemas.FileConsumer})
	var refused *jetstream.APIError
	if !errors.As(err, &refused) || refused.Code != 403 {
		t.Errorf("the workers' consumer: %v", err)
	}
}
