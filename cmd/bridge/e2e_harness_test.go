package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/config"
	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/gateway"
	"aiccbridge/internal/platformsim/gateway/push"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/proxytest"
	"aiccbridge/internal/trial"
	"aiccbridge/internal/truthcheck"
	"aiccbridge/schemas"
)

// patience is how long a test waits for what must come: far longer than it
// takes, even on a busy machine.
const patience = 3 * time.Minute

// tenantName is the name of every scene's contact centre.
const tenantName = "demo"

// setup describes a scene. Its zero value has neither agents nor files.
type setup struct {
	agents int            // 0: the bridge has no gateway
	slow   int            // their calls last so many times as long; 0: 1
	silent time.Duration  // after which the gateway signs them out, default 25 s
	spaces []string       // tenants, one for each tenant space of the one access key; none: demo alone
	ours   []string       // of these, those that the bridge has; none: all
	kinds  []schemas.Kind // none: the bridge has no file store
	// Of every kind. window and settle have defaults of 4 s and 1 s; the
	// extraction begins since ago.
	window, settle, since time.Duration
	sweep                 time.Duration // age of the re-sweep, 0: none
	overdue               time.Duration // default 1 min
	grace                 time.Duration // default 20 s
	spacing               time.Duration // of requests, default none
	attempts, outstanding int           // of a file, and extracts under way; defaults 10 and 20
	faults                []fault.Rule
	audio                 voice.Settings   // of the simulator's recordings
	recordings            string           // keys of files.recordings; "": audio is not fetched
	external              bool             // the bridge has no NATS of its own, but the scene's hub
	consumers, bridges    string           // addresses of a hub that is there already: for consumers, and for bridges
	restricted            bool             // external, the hub as docs/nats tells to set it up
	bare                  bool             // restricted, but nobody has made the streams
	embedded              bool             // never restricted; say why
	calls                 bool             // they are made, and compared
	owners                bool             // bridges take agents over from others that still run
	long                  bool             // a log without details, and metrics
	timezone, filesZone   string           // of the tenant, default Asia/Shanghai; the setting files.zone, default tenant
	form                  content.Form     // of the files
	asTold                bool             // files are judged as if they were in the zone that is set
	clients               string           // the agents sign in through the bridge, which listens here; "": they don't
	handover, sealed      bool             // the agents are signed in by another system; their sessions are sealed
	rotate                time.Duration    // after which the gateway gives another GUID, default a minute
	events                string           // how live events come; "": as by default
	push                  string           // keys of the section push
	monitor               bool             // agents are looked at, and not polled
	confirmed             bool             // agents are looked at beside the polls
	alsoSeen              bool             // another tenant, seen, looks at the same agents
	proxy                 *proxytest.Proxy // on the way to gateway and file store, with proxyLogin; nil: none
}

// proxyLogin is what a scene's proxy wants.
const proxyLogin = "bridge:proxy-password"

