package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"aiccbridge/bus/internal/bustest"
)

const inbox = "_INBOX_test"

func connect(ctx context.Context, o Options) (*Conn, error) {
	c, err := Open(o)
	if err != nil {
		return nil, err
	}
	if err := c.Ready(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

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
	s := bustest.Listening(t, t.TempDir(), 0)
	b, err := connect(t.Context(), Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, URL: s.ClientURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := b.nc.Opts.Name; got != "bridge one" {
		t.Errorf("connection name %q", got)
	}
	if got := b.nc.NewInbox(); !strings.HasPrefix(got, inbox+".") {
		t.Errorf("inbox %q", got)
	}
	if b.nc.Opts.MaxReconnect != -1 || !b.nc.Opts.IgnoreAuthErrorAbort || !b.nc.Opts.RetryOnFailedConnect {
		t.Error("the connection would give up")
	}
	if b.nc.Opts.ReconnectBufSize != -1 {
		t.Error("messages wait in a buffer while disconnected")
	}
}

// TestConnectByContext: a context of the nats command says where NATS is, and its inbox
// counts before the one that a role has.
func TestConnectByContext(t *testing.T) {
	t.Parallel()
	s := bustest.Listening(t, t.TempDir(), 0)
	file := filepath.Join(t.TempDir(), "here.json")
	o := Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, Context: file}
	if _, err := connect(t.Context(), o); err == nil || !strings.Contains(err.Error(), "context "+file) {
		t.Errorf("without the file: %v", err)
	}
	for text, want := range map[string]string{
		`{"url": %q}`: inbox,
		`{"url": %q, "inbox_prefix": "_INBOX_me"}`: "_INBOX_me",
	} {
		if err := os.WriteFile(file, fmt.Appendf(nil, text, s.ClientURL()), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := connect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.nc.NewInbox(); !strings.HasPrefix(got, want+".") || !b.External() {
			t.Errorf("inbox %q, want %s", got, want)
		}
		b.Close()
	}
	o.URL = s.ClientURL()
	if _, err := connect(t.Context(), o); err == nil {
		t.Error("two places are taken for one")
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
	_, err = connect(t.Context(), Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, InProcess: ns})
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
	_, err = connect(bustest.Limited(t, time.Minute), Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, URL: ns.ClientURL()})
	if err == nil || !strings.Contains(err.Error(), "check user and password") {
		t.Errorf("error %v", err)
	}
}

func TestConnectWaits(t *testing.T) {
	t.Parallel()
	s := bustest.Server(t)
	s.Shutdown()
	ctx := bustest.Limited(t, 50*time.Millisecond)
	_, err := connect(ctx, Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, InProcess: s})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// Open waits for nobody; Ready does.
func TestOpenBeforeTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := bustest.Listening(t, dir, 0)
	port, url := bustest.PortOf(t, first), first.ClientURL()
	first.Shutdown()
	b, err := Open(Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Connected() == nil {
		t.Error("connected to nothing")
	}
	if err := b.Ready(bustest.Limited(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	bustest.Listening(t, dir, port)
	if err := b.Ready(bustest.Limited(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := b.Connected(); err != nil {
		t.Error(err)
	}
}

// A network that swallows everything can't hold Open up: it dials later.
func TestDialerPutsTheFirstRoundOff(t *testing.T) {
	t.Parallel()
	s := bustest.Listening(t, t.TempDir(), 0)
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
		b, err := connect(bustest.Limited(t, time.Minute), Options{Names: bustest.Names(t), Instance: "one", InboxPrefix: inbox, URL: ns.ClientURL(), User: "bridge", Password: password})
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("%s: error %v", password, err)
		}
		if err == nil {
			b.Close()
		}
	}
}
