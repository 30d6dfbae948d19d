package bus

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
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
	bustest.Await(t, func() bool { return b.verdicts(t, verdictAck) == 1 })
	sent := hubtest.Overhear(t, b.conn, "$JS.ACK.AICC_FILES.>") // what the workers tell the server
	c.work()
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	for range 2 { // delayed, so that no fetch of this process gets it again
		if m, err := sent.NextMsgWithContext(bustest.Limited(t, time.Minute)); err != nil || !strings.Contains(string(m.Data), "delay") {
			t.Errorf("verdict %v, %v", m, err)
		}
	}
	if err := sent.Unsubscribe(); err != nil {
		t.Error(err)
	}
	if len(c.contextDone) != 2 || b.verdicts(t, verdictNak) != 2 {
		t.Errorf("%d handlers saw the end, %v naks", len(c.contextDone), b.verdicts(t, verdictNak))
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
	s := bustest.Server(t)
	gate, held := make(chan struct{}), make(chan struct{}, 1)
	gated := &bustest.Link{InProcessConnProvider: s, Read: func(c net.Conn, p []byte) (int, error) {
		n, err := c.Read(p)
		if bytes.Contains(p[:n], []byte("file.cdr.ready")) {
			signal(held)
			<-gate
		}
		return n, err
	}}
	b, other := open(t, gated), open(t, s)
	hubtest.Ensure(t, b.conn)
	c := consume(t, b, 1)
	publishFiles(t, other, 1)
	<-held // the file is on the wire
	c.intake()
	close(gate)
	if err := <-c.done; err != nil {
		t.Error(err)
	}
	if b.verdicts(t, verdictNak) != 1 || len(c.deliveries) != 0 {
		t.Errorf("%v naks, %d deliveries", b.verdicts(t, verdictNak), len(c.deliveries))
	}
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