// throughProxy are the keys of a section for it.
func (s *scene) throughProxy() string {
	if s.setup.proxy == nil {
		return ""
	}
	file := filepath.Join(s.dir, "proxy-login")
	if err := os.WriteFile(file, []byte(proxyLogin+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("\n      proxy_url: %q\n      proxy_credentials_file: %q", "http://"+s.setup.proxy.Addr(), file)
}

// scene is a simulated contact centre and the folder of one bridge on it. The
// bridge can be started as often as wanted, in this process or as a child.
type scene struct {
	t       *testing.T
	setup   setup
	sim     *platformsim.Sim
	dir     string
	nats    string       // where the streams are: the bridge's NATS address, or the hub's
	url     string       // where the bridge finds an external hub; "": it has its own
	hub     *externalHub // only in an external setup
	admin   string       // where the metrics are, in a long setup
	journal *journal

	stranger bool // its bridge may meet sessions that it can't open: they are another bridge's
}

// newScene starts a simulator, which ends with the test. At the end of the test
// the logs of all bridges of the scene are searched for secrets.
func newScene(t *testing.T, o setup) *scene {
	t.Helper()
	o.window, o.settle = orDefault(o.window, 4*time.Second), orDefault(o.settle, time.Second)
	o.restricts()
	o.overdue, o.grace = orDefault(o.overdue, time.Minute), orDefault(o.grace, 20*time.Second)
	s := &scene{t: t, setup: o, dir: t.TempDir(), nats: freePort(t), journal: &journal{}}
	zone, err := time.LoadLocation(cmp.Or(o.timezone, "Asia/Shanghai"))
	if err != nil {
		t.Fatal(err)
	}
	sim, err := platformsim.New(platformsim.Options{
		Seed: seed(t), Agents: max(o.agents, 1), Timezone: zone, Dir: filepath.Join(s.dir, "sim"),
		Pace:  o.pace(),
		World: world.Options{SyncDelay: -1},
		Gateway: gateway.Options{WaitTimes: 8, MaxTime: orDefault(o.silent, 25*time.Second), NeedCookie: true, GUIDInterval: o.rotate, GUIDTimeout: o.guidTimeout(),
			Push: push.Options{RepeatEvery: 300 * time.Millisecond, Pause: 300 * time.Millisecond, Tries: 1000}},
		Files: filestore.Options{
			GenerationMax: 300 * time.Millisecond, CreationsPerMinute: -1, ParallelDownloads: -1, LockAfter: -1,
			RepeatEvery: time.Second, Spaces: o.furtherSpaces(), Audio: o.audio, Form: o.form,
		},
		Faults: o.faults,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sim = sim
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the simulator ended: %v", err)
		}
		for what, line := range s.journal.search(secretsOf(sim)) {
			t.Errorf("the log holds %s: %.300s", what, line)
		}
	})
	select {
	case <-sim.Ready():
	case err := <-done:
		done <- nil
		t.Fatalf("start the simulator: %v", err)
	}
	if o.external {
		s.hub = newHub(t, s.dir, o.restricted)
		s.nats, s.url = s.hub.address, "nats://"+s.hub.proxy.Addr()
	}
	if o.bridges != "" {
		s.nats, s.url = o.consumers, o.bridges
	}
	if o.long {
		s.admin = freePort(t)
	}
	s.writeConfig()
	if o.restricted && !o.bare {
		s.apply()
	}
	return s
}

// guidTimeout is long enough for busy machines; 0: the default.
func (o setup) guidTimeout() time.Duration {
	if o.rotate == 0 {
		return 0
	}
	return o.rotate + 2*time.Minute
}

// pace is how fast the agents work: far faster than people.
func (o setup) pace() world.Pace {
	times := time.Duration(max(o.slow, 1)) * time.Millisecond
	return world.Pace{
		Idle: 500 * times, Queue: 300 * times, Ring: 300 * times, Talk: 2000 * times,
		WrapUp: 300 * times, Rest: 1000 * times, Signal: 30 * time.Millisecond,
	}
}

// seed is PROOF_SEED, else the same for every run.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(cmp.Or(os.Getenv("PROOF_SEED"), "7"), 10, 64)
	if err != nil {
		t.Fatalf("PROOF_SEED: %v", err)
	}
	return n
}

