package fault

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var catalogue = []Kind{
	{Name: "poll.cut", What: "cut", Scope: Scope{Agent: true, Path: true, Operations: []string{"one", "all"}}},
	{Name: "poll.status", What: "a status", Takes: Rule{Status: 503}},
	{Name: "download.cut", What: "cut short", Takes: Rule{Percent: 50}, Scope: Scope{Kinds: []string{"cdr", "skill"}}},
	{Name: "download.slow", What: "slow", Takes: Rule{Delay: Duration(time.Second), Rate: 10, Code: "1", Count: 2, Field: "f"}},
}

func book(t *testing.T, seed uint64, rules ...Rule) *Book {
	t.Helper()
	b := NewBook(catalogue, seed, time.Now)
	if err := b.Set(rules); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRulesThatCannotStrikeAreRefused(t *testing.T) {
	for why, r := range map[string]Rule{
		`fault "poll.cutt" is not known; did you mean poll.cut?`:                         {Fault: "poll.cutt", Next: 1},
		`fault "cut" is not known; did you mean poll.cut or download.cut?`:               {Fault: "cut", Next: 1},
		`fault "completely.different" is not known; GET / and`:                           {Fault: "completely.different", Next: 1},
		`give "next", "for" or "share"`:                                                  {Fault: "poll.cut"},
		`a number is out of range`:                                                       {Fault: "poll.cut", Share: 1.5},
		`poll.cut takes no "status"`:                                                     {Fault: "poll.cut", Next: 1, Status: 500},
		`poll.cut takes no "delay"`:                                                      {Fault: "poll.cut", Next: 1, Delay: 1},
		`status 99 is out of range`:                                                      {Fault: "poll.status", Next: 1, Status: 99},
		`percent 100 is out of range`:                                                    {Fault: "download.cut", Next: 1, Percent: 100},
		`delay -1ns is out of range`:                                                     {Fault: "download.slow", Next: 1, Delay: -1},
		`poll.status is not restricted by "agent"`:                                       {Fault: "poll.status", Next: 1, Agent: "101"},
		`poll.status is not restricted by "kind"`:                                        {Fault: "poll.status", Next: 1, Kind: "cdr"},
		`kind "skil" is not known to download.cut; did you mean skill?`:                  {Fault: "download.cut", Next: 1, Kind: "skil"},
		`kind "recording" is not known to download.cut; it knows cdr, skill`:             {Fault: "download.cut", Next: 1, Kind: "recording"},
		`path "[" is no pattern`:                                                         {Fault: "poll.cut", Next: 1, Path: "["},
		"fault rule 2: fault \"downlod.slow\" is not known; did you mean download.slow?": {Fault: "downlod.slow", For: 1},
	} {
		b := book(t, 1, Rule{Fault: "poll.cut", Next: 7})
		err := b.Set([]Rule{{Fault: "poll.cut", Next: 1}, r})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: %v, want %s", r, err, why)
		}
		if left := b.Rules(); len(left) != 1 || left[0].Next != 7 {
			t.Errorf("a refused list replaced the rules: %+v", left)
		}
	}
}

func TestAddedRulesComeLast(t *testing.T) {
	b := book(t, 1, Rule{Fault: "poll.status", Next: 1})
	if err := b.Add([]Rule{{Fault: "poll.cut", Next: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Add([]Rule{{Fault: "poll.cut", Next: 1}, {Fault: "poll.cut"}}); err == nil || len(b.Rules()) != 2 {
		t.Errorf("half a list was added: %v, %+v", err, b.Rules())
	}
	for _, want := range []string{"poll.status", "poll.cut"} {
		if r := b.First(Occasion{}, "poll.cut", "poll.status"); r == nil || r.Fault != want {
			t.Errorf("%+v, want %s", r, want)
		}
	}
}

func TestCountThenTimeThenShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := book(t, 3, Rule{Fault: "poll.cut", Next: 2, For: Duration(time.Minute), Share: 0.5})
		hits := func(n int) (hits int) {
			for range n {
				if b.First(Occasion{}, "poll.cut") != nil {
					hits++
				}
			}
			return hits
		}
		if n := hits(10); n != 10 {
			t.Errorf("%d of 10 in the first minute", n)
		}
		time.Sleep(time.Minute)
		if n := hits(1000); n < 400 || n > 600 {
			t.Errorf("%d of 1000 afterwards", n)
		}
		if r := b.Rules()[0]; r.Next != 0 || r.Struck < 410 {
			t.Errorf("left: %+v", r)
		}
	})
}

func TestScope(t *testing.T) {
	o := Occasion{Agent: "101", Operation: "one", Path: "/a/101/b", Kinds: []string{"cdr", "recording"}}
	for want, r := range map[string][]Rule{
		"yes": {
			{Fault: "poll.cut"}, {Fault: "poll.cut", Agent: "101", Operation: "one", Path: "/a/*/b"}, {Fault: "download.cut", Kind: "cdr"},
		},
		"no": {
			{Fault: "poll.cut", Agent: "102"}, {Fault: "poll.cut", Operation: "all"}, {Fault: "poll.cut", Path: "/a/101"},
			{Fault: "download.cut", Kind: "skill"},
		},
	} {
		for _, rule := range r {
			rule.Next = 1
			b := book(t, 1, rule)
			if hit := b.First(o, rule.Fault) != nil; hit != (want == "yes") || b.Rules()[0].Next != map[bool]int{true: 0, false: 1}[hit] {
				t.Errorf("%+v struck: %t", rule, hit)
			}
		}
	}
}

