package worker

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/platformsim/world"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
	"aiccbridge/schemas/events"
)

// policy is a policy for all known fields with phone numbers, and more by
// name=action pairs.
func policy(t testing.TB, phones privacy.Action, fields ...string) *privacy.Policy {
	t.Helper()
	o := privacy.Options{PhoneNumbers: phones, Key: []byte("0123456789abcdef0123456789abcdef"), Fields: map[string]privacy.Action{}}
	o.Phones, o.Lists = events.PhoneNames()
	for _, f := range fields {
		name, action, _ := strings.Cut(f, "=")
		o.Fields[name] = privacy.Action(action)
	}
	p, err := privacy.New(o)
	exportertest.Check(t, err)
	return p
}

func (s *shop) policy(p Privacy) {
	tenant := s.options.Tenants[exportertest.Acme]
	tenant.Privacy = func() Privacy { return p }
	s.options.Tenants = map[string]Tenant{exportertest.Acme: tenant}
	s.restart()
}

// TestPrivacyOfRows: the cells are treated whatever the member looks like, and the
// ids are those of what is published.
func TestPrivacyOfRows(t *testing.T) {
	hashed := policy(t, privacy.HMAC, "col30=drop")
	want, _ := hashed.Cell("caller", "5550100")
	byPosition := exportertest.CallRow(1, 60)
	padded := strings.Replace(byPosition, "5550100", " 5550100 ", 1)
	var ids []string
	for _, member := range []string{exportertest.CallHeader + byPosition, byPosition, padded, strings.Replace(byPosition, "\n", ",,,,,,,,,5550111\n", 1)} {
		s := newShop(t)
		s.policy(hashed)
		exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(member))), 1))
		rows, markers := s.stored()
		if len(rows) != 1 || len(markers) != 1 {
			t.Fatalf("%d rows, %d markers", len(rows), len(markers))
		}
		var body struct {
			Caller string `json:"caller_no"`
		}
		exportertest.Unmarshal(t, rows[0].Body, &body)
		if body.Caller != want || strings.Contains(string(rows[0].Body), "55501") {
			t.Errorf("the row is %s", rows[0].Body)
		}
		ids = append(ids, rows[0].ID)
	}
	plain := newShop(t)
	exportertest.Check(t, plain.export(plain.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(byPosition))), 1))
	rows, _ := plain.stored()
	for _, id := range ids {
		if id != ids[0] || id == rows[0].ID {
			t.Errorf("ids are %q, without policy %s", ids, rows[0].ID)
		}
	}
}

// TestPrivacyChanged: a row that is published under another policy is a revision of
// what it was.
func TestPrivacyChanged(t *testing.T) {
	s := newShop(t)
	file := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 3)))
	exportertest.Check(t, s.export(s.ready(1, file), 1))
	s.policy(policy(t, privacy.Mask))
	exportertest.Check(t, s.export(s.ready(2, file), 1))
	rows, markers := s.stored()
	if m := marker(t, markers[1]); len(rows) != 6 || m.Added != 3 || m.Revised != 3 {
		t.Errorf("%d rows, %d added, %d revised", len(rows), m.Added, m.Revised)
	}
}

func TestPrivacyOfDeadLetters(t *testing.T) {
	s := newShop(t)
	s.policy(policy(t, privacy.Drop))
	nobody := "5550111,ten,1,101,,5550100,5550199,,,,,,,2,101,0,0,-1,39,1,12\n"
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+nobody+exportertest.CallRow(1, 60)))), 1))
	letters := s.pub.Of(schemas.TypeDeadLetter)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	if body := string(letters[0].Body); strings.Contains(body, "55501") && !strings.Contains(body, "555**11") || strings.Contains(body, "5550100") {
		t.Errorf("the dead letter is %s", body)
	}
}