func orDefault(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// lastPort is below the ports that the system gives away by itself, so that a
// bridge finds its port free when it starts again.
var lastPort atomic.Int32

// freePort returns an address that nobody else in this process gets.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 12_000 + (os.Getpid()*97+int(lastPort.Add(1)))%18_000
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// path is where the configuration is.
func (s *scene) path() string { return filepath.Join(s.dir, "bridge.yaml") }

// writeConfig writes the bridge's configuration as a user would.
func (s *scene) writeConfig() {
	s.t.Helper()
	text := s.configText(filepath.Join(s.dir, "data"), s.nats, freePort(s.t))
	if err := os.WriteFile(s.path(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) configText(data, nats, callbacks string) string {
	set, o := s.sim.Settings(), s.setup
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p("data_dir: %s", data)
	if s.url != "" {
		who := ""
		if s.hub != nil && s.hub.restricted {
			who = fmt.Sprintf(", user: %s, password_file: %q, manage_streams: false", assets.RoleBridge, s.hub.passwordFile(assets.RoleBridge))
		}
		p("nats: {url: %q%s}", s.url, who)
		nats = ""
	}
	clients := "" // a key that versions before do not know
	if o.clients != "" {
		clients = fmt.Sprintf(", gateway: %q", o.clients)
	}
	p("listen: {callbacks: %q, admin: %q, nats: %q%s}", callbacks, s.admin, nats, clients)
	p("callbacks: {public_url: %q, certificate_file: %q, key_file: %q}", "https://"+callbacks+"/ready", set.CallbackCertFile, set.CallbackKeyFile)
	p("shutdown: {grace: %s}", o.grace)
	level := "debug"
	if o.long {
		level = "warn"
	}
	p("log: {level: %s, format: json}", level)
	p("worker: {retry_after: 1s, max_attempts: %d}", cmp.Or(o.attempts, 10))
	p("tenants:")
	if len(o.spaces) == 0 {
		s.tenantText(p, tenantName, "")
	}
	if o.alsoSeen {
		p("  - name: seen\n    timezone: %s", set.Timezone)
		s.monitorText(p)
	}
	for i, name := range o.spaces {
		if len(o.ours) == 0 || slices.Contains(o.ours, name) {
			s.tenantText(p, name, append([]string{set.AccountID}, set.Spaces...)[i])
		}
	}
	return b.String()
}

// furtherSpaces are the tenant spaces beside the contact centre's own.
func (o setup) furtherSpaces() (ids []string) {
	for i := 1; i < len(o.spaces); i++ {
		ids = append(ids, fmt.Sprint(202405010000+i))
	}
	return ids
}

// tenantText prints one tenant; account is its tenant space, "" for any.
func (s *scene) tenantText(p func(string, ...any), name, account string) {
	set, o := s.sim.Settings(), s.setup
	p("  - name: %s", name)
	p("    timezone: %s", set.Timezone)
	if o.handover {
		p("    events: handover")
	}
	if o.events != "" {
		p("    events: %s", o.events)
		p("    push: {%s}", o.push)
	}
	if o.monitor {
		s.monitorText(p)
	}
	if o.confirmed {
		s.monitorSection(p)
	}
	if o.agents > 0 && !o.monitor {
		p("    gateway:")
		p("      url: %q", set.GatewayURL)
		p("      ca_file: %q%s", set.CAFile, s.throughProxy())
		p("      hold: 1s")
		if o.clients != "" {
			p("    events: proxy")
			return
		}
		if o.handover {
			p("      handover: {sealed: %t}", o.sealed)
		}
		p("      force_sign_in: true")
		listed := set.Agents
		if o.handover {
			listed = nil
		} else {
			p("      agents:")
		}
		for i, a := range listed {
			p("        - {id: %q, phone: %q, password_file: %q, auto_answer: %t, auto_enter_idle: %[4]t}", a.ID, a.Phone, a.PasswordFile, i%2 == 0)
		}
	}
	if len(o.kinds) == 0 {
		return
	}
	p("    files:")
	p("      account_id: %q", account)
	p("      url: %q", set.FilesURL)
	p("      ca_file: %q%s", set.CAFile, s.throughProxy())
	p("      access_key: %q", set.AccessKey)
	p("      secret_key_file: %q", set.SecretKeyFile)
	p("      request_spacing: %s", o.spacing)
	p("      max_outstanding: %d", cmp.Or(o.outstanding, 20))
	p("      overdue: %s", o.overdue)
	p("      zone: %s", cmp.Or(o.filesZone, "tenant"))
	p("      calls: %t", o.calls)
	if o.recordings != "" {
		p("      recordings: {%s}", o.recordings)
	}
	p("      extracts:")
	sweep := ""
	if o.sweep > 0 {
		sweep = o.sweep.String()
	}
	since := time.Now().Add(-o.since).Truncate(time.Second).Format(time.RFC3339)
	for _, k := range o.kinds {
		p("        %s: {window: %s, settle: %s, sweep_again: [%s], since: %q}", k, o.window, o.settle, sweep, since)
	}
}

// monitorText prints what a tenant has whose agents are looked at.
func (s *scene) monitorText(p func(string, ...any)) {
	p("    events: monitor")
	s.monitorSection(p)
}

func (s *scene) monitorSection(p func(string, ...any)) {
	set := s.sim.Settings()
	p("    monitor: {url: %q, ca_file: %q, access_key: %q, secret_key_file: %q, vdn: 39, interval: 2s}", set.MonitorURL, set.CAFile, set.AccessKey, set.SecretKeyFile)
}

// until waits for what must become true, and ends the test if it does not.
func (s *scene) until(what string, condition func() bool) {
	s.t.Helper()
	s.within(patience, what, condition)
}

// within is until, for what takes longer by its nature.
func (s *scene) within(limit time.Duration, what string, condition func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s\n%s", what, s.journal.tail())
		case <-ticker.C:
		}
	}
}

// running is a bridge in this process.
type running struct {
	*bridge
	s      *scene
	stop   context.CancelFunc
	done   chan error
	judge  bool // compare when it has drained
	report truthcheck.Report

	markers    []schemas.WindowComplete // when it has drained
	markerLast bool                     // the last message of the rows is a marker
	unclean    unclean
}

// run starts the bridge in this process and waits until it runs.
func (s *scene) run() *running {
	s.t.Helper()
	cfg, err := config.Load(s.path())
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	r := &running{s: s, stop: stop, done: make(chan error, 1)}
	ready := make(chan *bridge, 1)
	go func() {
		r.done <- runBridge(ctx, cfg, newLogger(cfg.Log, s.journal), nil, hooks{
			ready:   func(b *bridge) { ready <- b },
			drained: r.drained,
		})
	}()
	s.t.Cleanup(func() { // after a failed test; otherwise it has ended
		stop()
		<-r.done
	})
	select {
	case r.bridge = <-ready:
	case err := <-r.done:
		r.done <- nil
		s.t.Fatalf("start the bridge: %v", err)
	}
	return r
}

func (r *running) drained(ctx context.Context, b *bridge) (err error) {
	if !r.s.stranger {
		r.s.journal.learn(ctx, r.s.t, b)
	}
	if !r.judge {
		return nil
	}
	err = b.bus.Read(ctx, schemas.StreamRows, "", 0, func(m schemas.Stored) error {
		if r.markerLast = m.Get("ce-type") == schemas.TypeWindowComplete; !r.markerLast {
			return nil
		}
		var w schemas.WindowComplete
		err := json.Unmarshal(m.Body, &w)
		r.markers = append(r.markers, w)
		return err
	})
	if err == nil {
		r.unclean, err = countUnclean(ctx, b.bus)
	}
	if err == nil {
		r.report, err = trial.Judge(ctx, b.bus, trial.Case{Tenant: tenantName, Zone: b.cfg.Tenants[0].Timezone, Calls: r.s.setup.calls, Owners: r.s.setup.owners}, r.s.truth())
	}
	return err
}

// truth is what the simulator did, or would have done in the zone that is set.
func (s *scene) truth() truth.Snapshot {
	did := s.sim.Truth()
	for i := range did.Files {
		if s.setup.asTold {
			did.Files[i].Zone = ""
		}
	}
	return did
}

// end stops the bridge as a signal does.
func (r *running) end() {
	r.s.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.s.t.Errorf("the bridge ended: %v", err)
	}
	r.done <- nil
}

