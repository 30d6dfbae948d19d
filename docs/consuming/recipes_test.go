package consuming

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/bus/kv"
	"aiccbridge/schemas"
)

// recipe is what a recipe promises, in whatever language it is written.
type recipe struct {
	name string
	user string // who runs it; "": reader
	args func(c *course) [][]string
	// done says how much the store holds, some how much more of it there is to be at each kill.
	done func(c *course) int
	some int
	slow int // how many bytes a second it gets until it is to go on to the end; 0: slow
	// check returns what the store lacks, or has twice, or in another order than the stream.
	check func(c *course) error

	history bool // all has happened before it is started
	live    bool // more happens while it runs, not while it is away; its store is a file, out
	standby bool // another one goes on when one is killed
	again   bool // some messages are published twice
}

var recipes = []recipe{
	{
		name: "agent", some: 20, slow: 20_000, done: lines("out"),
		args: func(c *course) [][]string { return [][]string{{"acme", oddAgent, c.path("out")}} },
		check: func(c *course) error {
			return inOrder(c.messages(c.t, schemas.StreamEvents, c.names.Agent("acme", oddAgent)), stored(c, "out"))
		},
	},
	{
		name: "window", some: 1, done: files,
		args:  func(c *course) [][]string { return [][]string{{"acme", "cdr", c.dir}} },
		check: checkWindows,
	},
	{
		name: "revisions", some: 30, done: lines("out"),
		args:  func(c *course) [][]string { return [][]string{{"acme", "cdr", c.path("out")}} },
		check: checkRevisions,
	},
	{
		name: "state", some: 1, done: seen, live: true,
		args:  func(c *course) [][]string { return [][]string{{"acme", c.path("out")}} },
		check: checkState,
	},
	{
		name: "partitions", some: 80, done: func(c *course) int { return lines("0")(c) + lines("1")(c) + lines("2")(c) + lines("3")(c) },
		user: admin, // a reader makes no stream
		args: func(c *course) (all [][]string) {
			for _, part := range parts {
				all = append(all, []string{part, c.path(part)})
			}
			return all
		},
		check: checkPartitions,
	},
	{
		name: "pinned", some: 80, done: func(c *course) int { return sum(counted(c)) }, standby: true,
		args:  func(c *course) [][]string { return [][]string{{c.path("out")}} },
		check: checkCounts,
	},
	{
		name: "catchup", some: 80, done: lines("out"),
		args:  func(c *course) [][]string { return [][]string{{c.path("out")}} },
		check: func(c *course) error { return checkIDs(c, true) },
	},
	{
		name: "dedupe", some: 80, done: lines("out"), again: true,
		args:  func(c *course) [][]string { return [][]string{{c.path("out")}} },
		check: func(c *course) error { return checkIDs(c, false) },
	},
	{
		name: "replay", some: 50, done: lines("out"), history: true,
		args: func(c *course) [][]string {
			return [][]string{{c.begin.Add(secondPart).Format(time.RFC3339), c.path("out")}}
		},
		check: func(c *course) error {
			since := slices.DeleteFunc(c.messages(c.t, schemas.StreamEvents, ""), func(m schemas.Stored) bool {
				at, err := time.Parse(time.RFC3339, m.Get("ce-time"))
				return err != nil || at.Before(c.begin.Add(secondPart))
			})
			return inOrder(since, stored(c, "out"))
		},
	},
}

// line is what a recipe stores; each has some of the members.
type line struct {
	Position uint64
	ID, Key  string
	Revision int
	Message  json.RawMessage
	Row      json.RawMessage
}

// read is a file of the store; nothing, where there is none yet.
func (c *course) read(name string) []byte {
	text, err := os.ReadFile(c.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Fatal(err)
	}
	return text
}

// stored are the whole lines of a file.
func stored(c *course, name string) (all []line) {
	text := c.read(name)
	for whole := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		if len(whole) == 1 {
			continue
		}
		var l line
		if err := json.Unmarshal(whole, &l); err != nil {
			c.t.Fatalf("%s: %v", whole, err)
		}
		all = append(all, l)
	}
	return all
}