// TestPrivacyKeepsNoDamagedFile: under a policy damaged bytes are nowhere; without
// one they are in quarantine.
func TestPrivacyKeepsNoDamagedFile(t *testing.T) {
	for _, p := range []Privacy{nil, (*privacy.Policy)(nil), policy(t, privacy.Keep), policy(t, privacy.Mask), policy(t, "", "op_object=drop")} {
		s := newShop(t)
		s.policy(p)
		whole := exportertest.ZipOf(t, exportertest.CSVMember(exportertest.CallHeader+exportertest.CallRows(0, 100)))
		f := s.ready(1, whole[:len(whole)/2])
		var final *schemas.Permanent
		if err := s.export(f, 1); !errors.As(err, &final) || final.Reason != schemas.ReasonDamagedZip {
			t.Fatalf("the export ended with %v", err)
		}
		kept := p == nil || !p.Active()
		if (len(s.quarantine.Objects) == 1) != kept || (final.Object != "") != kept || strings.Contains(final.Error(), "bytes not kept: privacy policy") == kept {
			t.Errorf("%d files in quarantine, %v", len(s.quarantine.Objects), final)
		}
		checkDownloads(t, s)
		if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowFailed || (e.Object != "") != kept {
			t.Errorf("the window is %+v", e)
		}
	}
}

// simulatedHour is all rows that a simulated contact centre makes within an hour,
// by kind, and the phone numbers in them.
func simulatedHour(t *testing.T) (rows map[world.Kind][]world.Row, numbers map[string]bool) {
	rows, numbers = map[world.Kind][]world.Row{}, map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		w, err := world.New(world.Options{Seed: 7})
		exportertest.Check(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		begin := time.Now()
		for _, a := range w.Agents() {
			numbers[a.Phone] = true
			_, err := w.SignIn(a.ID, world.SignIn{Address: a.Phone, Deliver: func(world.Event) {}})
			exportertest.Check(t, errors.Join(err, w.ResetSkills(a.ID)))
		}
		time.Sleep(time.Hour) // virtual
		cancel()
		exportertest.Check(t, <-done)
		for kind := range world.Columns {
			rows[kind] = w.Rows(kind, begin, begin.Add(time.Hour), begin.Add(4*time.Hour))
		}
	})
	customer := regexp.MustCompile(`^55501\d\d$`)
	for _, all := range rows {
		for _, r := range all {
			for _, cell := range r.Cells {
				if customer.MatchString(cell) {
					numbers[cell] = true
				}
			}
		}
	}
	return rows, numbers
}

// zipOfRows packs simulated rows, a member per kind.
func zipOfRows(t *testing.T, rows map[world.Kind][]world.Row) []byte {
	t.Helper()
	var members []exportertest.Packed
	for kind, all := range rows {
		var text strings.Builder
		w := csv.NewWriter(&text)
		exportertest.Check(t, w.Write(world.Columns[kind]))
		for _, r := range all {
			exportertest.Check(t, w.Write(r.Cells))
		}
		w.Flush()
		members = append(members, exportertest.Packed{Name: "20260101000000000123_" + string(kind) + ".csv", Data: text.String()})
	}
	return exportertest.ZipOf(t, members...)
}

func TestNoSimulatedNumberIsPublished(t *testing.T) {
	rows, numbers := simulatedHour(t)
	file := zipOfRows(t, rows)
	word := regexp.MustCompile(`[0-9A-Za-z]+`)
	for _, action := range []privacy.Action{privacy.Keep, privacy.Mask, privacy.HMAC, privacy.Drop} {
		s := newShop(t)
		s.policy(policy(t, action))
		exportertest.Check(t, s.export(s.ready(1, file), 1))
		messages, hits := 0, 0
		for _, m := range s.rows.All() {
			messages++
			for _, w := range word.FindAllString(fmt.Sprint(m.Subject, " ", m.ID, " ", m.Header, " ", string(m.Body)), -1) {
				if numbers[w] {
					hits++
				}
			}
		}
		t.Logf("%s: %d numbers, %d hits in %d messages", action, len(numbers), hits, messages)
		if (hits > 0) != (action == privacy.Keep) || len(numbers) < 20 || messages < 200 || len(s.pub.Of(schemas.TypeDeadLetter)) > 0 {
			t.Errorf("%s: %d hits, %d numbers, %d messages, %d dead letters", action, hits, len(numbers), messages, len(s.pub.Of(schemas.TypeDeadLetter)))
		}
	}
}
