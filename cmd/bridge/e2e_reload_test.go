package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"aiccbridge/internal/reload"
	"aiccbridge/schemas"
)

// reloadable is a scene whose bridge can be asked to reload. So many of the simulator's agents
// are in an agents file of its own; 0: all in the configuration.
func reloadable(t *testing.T, o setup, listed int) *scene {
	t.Helper()
	hearsHangUps(t)
	s := newScene(t, o)
	s.admin = freePort(t)
	s.writeConfig()
	if listed == 0 {
		return s
	}
	var kept []string
	for line := range strings.Lines(s.read(s.path())) {
		if !strings.HasPrefix(line, "        - {id: ") {
			kept = append(kept, line)
		}
	}
	s.write(s.path(), strings.Replace(strings.Join(kept, ""), "      agents:\n", "      agents_file: agents.csv\n", 1))
	s.lists(listed)
	return s
}

// lists puts the first of the agents into the agents file.
func (s *scene) lists(n int) {
	s.t.Helper()
	text := &strings.Builder{}
	fmt.Fprintln(text, "id,phone,password_file")
	for _, a := range s.sim.Settings().Agents[:n] {
		fmt.Fprintf(text, "%s,%s,%s\n", a.ID, a.Phone, a.PasswordFile)
	}
	s.write(filepath.Join(s.dir, "agents.csv"), text.String())
}

func (s *scene) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// write puts a file in place at once, as careful people do.
func (s *scene) write(path, text string) {
	s.t.Helper()
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// alter replaces a part of the configuration, which has to be there.
func (s *scene) alter(old, new string) {
	s.t.Helper()
	text := s.read(s.path())
	if !strings.Contains(text, old) {
		s.t.Fatalf("%q is not in the configuration", old)
	}
	s.write(s.path(), strings.Replace(text, old, new, 1))
}

// reload runs `bridge reload --json`, and returns what it prints and its exit code.
func (s *scene) reload() (a reload.Answer, printed string, exit int) {
	s.t.Helper()
	cmd := exec.Command(program(s.t), "reload", "-c", s.path(), "--json")
	cmd.Env = append(os.Environ(), asBridge+"=1")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run() // the exit code tells
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &a); err != nil {
			s.t.Fatalf("%s: %v", &out, err)
		}
	}
	return a, errOut.String(), cmd.ProcessState.ExitCode()
}

// reloads is reload for what has to be taken, by these keys.
func (s *scene) reloads(keys ...string) {
	s.t.Helper()
	a, printed, exit := s.reload()
	var got []string
	for _, c := range a.Changes {
		got = append(got, c.Key)
	}
	if exit != exitOK || strings.Join(got, " ") != strings.Join(keys, " ") {
		s.t.Fatalf("exit code %d, changed %v, want %v; %s%s", exit, got, keys, a.Error, printed)
	}
}

// reloadsLists has the bridge read the lists of agents, which it may have noticed by itself. It
// has taken another list so many times then, and nothing else.
func (s *scene) reloadsLists(times int) {
	s.t.Helper()
	const key = "tenants[demo].gateway.agents"
	a, printed, exit := s.reload()
	if exit != exitOK || len(a.Changes) > 1 || len(a.Changes) == 1 && a.Changes[0].Key != key {
		s.t.Fatalf("exit code %d, changed %v; %s%s", exit, a.Changes, a.Error, printed)
	}
	s.says(`"key":"`+key+`"`, times)
}

// says waits until the log has a text so many times.
func (s *scene) says(text string, times int) {
	s.t.Helper()
	s.until("the log says "+text, func() bool { return strings.Count(s.journal.String(), text) >= times })
}

