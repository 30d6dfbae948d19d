package recordings

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// row is one of many.
func (r *rig) row(i int) {
	r.key, r.stored = fmt.Sprintf("%032x", i), time.Now()
}

// day has as many recordings, a minute apart, each settled as it is told. It returns how
// many requests there were.
func (r *rig) day(recordings int) (requests int) {
	r.t.Helper()
	type turn struct {
		at     time.Time
		stored time.Time
		i      int
	}
	var turns []turn
	for i := range recordings {
		at := time.Now().Add(time.Duration(i) * time.Minute)
		turns = append(turns, turn{at, at, i})
	}
	for len(turns) > 0 {
		next := 0
		for i := range turns {
			if turns[i].at.Before(turns[next].at) {
				next = i
			}
		}
		t := turns[next]
		time.Sleep(time.Until(t.at))
		r.row(t.i)
		r.stored = t.stored
		var later *schemas.Later
		switch err := r.handle(); {
		case errors.As(err, &later):
			turns[next].at = time.Now().Add(later.After)
		case err != nil:
			r.t.Fatal(err)
		default:
			turns = append(turns[:next], turns[next+1:]...)
		}
	}
	return len(r.asked)
}

// several is a ZIP in which the recording of the rig's rows is one of two.
func several(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{path.Base("/1/1/record/39/1.wav"), "2.wav"} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(tone(800))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRequestsOfADay: 300 recordings of a day cost at most 1.1 requests each, be some or a third
// of them late, and whichever interface gives them.
func TestRequestsOfADay(t *testing.T) {
	const recordings = 300
	absent := refused(ccfs.NotThere, "0300012")
	for name, c := range map[string]struct {
		lateOf int // one of so many is late
		by     time.Duration
		source string
	}{
		"none late":                      {0, 0, "one"},
		"some late":                      {25, 20 * time.Minute, "one"},
		"some late, by the second":       {25, 20 * time.Minute, "two"},
		"some very late, by the second":  {100, 5 * time.Hour, "two"},
		"a third is late, by the second": {3, 10 * time.Minute, "two"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(t *Tenant) { t.RetryAfter = 5 * time.Minute })
				zipped := several(t)
				r.fails("one", absent)
				r.ends[c.source] = func() ([]byte, error) {
					var i int
					if _, err := fmt.Sscanf(r.key, "%x", &i); err != nil {
						return nil, err
					}
					if c.lateOf > 0 && i%c.lateOf == 0 && time.Since(r.stored) < c.by {
						return nil, refused(ccfs.NotThere, "0300011")
					}
					return zipped, nil
				}
				requests := r.day(recordings)
				if len(r.pub.said) != recordings || len(r.place.objects) != recordings || requests*10 > recordings*11 {
					t.Errorf("%d requests, %d recordings settled, %d kept", requests, len(r.pub.said), len(r.place.objects))
				}
				t.Logf("%d requests for %d recordings", requests, recordings)
			})
		})
	}
}

// TestNoInterfaceIsForgotten: what only an interface has that has given nothing for long is
// still found before it is given up; and then that interface is asked again.
func TestNoInterfaceIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.day(10)
		absent := refused(ccfs.NotThere, "0300012")
		r.fails("one", absent)
		for i := range 3 { // it is not asked any more
			r.row(100 + i)
			_ = r.handle()
		}
		asked := len(r.asked)
		r.row(200)
		_ = r.handle()
		if got := r.asked[asked:]; len(got) != 1 {
			t.Errorf("asked %v", got)
		}
		r.pub.said = nil
		r.gives("two", tone(800))
		r.row(300)
		if said := r.settle(); said.Status != schemas.RecordingStored || said.Source != "two" {
			t.Errorf("said %+v", said)
		}
		asked = len(r.asked)
		r.row(400)
		if err := r.handle(); err != nil || len(r.asked) != asked+1 || r.asked[asked] != "two" {
			t.Errorf("%v, asked %v", err, r.asked[asked:])
		}
		r.fails("two", absent)
		for i := range 5 {
			r.row(500 + i)
			_ = r.handle()
		}
		time.Sleep(25 * time.Hour)
		asked = len(r.asked)
		if err := r.handle(); err != nil || len(r.asked) != asked+2 {
			t.Errorf("at last: %v, asked %v", err, r.asked[asked:])
		}
	})
}

// TestBudgetOfAllBridges: two bridges have one allowance of requests.
func TestBudgetOfAllBridges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(t *Tenant) { t.PerMinute = 2 }
		r, other := newRig(t, slow), newRig(t, slow)
		other.o.Budget = r.budget
		begun := time.Now()
		for i := range 3 {
			for n, bridge := range []*rig{r, other} {
				for bridge.row(2*i + n); ; {
					var later *schemas.Later
					err := bridge.handle()
					if err == nil {
						break
					}
					if !errors.As(err, &later) {
						t.Fatal(err)
					}
					time.Sleep(later.After)
				}
			}
		}
		if took := time.Since(begun); len(r.asked)+len(other.asked) != 6 || took < 150*time.Second {
			t.Errorf("%d requests in %v", len(r.asked)+len(other.asked), took)
		}
	})
}
