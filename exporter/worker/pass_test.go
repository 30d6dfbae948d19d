package worker

import (
	"errors"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestPassedFiles: deliveries to a bridge without the tenant are no attempts at its file,
// however many they are and wherever they come in between.
func TestPassedFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		deliveries string // p: to a bridge without the tenant, o: to its own
		want       []int  // the attempts
	}{
		"its own only":      {"ooo", []int{1, 2, 3}},
		"others first":      {"ppppppppppppoo", []int{1, 2}},
		"in turns":          {"popopo", []int{1, 2, 3}},
		"others in between": {"oppppppppppo", []int{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			f := s.ready(1, nil)
			s.refuse = func(schemas.FileReady) error { return exportertest.ErrBus }
			own, without := s.worker, s.options
			without.Tenants = map[string]Tenant{"other": s.options.Tenants[exportertest.Acme]}
			other, err := New(without)
			exportertest.Check(t, err)
			var attempts []int
			for i, to := range tc.deliveries {
				if s.worker = own; to == 'p' {
					s.worker = other
				}
				err := s.export(f, i+1)
				var pass *schemas.Pass
				var try *schemas.Try
				switch {
				case to == 'p' && !errors.As(err, &pass) || err == nil:
					t.Fatalf("delivery %d ends with %v", i+1, err)
				case errors.As(err, &try):
					attempts = append(attempts, try.Attempt)
				}
			}
			if len(attempts) != len(tc.want) || attempts[0] != tc.want[0] || attempts[len(attempts)-1] != tc.want[len(tc.want)-1] {
				t.Errorf("attempts %v, want %v", attempts, tc.want)
			}
			s.worker = own
			if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.State != schemas.WindowReady {
				t.Errorf("the window is %+v", e)
			}
			exportertest.Request(t, s.ledger, exportertest.Hour(0), 2)
			if e := exportertest.Entry(t, s.ledger, exportertest.Hour(0)); e.Passed != 0 {
				t.Errorf("the next extract has %d deliveries to others", e.Passed)
			}
		})
	}
}