// crowd is how many agents TestReloadOneMoreAgent has: RELOAD_AGENTS, else few.
func crowd(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RELOAD_AGENTS")
	if text == "" {
		return 150
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReloadOneMoreAgent: of many agents one more is polled soon, and nobody else notices: no
// poll is cut, no session ends, no epoch changes. Then some go, and their sessions are left.
func TestReloadOneMoreAgent(t *testing.T) {
	t.Parallel()
	n := crowd(t)
	s := reloadable(t, setup{agents: n + 1, slow: max(20, n/10), silent: 2 * time.Minute}, n)
	s.alter("level: debug", "level: info")
	all := s.sim.Settings().Agents
	c := s.start()
	polled := func(id string) bool { return s.sim.Truth().Polling[id].Polls > 0 }
	s.until("all are polled", func() bool { return len(s.sim.Truth().Polling) == n })
	before := s.owned()

	s.lists(n + 1)
	begun := time.Now()
	c.signal(syscall.SIGHUP)
	s.until("one more is polled", func() bool { return polled(all[n].ID) })
	took := time.Since(begun)
	t.Logf("of %d agents one more is polled after %s", n, took.Round(time.Millisecond))
	if took > 10*time.Second { // a second where nothing else goes on
		t.Errorf("one more is polled after %s", took)
	}
	s.says(`"detail":"1 added: `+all[n].ID+`"`, 1)
	s.undisturbed(before, n+1)

	for _, a := range all[n-2 : n] { // the lease of one without neighbours is given back with him
		delete(before, a.ID)
	}
	s.lists(n - 2)
	s.reloadsLists(2)
	s.sessions("left", 3)
	s.undisturbed(before, n+1)
	s.lists(n + 1)
	s.reloadsLists(3)
	s.sessions("resumed", 3)
	s.undisturbed(before, n+1)

	c.signal(syscall.SIGTERM)
	if state := c.state(); state.ExitStatus() != exitOK {
		t.Errorf("it ended with %v", c.cmd.ProcessState)
	}
	if e := s.run().finish().Events; e.Gaps != 0 || len(e.Lost) != 0 {
		t.Errorf("the report is %+v", e)
	}
}

// owned are the last epochs of the agents' events.
func (s *scene) owned() map[string]uint64 {
	s.t.Helper()
	b := s.consumer()
	defer b.Close()
	epochs := map[string]uint64{}
	for _, m := range s.messages(b, schemas.StreamEvents) {
		var e schemas.Event
		if err := json.Unmarshal(m.Body, &e); err != nil {
			s.t.Fatal(err)
		}
		epochs[e.Agent] = e.Epoch // which never falls
	}
	return epochs
}

// sessions waits until there are so many of the bridge's own events of a name.
func (s *scene) sessions(name string, want int) {
	s.t.Helper()
	b := s.consumer()
	defer b.Close()
	s.until(fmt.Sprintf("%d times session.%s is stored", want, name), func() bool {
		n := 0
		err := b.Read(s.t.Context(), schemas.StreamEvents, "aicc.v1."+tenantName+".agent.*.session."+name, 0, func(schemas.Stored) error { n++; return nil })
		return err == nil && n == want
	})
}

// undisturbed holds what the gateway saw, and the stream, against a day without a reload.
func (s *scene) undisturbed(before map[string]uint64, signedIn int) {
	s.t.Helper()
	did := s.sim.Truth()
	if len(did.Sessions) != signedIn {
		s.t.Errorf("%d changes of sessions at the gateway, want %d sign-ins", len(did.Sessions), signedIn)
	}
	for id, p := range did.Polling {
		if p.Overlaps > 0 {
			s.t.Errorf("%d polls of agent %s were cut", p.Overlaps, id)
		}
	}
	for line := range strings.Lines(get(s.t, "http://"+s.admin+"/metrics")) {
		if strings.HasPrefix(line, "aicc_poller_polls_total{") && !strings.Contains(line, `"event"`) && !strings.Contains(line, `"empty"`) && !strings.HasSuffix(line, " 0\n") {
			s.t.Errorf("polls that brought neither an event nor nothing: %s", line)
		}
	}
	for id, epoch := range s.owned() {
		if old, known := before[id]; known && old != epoch {
			s.t.Errorf("agent %s has the epoch %d, and had %d", id, epoch, old)
		}
	}
}

// TestReloadRefused: a wrong configuration, and a change that needs a restart, are refused by
// SIGHUP and by command, with their reasons, and nothing changes; what may change beside it does not either.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{agents: 2, slow: 5}, 0)
	s.alter("level: debug", "level: info")
	c := s.start()
	s.until("they are polled", func() bool { return len(s.sim.Truth().Polling) == 2 })
	good := s.read(s.path())

	s.alter("level: info", "level: debu")
	if a, printed, exit := s.reload(); exit != exitFailed || len(a.Changes) > 0 || !strings.Contains(printed, "log.level") {
		t.Errorf("wrong: exit code %d, %+v, %s", exit, a, printed)
	}
	c.signal(syscall.SIGHUP)
	s.says("the old one goes on; look at it with bridge check", 1)
	s.says("log.level", 1)

	s.write(s.path(), good)
	agents := s.sim.Settings().Agents
	s.alter("level: info", "level: debug")
	s.alter(fmt.Sprintf("        - {id: %q", agents[1].ID), fmt.Sprintf("#       - {id: %q", agents[1].ID)) // he is to go, too
	s.alter("hold: 1s", "hold: 2s")
	s.alter("timezone: Asia/Shanghai", "timezone: Asia/Tokyo")
	if a, _, exit := s.reload(); exit != exitFailed || strings.Join(a.Keys, " ") != "tenants[demo].timezone tenants[demo].gateway.hold tenants[demo].gateway.poll_timeout" || !strings.Contains(a.Error, "restart") {
		t.Errorf("a restart: exit code %d, %+v", exit, a)
	}
	c.signal(syscall.SIGHUP)
	s.says(`"keys":["tenants[demo].timezone","tenants[demo].gateway.hold","tenants[demo].gateway.poll_timeout"]`, 2)
	if !strings.Contains(get(t, "http://"+s.admin+"/metrics"), "aicc_config_refused 1") {
		t.Error("the metric does not say so")
	}
	polls := func(i int) int { return s.sim.Truth().Polling[agents[i].ID].Polls }
	one, other := polls(0), polls(1)
	s.until("the old one goes on", func() bool { return polls(0) >= one+10 })
	if polls(1) < other+3 || s.journal.contains(`"level":"debug"`) {
		t.Error("a key beside the refused ones was taken")
	}
	s.write(s.path(), good)
	s.reloads()
	s.alter(fmt.Sprintf("admin: %q", s.admin), `admin: ""`)
	if _, printed, exit := s.reload(); exit != exitFailed || !strings.Contains(printed, "SIGHUP") {
		t.Errorf("without a listener: exit code %d, %s", exit, printed)
	}
	c.signal(syscall.SIGTERM)
	c.state()
}

// TestReloadMendedPassword: an agent who was refused goes on as soon as his file is mended,
// without any signal; a password that changes while he is polled disturbs nobody.
func TestReloadMendedPassword(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{agents: 2, slow: 5}, 0)
	s.alter("level: debug", "level: info")
	agents := s.sim.Settings().Agents
	good, other := agents[0].PasswordFile, agents[1].PasswordFile
	s.write(good, "mistyped\n")
	c := s.start()
	s.says("agent can't be signed in and is not tried again", 1)
	s.until("the other is polled", func() bool { return s.sim.Truth().Polling[agents[1].ID].Polls > 3 })
	s.write(good, agents[0].Password+"\n")
	s.until("he is polled", func() bool { return s.sim.Truth().Polling[agents[0].ID].Polls > 0 })
	if n := strings.Count(s.journal.String(), "is not tried again"); n != 1 {
		t.Errorf("he was refused %d times", n)
	}
	s.write(other, "another-one\n")
	s.says(`"detail":"1 changed: `+agents[1].ID+`"`, 1)
	s.write(other, agents[1].Password+"\n")
	s.says(`"detail":"1 changed: `+agents[1].ID+`"`, 2)
	s.undisturbed(s.owned(), 2)
	c.signal(syscall.SIGTERM)
	c.state()
	s.run().finish()
}

