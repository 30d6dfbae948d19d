//go:build upgrade

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus"
	"aiccbridge/bus/kv"
	"aiccbridge/internal/ask"
	"aiccbridge/schemas"
)

// TestRolling: bridges are replaced by this version and by the one before, in order and by
// kills, with the hub there and away. Whichever wrote what another goes on with: nothing is
// lost, and nothing is there twice.
func TestRolling(t *testing.T) {
	before, this := bothVersions(t)
	for name, play := range map[string]func(*rolling){
		"two bridges on a hub": (*rolling).twoBridges,
		"one folder":           (*rolling).oneFolder,
		"hub away":             (*rolling).hubAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(&rolling{t: t, before: before, this: this})
		})
	}
}

// version is one of the program.
type version struct{ name, path string }

// bothVersions are the one before this, built from the history, and this one.
func bothVersions(t *testing.T) (before, this version) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "version-before"))
	if err != nil {
		t.Fatal(err)
	}
	revisions := strings.Fields(string(text)) // the tag, and the commit for clones without tags
	source := t.TempDir()
	if err := unpack(t, source, revisions); err != nil {
		t.Fatalf("%s is not in this clone; a shallow one gets it by git fetch --unshallow --tags: %v", revisions[0], err)
	}
	before = version{revisions[0], filepath.Join(t.TempDir(), "bridge")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", before.path, "./cmd/bridge")
	build.Dir = source
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", before.name, err, said)
	}
	return before, version{"this version", program(t)}
}

// unpack writes the first of the revisions that the clone has.
func unpack(t *testing.T, dir string, revisions []string) (err error) {
	err = errors.New("no revision is named")
	for _, revision := range revisions {
		git := exec.CommandContext(t.Context(), "git", "archive", "--format=zip", revision)
		git.Dir = filepath.Join("..", "..") // an archive is of the folder that it is made in
		var archive []byte
		if archive, err = git.Output(); err != nil {
			continue
		}
		files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			return err
		}
		return os.CopyFS(dir, files)
	}
	return err
}

// rolling is a scene whose bridges are replaced under load.
type rolling struct {
	*scene
	t            *testing.T
	before, this version
	begun        time.Time
	rolls, kills int
}

// begin starts the scene; the bridges of all versions share its key for sessions.
func (v *rolling) begin(o setup) {
	v.t.Helper()
	o.silent = 2 * time.Minute // as the platform has it: a slow machine is no reason for a gap
	v.scene, v.begun = newScene(v.t, o), time.Now()
	v.share(v.scene)
}

// share gives a bridge the key for sessions that all have, as docs/operations.md tells to.
func (v *rolling) share(s *scene) {
	v.t.Helper()
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "seal.key"), []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// startAs runs a version of the bridge on a scene's folder.
func (v *rolling) startAs(s *scene, as version) *child {
	v.t.Helper()
	return s.startCommand(exec.Command(as.path, "run", "-c", s.path()), s.journal)
}

// roll has a bridge stopped in order, and another version go on with its folder.
func (v *rolling) roll(s *scene, c *child, to version) *child {
	v.t.Helper()
	v.stop(s, c)
	return v.startAs(s, to)
}

// stop has a bridge stopped in order. Without the hub work lasts for the whole grace period, and
// the spool tries for some seconds behind it.
func (v *rolling) stop(s *scene, c *child) {
	v.t.Helper()
	c.stopsCleanly(s.setup.grace + 20*time.Second)
	v.rolls++
}

// progress waits until events and files go their way.
func (v *rolling) progress(b *bus.Bus) {
	v.t.Helper()
	covered := func() uint64 {
		names, _ := schemas.NewNames("aicc")
		m, _, _ := b.Last(v.t.Context(), names.StreamSubjects(schemas.StreamCoverage)[0])
		return m.Sequence
	}
	from := covered()
	v.moreEvents(b, 100)
	v.until("further windows are complete", func() bool { return covered() > from })
}

// polls waits until a scene's bridge polls some of the agents.
func (v *rolling) polls(b *bus.Bus, s *scene) {
	v.t.Helper()
	s.until("a bridge polls", func() (has bool) {
		instance, err := os.ReadFile(filepath.Join(s.dir, "data", "instance"))
		if err != nil {
			return false
		}
		_ = kv.Open(b.Conn(), schemas.BucketLeases).Each(v.t.Context(), tenantName+".*", func(key string, e schemas.Stored) error {
			var owner struct{ Instance string }
			_, err := strconv.Atoi(strings.TrimPrefix(key, tenantName+".")) // others are the planner's, say
			has = has || err == nil && json.Unmarshal(e.Body, &owner) == nil && owner.Instance == strings.TrimSpace(string(instance))
			return nil
		})
		return has
	})
}

// twoBridges are upgraded one after the other on an external hub, and rolled back so.
func (v *rolling) twoBridges() {
	o := withCalls(busy())
	o.agents, o.external = 12, true
	v.begin(o)
	second := v.beside("second")
	v.share(second)
	folders := []*scene{v.scene, second}
	bridges := []*child{v.startAs(v.scene, v.before), v.startAs(second, v.before)}
	b := v.consumer()
	for _, s := range folders {
		v.polls(b, s)
	}
	v.progress(b)
	for _, to := range []version{v.this, v.before} {
		for i, s := range folders {
			bridges[i] = v.roll(s, bridges[i], to)
			v.polls(b, s)
			v.progress(b)
			for _, asking := range []version{v.before, v.this} {
				v.asks(asking, len(folders))
			}
		}
	}
	b.Close()
	for i, s := range folders {
		v.stop(s, bridges[i])
	}
	v.judged()
}

