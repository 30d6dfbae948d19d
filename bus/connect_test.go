package bus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/bus/embedded"
)

func TestVersionFloor(t *testing.T) {
	for found, want := range map[string]string{
		"2.12.0":       "",
		"v2.12.3":      "",
		"2.15.2-RC.1":  "",
		"3.0.0+meta":   "",
		"2.11.9":       "nats server 2.11.9 is too old: 2.12.0 or newer is required",
		"1.99.0":       "too old",
		"":             "calls itself version",
		"2.12":         "calls itself version",
		"2.twelve.0":   "calls itself version",
		"2.12.0.1":     "calls itself version",
		"-2.12.0":      "calls itself version",
		"2.12.9999999": "calls itself version",
	} {
		err := checkVersion(found)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", found, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error %v, want %q", found, err, want)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"2.12.0", "v2.15.2-RC.1", "", "...", "2.12.-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := parseVersion(s)
		if !ok {
			return
		}
		if again, ok := parseVersion(v.String()); !ok || again != v {
			t.Errorf("%q is %v, then %v", s, v, again)
		}
	})
}

func TestConnectWithURL(t *testing.T) {
	t.Parallel()
	s, err := embedded.Start(t.Context(), embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	b, err := Connect(t.Context(), Options{Names: names(t), Instance: "one", URL: s.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := b.nc.Opts.Name; got != "bridge one" {
		t.Errorf("connection name %q", got)
	}
	if inbox := b.nc.NewInbox(); !strings.HasPrefix(inbox, InboxPrefix+".") {
		t.Errorf("inbox %q", inbox)
	}
	if b.nc.Opts.MaxReconnect != -1 || !b.nc.Opts.IgnoreAuthErrorAbort || !b.nc.Opts.RetryOnFailedConnect {
		t.Error("the connection would give up")
	}
	if b.nc.Opts.ReconnectBufSize != -1 {
		t.Error("messages wait in a buffer while disconnected")
	}
}

func TestConnectWithoutJetStream(t *testing.T) {
	t.Parallel()
	ns, err := natsd.NewServer(&natsd.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	_, err = Connect(t.Context(), Options{Names: names(t), Instance: "one", InProcess: ns})
	if err == nil || !strings.Contains(err.Error(), "switch it on") {
		t.Errorf("error %v", err)
	}
}

func TestConnectWithWrongCredentials(t *testing.T) {
	t.Parallel()
	ns, err := natsd.NewServer(&natsd.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, Authorization: "token"})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	_, err = Connect(limited(t, 10*time.Second), Options{Names: names(t), Instance: "one", URL: ns.ClientURL()})
	if err == nil || !strings.Contains(err.Error(), "check user and password") {
		t.Errorf("error %v", err)
	}
}

// A server that is slow to answer is waited for, in Connect and in Ensure.
func TestStartOverASlowServer(t *testing.T) {
	t.Parallel()
	l := &lossy{InProcessConnProvider: server(t)}
	l.drop("account_info_response", 2)
	b := open(t, l, as(RoleAdmin), func(o *Options) { o.requestTimeout = 200 * time.Millisecond })
	for _, answer := range []string{"stream_info_response", "stream_create_response", "consumer_info_response", "consumer_create_response"} {
		l.drop(answer, 1)
		if err := b.Ensure(limited(t, 20*time.Second)); err != nil {
			t.Errorf("lost %s: %v", answer, err)
		}
		if answer == "consumer_info_response" { // all is there; make it missing
			if err := b.js.DeleteConsumer(t.Context(), "AICC_FILES", FileConsumer); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestConnectWaits(t *testing.T) {
	t.Parallel()
	s := server(t)
	s.Shutdown()
	ctx := limited(t, 50*time.Millisecond)
	_, err := Connect(ctx, Options{Names: names(t), Instance: "one", InProcess: s})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	n, s := names(t), server(t)
	registry := prometheus.NewRegistry()
	for name, o := range map[string]Options{
		"names":    {Instance: "one", InProcess: s},
		"instance": {Names: n, InProcess: s},
		"either":   {Names: n, Instance: "one"},
		"URL":      {Names: n, Instance: "one", URL: "nats://me:canary@a b"},
	} {
		b, err := Connect(t.Context(), o)
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	open(t, s, func(o *Options) { o.Registerer = registry })
	if _, err := Connect(t.Context(), Options{Names: n, Instance: "two", InProcess: s, Registerer: registry}); err == nil {
		t.Error("the same metrics registered twice")
	}
}

func TestCloseEndsPublish(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.Close()
	if err := b.Publish(t.Context(), event("1")); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("error %v", err)
	}
}

// Open waits for nobody; Ready does.
func TestOpenBeforeTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := hubOn(t, dir, 0)
	port, url := portOf(t, first), first.ClientURL()
	first.Shutdown()
	b, err := Open(Options{Names: names(t), Instance: "one", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Connected() == nil {
		t.Error("connected to nothing")
	}
	if err := b.Ready(limited(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	hubOn(t, dir, port)
	if err := b.Ready(limited(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := b.Connected(); err != nil {
		t.Error(err)
	}
}

// A network that swallows everything can't hold Open up: it dials later.
func TestDialerPutsTheFirstRoundOff(t *testing.T) {
	t.Parallel()
	s := hubOn(t, t.TempDir(), 0)
	address := strings.TrimPrefix(s.ClientURL(), "nats://")
	d := newDialer("nats://a,nats://b")
	for i := range 3 {
		c, err := d.Dial("tcp", address)
		if c != nil {
			_ = c.Close()
		}
		if late := errors.Is(err, errNotYet); late != (i < 2) {
			t.Errorf("dial %d: error %v", i, err)
		}
	}
}

func TestSignInByName(t *testing.T) {
	t.Parallel()
	ns, err := natsd.NewServer(&natsd.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		Username: "bridge", Password: "canary",
	})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	for password, ok := range map[string]bool{"canary": true, "wrong": false} {
		b, err := Connect(limited(t, 10*time.Second), Options{Names: names(t), Instance: "one", URL: ns.ClientURL(), User: "bridge", Password: password})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%s: error %v", password, err)
		}
		if err == nil {
			b.Close()
		}
	}
}