// TestReloadLive: what can be changed while the bridge runs takes effect: log level, spacing,
// privacy, the file store's key, tokens and certificates.
func TestReloadLive(t *testing.T) {
	t.Parallel()
	s := reloadable(t, setup{agents: 2, slow: 2, kinds: schemas.Kinds()[:1], spacing: time.Second, window: 2 * time.Second}, 0)
	s.alter("level: debug", "level: info")
	set := s.sim.Settings()
	key := filepath.Join(s.dir, "own-key")
	s.write(key, "another-secret-key-than-the-platform-has\n")
	s.alter(fmt.Sprintf("%q", set.SecretKeyFile), fmt.Sprintf("%q", key))
	first, second := newCertificate(t, "first"), newCertificate(t, "second")
	s.alter(fmt.Sprintf("certificate_file: %q", set.CallbackCertFile), `certificate_file: "own.crt"`)
	s.alter(fmt.Sprintf("key_file: %q", set.CallbackKeyFile), `key_file: "own.key"`)
	s.shows(first)
	token := filepath.Join(s.dir, "token")
	s.write(token, "0123456789abcdef\n")
	s.alter(fmt.Sprintf("admin: %q,", s.admin), fmt.Sprintf("admin: %q, admin_certificate_file: own.crt, admin_key_file: own.key, admin_token_file: token,", s.admin))
	callbacks := between(t, s.read(s.path()), `listen: {callbacks: "`, `"`)
	c := s.start()
	s.says("extract not requested; it is tried again", 1)

	s.alter("level: info", "level: debug")
	s.reloads("log.level")
	s.says(`"level":"debug"`, 1)

	s.write(key, set.SecretKey+"\n") // noticed by itself
	s.says("extracts are requested again", 1)
	s.until("files are made", func() bool { return len(s.sim.Truth().Files) > 0 })

	for _, address := range []string{s.admin, callbacks} {
		if got := shownAt(t, address); got != first.serial {
			t.Errorf("%s shows %s, want the first", address, got)
		}
	}
	s.shows(second) // noticed by itself
	s.until("the new certificate is shown", func() bool {
		return shownAt(t, s.admin) == second.serial && shownAt(t, callbacks) == second.serial
	})
	s.write(token, "fedcba9876543210\n")
	s.says(`"key":"listen.admin_token_file"`, 1)
	s.alter("request_spacing: 1s", "request_spacing: 30m")
	s.alter("    files:\n", "    privacy: {phone_numbers: drop}\n    files:\n")
	s.reloads("tenants[demo].files.request_spacing", "tenants[demo].privacy.phone_numbers")
	s.spacedOut()
	s.hidden()
	c.signal(syscall.SIGTERM)
	c.state()
}

