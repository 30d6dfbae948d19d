package consuming

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"aiccbridge/schemas"
)

const (
	patience = 3 * time.Minute
	// slow is how many bytes a second come to readers that are to be killed in the middle.
	slow = 60_000
)

// course is a recipe's way through a test: started, killed in the middle of what there is,
// started again after more has happened, killed again, and started to go on to the end.
type course struct {
	*hub
	t       *testing.T
	recipe  recipe
	program []string
	begin   time.Time
	dir     string   // where the readers store
	output  *os.File // what they say
	tended  []*process
}

// run takes a recipe through its course, until enough is true of what its readers' store lacks, or
// has twice, which it returns.
func run(t *testing.T, r recipe, program []string, enough func(error) bool) error {
	t.Helper()
	output, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { output.Close() })
	c := &course{hub: startHub(t), t: t, recipe: r, program: program, begin: begin(), dir: t.TempDir(), output: output}
	c.play(t, "tenant: other\nsteps: [ { at: 0s, agent: \"101\", call: 1-1 } ]")
	c.play(t, script(c.begin, 1))
	if r.history {
		c.more()
	}
	c.way.Throttle(cmp.Or(r.slow, slow))
	c.tended = c.start()
	c.until("it has done some", func() bool { return r.done(c) >= r.some })
	first := len(c.tended)
	if r.standby {
		c.tended = append(c.tended, c.start()...)
	}
	some := c.kill(first)
	if r.standby {
		c.until("the other one goes on", func() bool { return r.done(c) > some })
	}
	happened := c.again()
	c.until("it has done more", func() bool { return r.done(c) >= some+r.some })
	more := c.kill(len(c.tended))
	<-happened
	c.way.Throttle(0)
	c.tended = c.start()
	err = c.settle(enough)
	all := r.done(c)
	if some < r.some || more <= some || err == nil && all <= more {
		t.Errorf("it was killed when it had done %d and %d of %d", some, more, all)
	}
	c.stop(c.tended)
	t.Logf("killed at %d and %d of %d; the readers said %q", some, more, all, c.said())
	return err
}

// again starts the readers after more has happened, or, where they are to see it live, before. It
// returns what is closed when all has happened.
func (c *course) again() (happened chan struct{}) {
	c.t.Helper()
	happened = make(chan struct{})
	if !c.recipe.live {
		if !c.recipe.history {
			c.more()
		}
		close(happened)
		c.tended = append(c.tended, c.start()...)
		return happened
	}
	if err := os.Remove(c.path("out")); err != nil {
		c.t.Fatal(err)
	}
	c.tended = append(c.tended, c.start()...)
	c.until("it is there", func() bool { return c.recipe.done(c) >= c.recipe.some })
	go func() {
		defer close(happened)
		c.more()
	}()
	return happened
}

// more is what happens later.
func (c *course) more() {
	c.t.Helper()
	c.play(c.t, script(c.begin, 2))
	if !c.recipe.again {
		return
	}
	for _, m := range c.messages(c.t, schemas.StreamEvents, "")[:50] { // once more, under the ids that they had
		out := nats.NewMsg(m.Subject)
		out.Header, out.Data = nats.Header(m.Header), m.Body
		out.Header.Del("Nats-Msg-Id")
		if _, err := c.Conn().JetStream().PublishMsg(c.t.Context(), out); err != nil {
			c.t.Error(err)
		}
	}
}

// settle waits until enough is true of the store.
func (c *course) settle(enough func(error) bool) (err error) {
	for deadline := time.Now().Add(patience); ; c.pause(200 * time.Millisecond) {
		c.tend()
		if err = c.recipe.check(c); enough(err) || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *course) until(what string, condition func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); c.pause(10 * time.Millisecond) {
		if c.tend(); time.Now().After(deadline) {
			c.t.Fatalf("waited in vain until %s; it had done %d and said\n%s", what, c.recipe.done(c), c.said())
		}
	}
}

// pause is between two looks at the store.
func (c *course) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.t.Context().Done():
	}
}

// path is a file in the readers' store.
func (c *course) path(name string) string { return filepath.Join(c.dir, name) }

// said is what the readers wrote to their terminal.
func (c *course) said() string {
	text, err := os.ReadFile(c.output.Name())
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// process is a reader.
type process struct {
	*exec.Cmd
	done chan struct{}
}

// start starts the readers of a recipe.
func (c *course) start() (all []*process) {
	c.t.Helper()
	for _, args := range c.recipe.args(c) {
		all = append(all, c.launch(append(c.program[:len(c.program):len(c.program)], args...)))
	}
	return all
}

// launch starts a reader.
func (c *course) launch(command []string) *process {
	c.t.Helper()
	p := &process{exec.Command(command[0], command[1:]...), make(chan struct{})}
	p.Env = append(os.Environ(), "NATS_URL="+c.url(cmp.Or(c.recipe.user, reader)))
	p.Stdout, p.Stderr = c.output, c.output
	if err := p.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.Wait() // the state tells
	}()
	c.t.Cleanup(func() { c.stop([]*process{p}) })
	return p
}

// tend starts readers again that have ended at an error, as whatever runs them does: one may have
// been about to connect when the way was cut, or have waited too long for a busy server.
func (c *course) tend() {
	c.t.Helper()
	for i, p := range c.tended {
		select {
		case <-p.done:
			if !p.ProcessState.Success() { // else it is at its end
				c.tended[i] = c.launch(p.Args)
			}
		default:
		}
	}
}

// kill ends the first n readers as kill -9 does, while what they send (what they acknowledge) gets
// lost. It returns how much they have done.
func (c *course) kill(n int) int {
	c.t.Helper()
	c.tend()
	c.way.Silence(true)
	for _, p := range c.tended[:n] {
		c.stop([]*process{p})
		if state, ok := p.ProcessState.Sys().(syscall.WaitStatus); !ok || !state.Signaled() {
			c.t.Fatalf("a reader ended before it was killed: %s\n%s", p.ProcessState, c.said())
		}
	}
	c.tended = slices.Clone(c.tended[n:])
	c.way.Cut()
	c.way.Silence(false)
	return c.recipe.done(c)
}

// stop ends those that have not ended.
func (c *course) stop(all []*process) {
	for _, p := range all {
		_ = p.Process.Kill() // it may have ended
		<-p.done
	}
}