// oneFolder is a bridge with its own NATS: what a version leaves there, in order or killed,
// is gone on with by the other.
func (v *rolling) oneFolder() {
	o := withCalls(busy())
	o.embedded = true
	v.begin(o)
	c := v.startAs(v.scene, v.before)
	for i, to := range []version{v.this, v.before, v.this, v.before} {
		b := v.consumer()
		v.progress(b)
		b.Close()
		if i < 2 {
			c = v.roll(v.scene, c, to)
			continue
		}
		c.kill()
		v.kills++
		c = v.startAs(v.scene, to)
	}
	b := v.consumer()
	v.progress(b)
	b.Close()
	for _, asking := range []version{v.before, v.this} {
		v.asks(asking, 1)
	}
	v.stop(v.scene, c)
	v.judged()
}

// hubAway: what one version has stored while the hub is away is brought there by the other.
func (v *rolling) hubAway() {
	o := withCalls(busy())
	o.external, o.grace = true, 5*time.Second // files in hand wait that long for the hub
	v.begin(o)
	c := v.startAs(v.scene, v.before)
	b := v.consumer()
	v.progress(b)
	for _, to := range []version{v.this, v.before} {
		v.hub.stop()
		v.popped(100)
		c = v.roll(v.scene, c, to)
		v.popped(50) // with the leases that the other version held
		v.hub.start()
		v.progress(b)
	}
	b.Close()
	v.stop(v.scene, c)
	v.judged()
}

// popped waits until the contact centre has handed out so many more events.
func (v *rolling) popped(n int) {
	v.t.Helper()
	from := len(v.sim.Truth().Events)
	v.until("events are fetched", func() bool { return len(v.sim.Truth().Events) >= from+n })
}

// asks has a version's commands say how the bridges and the agents are.
func (v *rolling) asks(asking version, bridges int) {
	v.t.Helper()
	v.until(asking.name+" sees all bridges and agents", func() bool {
		var status ask.Status
		said, code := v.command(asking, "status", "--json")
		agents, all := v.command(asking, "agents", "--json")
		return json.Unmarshal(said, &status) == nil && len(status.Bridges) == bridges && code <= exitFailed && // an alarm is one's right
			all == exitOK && bytes.Count(agents, []byte("\n")) == v.setup.agents
	})
	for _, args := range [][]string{{"windows"}, {"calls"}, {"schema", "validate"}} {
		said, code := v.command(asking, args...)
		if code == exitFailed && asking == v.before && onlyNew(said) {
			continue
		}
		if code != exitOK {
			v.t.Errorf("%s: bridge %s ended with %d:\n%s", asking.name, strings.Join(args, " "), code, said)
		}
	}
}

// onlyNew reports that all that a version before finds wrong are a few messages on subjects that
// came after it.
func onlyNew(said []byte) bool {
	for line := range strings.SplitSeq(strings.TrimSpace(string(said)), "\n") {
		if strings.HasPrefix(line, "  ") && !strings.Contains(line, ".reconcile.") {
			return false
		}
		if strings.Contains(line, " checked, ") && !strings.HasPrefix(line, "AICC_COVERAGE") && !strings.HasSuffix(line, " 0 invalid") {
			return false
		}
	}
	return true
}

// command runs one of a version's on the streams.
func (v *rolling) command(as version, args ...string) (said []byte, code int) {
	cmd := exec.CommandContext(v.t.Context(), as.path, append(args, "--nats", "nats://"+v.nats)...)
	cmd.Env = append(os.Environ(), asBridge+"=1")
	said, _ = cmd.Output()
	return said, cmd.ProcessState.ExitCode()
}

// judged has this version go on with what is there, and compares everything with the truth.
func (v *rolling) judged() {
	v.t.Helper()
	r := v.run()
	b := v.consumer()
	v.moreEvents(b, 50)
	waits := pausesOf(v.messages(b, schemas.StreamEvents))
	b.Close()
	under := time.Since(v.begun)
	report := r.finish()
	e := report.Events
	if r.unclean.recorded != r.unclean.expected || len(e.Lost) > v.kills*v.setup.agents || v.kills == 0 && (e.Gaps != 0 || len(e.Lost) != 0) {
		v.t.Errorf("%d gaps, %d lost, %+v after %d kills", e.Gaps, len(e.Lost), r.unclean, v.kills)
	}
	if len(waits) == 0 {
		v.t.Fatal("no agent went from one bridge to another")
	}
	v.t.Logf("%d stops and %d kills in %.0f s under %.0f events/s: %d events, %d rows, %d lost, %d duplicated, %d gaps; an agent's events paused for %.1f s at most, %.1f s in the middle, of %d times",
		v.rolls, v.kills, under.Seconds(), float64(e.Popped)/under.Seconds(), e.Stored, report.Rows.InStream, e.UnexplainedLost, e.Duplicated+report.Rows.Duplicates, e.Gaps,
		waits[len(waits)-1].Seconds(), waits[len(waits)/2].Seconds(), len(waits))
}

// pausesOf are the times, sorted, from an agent's last event under one epoch to his first
// under the next: as long as he was quiet anyway, at least.
func pausesOf(all []schemas.Stored) (pauses []time.Duration) {
	last := map[string]schemas.Event{}
	for _, m := range all {
		var e schemas.Event
		if json.Unmarshal(m.Body, &e) != nil || e.ReceivedAt.IsZero() {
			continue
		}
		if was, ok := last[e.Agent]; ok && was.Epoch < e.Epoch {
			pauses = append(pauses, e.ReceivedAt.Sub(was.ReceivedAt))
		}
		if was := last[e.Agent]; was.Epoch <= e.Epoch {
			last[e.Agent] = e
		}
	}
	slices.Sort(pauses)
	return pauses
}
