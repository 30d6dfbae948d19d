package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/bus/assets"
	"aiccbridge/schemas"
)

// prints runs a command line in this process and returns all that it prints.
func (s *scene) prints(code int, args ...string) string {
	s.t.Helper()
	out := &journal{} // many write at once
	to := io.MultiWriter(out, s.journal)
	if got := execute(args, to, to); got != code {
		s.t.Fatalf("%q has exit code %d, want %d:\n%s", args, got, code, out)
	}
	return out.String()
}

// refused is what `bridge run` prints that ends by itself. On a busy machine the hub may not
// answer in time, and is taken for away: then the bridge runs, and is started again.
func (s *scene) refused() string {
	s.t.Helper()
	for {
		out := &journal{}
		c := s.startCommand(exec.Command(program(s.t), "run", "-c", s.path()), io.MultiWriter(out, s.journal))
		ended := false
		s.until("the bridge ends, or runs without the hub", func() bool {
			select {
			case <-c.done:
				ended = true
			default:
			}
			return ended || out.contains("nats is away")
		})
		if !ended {
			c.kill()
			continue
		}
		if code := c.cmd.ProcessState.ExitCode(); code != exitFailed {
			s.t.Fatalf("run has exit code %d, want %d:\n%s", code, exitFailed, out)
		}
		return out.String()
	}
}

// TestApply is the first hour with a server of one's own: whatever is done in the
// wrong order, or as the wrong user, is refused with a sentence that says what to do.
func TestApply(t *testing.T) {
	t.Parallel()
	o := oneWindow()
	o.restricted, o.bare = true, true
	s := newScene(t, o)
	contains := func(said string, want ...string) {
		t.Helper()
		for _, text := range want {
			if !strings.Contains(said, text) {
				t.Errorf("want %q in\n%s", text, said)
			}
		}
	}
	says := func(code int, args []string, want ...string) {
		t.Helper()
		contains(s.prints(code, args...), want...)
	}
	asBridge, asApply, asReader := s.applying(assets.RoleBridge), s.applying(assets.RoleApply), s.applying(assets.RoleReader)
	dry := func(args []string) []string { return append(args[:len(args):len(args)], "--dry-run") }

	contains(s.refused(), "AICC_EVENTS.exists: is false", "nats.manage_streams is false", "run `bridge apply`")
	says(exitFailed, dry(asApply), "streams are missing", "AICC_EVENTS.exists: is false", "`bridge apply` makes them")
	if refused := s.hub.refused.take(); len(refused) > 0 {
		t.Errorf("looking is refused: %q", refused)
	}
	says(exitFailed, asBridge, "permission denied: $JS.API.STREAM.CREATE.AICC_EVENTS", "give --user with --password-file")
	says(exitFailed, asReader, "permission denied: "+assets.BridgeInbox, "give --user with --password-file")
	says(exitFailed, []string{"apply", "-c", s.path(), "--user", "apply", "--password-file", s.hub.passwordFile(assets.RoleReader)},
		"refuses the credentials", "check user and password")
	says(exitUsage, []string{"apply", "-c", s.path(), "--user", "apply"}, "give --user with --password-file")
	if refused := s.hub.refused.take(); len(refused) != 3 {
		t.Errorf("the hub refused %q, want a stream, an inbox and a password", refused)
	}

	says(exitOK, asApply, "streams and buckets made", "as the bridge needs them")
	says(exitOK, asApply, "as the bridge needs them") // once more changes nothing
	says(exitOK, dry(asApply), "as the bridge needs them")
	says(exitOK, dry(asBridge), "as the bridge needs them")
	r := s.run()
	s.until("the rows are there", func() bool { return len(s.messages(r.bus, schemas.StreamRows)) == 51 })
	r.finish()

	s.changeStream(schemas.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	says(exitFailed, dry(asApply), "AICC_EVENTS.max_age: is 1h", "nats stream edit")
	says(exitFailed, asApply, "AICC_EVENTS.max_age: is 1h", "nats stream edit")
	says(exitOK, append(dry(asApply), "--accept-weaker", "AICC_EVENTS.max_age"))
}
