package recordings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/schemas"
)

// TestRetention: what is too old goes, then the oldest of what is too much, of this tenant
// alone.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(t *Tenant) { t.Keep, t.KeepBytes = 10*time.Hour, 250 })
		for i := range 6 {
			name := fmt.Sprintf("acme/7/0/%032x.wav", i)
			r.place.objects[name] = schemas.Object{Name: name, Bytes: 100, StoredAt: time.Now().Add(-time.Duration(i*3) * time.Hour)}
		}
		others := []string{"acme/invoices/2025.wav", "acme/7/0/1.pdf", "acme2/7/0/" + strings.Repeat("1", 32) + ".wav"}
		for _, name := range others { // of another tenant, and what somebody else has in the bucket
			r.place.objects[name] = schemas.Object{Name: name, Bytes: 1000, StoredAt: time.Now().Add(-1000 * time.Hour)}
		}
		if err := r.tidy(t.Context(), acme, time.Now()); err != nil {
			t.Fatal(err)
		}
		var left []string
		for name := range r.place.objects {
			left = append(left, name)
		}
		slices.Sort(left)
		want := append(others, fmt.Sprintf("acme/7/0/%032x.wav", 0), fmt.Sprintf("acme/7/0/%032x.wav", 1))
		if slices.Sort(want); !slices.Equal(left, want) {
			t.Errorf("left: %v, want %v", left, want)
		}
	})
}

func TestForEver(t *testing.T) {
	r := newRig(t)
	old := []schemas.Object{{Name: "a", Bytes: 1 << 40, StoredAt: time.Unix(0, 0)}}
	if gone := r.tenant.toDelete(old, time.Now()); len(gone) > 0 {
		t.Errorf("deleted: %v", gone)
	}
}

// TestRetentionGoesOn where audio is not fetched any more; other bridges hear which tenants'
// is.
func TestRetentionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		off := r.o.Tenants["quiet"]
		off.Keep = time.Hour
		old := "quiet/7/0/" + strings.Repeat("1", 32) + ".wav"
		r.place.objects[old] = schemas.Object{Name: old, Bytes: 1, StoredAt: time.Now().Add(-2 * time.Hour)}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		stop()
		if err := <-done; err != nil || len(r.place.objects) > 0 {
			t.Errorf("%v, left: %v", err, r.place.objects)
		}
		if !r.budget.AudioFetched("quiet").IsZero() || r.budget.AudioFetched(acme).IsZero() {
			t.Error("the wrong tenant's audio is said to be fetched")
		}
	})
}