func lines(name string) func(*course) int {
	return func(c *course) int { return bytes.Count(c.read(name), []byte("\n")) }
}

// same is a body, however a language writes JSON.
func same(body []byte) string {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err.Error()
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// inOrder reports the first place in which what is stored is not the stream.
func inOrder(want []schemas.Stored, got []line) error {
	for i, l := range got {
		switch {
		case i > 0 && l.Position <= got[i-1].Position:
			return fmt.Errorf("line %d: position %d is there twice or too late", i+1, l.Position)
		case i >= len(want):
			return fmt.Errorf("%d lines, want %d", len(got), len(want))
		case same(l.Message) != same(want[i].Body):
			return fmt.Errorf("line %d is %s, want %s", i+1, l.Message, want[i].Body)
		}
	}
	if len(got) < len(want) {
		return fmt.Errorf("%d of %d", len(got), len(want))
	}
	return nil
}

// newest are the rows of the newest revisions by window and key, up to the last marker of each
// window, and these markers.
func newest(c *course) (rows map[string][]string, markers map[string]uint64) {
	rows, markers = map[string][]string{}, map[string]uint64{}
	revisions := map[string]int{}
	for _, m := range c.messages(c.t, schemas.StreamRows, "aicc.v1.acme.row.cdr.*") {
		h := schemas.ReadRowHeader(m.Header)
		if h.Revision == 0 {
			markers[m.Subject] = m.Sequence
			continue
		}
		key := m.Subject + " " + h.Key
		if h.Revision > revisions[key] {
			rows[key], revisions[key] = nil, h.Revision
		}
		rows[key] = append(rows[key], same(m.Body))
	}
	return rows, markers
}

func files(c *course) int {
	names, err := filepath.Glob(c.path("*.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(names)
}

func checkWindows(c *course) error {
	rows, markers := newest(c)
	if files(c) != len(markers) {
		return fmt.Errorf("%d windows, want %d", files(c), len(markers))
	}
	for subject, marker := range markers {
		var w struct {
			Marker uint64
			Rows   []json.RawMessage
		}
		if err := json.Unmarshal(c.read(subject[strings.LastIndex(subject, ".")+1:]+".json"), &w); err != nil {
			return err
		}
		var got, want []string
		for _, row := range w.Rows {
			got = append(got, same(row))
		}
		for key, of := range rows {
			if strings.HasPrefix(key, subject+" ") {
				want = append(want, of...)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" || w.Marker != marker {
			return fmt.Errorf("%s, marker %d, want %d: %s", subject, w.Marker, marker, diff)
		}
	}
	return nil
}

func checkRevisions(c *course) error {
	want, _ := newest(c)
	got, position, revisions := map[string][]string{}, uint64(0), map[string]int{}
	for _, l := range stored(c, "out") {
		if l.Position <= position {
			return fmt.Errorf("position %d is there twice", l.Position)
		}
		if position = l.Position; l.Revision > revisions[l.Key] {
			got[l.Key], revisions[l.Key] = nil, l.Revision
		}
		got[l.Key] = append(got[l.Key], same(l.Row))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return errors.New(diff)
	}
	return nil
}

// states are those that are stored.
func states(c *course) map[string]schemas.AgentState {
	all := map[string]schemas.AgentState{}
	if text := c.read("out"); len(text) > 0 {
		if err := json.Unmarshal(text, &all); err != nil {
			c.t.Fatal(err)
		}
	}
	return all
}

// seen is the number of the messages that the states come from.
func seen(c *course) (n int) {
	for _, k := range states(c) {
		n += int(k.Epoch*100 + k.Seq)
	}
	return n
}

func checkState(c *course) error {
	want := map[string]schemas.AgentState{}
	err := kv.Open(c.Conn(), schemas.BucketState).Each(c.t.Context(), "acme.*", func(key string, e schemas.Stored) error {
		var k schemas.AgentState
		err := json.Unmarshal(e.Body, &k)
		want[key] = k
		return err
	})
	if err != nil || len(want) != len(agents) {
		return fmt.Errorf("%d states: %w", len(want), err)
	}
	if diff := cmp.Diff(want, states(c)); diff != "" {
		return errors.New(diff)
	}
	return nil
}

var parts = []string{"0", "1", "2", "3"}

func checkPartitions(c *course) error {
	byAgent, part := map[string][]line{}, map[string]string{}
	for _, name := range parts {
		for _, l := range stored(c, name) {
			var m struct{ Tenant, Agent string }
			if err := json.Unmarshal(l.Message, &m); err != nil {
				return err
			}
			agent := m.Tenant + " " + m.Agent
			if before := part[agent]; before != "" && before != name {
				return fmt.Errorf("agent %s is in the parts %s and %s", agent, before, name)
			}
			byAgent[agent], part[agent] = append(byAgent[agent], l), name
		}
	}
	for _, agent := range agents {
		if err := inOrder(c.messages(c.t, schemas.StreamEvents, c.names.Agent("acme", agent)), byAgent["acme "+agent]); err != nil {
			return fmt.Errorf("agent %s: %w", agent, err)
		}
	}
	if used := len(slices.Compact(slices.Sorted(maps.Values(part)))); used < 2 {
		return fmt.Errorf("%d parts are used", used)
	}
	return nil
}

// counted is the file of the counts.
func counted(c *course) (counts struct {
	Position uint64
	Types    map[string]int
}) {
	if text := c.read("out"); len(text) > 0 {
		if err := json.Unmarshal(text, &counts); err != nil {
			c.t.Fatal(err)
		}
	}
	return counts
}

func sum(counts struct {
	Position uint64
	Types    map[string]int
}) (n int) {
	for _, count := range counts.Types {
		n += count
	}
	return n
}

func checkCounts(c *course) error {
	want, got := map[string]int{}, counted(c)
	all := c.messages(c.t, schemas.StreamEvents, "")
	for _, m := range all {
		want[m.Get("ce-type")]++
	}
	if diff := cmp.Diff(want, got.Types); diff != "" || got.Position != all[len(all)-1].Sequence {
		return fmt.Errorf("up to %d: %s", got.Position, diff)
	}
	return nil
}

// checkIDs holds what is stored against the stream, by ids; repeats says whether one may be
// there twice. All has to be acknowledged.
func checkIDs(c *course, repeats bool) error {
	want, got := map[string]string{}, map[string]string{}
	for _, m := range c.messages(c.t, schemas.StreamEvents, "") {
		want[m.Get("ce-source")+"#"+m.Get("ce-id")] = same(m.Body)
	}
	all := stored(c, "out")
	for _, l := range all {
		if _, twice := got[l.ID]; twice && !repeats {
			return fmt.Errorf("%s is there twice", l.ID)
		}
		got[l.ID] = same(l.Message)
	}
	if !maps.Equal(want, got) {
		return fmt.Errorf("%d of %d ids", len(got), len(want))
	}
	consumer, err := c.Conn().JetStream().Consumer(c.t.Context(), "AICC_EVENTS", c.recipe.name)
	if err != nil {
		return err
	}
	info, err := consumer.Info(context.WithoutCancel(c.t.Context()))
	if err == nil && info.NumPending+uint64(info.NumAckPending) > 0 {
		err = fmt.Errorf("%d messages are to come, %d are not acknowledged", info.NumPending, info.NumAckPending)
	}
	if err == nil {
		c.t.Logf("%d messages, %d lines", len(want), len(all))
	}
	return err
}

// each runs all recipes in one language.
func each(t *testing.T, program func(name string) []string) {
	t.Helper()
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if err := run(t, r, program(r.name), func(err error) bool { return err == nil }); err != nil {
				t.Error(err)
			}
		})
	}
}
