package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/config"
	"aiccbridge/internal/doctor"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/proxytest"
	"aiccbridge/schemas"
)

// examined is what the doctor says of a configuration that a change has been made to.
func (s *scene) examined(o doctorOptions, change func(*config.Config)) (lines []doctor.Line) {
	s.t.Helper()
	cfg, err := config.Load(s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	var out bytes.Buffer
	o.asJSON, o.wait = true, cmp.Or(o.wait, patience)
	if o.limits == nil {
		o.limits = roomy
	}
	err = o.run(s.t.Context(), cfg, &out)
	failed := false
	for line := range strings.Lines(out.String()) {
		var l doctor.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatal(err)
		}
		failed = failed || l.Status == doctor.Failure
		lines = append(lines, l)
	}
	if failed != (err != nil) {
		s.t.Errorf("a failure is %t, and the command ends with %v", failed, err)
	}
	return lines
}

// roomy is a machine with room for everything, whatever the test happens to run on.
func roomy(string) doctor.Machine {
	return doctor.Machine{Disk: true, Free: 1 << 40, Files: 1 << 20, Memory: 16 << 30}
}

// TestDoctorAsksTheMonitor: its address, its clock, and one request; a key that the file store
// has refused is not tried again at the monitor.
func TestDoctorAsksTheMonitor(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}, alsoSeen: true})
	found := func(change func(*config.Config)) map[string]doctor.Status {
		all := map[string]doctor.Status{}
		for _, l := range s.examined(doctorOptions{}, change) {
			if strings.HasSuffix(l.About, "of seen") || l.Check == "signature" {
				all[l.About+" "+l.Check] = l.Status
			}
		}
		return all
	}
	healthy := found(nil)
	for _, check := range []string{"monitor of seen tls", "monitor of seen clock", "monitor of seen signature", "file store of demo signature"} {
		if healthy[check] != doctor.OK {
			t.Errorf("healthy: %s is %q", check, healthy[check])
		}
	}
	stranger := found(func(c *config.Config) { c.Tenants[1].Monitor.AccessKey = "stranger" })
	if stranger["monitor of seen signature"] != doctor.Failure || stranger["file store of demo signature"] != doctor.OK {
		t.Errorf("another key: %v", stranger)
	}
	wrong := found(func(c *config.Config) { c.Tenants[0].Files.SecretKey = c.Tenants[0].Gateway.Agents[0].Password })
	if _, asked := wrong["monitor of seen signature"]; asked || wrong["file store of demo signature"] == "" || wrong["file store of demo signature"] == doctor.OK {
		t.Errorf("a key that was refused: %v", wrong)
	}
}