// finish lets everything come to its end, stops the bridge, and compares the
// streams with what the simulator did. A difference fails the test.
func (r *running) finish() truthcheck.Report {
	s := r.s
	s.t.Helper()
	s.sim.Quiesce()
	s.until("the contact centre is quiet", s.sim.Quiet)
	quiet := time.Now()
	if len(s.setup.kinds) > 0 {
		s.until("all windows are complete", func() bool { return r.settled(quiet) })
		r.planning.stop()
		s.until("no extract is under way", func() bool { return !r.outstanding() })
		s.until("all calls are made", func() bool {
			made, err := r.callsMade(s.t.Context())
			return !s.setup.calls || err == nil && made
		})
	}
	if spool, ok := r.side.(behindSpool); ok {
		s.t.Cleanup(func() {
			if s.t.Failed() {
				s.t.Logf("the spool holds %+v", spool.State())
			}
		})
		s.until("the spool is empty", func() bool { return spool.State().Messages == 0 })
	}
	r.judge = true
	r.end()
	if !r.report.OK {
		s.t.Errorf("the streams differ from the truth: %+v\n%s", r.report, s.journal.tail())
	}
	s.t.Logf("popped %d, stored %d, lost %d, gaps %d; files %d, accepted %d, failed %d, superseded %d; rows %d",
		r.report.Events.Popped, r.report.Events.Stored, len(r.report.Events.Lost), r.report.Events.Gaps,
		r.report.Files.Made, r.report.Files.Accepted, r.report.Files.Failed, r.report.Files.Superseded, r.report.Rows.InStream)
	return r.report
}

