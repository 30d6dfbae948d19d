package schemas_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"aiccbridge/schemas"
	"aiccbridge/schemas/entries"
	"aiccbridge/schemas/internal/schematest"
	"aiccbridge/schemas/requests"
)

type reference struct {
	Ref string `yaml:"$ref"`
}

type asyncAPI struct {
	AsyncAPI   string             `yaml:"asyncapi"`
	Channels   map[string]channel `yaml:"channels"`
	Operations map[string]struct {
		Action  string    `yaml:"action"`
		Channel reference `yaml:"channel"`
		Reply   struct {
			Channel  reference   `yaml:"channel"`
			Messages []reference `yaml:"messages"`
		} `yaml:"reply"`
	} `yaml:"operations"`
	Components struct {
		Messages map[string]struct {
			Name    string `yaml:"name"`
			Payload struct {
				Format string    `yaml:"schemaFormat"`
				Schema reference `yaml:"schema"`
			} `yaml:"payload"`
		} `yaml:"messages"`
		Traits map[string]struct {
			Headers struct {
				Required   []string       `yaml:"required"`
				Properties map[string]any `yaml:"properties"`
			} `yaml:"headers"`
		} `yaml:"messageTraits"`
	} `yaml:"components"`
}

type channel struct {
	Address    string               `yaml:"address"`
	Parameters map[string]any       `yaml:"parameters"`
	Messages   map[string]reference `yaml:"messages"`
}

// bucket reports whether the channel is that of entries of a bucket.
func (c channel) bucket() bool { return strings.HasPrefix(c.Address, "$KV.") }

// ofService reports whether the channel is one of questions or of answers.
func (c channel) ofService() bool {
	return c.Address == "" || strings.HasPrefix(c.Address, "aicc.ask.")
}

func readAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	var doc asyncAPI
	if err := yaml.Unmarshal(schemas.AsyncAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// groups are those that the address of agent events may have.
func (a asyncAPI) groups() (groups []string) {
	group, _ := a.Channels["agentEvents"].Parameters["group"].(map[string]any)
	values, _ := group["enum"].([]any)
	for _, v := range values {
		groups = append(groups, fmt.Sprint(v))
	}
	return groups
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// matches reports whether a subject is one of an address.
func matches(address, subject string) bool {
	parts := placeholder.Split(address, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, `[^.]+`) + "$").MatchString(subject)
}

// TestAsyncAPINamesEveryMessage checks that each message of the contract has a
// channel whose address is its subject, and the other way round.
func TestAsyncAPINamesEveryMessage(t *testing.T) {
	doc := readAsyncAPI(t)
	if !strings.HasPrefix(doc.AsyncAPI, "3.") {
		t.Errorf("version %q", doc.AsyncAPI)
	}
	used := map[string]bool{}
	for typ, m := range testMessages(t) {
		key := strings.TrimPrefix(typ, "aicc.v1.")
		found := false
		for name, c := range doc.Channels {
			if c.Messages[key].Ref == "#/components/messages/"+key && matches(c.Address, m.Subject) {
				found, used[name] = true, true
			}
		}
		if !found {
			t.Errorf("no channel carries %s on %s", typ, m.Subject)
		}
		message := doc.Components.Messages[key]
		if message.Name != typ || message.Payload.Schema.Ref != "./jsonschema/"+key+".json" ||
			message.Payload.Format != "application/schema+json;version=draft-2020-12" {
			t.Errorf("message %s: %+v", key, message)
		}
		checkHeaders(t, doc, m)
	}
	for name, c := range doc.Channels {
		if !used[name] && !c.bucket() && !c.ofService() {
			t.Errorf("channel %s carries no message of the contract", name)
		}
		for key, ref := range c.Messages {
			if ref.Ref != "#/components/messages/"+key || doc.Components.Messages[key].Name == "" {
				t.Errorf("channel %s: message %s is %s", name, key, ref.Ref)
			}
		}
	}
}

// TestAsyncAPINamesEveryEntry: each type of entry has one channel, whose address is that of
// its keys, and no channel of a bucket carries anything else.
func TestAsyncAPINamesEveryEntry(t *testing.T) {
	doc, n := readAsyncAPI(t), schematest.Names(t)
	left := map[entries.Type]bool{}
	for _, typ := range entries.Types() {
		left[typ] = true
		key := strings.TrimPrefix(string(typ), "aicc.v1.")
		m := doc.Components.Messages[key]
		if m.Name != string(typ) || m.Payload.Schema.Ref != "./entries/"+strings.TrimPrefix(key, "entry.")+".json" {
			t.Errorf("message %s: %+v", key, m)
		}
	}
	for name, c := range doc.Channels {
		if !c.bucket() {
			continue
		}
		example := strings.NewReplacer("{kind}", "cdr").Replace(c.Address)
		example = placeholder.ReplaceAllString(example, "7")
		found := false
		for _, b := range entries.Buckets() {
			key, ok := strings.CutPrefix(example, n.BucketSubject(b, ""))
			typ, known := entries.Of(b, key)
			if !ok || !known {
				continue
			}
			want := strings.TrimPrefix(string(typ), "aicc.v1.")
			found = len(c.Messages) == 1 && c.Messages[want].Ref == "#/components/messages/"+want
			delete(left, typ)
		}
		if !found {
			t.Errorf("channel %s at %s has the messages %v", name, c.Address, c.Messages)
		}
	}
	if len(left) > 0 {
		t.Errorf("types without a channel: %v", left)
	}
}

// TestAsyncAPINamesEveryQuestion: each endpoint has a channel on its subject, and an operation that
// takes its request and answers with its answer.
func TestAsyncAPINamesEveryQuestion(t *testing.T) {
	doc, n := readAsyncAPI(t), schematest.Names(t)
	if inbox, ok := doc.Channels["answers"]; !ok || inbox.Address != "" || len(inbox.Messages) != len(requests.Endpoints()) {
		t.Errorf("answers go to %+v", inbox)
	}
	for _, endpoint := range requests.Endpoints() {
		request, answer := "request."+endpoint, "answer."+endpoint
		for _, key := range []string{request, answer} {
			m := doc.Components.Messages[key]
			if m.Name != "aicc.v1."+key || m.Payload.Schema.Ref != "./requests/"+key+".json" || m.Payload.Format != "application/schema+json;version=draft-2020-12" {
				t.Errorf("message %s: %+v", key, m)
			}
		}
		found := false
		for _, o := range doc.Operations {
			c := doc.Channels[strings.TrimPrefix(o.Channel.Ref, "#/channels/")]
			found = found || c.Address == n.Question(endpoint) && o.Action == "receive" &&
				len(c.Messages) == 1 && c.Messages[request].Ref == "#/components/messages/"+request &&
				o.Reply.Channel.Ref == "#/channels/answers" && slices.Equal(o.Reply.Messages, []reference{{"#/channels/answers/messages/" + answer}})
		}
		if !found {
			t.Errorf("nothing answers %s", n.Question(endpoint))
		}
	}
}

func checkHeaders(t *testing.T, doc asyncAPI, m schemas.Message) {
	t.Helper()
	name := "cloudEvent"
	if m.Row != "" {
		name = "row"
	}
	trait := doc.Components.Traits[name].Headers
	headers := m.Headers()
	for name := range headers {
		if _, ok := trait.Properties[name]; !ok {
			t.Errorf("%s: header %s is not described", m.Type, name)
		}
	}
	for _, name := range trait.Required {
		if len(headers[name]) != 1 {
			t.Errorf("%s: header %s is missing", m.Type, name)
		}
	}
}

// TestAsyncAPIDescribesEveryStream checks addresses against the streams' own
// wildcards, and that parameters and operations are complete.
func TestAsyncAPIDescribesEveryStream(t *testing.T) {
	doc, n := readAsyncAPI(t), schematest.Names(t)
	sent := map[string]bool{}
	for _, op := range doc.Operations {
		if op.Action == "send" {
			sent[strings.TrimPrefix(op.Channel.Ref, "#/channels/")] = true
		}
	}
	streams := schemas.Streams()
	covered := map[schemas.Stream]bool{}
	for name, c := range doc.Channels {
		var want []string
		for _, p := range placeholder.FindAllString(c.Address, -1) {
			want = append(want, strings.Trim(p, "{}"))
		}
		if len(c.Parameters) != len(want) || slices.ContainsFunc(want, func(p string) bool { return c.Parameters[p] == nil }) {
			t.Errorf("channel %s: parameters %v, want %v", name, c.Parameters, want)
		}
		if c.ofService() {
			continue
		}
		if !sent[name] {
			t.Errorf("channel %s: nobody sends to it", name)
		}
		within := 0
		for _, s := range streams {
			if slices.ContainsFunc(n.StreamSubjects(s), func(w string) bool { return covers(w, placeholder.ReplaceAllString(c.Address, "x")) }) {
				covered[s] = true
				within++
			}
		}
		if within != 1 && !c.bucket() {
			t.Errorf("channel %s lies in %d streams", name, within)
		}
	}
	if len(covered) != len(streams) {
		t.Errorf("streams described: %v", covered)
	}
}

// covers reports whether a NATS wildcard matches a subject.
func covers(wildcard, subject string) bool {
	w, s := strings.Split(wildcard, "."), strings.Split(subject, ".")
	for i, token := range w {
		switch {
		case token == ">":
			return len(s) > i
		case i >= len(s) || token != "*" && token != s[i]:
			return false
		}
	}
	return len(w) == len(s)
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		wildcard, subject string
		want              bool
	}{
		{"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {"a.*", "a.b.c", false}, {"a.>", "a.b.c", true}, {"a.>", "a", false},
	} {
		if got := covers(c.wildcard, c.subject); got != c.want {
			t.Error(fmt.Sprint(c, got))
		}
	}
}