// spacedOut waits until no request has been made for several of the spacings from before.
func (s *scene) spacedOut() {
	s.t.Helper()
	asked := func() int { return s.sim.Truth().Requests["queryBillData"] }
	n, since := asked(), time.Now()
	s.until("nothing is asked for", func() bool {
		if now := asked(); now != n {
			n, since = now, time.Now()
		}
		return time.Since(since) > 6*time.Second
	})
}

// hidden waits for events of calls, and looks whether they have numbers.
func (s *scene) hidden() {
	s.t.Helper()
	b := s.consumer()
	defer b.Close()
	before := len(s.messages(b, schemas.StreamEvents))
	s.until("there are more calls", func() bool {
		calls := 0
		for _, m := range s.messages(b, schemas.StreamEvents)[before:] {
			var e schemas.Event
			if json.Unmarshal(m.Body, &e) != nil || e.Group != "call" {
				continue
			}
			calls++
			if e.Caller != "" || e.Called != "" {
				s.t.Fatalf("a number is left in %s", m.Subject)
			}
		}
		return calls > 5
	})
}

// pair is a certificate and its key.
type pair struct{ cert, key, serial string }

// shows puts a certificate where the configuration names it, the key first: between the two
// they do not fit, and nothing is to be taken.
func (s *scene) shows(p pair) {
	s.t.Helper()
	s.write(filepath.Join(s.dir, "own.key"), p.key)
	s.write(filepath.Join(s.dir, "own.crt"), p.cert)
}

var serials int64

func newCertificate(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serials++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serials), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return pair{encode("CERTIFICATE", der), encode("EC PRIVATE KEY", keyDER), template.SerialNumber.String()}
}

// shownAt is the serial number of the certificate that a listener shows.
func shownAt(t *testing.T, address string) string {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	inner, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		t.Fatalf("nothing between %q and %q", before, after)
	}
	return inner
}