// settled reports whether all windows before t are complete and re-swept, nothing
// is under way, and the planner has nothing to ask for at its next look.
func (r *running) settled(t time.Time) bool {
	soon := time.Now().Add(1500 * time.Millisecond)
	for _, k := range r.s.setup.kinds {
		reached := false
		for _, e := range r.ledger.Entries(tenantName, k) {
			due := e.DueAt
			if again := e.Window.To.Add(r.s.setup.sweep); r.s.setup.sweep > 0 && e.State == schemas.WindowCompleted && again.After(e.RequestedAt) {
				due = again
			}
			if e.State == schemas.WindowRequested || e.State == schemas.WindowReady || !due.IsZero() && due.Before(soon) {
				return false
			}
			needed := e.Window.From.Before(t)
			if r.s.setup.agents == 0 { // no rows come by themselves
				needed = e.Window.To.Add(r.s.setup.settle).Before(t)
			}
			if needed && (e.State != schemas.WindowCompleted || !due.IsZero()) {
				return false
			}
			reached = reached || e.State == schemas.WindowCompleted && !e.Window.To.Before(t)
		}
		if !reached && r.s.setup.agents > 0 {
			return false
		}
	}
	return true
}

// outstanding reports whether an extract is under way.
func (r *running) outstanding() bool {
	for _, k := range schemas.Kinds() {
		for _, e := range r.ledger.Entries(tenantName, k) {
			if e.State == schemas.WindowRequested || e.State == schemas.WindowReady {
				return true
			}
		}
	}
	return false
}

// consumer connects to where the streams are, as any client that reads does. It
// waits until they are there.
func (s *scene) consumer() *bus.Bus {
	s.t.Helper()
	names, err := schemas.NewNames("aicc")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var o bus.Options
	o.Names, o.Instance, o.URL = names, uuid.NewString(), "nats://"+s.nats
	if s.setup.restricted {
		o.User, o.Password, o.InboxPrefix = string(assets.RoleReader), password(assets.RoleReader), assets.ReaderInbox
	}
	b, err := bus.Connect(ctx, o)
	if err != nil {
		s.t.Fatalf("connect to the bridge's NATS: %v\n%s", err, s.journal.tail())
	}
	s.until("the streams are there", func() bool {
		return b.Read(ctx, schemas.StreamDeadLetters, "", 0, func(schemas.Stored) error { return nil }) == nil
	})
	return b
}

// messages reads a whole stream.
func (s *scene) messages(b *bus.Bus, stream schemas.Stream) (all []schemas.Stored) {
	s.t.Helper()
	for begun := time.Now(); ; {
		all = nil
		err := b.Read(s.t.Context(), stream, "", 0, func(m schemas.Stored) error { all = append(all, m); return nil })
		switch {
		case err == nil:
			return all
		case !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > patience: // else the machine was too busy
			s.t.Fatal(err)
		}
	}
}

// letters are the dead letters, without what is said of them later.
func (s *scene) letters(b *bus.Bus) []schemas.Stored {
	s.t.Helper()
	return slices.DeleteFunc(s.messages(b, schemas.StreamDeadLetters), func(m schemas.Stored) bool {
		return m.Get("ce-type") != schemas.TypeDeadLetter
	})
}

// callbacksOf are the tries to tell of a file under a fault ("": of all).
func callbacksOf(s truth.Snapshot, fault string) (all []truth.Callback) {
	for _, c := range s.Callbacks {
		if fault == "" || strings.Contains(c.Fault, fault) {
			all = append(all, c)
		}
	}
	return all
}
