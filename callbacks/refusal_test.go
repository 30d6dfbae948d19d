package callbacks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

// shutStore is a store that takes a notice only when it is opened.
type shutStore struct {
	memory
	entered chan struct{}
	open    chan struct{}
}

func (s *shutStore) Accept(ctx context.Context, n schemas.FileNotice) error {
	s.entered <- struct{}{}
	<-s.open
	return s.memory.Accept(ctx, n)
}

// TestManyAtOnce: after an outage the platform brings all it has at once, from one
// address, and the store is slow. None may be refused.
func TestManyAtOnce(t *testing.T) {
	const many = 3 * maxInside
	store := &shutStore{entered: make(chan struct{}, many), open: make(chan struct{})}
	h := newHandler(t, store, nil)
	var requests []*http.Request
	for range many {
		requests = append(requests, signed(t, "/ccfs/callback", sample, time.Now()))
	}
	answered := make(chan int, many)
	var running sync.WaitGroup
	for _, chunk := range [][]*http.Request{requests[:maxInside], requests[maxInside : 2*maxInside], requests[2*maxInside:]} {
		for _, r := range chunk {
			running.Go(func() { answered <- serve(h, r).Code })
		}
		for range chunk { // each waits in the store, or was refused
			select {
			case <-store.entered:
			case code := <-answered:
				t.Errorf("refused with %d", code)
			}
		}
	}
	close(store.open)
	running.Wait()
	close(answered)
	for code := range answered {
		if code != http.StatusOK {
			t.Errorf("answered with %d", code)
		}
	}
}

// TestDeadLettersHoldWhatMayBeKept: a callback that cannot be used is kept as the
// tenant's policy allows it, and not even its id tells more.
func TestDeadLettersHoldWhatMayBeKept(t *testing.T) {
	const number = "13800138000"
	conceal := func(tenant string, text []byte) []byte {
		return bytes.ReplaceAll(text, []byte(number), []byte(tenant))
	}
	var ids []string
	for _, body := range []string{`{"msgBody":{"remark":"` + number + `"}}`, `{"remark":` + number + `,`, `{"remark":acme,`} {
		store := &memory{}
		h := newHandler(t, store, func(o *Options) { o.Text = conceal })
		if w := serve(h, signed(t, "/ccfs/callback", body, time.Now())); w.Code != http.StatusBadRequest || len(store.dead) != 1 {
			t.Fatalf("%s: status %d, %d dead letters", body, w.Code, len(store.dead))
		}
		m := store.dead[0]
		var d schemas.DeadLetter
		if err := json.Unmarshal(m.Body, &d); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(m.Body), number) || !strings.Contains(string(d.Original), "acme") {
			t.Errorf("dead letter %s", m.Body)
		}
		ids = append(ids, m.ID)
	}
	if ids[1] != ids[2] {
		t.Error("the id is made of what is hidden")
	}
}

// TestObserveSaysWhatItRefuses: what cannot be given to a tenant is not logged as
// accepted.
func TestObserveSaysWhatItRefuses(t *testing.T) {
	for _, mode := range []Mode{Observe, Off} {
		var log bytes.Buffer
		h := newHandler(t, &memory{}, func(o *Options) {
			o.Logger, o.Verify, o.Tenants = zerolog.New(&log), mode, map[string][]Tenant{"a": {{Name: "acme"}}, "b": {{Name: "bcme"}}}
		})
		r := signed(t, "/ccfs/callback", sample, time.Now())
		r.Header.Del("Authorization")
		if w := serve(h, r); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d", mode, w.Code)
		}
		if text := log.String(); strings.Contains(text, "accepted") || !strings.Contains(text, noTenant) {
			t.Errorf("%s: the log says %s", mode, text)
		}
	}
}

// TestRefusalsAreLogged: the log names every reason why callbacks are refused, once
// an hour, in whatever order strangers bring them.
func TestRefusalsAreLogged(t *testing.T) {
	var log bytes.Buffer
	h := newHandler(t, &memory{}, func(o *Options) {
		o.Logger, o.Allow = zerolog.New(&log), prefixes(t, "192.0.2.0/24")
	})
	for range 50 {
		unsigned := signed(t, "/ccfs/callback", sample, time.Now())
		unsigned.Header.Del("Authorization")
		wrong := signed(t, "/ccfs/callback", sample+" ", time.Now())
		wrong.Body = signed(t, "/ccfs/callback", sample, time.Now()).Body
		elsewhere := signed(t, "/ccfs/callback", sample, time.Now())
		elsewhere.RemoteAddr = "198.51.100.1:1"
		stale := signed(t, "/ccfs/callback", sample, time.Now().Add(-time.Hour))
		for _, r := range []*http.Request{unsigned, wrong, elsewhere, stale, signed(t, "/other", sample, time.Now())} {
			r.RemoteAddr = strings.Replace(r.RemoteAddr, "192.0.2.1:1234", "192.0.2.7:1", 1)
			if w := serve(h, r); w.Code == http.StatusOK {
				t.Fatal("accepted")
			}
		}
	}
	if n := strings.Count(log.String(), "callback refused"); n != 5 {
		t.Errorf("%d lines, want one for each of five reasons:\n%s", n, log.String())
	}
	for _, text := range []string{"callbacks.allow", "unknown path", "callbacks.verify: observe", "not asked for", "198.51.100.1"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log does not say %q", text)
		}
	}
}

func TestRefusalsAreLoggedOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refusals hourly
		said := map[string]int{}
		for range 3 {
			for range 50 {
				refusals.do("unknown path", func() { said["unknown path"]++ })
			}
			time.Sleep(59 * time.Minute)
			refusals.do("unknown path", func() { said["too early"]++ })
			refusals.do("another", func() { said["another"]++ })
			time.Sleep(time.Minute)
		}
		if !maps.Equal(said, map[string]int{"unknown path": 3, "another": 3}) {
			t.Errorf("said %v", said)
		}
	})
}

// TestWhatIsSaidOfSignatures: a refusal that a wrong key of ours would explain names the
// key, and a callback older than callbacks.window is not taken without a word.
func TestWhatIsSaidOfSignatures(t *testing.T) {
	unknown := func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "auth-v2/"+key.AccessKey, "auth-v2/testak99", 1))
	}
	for name, c := range map[string]struct {
		age    time.Duration
		edit   func(r *http.Request)
		status int
		says   string
	}{
		"another access key": {0, unknown, 401, "look at access_key of the tenants' files"},
		"another secret key": {0, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(sample + " ")) }, 401, "look at secret_key_file of the tenant's files and at callbacks.public_url"},
		"no signature":       {0, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "try callbacks.verify: observe"},
		"old, asked for":     {time.Hour, nil, 200, "older than callbacks.window: its file was asked for"},
		"new, asked for":     {0, nil, 200, ""},
	} {
		var log bytes.Buffer
		h := newHandler(t, &memory{knows: id}, func(o *Options) { o.Logger = zerolog.New(&log).Level(zerolog.InfoLevel) })
		for range 3 {
			r := signed(t, "/ccfs/callback", sample, time.Now().Add(-c.age))
			if c.edit != nil {
				c.edit(r)
			}
			if w := serve(h, r); w.Code != c.status {
				t.Errorf("%s: answered %d, want %d", name, w.Code, c.status)
			}
		}
		if n := strings.Count(log.String(), "\n"); c.says != "" && n != 1 || c.says == "" && n != 0 || !strings.Contains(log.String(), c.says) {
			t.Errorf("%s: it says %q", name, &log)
		}
	}
}
