package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/internal/privacy"
	"aiccbridge/schemas"
)

// drifts are the statements that were published.
func (s *shop) drifts() (all []schemas.Drift) {
	s.t.Helper()
	for _, m := range s.pub.Of(schemas.TypeDrift) {
		var d schemas.Drift
		exportertest.Unmarshal(s.t, m.Body, &d)
		all = append(all, d)
	}
	return all
}

// whats are what was said, in order.
func (s *shop) whats() (all []string) {
	for _, d := range s.drifts() {
		all = append(all, string(d.What))
	}
	return all
}

// twentyFive is a file of two calls of 25 cells without a header line.
func twentyFive(t *testing.T) []byte { return editionFile(t, 25, false, false, nil) }

func TestEditionsAreSaidByNobody(t *testing.T) {
	s := newShop(t)
	for i, width := range []int{18, 21, 23, 29} {
		exportertest.Check(t, s.export(s.ready(2*i+1, editionFile(t, width, false, false, nil)), 1))
		exportertest.Check(t, s.export(s.ready(2*i+2, editionFile(t, width, true, false, nil)), 1))
	}
	if got := s.drifts(); len(got) > 0 {
		t.Errorf("drifts %+v", got)
	}
}

// TestF52ShapesAreSaidOnce: of each shape the first file is told of, also when the bridge
// was started anew meanwhile, and the rows of all go out.
func TestF52ShapesAreSaidOnce(t *testing.T) {
	s := newShop(t)
	s.pub.Forgets, s.pub.Knows = true, true // the stream is the memory, not its window for duplicates
	registry := prometheus.NewRegistry()
	s.options.Registerer = registry
	s.restart()
	exportertest.Check(t, s.export(s.ready(1, twentyFive(t)), 1))
	exportertest.Check(t, s.export(s.ready(2, twentyFive(t)), 1))
	exportertest.Check(t, s.export(s.ready(3, editionFile(t, 29, true, true, nil)), 1))
	s.options.Registerer = nil
	s.restart()
	exportertest.Check(t, s.export(s.ready(4, twentyFive(t)), 1))
	exportertest.Check(t, s.export(s.ready(5, editionFile(t, 29, true, true, nil)), 1))
	exportertest.Check(t, s.export(s.ready(6, editionFile(t, 27, true, false, nil)), 1))
	if got, want := s.whats(), []string{"cells", "order", "columns"}; !slices.Equal(got, want) {
		t.Fatalf("said %q, want %q", got, want)
	}
	d := s.drifts()
	if d[0].Cells != 25 || d[0].Edition != 29 || d[0].Rows != 2 || d[0].Member != exportertest.CallName || d[0].File == "" || d[0].Window != exportertest.Hour(0) {
		t.Errorf("the first is %+v", d[0])
	}
	if len(d[1].Columns) != 29 || d[1].Columns[0] != "sub_media_type" || d[1].Expected[0] != "developer" {
		t.Errorf("the second is %+v", d[1])
	}
	if want := []string{"media_type", "sub_media_type"}; !slices.Equal(d[2].Missing, want) {
		t.Errorf("the third is %+v", d[2])
	}
	if stored, _ := s.stored(); len(stored) != 2 {
		t.Errorf("%d rows", len(stored))
	}
	want := map[string]float64{"cells": 2, "order": 1}
	families, err := registry.Gather()
	exportertest.Check(t, err)
	for _, f := range families {
		if f.GetName() != "aicc_worker_drift_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			what := m.GetLabel()[2].GetValue()
			if m.GetCounter().GetValue() != want[what] {
				t.Errorf("%s counts %v", what, m.GetCounter().GetValue())
			}
			delete(want, what)
		}
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
	t.Attr("figure", fmt.Sprintf("%d shapes in 6 files said once each, a restart in between", len(d)))
	t.Attr("tries", "6")
}

// TestDriftIsNeverAStop: what cannot be said is tried again with the file, and then its
// rows go out without it; the next file says it, though it has the same bytes.
func TestDriftIsNeverAStop(t *testing.T) {
	for name, refusal := range map[string]error{
		"bus is away": exportertest.ErrBus,
		"too large":   &schemas.Permanent{Reason: schemas.ReasonOversized, Err: exportertest.ErrBus},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := knowing(t)
			s.pub.Before = func(m schemas.Message) error {
				if m.Type == schemas.TypeDrift {
					return refusal
				}
				return nil
			}
			f := s.ready(1, twentyFive(t))
			permanent := errors.As(refusal, new(*schemas.Permanent))
			for attempt := 1; !permanent && attempt < attemptsDrift; attempt++ {
				if err := s.export(f, attempt); !errors.Is(err, exportertest.ErrBus) {
					t.Fatalf("attempt %d: %v", attempt, err)
				}
				if stored, _ := s.stored(); len(stored) > 0 {
					t.Fatal("the rows did not wait")
				}
			}
			exportertest.Check(t, s.export(f, attemptsDrift))
			if stored, markers := s.stored(); len(stored) != 2 || len(markers) != 1 {
				t.Errorf("%d rows, %d markers", len(stored), len(markers))
			}
			s.pub.Before = nil
			exportertest.Check(t, s.export(s.ready(2, twentyFive(t)), 1))
			if got := s.whats(); !slices.Equal(got, []string{"cells"}) {
				t.Errorf("said %q", got)
			}
		})
	}
}

// TestNamesOfADriftAreConcealed: what stands where names belong may be a number.
func TestNamesOfADriftAreConcealed(t *testing.T) {
	s := newShop(t)
	s.policy(policy(t, privacy.Mask))
	header := strings.Replace(exportertest.CallHeader, "\n", ",+5550100999\n", 1)
	row := strings.Replace(exportertest.CallRow(0, 60), "\n", ",1\n", 1)
	exportertest.Check(t, s.export(s.ready(1, exportertest.ZipOf(t, exportertest.CSVMember(header+row))), 1))
	for _, m := range s.pub.Of(schemas.TypeDrift) {
		if strings.Contains(string(m.Body), "5550100999") {
			t.Errorf("a number is in %s", m.Body)
		}
	}
	if d := s.drifts(); len(d) != 1 || len(d[0].Unknown) != 1 {
		t.Errorf("drifts %+v", d)
	}
}
