package agents

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/stage"
)

func TestAge(t *testing.T) {
	now := time.Unix(100, 500_000_000)
	if age, ok := ageOf([]byte(`{"content":{"x":1,"bench":"100000000000"}}`), now); !ok || age != 0.5 {
		t.Errorf("%v, %v", age, ok)
	}
	for _, body := range []string{"", `{"bench":"1`, `{"bench":"x"}`} {
		if age, ok := ageOf([]byte(body), now); ok {
			t.Errorf("%s is %v old", body, age)
		}
	}
}

const diskstats = `   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 72445 8731 2394826 35037 7052361 499366 82627728 2221846 0 849788 2907200 422688 135 159307664 70646 1824881 579670
   8       0 old 1 2 3 4 5 6 7 8 9 10 11
`

func TestFlushes(t *testing.T) {
	if n, err := parseFlushes(diskstats, "254:0"); err != nil || n != 1824881 {
		t.Errorf("%v, %v", n, err)
	}
	for _, device := range []string{"8:0", "9:9"} {
		if n, err := parseFlushes(diskstats, device); err == nil {
			t.Errorf("%s: %v", device, n)
		}
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	d, err := newDisk(dir)
	if err != nil {
		t.Log("this disk is not counted:", err)
		return
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 || d.perSync < 0 {
		t.Errorf("%+v, %v, %v", d, left, err)
	}
}

// good are figures that just meet every target.
func good() stage.Measured {
	return stage.Measured{
		"many: memory": {65}, "many: plain memory": {100}, "few: memory": {60}, "many: idle CPU": {1}, "many: plain idle CPU": {1}, "few: idle CPU": {1},
		"many: p50": {1.2}, "few: p50": {1}, "many: p99": {2}, "few: p99": {1}, "few: CPU/s": {0.25}, "few: idle CPU/s": {0.1},
		"busy: events a sync": {3}, "highest": {8}, "singles: rate": {10}, "bridge: gap p50": {1.01}, "plain: gap p50": {1},
		"bridge: gap p99": {1.05}, "plain: gap p99": {1},
	}
}

func met(all []figures.Verdict) (targets string) {
	for _, v := range all {
		if v.Met() {
			targets += strings.Fields(v.String())[0] + " "
		}
	}
	return targets
}

func TestVerdicts(t *testing.T) {
	of := func(m stage.Measured) string {
		return met((&Result{Agents: 10_000, Memory: true, Events: true, m: m}).Verdicts())
	}
	if got := of(good()); got != "P5 P6 P7 P8 " {
		t.Errorf("met: %s", got)
	}
	for name, want := range map[string]string{
		"many: memory": "P6 P7 P8 ", "many: idle CPU": "P5 P7 P8 ", "many: p50": "P5 P6 P8 ", "many: p99": "P5 P6 P8 ",
		"few: CPU/s": "P5 P6 P8 ", "bridge: gap p50": "P5 P6 P7 ", "bridge: gap p99": "P5 P6 P7 ",
	} {
		m := good()
		m[name] = figures.Series{m[name][0] * 1.2}
		if got := of(m); got != want {
			t.Errorf("more of %s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"busy: events a sync", "highest", "singles: rate"} {
		m := good()
		m[name] = nil
		if got := of(m); got != "P5 P6 P8 " {
			t.Errorf("without %s: %s", name, got)
		}
	}
	if all := (&Result{m: good()}).Verdicts(); len(all) != 0 {
		t.Errorf("%v was not measured", all)
	}
	r := Result{Events: true, m: stage.Measured{"few: CPU/s": {9}, "few: idle CPU/s": {2}}}
	if cpu := r.eventCPU().Median(); cpu != 7.0/eventRate {
		t.Errorf("beyond idle polls an event takes %v", cpu)
	}
}

func TestOutageVerdicts(t *testing.T) {
	r := OutagesResult{o: Outages{Agents: 5000}, m: stage.Measured{"resumed": {10}, "forward: rate": {9}, "async: rate": {10}, "forward: CPU": {6}, "async: CPU": {1}}}
	if got := met(r.Verdicts()); got != "P9 P11 " {
		t.Error(got)
	}
	r.m["resumed"], r.m["forward: rate"] = figures.Series{11}, figures.Series{8}
	if got := met(r.Verdicts()); got != "" {
		t.Error(got)
	}
}

func TestTables(t *testing.T) {
	r := Result{Agents: 10_000, Memory: true, Events: true, m: good()}
	o := OutagesResult{m: stage.Measured{"resumed": {10}}}
	for _, table := range append(r.Tables(), o.Tables()...) {
		if text := table.Markdown(); !strings.Contains(text, "| 1 |") {
			t.Error(text)
		}
	}
	if len((&Result{m: good()}).Tables()) != 0 {
		t.Error("it was not measured")
	}
	if q := quantile([]float64{1, 2, 3}, 0.5); q != 2 || !math.IsNaN(quantile(nil, 0.5)) {
		t.Error(q)
	}
}