// TestDoctor: on a healthy set-up there is no warning; each thing that is wrong is named with
// its cure, and nothing else is; a key that was refused is not tried again.
func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}, external: true, embedded: true}) // streams are made by the bridge
	for _, l := range s.examined(doctorOptions{agent: "101"}, nil) {
		if l.Status != doctor.OK {
			t.Errorf("healthy: %+v", l)
		}
	}
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	ahead := func(d time.Duration) doctorOptions {
		return doctorOptions{now: func() time.Time { return time.Now().Add(d) }}
	}
	port := func(u *url.URL, address string) *url.URL {
		_, number, _ := net.SplitHostPort(address)
		changed := *u
		changed.Host = net.JoinHostPort(u.Hostname(), number)
		return &changed
	}
	machine := func(change func(*doctor.Machine)) doctorOptions {
		return doctorOptions{limits: func(dir string) doctor.Machine {
			m := roomy(dir)
			change(&m)
			return m
		}}
	}
	closed, plain := freePort(t), elsewhere.Listener.Addr().String()
	for name, c := range map[string]struct {
		options doctorOptions
		change  func(*config.Config)
		about   string
		checks  string // that fail or warn, all of them
		says    string
	}{
		"closed port": {change: func(c *config.Config) { c.Tenants[0].Gateway.URL = port(c.Tenants[0].Gateway.URL, closed) }, about: "gateway of demo", checks: "connect", says: "connection refused"},
		"no such name": {change: func(c *config.Config) {
			c.Tenants[0].Gateway.URL, _ = url.Parse("https://gateway.invalid:8043/agentgateway/resource")
		}, about: "gateway of demo", checks: "dns", says: "gateway.invalid has no address"},
		"no tls":        {change: func(c *config.Config) { c.Tenants[0].Gateway.URL = port(c.Tenants[0].Gateway.URL, plain) }, about: "gateway of demo", checks: "tls", says: "first record does not look like a TLS handshake"},
		"unknown ca":    {change: func(c *config.Config) { c.Tenants[0].Gateway.RootCAs = x509.NewCertPool() }, about: "gateway of demo", checks: "tls", says: "unknown authority"},
		"not checked":   {change: func(c *config.Config) { c.Tenants[0].Gateway.InsecureSkipVerify = true }, about: "gateway of demo", checks: "tls", says: "is not checked"},
		"clock":         {options: ahead(10 * time.Minute), about: "gateway of demo", checks: "clock", says: " behind this machine's"},
		"wrong key":     {change: func(c *config.Config) { c.Tenants[0].Files.SecretKey = c.Tenants[0].Gateway.Agents[0].Password }, about: "file store of demo", checks: "signature", says: "401"},
		"closed way":    {change: func(c *config.Config) { c.Callbacks.PublicURL = port(c.Callbacks.PublicURL, closed) }, about: "callbacks", checks: "reached", says: "connection refused"},
		"wrong ingress": {change: func(c *config.Config) { c.Callbacks.PublicURL, _ = url.Parse(elsewhere.URL) }, about: "callbacks", checks: "reached", says: "answered by something else than a bridge: HTTP 404"},
		"port in use":   {change: func(c *config.Config) { c.Listen.Callbacks = plain }, about: "callbacks", checks: "listen", says: "address already in use"},
		"nats away":     {options: doctorOptions{wait: 3 * time.Second}, change: func(c *config.Config) { c.NATS.URL = "nats://" + closed }, about: "nats", checks: "connect nats", says: "connection refused"},
		"wrong password": {options: doctorOptions{agent: "101"}, change: func(c *config.Config) { c.Tenants[0].Gateway.Agents[0].Password = c.Tenants[0].Files.SecretKey },
			about: "agent 101", checks: "sign-in", says: "wrong user or password"},
		"zone by its sign": {change: func(c *config.Config) { c.Tenants[0].Timezone, _ = time.LoadLocation("Etc/GMT-8") }, about: "tenant demo", checks: "time zone", says: "sign turned round"},
		"a poll too long":  {change: func(c *config.Config) { c.Tenants[0].Gateway.PollTimeout = 100 * time.Second }, about: "gateway of demo", checks: "takeover", says: "2m10s"},
		"disk nearly full": {options: machine(func(m *doctor.Machine) { m.Free = 500 << 20 }), about: "data_dir", checks: "disk", says: "524.3 MB free"},
		"few open files":   {options: machine(func(m *doctor.Machine) { m.Files = 200 }), about: "this machine", checks: "open files", says: "200 files open"},
		"little memory":    {options: machine(func(m *doctor.Machine) { m.Memory = 64 << 20 }), about: "this machine", checks: "memory", says: "67.1 MB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			var checks, says []string
			for _, l := range s.examined(c.options, c.change) {
				if l.Status == doctor.OK {
					continue
				}
				checks, says = append(checks, l.Check), append(says, l.Says)
				if l.About != c.about || l.Cure == "" {
					t.Errorf("invented, or without a cure: %+v", l)
				}
			}
			if strings.Join(checks, " ") != c.checks || !strings.Contains(strings.Join(says, "\n"), c.says) {
				t.Errorf("named: %v, %q", checks, says)
			}
		})
	}
	if made := len(s.sim.Truth().Files); made != 0 {
		t.Errorf("%d files were made", made)
	}
}

// TestDoctorOnCertificates: one that has expired is a failure, one that soon does a warning.
func TestDoctorOnCertificates(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}, embedded: true}) // nothing is written
	for days, want := range map[int]doctor.Status{60: doctor.OK, 85: doctor.Warning, 100: doctor.Failure} {
		o := doctorOptions{now: func() time.Time { return time.Now().AddDate(0, 0, days) }}
		looked := 0
		for _, l := range s.examined(o, nil) {
			if l.Check != "tls" {
				continue
			}
			if looked++; l.Status != want {
				t.Errorf("in %d days: %+v", days, l)
			}
		}
		if looked != 2 {
			t.Errorf("in %d days: %d certificates were looked at", days, looked)
		}
	}
}

