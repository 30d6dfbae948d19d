package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccfs"
)

// worst is the line that is not ok, if there is one.
func worst(t *testing.T, lines []Line) Line {
	t.Helper()
	found := Line{Status: OK}
	for _, l := range lines {
		if l.Says == "" || l.Check == "" || l.About == "" || (l.Cure == "") != (l.Status == OK) {
			t.Errorf("incomplete: %+v", l)
		}
		if l.Status == Failure || l.Status == Warning && found.Status == OK {
			found = l
		}
	}
	return found
}

func TestMachine(t *testing.T) {
	healthy := Machine{Agents: 1000, Disk: true, Free: 100 << 30, Rate: 100 << 20, For: time.Hour, Files: 4096, Memory: 4 << 30}
	for name, c := range map[string]struct {
		change func(*Machine)
		status Status
		says   string
	}{
		"healthy":           {func(*Machine) {}, OK, ""},
		"nothing known":     {func(m *Machine) { *m = Machine{} }, OK, ""},
		"hours of room":     {func(m *Machine) { m.Free = 2 << 30 }, Warning, "2.1 GB free, 20 hours at the 104.9 MB an hour of the last 1h0m0s"},
		"nearly full":       {func(m *Machine) { m.Free = 700 << 20 }, Failure, "7 hours"},
		"full, not filled":  {func(m *Machine) { m.Free, m.Rate = 700<<20, 0 }, Failure, "734.0 MB free"},
		"a short look":      {func(m *Machine) { m.Free, m.For = 2<<30, time.Minute }, OK, ""},
		"full":              {func(m *Machine) { m.Free, m.Rate = 0, 0 }, Failure, "0 B free"},
		"a small spool":     {func(m *Machine) { m.Spool = 64 << 20 }, Failure, "may take 67.1 MB, 1 hours"},
		"a spool that fits": {func(m *Machine) { m.Free, m.Spool, m.Rate = 500<<20, 64<<20, 0 }, OK, ""},
		"few files":         {func(m *Machine) { m.Files = 1024 }, Warning, "1024 files open, 1000 agents need 1256"},
		"little memory":     {func(m *Machine) { m.Memory = 256 << 20 }, Warning, "268.4 MB of memory, 1000 agents need 312.1 MB"},
	} {
		m := healthy
		c.change(&m)
		if l := worst(t, m.Judge()); l.Status != c.status || !strings.Contains(l.Says, c.says) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestHub(t *testing.T) {
	healthy := func() Hub {
		return Hub{
			Version: "2.15.2", Clustered: true, Replicas: map[string]int{"AICC_EVENTS": 3, "AICC_ROWS": 5}, MaxPayload: 1 << 20,
			Keeps: map[string]time.Duration{"rows": 400 * 24 * time.Hour, "files": 0}, Sweep: 25 * time.Hour,
		}
	}
	for name, c := range map[string]struct {
		change func(*Hub)
		status Status
		says   string
	}{
		"healthy": {func(*Hub) {}, OK, ""},
		"nothing made yet": {func(h *Hub) {
			h.Replicas = nil
			h.Made, h.Weaker = true, []Weaker{{"AICC_EVENTS.exists", "false", "true", false}}
		}, OK, ""},
		"unseen":          {func(h *Hub) { h.Unseen, h.Cure = "it cannot be seen", "name an address" }, Warning, "it cannot be seen"},
		"to be added":     {func(h *Hub) { h.Made, h.Weaker = true, []Weaker{{"AICC_EVENTS.num_replicas", "1", "3", true}} }, OK, ""},
		"added by others": {func(h *Hub) { h.Weaker = []Weaker{{"AICC_EVENTS.num_replicas", "1", "3", true}} }, Failure, "AICC_EVENTS.num_replicas is 1"},
		"one server":      {func(h *Hub) { h.Clustered, h.Replicas = false, map[string]int{"AICC_ROWS": 1} }, OK, ""},
		"away":            {func(h *Hub) { h.Err, h.Cure = errors.New("connection refused"), "start it" }, Failure, "connection refused"},
		"one replica":     {func(h *Hub) { h.Replicas["AICC_ROWS"] = 1 }, Failure, "a cluster, but AICC_ROWS is on one server's disk only"},
		"two replicas":    {func(h *Hub) { h.Replicas["AICC_ROWS"] = 2 }, Warning, "AICC_ROWS is on two servers"},
		"a weak stream":   {func(h *Hub) { h.Weaker = []Weaker{{"AICC_EVENTS.max_age", "1h0m0s", "720h0m0s", false}} }, Failure, "AICC_EVENTS.max_age is 1h0m0s, the bridge needs 720h0m0s"},
		"a missing one":   {func(h *Hub) { h.Weaker = []Weaker{{"AICC_EVENTS.exists", "false", "true", false}} }, Failure, "AICC_EVENTS is not there"},
		"one to be made":  {func(h *Hub) { h.Made, h.Weaker = true, []Weaker{{"AICC_EVENTS.exists", "false", "true", false}} }, OK, ""},
		"small messages":  {func(h *Hub) { h.MaxPayload = 64 << 10 }, Warning, "messages may have 65.5 kB"},
		"many readers":    {func(h *Hub) { h.Crowded = errors.New("stream has 900 consumers; see whose they are") }, Warning, "stream has 900 consumers"},
		"rows for a day":  {func(h *Hub) { h.Keeps["rows"] = 24 * time.Hour }, Warning, "rows are kept for 24h0m0s, and windows are extracted again after 25h0m0s"},
	} {
		h := healthy()
		c.change(&h)
		if l := worst(t, h.Judge()); l.Status != c.status || !strings.Contains(l.Says, c.says) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestSkew(t *testing.T) {
	for ahead, want := range map[time.Duration]Status{
		0: OK, -59 * time.Second: OK, time.Minute: Warning, -5 * time.Minute: Warning, 11 * time.Minute: Failure, -10 * time.Minute: Failure,
	} {
		if l := worst(t, []Line{Skew("gateway", ahead)}); l.Status != want {
			t.Errorf("%s: %+v", ahead, l)
		}
	}
	if l := Skew("gateway", -10*time.Minute); l.Says != "its clock is 10m0s behind this machine's" {
		t.Error(l.Says)
	}
}

func TestZone(t *testing.T) {
	now := time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]struct {
		status Status
		says   string
	}{
		"Asia/Shanghai": {OK, "2026-10-20 20:00 +08:00, no change of clocks within a year"},
		"Europe/Berlin": {OK, "the clocks change on 2026-10-25 02:00 +01:00"},
		"America/Lima":  {OK, "no change of clocks"},
		"Etc/GMT-8":     {Warning, "sign turned round"},
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if l := worst(t, []Line{Zone("tenant acme", zone, now)}); l.Status != want.status || !strings.Contains(Zone("tenant acme", zone, now).Says, want.says) {
			t.Errorf("%s: %+v", name, Zone("tenant acme", zone, now))
		}
	}
	if l := worst(t, []Line{Takeover("gateway", 30*time.Second, 30*time.Second)}); l.Status != OK {
		t.Error(l)
	}
	if l := worst(t, []Line{Takeover("gateway", 100*time.Second, 30*time.Second)}); l.Status != Warning || !strings.Contains(l.Says, "2m10s") {
		t.Error(l)
	}
}

// TestSignature: what the platform says of a file that is not there shows that it takes the key.
func TestSignature(t *testing.T) {
	for i, c := range []struct {
		class  ccfs.Class
		status int
		code   string
		want   Status
	}{
		{ccfs.NotThere, 200, "0300011", OK}, {ccfs.NotThere, 404, "0300011", OK}, {ccfs.Permanent, 200, "0300010", OK}, {ccfs.Again, 200, "0100999", OK},
		{ccfs.Permanent, 404, "", Failure}, {ccfs.NotThere, 404, "", Failure}, {ccfs.Permanent, 200, noPermission, Failure}, {ccfs.Auth, 401, "", Failure},
		{ccfs.Locked, 403, "", Failure}, {ccfs.Firewall, 403, "", Failure}, {ccfs.FlowControl, 200, "0300009", Warning}, {ccfs.Again, 500, "", Failure}, {ccfs.Broken, 200, "", Failure},
	} {
		err := fmt.Errorf("look: %w", &ccfs.Error{Operation: "downloadBillFile", Class: c.class, Status: c.status, Code: c.code})
		if l := worst(t, []Line{Store{About: "file store"}.judge(err)}); l.Status != c.want {
			t.Errorf("%d, %+v: %+v", i, c, l)
		}
	}
}

// TestRun: lines come in the order of the looks, whoever is ready first, and one that hangs ends
// with its time.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []Look
		for i := range 20 {
			looks = append(looks, func(ctx context.Context) []Line {
				if i == 3 {
					<-ctx.Done()
				} else {
					time.Sleep(time.Duration(20-i) * time.Second)
				}
				return []Line{{About: fmt.Sprint(i)}}
			})
		}
		var got, want []string
		start := time.Now()
		Run(t.Context(), looks, time.Minute, func(l Line) { got = append(got, l.About) })
		for i := range looks {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(got, want) || time.Since(start) != time.Minute {
			t.Errorf("%v after %s", got, time.Since(start))
		}
	})
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		`{"Set-Guid":["abc"],"x":1}`:          `{"Set-Guid":["***"],"x":1}`,
		`"body":"{\"guid\":\"abc\",\"y\":1}"`: `"body":"{\"guid\":\"***\",\"y\":1}"`,
	} {
		if got := string(Redact([]byte(text), nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	text := "secret_key: hunter2\nAuthorization: SDK-HMAC Access=ak, Signature=51\n{\"guid\":\"abc-def\",\"event\":\"x\"}\n      - id: \"101\"\n        phone: \"70001\"\nkey long-hunter2-key and hunter2, ab\n"
	want := "secret_key: ***\nAuthorization: ***\n{\"guid\":\"***\",\"event\":\"x\"}\n      - id: \"101\"\n        phone: ***\nkey *** and ***, ab\n"
	if got := string(Redact([]byte(text), []string{"hunter2", "long-hunter2-key", "ab", ""})); got != want {
		t.Errorf("got\n%s", got)
	}
}
