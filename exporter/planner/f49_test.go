package planner

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/exporter/internal/exportertest"
	"aiccbridge/exporter/ledger"
	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// shared is one access key of several tenants: what the platform sees of it.
type shared struct {
	mu          sync.Mutex
	at          []time.Time    // of the requests
	by          map[string]int // requests, by tenant
	under, most int            // extracts under way
	refuse      func(n int) error
}

// query is a tenant's; its file comes and is worked off after a while.
func (s *shared) query(t *testing.T, l *ledger.Ledger, tenant string, takes time.Duration) Query {
	return func(_ context.Context, r schemas.WindowRequest) (string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.at = append(s.at, time.Now())
		n := len(s.at)
		if s.refuse != nil {
			if err := s.refuse(n); err != nil {
				return "", err
			}
		}
		s.by[tenant]++
		s.under++
		s.most = max(s.most, s.under)
		id := exportertest.ResponseID(n)
		f := schemas.FileReady{
			Tenant: tenant, Kind: r.Kind, Window: r.Window, ResponseID: id, ReceivedAt: time.Now(), Via: schemas.ViaCallback,
			FileName: time.Now().Format("20060102") + "_" + id + ".zip",
		}
		time.AfterFunc(takes, func() {
			notice := schemas.FileNotice{Tenant: tenant, ResponseID: id, Via: f.Via, ReceivedAt: time.Now(), FileName: f.FileName}
			s.mu.Lock()
			s.under-- // before the ledger says so, and somebody asks
			s.mu.Unlock()
			exportertest.Check(t, l.Accept(context.Background(), notice))
			exportertest.Check(t, l.Complete(context.Background(), f, 1, time.Now()))
		})
		return id, nil
	}
}

// TestF49SharedBudget: tenants of one access key ask for as much between them as one
// would, on one bridge or on one each, and none waits for the end of another's backfill.
func TestF49SharedBudget(t *testing.T) {
	t.Parallel()
	const spacing, outstanding, span = 10 * time.Second, 3, 12 * time.Minute
	total := 0
	for name, c := range map[string]struct {
		tenants int
		bridges bool          // one each
		takes   time.Duration // a file
		idle    bool          // all but the first have one window a day
	}{
		"two on one bridge":             {2, false, time.Second, false},
		"two on two bridges":            {2, true, time.Second, false},
		"three on three, slow platform": {3, true, 50 * time.Second, false},
		"two on one, slow platform":     {2, false, 45 * time.Second, false},
		"five on five":                  {5, true, 20 * time.Second, false},
		"one backfills":                 {3, true, 35 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			pass(80 * time.Hour)
			bucket, platform := exportertest.NewBucket(), &shared{by: map[string]int{}}
			var stops []func()
			var l *ledger.Ledger
			for i := range c.tenants {
				if l == nil || c.bridges {
					made, stop := startLedger(t, ledger.Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
					l, stops = made, append(stops, stop)
				}
				x := since(bubble, hourly)
				if c.idle && i > 0 {
					x.Window = 24 * time.Hour
				}
				tenant := fmt.Sprint("tenant", i)
				stops = append(stops, startPlanner(t, Options{
					Tenant: tenant, Budget: "b0d9e7", Ledger: l, Extracts: []Extract{x}, Spacing: spacing, MaxOutstanding: outstanding,
					Query: platform.query(t, l, tenant, c.takes),
				}))
				pass(70 * time.Millisecond) // no two look over the ledger at one time
			}
			pass(span)
			for i := range stops {
				stops[len(stops)-1-i]()
			}
			pass(time.Minute)
			for i := 1; i < len(platform.at); i++ {
				if d := platform.at[i].Sub(platform.at[i-1]); d < spacing {
					t.Errorf("%s: request %d comes %s after the last", name, i, d)
				}
			}
			if platform.most > outstanding {
				t.Errorf("%s: %d extracts under way", name, platform.most)
			}
			possible := int(span / max(spacing, c.takes/outstanding))
			if n := len(platform.at); n < possible*2/3 {
				t.Errorf("%s: %d requests of %d", name, n, possible)
			}
			for i := range c.tenants {
				least := len(platform.at) / c.tenants * 2 / 3
				if c.idle && i > 0 {
					least = 3 // days: all that it has
				}
				if n := platform.by[fmt.Sprint("tenant", i)]; n < least {
					t.Errorf("%s: tenant %d had %d of %d requests", name, i, n, len(platform.at))
				}
			}
			total += len(platform.at)
		})
	}
	t.Attr("figure", fmt.Sprintf("%d requests of 2 to 5 tenants of one access key, none before its time, never more than %d extracts under way", total, outstanding))
	t.Attr("tries", fmt.Sprint(total))
	for _, key := range []string{"lost", "duplicated", "misordered"} {
		t.Attr(key, "0")
	}
}

// TestF49SharedRefusal: what the platform refuses one tenant of a key for the key's sake, or
// for so many requests, keeps the others quiet as well; what is that bridge's own does not.
func TestF49SharedRefusal(t *testing.T) {
	t.Parallel()
	t.Attr("figure", "6 refusals of one tenant under a shared key, each holds the others off for as long")
	for name, c := range map[string]struct {
		err   ccfs.Error
		quiet time.Duration
	}{
		"flow control":     {ccfs.Error{Class: ccfs.FlowControl, Code: "0300009", Status: 200, RetryAfter: time.Minute}, time.Minute},
		"401":              {ccfs.Error{Class: ccfs.Auth, Status: 401}, time.Minute},
		"calls are paused": {ccfs.Error{Class: ccfs.Auth, Local: true, RetryAfter: 10 * time.Minute}, 10 * time.Minute},
		"locked":           {ccfs.Error{Class: ccfs.Locked, Status: 403, RetryAfter: 30 * time.Minute}, 30 * time.Minute},
		"unreachable":      {ccfs.Error{Class: ccfs.Again}, 0},
		"a firewall":       {ccfs.Error{Class: ccfs.Firewall, Status: 418}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			pass(24 * time.Hour)
			bucket, platform := exportertest.NewBucket(), &shared{by: map[string]int{}}
			platform.refuse = func(n int) error {
				if n == 3 {
					return &c.err
				}
				return nil
			}
			var stops []func()
			for i := range 2 {
				l, stop := startLedger(t, ledger.Options{Bucket: bucket, Publisher: &exportertest.Publisher{}})
				tenant := fmt.Sprint("tenant", i)
				stops = append(stops, stop, startPlanner(t, Options{
					Tenant: tenant, Budget: "b0d9e7", Ledger: l, Extracts: []Extract{since(bubble, hourly)}, Spacing: 5 * time.Second,
					Query: platform.query(t, l, tenant, time.Second),
				}))
				pass(70 * time.Millisecond)
			}
			pass(35 * time.Minute)
			for i := range stops {
				stops[len(stops)-1-i]()
			}
			pass(time.Minute)
			d := platform.at[3].Sub(platform.at[2])
			if d < c.quiet || d > c.quiet+20*time.Second {
				t.Errorf("%s: the next request comes after %s, want %s", name, d, c.quiet)
			}
		})
	}
}