// TestDoctorOnStreams: a stream that is weaker than the bridge needs is named; beside a bridge
// that runs, nothing is wrong, and the callbacks' address leads to it.
func TestDoctorOnStreams(t *testing.T) {
	t.Parallel()
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}, external: true, embedded: true})
	r := s.run()
	for _, l := range s.examined(doctorOptions{}, nil) {
		if l.Status != doctor.OK {
			t.Errorf("beside a bridge: %+v", l)
		}
	}
	r.end()
	short := false
	for _, l := range s.examined(doctorOptions{}, func(c *config.Config) {
		c.Tenants[0].Files.Extracts.CDR.SweepAgain = []time.Duration{500 * 24 * time.Hour}
	}) {
		if l.Status != doctor.OK {
			if short = l.Check == "retention" && l.Cure != ""; !short {
				t.Errorf("invented: %+v", l)
			}
		}
	}
	if !short {
		t.Error("rows that go before their last extract are not named")
	}
	s.changeStream(schemas.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour })
	found := false
	for _, l := range s.examined(doctorOptions{}, nil) {
		if l.Status != doctor.OK {
			found = strings.Contains(l.Says, "AICC_EVENTS.max_age is 1h0m0s") && l.Status == doctor.Failure
			if !found {
				t.Errorf("invented: %+v", l)
			}
		}
	}
	if !found {
		t.Error("a weak stream is not named")
	}
}

// TestDoctorsBundle: a support archive has what helps, and no secret, not even where a log has one.
func TestDoctorsBundle(t *testing.T) {
	t.Parallel()
	broken := fault.Rule{Fault: "poll.status", Next: 1, Status: 503}
	s := newScene(t, setup{agents: 2, kinds: []schemas.Kind{schemas.KindCDR}, embedded: true, long: true, faults: []fault.Rule{broken}}) // nothing is written
	r := s.run()
	s.until("polls and requests are answered, one badly", func() bool {
		pages := r.heads.Pages()
		return len(pages[0].Answers) > 0 && len(pages[1].Answers) > 0 && len(pages[1].Failures) > 0
	})
	set := s.sim.Settings()
	secret, err := os.ReadFile(set.SecretKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(s.dir, "bridge.log")
	text := "{\"message\":\"bridge runs\"}\nAuthorization: SDK-HMAC-SHA256 Access=ak, Signature=5166a\n" + strings.TrimSpace(string(secret)) + "\n"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := doctorOptions{archive: filepath.Join(s.dir, "support.zip"), log: log}
	s.examined(o, nil)
	z, err := zip.OpenReader(o.archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string]string{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = string(body)
		for value, what := range secretsOf(s.sim) {
			if strings.Contains(string(body), value) {
				t.Errorf("%s holds %s", f.Name, what)
			}
		}
		for _, a := range set.Agents {
			if strings.Contains(string(body), "phone: \""+a.Phone) || strings.Contains(string(body), "phone: "+a.Phone) {
				t.Errorf("%s holds the number of agent %s", f.Name, a.ID)
			}
		}
	}
	for name, want := range map[string]string{
		"report.ndjson": "a session was silent for ", "config.yaml": "access_key: ", "versions.json": "nats", "metrics.txt": "aicc_", "healthz.txt": "ok", "answers.json": `"operation":"poll","status":503,"class":"again","took_ms":`, "log.txt": "bridge runs", "README.txt": "config.yaml",
	} {
		if !strings.Contains(all[name], want) {
			t.Errorf("%s: %.300s", name, all[name])
		}
	}
	if strings.Contains(all["log.txt"], "5166a") || !strings.Contains(all["log.txt"], "***") {
		t.Errorf("log.txt: %s", all["log.txt"])
	}
	r.end()
}

// TestDoctorThroughAProxy: what is behind a proxy is looked at through it.
func TestDoctorThroughAProxy(t *testing.T) {
	t.Parallel()
	company, err := proxytest.Listen(proxytest.Options{Credentials: proxyLogin})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(company.Close)
	s := newScene(t, setup{agents: 1, kinds: []schemas.Kind{schemas.KindCDR}, embedded: true, proxy: company}) // nothing is written
	seen := map[string]bool{}
	for _, l := range s.examined(doctorOptions{}, nil) {
		if seen[l.About+" "+l.Check] = true; l.Status != doctor.OK {
			t.Errorf("healthy: %+v", l)
		}
	}
	for _, want := range []string{"proxy to gateway of demo connect", "gateway of demo tls", "gateway of demo clock", "file store of demo tls"} {
		if !seen[want] {
			t.Errorf("%s was not looked at: %v", want, seen)
		}
	}
	wrong := func(c *config.Config) { c.Tenants[0].Gateway.RootCAs = x509.NewCertPool() }
	found := false
	for _, l := range s.examined(doctorOptions{}, wrong) {
		found = found || l.About == "gateway of demo" && l.Check == "tls" && l.Status == doctor.Failure
	}
	if !found {
		t.Error("a CA that does not fit is not seen through the proxy")
	}
}
