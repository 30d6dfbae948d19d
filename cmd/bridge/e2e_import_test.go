package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aiccbridge/bus"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/schemas"
)

// nobody is a contact centre in which nothing happens: what is in its files is invented.
type nobody struct{}

func (nobody) Rows(world.Kind, time.Time, time.Time, time.Time) []world.Row { return nil }

// archiveOf has the simulator make a file of calls for each number, one behind the other: a
// later one has the rows of those before, and so many more. It returns their paths.
func (s *scene) archiveOf(w schemas.Window, more ...int) (paths []string) {
	s.t.Helper()
	zone, err := time.LoadLocation(cmp.Or(s.setup.timezone, "Asia/Shanghai"))
	if err != nil {
		s.t.Fatal(err)
	}
	book := fault.NewBook(content.FaultKinds(fault.Scope{Kinds: world.Words}), 1, time.Now)
	maker, err := content.New(content.Options{
		Source: nobody{}, Timezone: zone, Developer: "testak01", AccountID: "202405019999", Faults: book, Dice: content.NewDice(1), Form: s.setup.form,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for i, n := range more {
		if err := book.Set([]fault.Rule{extraRows(n)}); err != nil {
			s.t.Fatal(err)
		}
		file, err := maker.Make(content.Request{
			Kinds: []world.Kind{world.Call},
			Begin: w.From.In(zone).Format(content.Layout), End: w.To.Add(-time.Second).In(zone).Format(content.Layout),
		}, time.Now())
		if err != nil {
			s.t.Fatal(err)
		}
		paths = append(paths, filepath.Join(s.dir, fmt.Sprintf("%s-%d.zip", w, i)))
		if err := os.WriteFile(paths[i], file.Data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return paths
}

// imports runs the command and decodes what it prints.
func (s *scene) imports(args ...string) (i imported) {
	s.t.Helper()
	text := s.prints(exitOK, append([]string{"import", "-c", s.path(), "--kind", "cdr", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(text), &i); err != nil {
		s.t.Fatalf("%q: %v", text, err)
	}
	return i
}

// refuses runs the command, which must say each text.
func (s *scene) refuses(code int, args []string, texts ...string) {
	s.t.Helper()
	said := s.prints(code, append([]string{"import", "-c", s.path()}, args...)...)
	for _, text := range texts {
		if !strings.Contains(said, text) {
			s.t.Errorf("import %q does not say %q:\n%s", args, text, said)
		}
	}
}

// wantImported checks that so many rows of a window are in the stream, each once.
func (s *scene) wantImported(b *bus.Bus, w schemas.Window, rows, markers int) {
	s.t.Helper()
	ids, messages := map[string]bool{}, 0
	for _, m := range s.messages(b, schemas.StreamRows) {
		switch {
		case !strings.HasSuffix(m.Subject, w.String()):
		case m.Get("ce-type") == schemas.TypeWindowComplete:
			markers--
		default:
			ids[m.Get("ce-id")], messages = true, messages+1
		}
	}
	if len(ids) != rows || messages != rows || markers != 0 {
		s.t.Errorf("%d ids in %d rows, want %d each; %d markers are missing", len(ids), messages, rows, markers)
	}
}

// closedStore has windows of an hour, and a file store that takes no requests.
func closedStore() setup {
	return setup{
		kinds: []schemas.Kind{schemas.KindCDR}, window: time.Hour, since: 4 * time.Hour,
		faults: []fault.Rule{{Fault: "create.flow_control", Share: 1}},
	}
}

// lastHour is a window of an hour that is over.
func lastHour() schemas.Window {
	to := time.Now().UTC().Truncate(time.Hour)
	return schemas.Window{From: to.Add(-time.Hour), To: to}
}

// span writes a window as --window takes it.
func span(w schemas.Window) string {
	return w.From.Format(time.RFC3339) + "/" + w.To.Format(time.RFC3339)
}

// TestImport: files that the file store did not give are brought in while a bridge runs;
// each row once, however often and whatever the file.
func TestImport(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]func(*setup){
		"embedded":   func(o *setup) { o.embedded = true },
		"external":   func(o *setup) { o.external = true },
		"restricted": func(o *setup) { o.restricted = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := closedStore()
			where(&o)
			s := newScene(t, o)
			r := s.run()
			w := lastHour()
			s.until("the window is planned", func() bool { return len(r.ledger.Overlapping(tenantName, schemas.KindCDR, w)) == 1 })
			files := s.archiveOf(w, 2500, 1)

			if got := s.imports(files[0], "--dry-run"); !got.DryRun || got.Rows != 2500 || got.Window != w || got.Was != "planned" {
				t.Errorf("it would import %+v", got)
			}
			s.wantImported(r.bus, w, 0, 0)
			if got := s.imports(files[0]); got.Rows != 2500 || got.Added != 2500 || got.Window != w || got.Was != "planned" {
				t.Errorf("imported %+v", got)
			}
			s.wantImported(r.bus, w, 2500, 1)
			if got := s.imports(files[0], "--tenant", tenantName, "--window", span(w)); got.Rows != 2500 || got.Added != 0 || got.Was != "complete" {
				t.Errorf("once more: %+v", got)
			}
			s.wantImported(r.bus, w, 2500, 1)
			if got := s.imports(files[1]); got.Rows != 2501 || got.Added != 1 || got.Revised != 0 {
				t.Errorf("a file with one row more: %+v", got)
			}
			s.wantImported(r.bus, w, 2501, 2)
			s.until("the ledger has it", func() bool {
				e := r.ledger.Overlapping(tenantName, schemas.KindCDR, w)[0]
				return e.State == schemas.WindowCompleted && e.Via == schemas.ViaManual && e.Rows == 2501 && !e.Unplanned
			})
			r.end()
		})
	}
}

// TestImportRefuses: nothing is changed by a file that is damaged, or whose window is wrong.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	s := newScene(t, closedStore())
	r := s.run()
	w := lastHour()
	s.until("the window is planned", func() bool { return len(r.ledger.Overlapping(tenantName, schemas.KindCDR, w)) == 1 })
	file := s.archiveOf(w, 60)[0]
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 1
	damaged := filepath.Join(s.dir, "damaged.zip")
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	two := schemas.Window{From: w.From.Add(-time.Hour), To: w.To}
	before := schemas.Window{From: two.From, To: w.From}
	mixed := s.archiveOf(two, 240)[0] // a call every 30 seconds, some from one hour into the other
	kind := func(args ...string) []string { return append(args, "--kind", "cdr") }

	s.refuses(exitFailed, kind(damaged), "is refused, nothing was published: damaged_zip")
	s.refuses(exitFailed, []string{file, "--kind", "skill"}, "no member holds skill rows; it has those of cdr")
	s.refuses(exitFailed, kind(mixed), "fit into no single window of the ledger, and can't be told apart", "have times in two windows", "  planned  121 rows")
	s.refuses(exitFailed, kind(mixed, "--window", span(two)), "is none of the ledger's, and windows must not overlap", "obtain a file of each")
	s.refuses(exitFailed, kind(file, "--window", span(before)), "only 0 of 60 rows have a time within the window")
	s.refuses(exitFailed, kind(file, "--window", span(schemas.Window{From: w.To, To: w.To.Add(9 * time.Hour)})), "is not over")
	s.refuses(exitUsage, kind(file, "--window", "yesterday"), "--window", "FROM/TO")
	s.refuses(exitUsage, kind(file, "--tenant", "globex"), "there is demo")
	s.refuses(exitUsage, []string{file}, "--kind", "want one of cdr, recording, operation, skill")
	s.refuses(exitUsage, kind(filepath.Join(s.dir, "none.zip")), "no such file")
	s.refuses(exitUsage, kind(), "the file is missing")
	s.wantImported(r.bus, w, 0, 0)
	if e := r.ledger.Overlapping(tenantName, schemas.KindCDR, w)[0]; e.State != schemas.WindowPlanned || e.Via != "" {
		t.Errorf("the window is %+v", e)
	}
	r.end()
}

// TestImportSeveral: a file of three windows goes to each of them, once; a row that is added
// later, to its own.
func TestImportSeveral(t *testing.T) {
	t.Parallel()
	s := newScene(t, closedStore())
	r := s.run()
	w := lastHour()
	all := schemas.Window{From: w.From.Add(-2 * time.Hour), To: w.To}
	s.until("the windows are planned", func() bool { return len(r.ledger.Overlapping(tenantName, schemas.KindCDR, all)) == 3 })
	files := s.archiveOf(all, 50, 1) // none across the hour, and one more at the begin
	for i, want := range [][3]imported{
		{{Rows: 17, Added: 17, Was: "planned"}, {Rows: 17, Added: 17, Was: "planned"}, {Rows: 16, Added: 16, Was: "planned"}},
		{{Rows: 17, Was: "complete"}, {Rows: 17, Was: "complete"}, {Rows: 16, Was: "complete"}},
		{{Rows: 18, Added: 1, Was: "complete"}, {Rows: 17, Was: "complete"}, {Rows: 16, Was: "complete"}},
	} {
		lines := strings.Split(strings.TrimSpace(s.prints(exitOK, "import", "-c", s.path(), "--kind", "cdr", "--json", files[i/2])), "\n")
		if len(lines) != 3 {
			t.Fatalf("import %d prints %q", i, lines)
		}
		for n, line := range lines {
			var got imported
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			begin := all.From.Add(time.Duration(n) * time.Hour)
			if !got.Window.From.Equal(begin) || got.Rows != want[n].Rows || got.Added != want[n].Added || got.Was != want[n].Was {
				t.Errorf("import %d, window %d: %+v", i, n, got)
			}
		}
	}
	for n, rows := range []int{18, 17, 16} {
		from := all.From.Add(time.Duration(n) * time.Hour)
		s.wantImported(r.bus, schemas.Window{From: from, To: from.Add(time.Hour)}, rows, 2)
	}
	r.end()
}

// TestImportHistory: a window from before extraction began is none of the planner's. It is
// imported without a bridge, and a bridge that starts then does not begin there.
func TestImportHistory(t *testing.T) {
	t.Parallel()
	o := closedStore()
	o.embedded = true // the command opens the data folder
	s := newScene(t, o)
	s.rewrite(func(text string) string { // without since it begins where the ledger does
		at := strings.Index(text, ", since: ")
		return text[:at] + text[at+strings.Index(text[at:], "}"):]
	})
	w := lastHour()
	w = schemas.Window{From: w.From.Add(-240 * time.Hour), To: w.To.Add(-192 * time.Hour)}
	file := s.archiveOf(w, 1200)[0]
	s.refuses(exitFailed, []string{file, "--kind", "cdr"}, "the ledger has no window of cdr between")
	s.refuses(exitFailed, []string{file, "--kind", "cdr", "--window", span(schemas.Window{From: w.From, To: w.To.Add(72 * time.Hour)})}, "longer than 72 hours")
	if got := s.imports(file, "--window", span(w)); got.Added != 1200 || got.Was != "" {
		t.Errorf("imported %+v", got)
	}
	for range 2 {
		r := s.run()
		s.until("it has planned", func() bool { return len(r.ledger.Entries(tenantName, schemas.KindCDR)) > 1 })
		stated := s.messages(r.bus, schemas.StreamCoverage)
		all := r.ledger.Entries(tenantName, schemas.KindCDR) // there may be more than were stated
		if len(all) > 26 || !all[0].Unplanned || all[0].Window != w || all[0].State != schemas.WindowCompleted || all[1].Unplanned {
			t.Errorf("the ledger has %d windows, beginning with %+v", len(all), all[0])
		}
		for _, m := range stated {
			var c schemas.Coverage
			if err := json.Unmarshal(m.Body, &c); err != nil || c.From.Before(all[1].Window.From) {
				t.Errorf("stated %s: %v", m.Body, err)
			}
		}
		s.wantImported(r.bus, w, 1200, 1)
		r.end()
	}
}

// TestImportKilled: after a kill in the middle the same command finishes it, each row once.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	s := newScene(t, closedStore())
	r := s.run()
	w := lastHour()
	s.until("the window is planned", func() bool { return len(r.ledger.Overlapping(tenantName, schemas.KindCDR, w)) == 1 })
	const rows = 40_000
	files := s.archiveOf(w, rows, 1)
	file := files[0]
	folder := t.TempDir() // others import at the same time
	c := s.startIn([]string{"TMPDIR=" + folder}, "import", "-c", s.path(), file, "--kind", "cdr")
	subject := r.names.Row(tenantName, schemas.KindCDR, w)
	stored := func() (n int) {
		if _, err := r.bus.Rows().ReadBack(t.Context(), subject, func(schemas.RowHeader, uint64) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.until("the first rows are there", func() bool { return stored() > 0 })
	c.kill()
	left, err := filepath.Glob(filepath.Join(folder, importFolder+"*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("the killed import leaves %q, %v", left, err)
	}
	for _, dir := range left {
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(dir, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if n := stored(); n >= rows {
		t.Fatalf("%d rows before the kill", n)
	}
	s.refuses(exitFailed, []string{files[1], "--kind", "cdr"}, "an extract of the window is under way: it is ready")
	if got := s.importsIn(folder, file); got.Rows != rows || got.Added != rows || got.Was != "ready" {
		t.Errorf("imported %+v", got)
	}
	s.wantImported(r.bus, w, rows, 1)
	for _, dir := range left {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
	r.end()
}

// importsIn imports a file by a process that has its copies in a folder.
func (s *scene) importsIn(folder, file string) (i imported) {
	s.t.Helper()
	cmd, out := exec.Command(program(s.t), "import", "-c", s.path(), file, "--kind", "cdr", "--json"), &journal{}
	cmd.Env = []string{"TMPDIR=" + folder}
	c := s.startCommand(cmd, io.MultiWriter(out, s.journal))
	if state := c.state(); !state.Exited() || state.ExitStatus() != exitOK {
		s.t.Fatalf("the import ended with %v\n%s", c.cmd.ProcessState, out)
	}
	if err := json.Unmarshal([]byte(out.String()), &i); err != nil {
		s.t.Fatalf("%q: %v", out, err)
	}
	return i
}

// TestImportByTheListener: a bridge whose NATS is in its process is reached by its listener,
// with the certificate and a user of the configuration, or says what is lacking.
func TestImportByTheListener(t *testing.T) {
	t.Parallel()
	const admin = "    - { name: ops, password_file: %[3]q, role: admin }\n"
	const reader = "    - { name: reports, password_file: %[3]q, role: reader }\n"
	const tls = "  nats_certificate_file: %[1]q\n  nats_key_file: %[2]q\n  nats_users:\n"
	for name, tt := range map[string]struct {
		lines string // further ones of listen
		none  bool   // no listener
		says  string // "" for success
	}{
		"TLS and users": {tls + reader + admin, false, ""},
		"readers only":  {tls + reader, false, "nobody in listen.nats_users may write: add one with role admin"},
		"no listener":   {"", true, "name an address in listen.nats"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := closedStore()
			o.embedded = true // it is about its listener
			s := newScene(t, o)
			password := filepath.Join(s.dir, "ops-password")
			if err := os.WriteFile(password, []byte("a-long-password\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			set := s.sim.Settings()
			s.rewrite(func(text string) string {
				line := text[strings.Index(text, "listen: {"):]
				line = line[:strings.Index(line, "}")]
				block := strings.NewReplacer("listen: {", "listen:\n  ", ", ", "\n  ").Replace(line)
				if tt.none {
					block = strings.Replace(block, fmt.Sprintf("nats: %q", s.nats), `nats: ""`, 1)
				}
				if tt.lines != "" {
					block += "\n" + strings.TrimSuffix(fmt.Sprintf(tt.lines, set.CallbackCertFile, set.CallbackKeyFile, password), "\n")
				}
				return strings.Replace(text, line+"}", block, 1)
			})
			r := s.run()
			w := lastHour()
			s.until("the window is planned", func() bool { return len(r.ledger.Overlapping(tenantName, schemas.KindCDR, w)) == 1 })
			file := s.archiveOf(w, 30)[0]
			if tt.says != "" {
				s.refuses(exitFailed, []string{file, "--kind", "cdr"}, tt.says)
			} else if got := s.imports(file); got.Added != 30 {
				t.Errorf("imported %+v", got)
			}
			r.end()
		})
	}
}

// rewrite changes the configuration.
func (s *scene) rewrite(f func(text string) string) {
	s.t.Helper()
	text, err := os.ReadFile(s.path())
	if err == nil {
		err = os.WriteFile(s.path(), []byte(f(string(text))), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
