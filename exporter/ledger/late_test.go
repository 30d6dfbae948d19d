package ledger

import (
	"errors"
	"testing"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/schemas"
)

// TestLateCallbacks: a callback makes good for a file that was only guessed at. One that
// comes once more for a file that was tried must not bring the window back: its
// message is over, and nothing would come of it.
func TestLateCallbacks(t *testing.T) {
	for name, tc := range map[string]struct {
		via    schemas.Via
		reason schemas.Reason
		want   schemas.WindowState
	}{
		"guessed, not there":         {schemas.ViaPredicted, schemas.ReasonFileMissing, schemas.WindowReady},
		"guessed, attempts used up":  {schemas.ViaPredicted, schemas.ReasonAttempts, schemas.WindowReady},
		"guessed, too late":          {schemas.ViaPredicted, schemas.ReasonOverdue, schemas.WindowReady},
		"guessed, damaged":           {schemas.ViaPredicted, schemas.ReasonDamagedZip, schemas.WindowFailed},
		"told of, not there":         {schemas.ViaCallback, schemas.ReasonFileMissing, schemas.WindowFailed},
		"told of, attempts used up":  {schemas.ViaCallback, schemas.ReasonAttempts, schemas.WindowFailed},
		"told of, damaged":           {schemas.ViaCallback, schemas.ReasonDamagedZip, schemas.WindowFailed},
		"told of, taking very long":  {schemas.ViaCallback, schemas.ReasonOverdue, schemas.WindowReady},
		"refused, whatever was told": {schemas.ViaCallback, schemas.ReasonRefused, schemas.WindowFailed},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := running(t, Options{Bucket: exportertest.NewBucket(), Publisher: &exportertest.Publisher{}})
			e := exportertest.Request(t, l, exportertest.Hour(0), 1)
			n := exportertest.Notice(1)
			n.Via = tc.via
			exportertest.Check(t, l.Accept(t.Context(), n))
			f := schemas.FileReady{Tenant: e.Tenant, Kind: e.Kind, Window: e.Window, ResponseID: e.ResponseID}
			exportertest.Check(t, l.Fail(t.Context(), f, &schemas.Permanent{Reason: tc.reason, Err: errors.New("x")}, n.ReceivedAt))
			exportertest.Check(t, l.Accept(t.Context(), exportertest.Notice(1)))
			if got := exportertest.Entry(t, l, exportertest.Hour(0)); got.State != tc.want {
				t.Errorf("the window is %+v, want %s", got, tc.want)
			}
		})
	}
}
