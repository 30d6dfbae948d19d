package bus

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Stopping: what is in hand is finished while work lasts, and goes back at once
// when it ends.
func TestStopping(t *testing.T) {
	t.Parallel()
	b := ready(t)
	publishFiles(t, b, 5)
	c := consume(t, b, 3)
	for range 3 {
		<-c.deliveries
	}
	c.intake()
	c.results <- nil // finished during the grace period
	await(t, func() bool { return b.counted(verdictAck) == 1 })
	sent := overhear(t, b, "$JS.ACK.AICC_FILES.>") // what the workers tell the server
	c.work()
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	for range 2 { // delayed, so that no fetch of this process gets it again
		if m, err := sent.NextMsgWithContext(limited(t, 10*time.Second)); err != nil || !strings.Contains(string(m.Data), "delay") {
			t.Errorf("verdict %v, %v", m, err)
		}
	}
	if err := sent.Unsubscribe(); err != nil {
		t.Error(err)
	}
	if len(c.contextDone) != 2 || b.counted(verdictNak) != 2 {
		t.Errorf("%d handlers saw the end, %v naks", len(c.contextDone), b.counted(verdictNak))
	}
	if len(c.deliveries) != 0 {
		t.Error("something new was fetched while stopping")
	}
	// The others' turn: all four come soon, long before AckWait.
	c = consume(t, b, 4)
	attempts := 0
	for range 4 {
		d := <-c.deliveries
		attempts += d.Attempt
		c.results <- nil
	}
	if attempts != 2*2+2*1 {
		t.Errorf("%d attempts in all, want 6", attempts)
	}
	c.stop(t)
}

// What is just on its way when the bridge stops goes back, instead of waiting
// for AckWait.
func TestStoppingCatchesWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := server(t)
	g := &gated{InProcessConnProvider: s, what: []byte("file.cdr.ready"), open: make(chan struct{}), held: make(chan struct{}, 1)}
	b, other := open(t, g), open(t, s)
	if err := ensure(t, b); err != nil {
		t.Fatal(err)
	}
	c := consume(t, b, 1)
	publishFiles(t, other, 1)
	<-g.held // the file is on the wire
	c.intake()
	close(g.open)
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	if b.counted(verdictNak) != 1 || len(c.deliveries) != 0 {
		t.Errorf("%v naks, %d deliveries", b.counted(verdictNak), len(c.deliveries))
	}
}

// gated is a server whose messages that hold something wait before a gate.
type gated struct {
	nats.InProcessConnProvider
	what       []byte
	open, held chan struct{}
}

func (g *gated) InProcessConn() (net.Conn, error) {
	c, err := g.InProcessConnProvider.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &gatedConn{Conn: c, gated: g}, nil
}

type gatedConn struct {
	net.Conn
	gated *gated
}

func (c *gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bytes.Contains(p[:n], c.gated.what) {
		signal(c.gated.held)
		<-c.gated.open
	}
	return n, err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func TestIdleWorkersStopAtOnce(t *testing.T) {
	t.Parallel()
	b := ready(t)
	c := consume(t, b, 3)
	awaitPull(t, b)
	begin := time.Now()
	c.stop(t)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if err := b.ConsumeFiles(t.Context(), t.Context(), 0, nil); err == nil {
		t.Error("no workers are no error")
	}
}