func TestFirstAndAll(t *testing.T) {
	rules := []Rule{
		{Fault: "download.cut", Next: 1}, {Fault: "download.cut", Next: 1, Percent: 7}, {Fault: "download.slow", Next: 1},
		{Fault: "poll.cut", Next: 1},
	}
	b := book(t, 1, rules...)
	hits := b.All(Occasion{}, "download.slow", "download.cut")
	if hits.String() != "download.cut+download.slow" || hits.Get("download.cut").Percent != 50 || hits.Has("poll.cut") {
		t.Errorf("all: %+v", hits)
	}
	if r := hits.Get("download.slow"); r.Delay != Duration(time.Second) || r.Rate != 10 || r.Code != "1" || r.Count != 2 || r.Field != "f" {
		t.Errorf("defaults: %+v", r)
	}
	if r := b.First(Occasion{}, "download.slow", "download.cut"); r == nil || r.Percent != 7 {
		t.Errorf("first: %+v", r)
	}
	if r := b.First(Occasion{}, "download.slow", "download.cut"); r != nil {
		t.Errorf("used up, and yet: %+v", r)
	}
}

func TestSharesFollowTheSeed(t *testing.T) {
	draw := func(seed uint64, others bool, key string) (out string) {
		b := book(t, seed, Rule{Fault: "poll.cut", Share: 0.5}, Rule{Fault: "download.cut", Share: 0.5})
		for i := range 40 {
			if others {
				b.First(Occasion{}, "download.cut")
			}
			o := Occasion{}
			if key != "" {
				o.Key = key + strings.Repeat("x", i)
			}
			out += map[bool]string{true: "x", false: "."}[b.First(o, "poll.cut") != nil]
		}
		return out
	}
	one := draw(1, false, "")
	if one != draw(1, true, "") || one == draw(2, false, "") || !strings.Contains(one, ".") || !strings.Contains(one, "x") {
		t.Errorf("draws: %s, with downloads %s, another seed %s", one, draw(1, true, ""), draw(2, false, ""))
	}
	keyed := draw(1, false, "k")
	if keyed != draw(1, true, "k") || keyed == draw(1, false, "l") || keyed == draw(2, false, "k") {
		t.Error("draws with a key do not follow seed and key alone")
	}
}

func TestJSON(t *testing.T) {
	const text = `{"rules":[{"fault":"poll.cut","agent":"101","operation":"one","path":"/a","next":2,"for":"1m30s","share":0.5},` +
		`{"fault":"download.slow","next":1,"code":"9","delay":"25s","count":3,"field":"g","rate":5,"struck":4}]}`
	rules, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(List{rules})
	if err != nil || string(back) != text {
		t.Errorf("%s %v", back, err)
	}
	var l List
	if err := yaml.UnmarshalWithOptions([]byte(text), &l, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules, l.Rules); diff != "" {
		t.Error(diff)
	}
	if b := book(t, 1, rules...); b.Rules()[1].Struck != 0 {
		t.Error("a rule begins as struck")
	}
	for bad, why := range map[string]string{
		`{"rules":[{"fault":"poll.cut","nxt":1}]}`: `"nxt"`,
		`{"gateway":{}}`: `"gateway"`,
		`{} {}`:          "more than one",
		`{`:              "read faults",
		`{"rules":[{"fault":"poll.cut","for":"long"}]}`:          "long",
		`{"rules":[{"fault":"poll.cut","next":"1"}]}`:            "next",
		`{"rules":[{"kind":"cut_after_pop","next":3}],"x":null}`: `"x"`,
	} {
		if _, err := Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestHelpNamesAll(t *testing.T) {
	help := Help(catalogue)
	for _, want := range []string{
		"\npoll, restricted by agent, path, operation\n  operation: one, all\n", "  poll.status  ", "a status (status 503)\n",
		"\ndownload, restricted by kind\n  kind: cdr, skill\n", "(code 1, delay 1s, count 2, field f, rate 10)",
	} {
		if !strings.Contains(help, want) {
			t.Errorf("the help lacks %q:\n%s", want, help)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	b := book(t, 1, Rule{Fault: "poll.cut", Next: 1000})
	var all sync.WaitGroup
	var struck [4]int
	for i := range struck {
		all.Go(func() {
			for range 500 {
				if b.First(Occasion{}, "poll.cut") != nil {
					struck[i]++
				}
				b.Rules()
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range struck {
		sum += n
	}
	if sum != 1000 {
		t.Errorf("struck %d times (%v), want 1000", sum, slices.Sorted(slices.Values(struck[:])))
	}
}
