package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
)

// serve offers endpoints until the test ends.
func serve(t *testing.T, c *wire.Conn, endpoints ...Endpoint) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, c, Options{Version: "devel", Metadata: map[string]string{"instance": "one"}, Endpoints: endpoints})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	reader := hubtest.Reader(t, c)
	bustest.Await(t, func() bool { return len(infos(t, reader)) > 0 })
}

// infos are what the services on a hub say of themselves.
func infos(t *testing.T, c *wire.Conn) (all []micro.Info) {
	t.Helper()
	m, err := c.JetStream().Conn().Request("$SRV.INFO."+Name, nil, time.Second)
	if err != nil {
		return nil
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		t.Fatal(err)
	}
	return append(all, info)
}

// TestEachAnswers: what each bridge says of itself comes from each, what any can say from one;
// and both are found as every micro service is.
func TestEachAnswers(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	for i, bridge := range []*wire.Conn{c, hubtest.Twin(t, c)} { // who may answer may do so once a connection
		serve(t, bridge,
			Endpoint{Name: "status", What: "each", Each: true, Answer: func(context.Context, []byte) (any, error) { return i, nil }},
			Endpoint{Name: "agents", What: "one", Answer: func(_ context.Context, r []byte) (any, error) { return string(r), nil }})
	}
	reader := hubtest.Reader(t, c)
	var got []string
	bustest.Await(t, func() bool {
		answers, err := All(t.Context(), reader, "status", nil, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, a := range answers {
			got = append(got, string(a))
		}
		return len(got) == 2
	})
	slices.Sort(got)
	if !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("each: %v", got)
	}
	if answers, err := All(t.Context(), reader, "agents", []byte("who"), time.Second); err != nil || len(answers) != 1 || string(answers[0]) != `"who"` {
		t.Errorf("one: %s %v", answers, err)
	}
	info := infos(t, reader)[0]
	if info.Version != "0.0.0" || info.Metadata["instance"] != "one" || len(info.Endpoints) != 2 || info.Endpoints[0].Subject != "aicc.ask.status" {
		t.Errorf("%+v", info)
	}
}

// TestErrors: what cannot be answered is answered by an error with a code.
func TestErrors(t *testing.T) {
	t.Parallel()
	c := hubtest.Ready(t)
	reader := hubtest.Reader(t, c)
	if answers, err := All(t.Context(), reader, "status", nil, time.Second); err != nil || len(answers) != 0 {
		t.Errorf("nobody there: %s %v", answers, err)
	}
	serve(t, c, Endpoint{Name: "agents", Answer: func(_ context.Context, r []byte) (any, error) {
		switch string(r) {
		case "bad":
			return nil, &Error{CodeBad, errors.New("say it otherwise")}
		case "large":
			return strings.Repeat("x", 2<<20), nil
		}
		return nil, fmt.Errorf("read: %w", errors.New("hub"))
	}})
	for request, want := range map[string]string{"bad": CodeBad, "large": CodeTooLarge, "": CodeFailed} {
		m, err := reader.JetStream().Conn().Request("aicc.ask.agents", []byte(request), 5*time.Second)
		if err != nil || m.Header.Get(micro.ErrorCodeHeader) != want || m.Header.Get(micro.ErrorHeader) == "" {
			t.Errorf("%q: %+v %v, want %s", request, m, err, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3-rc.1", "devel": "0.0.0", "": "0.0.0", "v0.0.0-20261130-abc+dirty": "0.0.0", "v": "0.0.0"} {
		if got := version(v); got != want {
			t.Errorf("%q: %q, want %q", v, got, want)
		}
	}
}
