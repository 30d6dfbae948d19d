package callbacks

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

func TestBodiesUpToTheLimit(t *testing.T) {
	for less, status := range map[int64]int{0: http.StatusOK, 1: http.StatusRequestEntityTooLarge} {
		for _, length := range []int64{int64(len(sample)), -1} {
			h := newHandler(t, &memory{}, func(o *Options) { o.MaxBodyBytes = int64(len(sample)) - less })
			r := signed(t, "/ccfs/callback", sample, time.Now())
			r.ContentLength = length
			if w := serve(h, r); w.Code != status {
				t.Errorf("%d bytes over the limit, length %d: status %d, want %d", less, length, w.Code, status)
			}
		}
	}
}

func TestNestedUpToTheLimit(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, maxDepth/2)
	for body, want := range map[string]bool{
		deep:                                false,
		deep + "{":                          true,
		deep + "[":                          true,
		deep + `"[{\"[{\\\"[`:               false, // within a string
		deep + `"[\\"[`:                     true,
		strings.Repeat("[]", maxDepth+1):    false,
		strings.Repeat(`{"a":{}},`, 40):     false,
		strings.Repeat(`{"a":[{},[]]},`, 9): false,
	} {
		if got := tooDeep([]byte(body)); got != want {
			t.Errorf("%s: %t", body, got)
		}
	}
}

// patientStore waits for as long as it may.
type patientStore struct{ memory }

func (s *patientStore) Accept(ctx context.Context, _ schemas.FileNotice) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStoreHasItsTime(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: 4 * time.Second, -1: 4 * time.Second, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			h := newHandler(t, &patientStore{}, func(o *Options) { o.StoreTimeout = set })
			start := time.Now()
			w := serve(h, signed(t, "/ccfs/callback", sample, start))
			if took := time.Since(start); w.Code != http.StatusServiceUnavailable || took != want {
				t.Errorf("set to %v: status %d after %v, want 503 after %v", set, w.Code, took, want)
			}
		})
	}
}

func TestConnectionsAreKept(t *testing.T) {
	w := serve(newHandler(t, &memory{}, nil), signed(t, "/ccfs/callback", sample, time.Now()))
	if got := w.Header().Get("Connection"); w.Code != http.StatusOK || got != "" {
		t.Errorf("status %d, Connection: %s", w.Code, got)
	}
}

func TestTokensNameKindsThatExist(t *testing.T) {
	good, err := tokenText.DecodeString(lastSegment(t, tokens(t, "a"), "acme", asked))
	if err != nil {
		t.Fatal(err)
	}
	for kind := range len(schemas.Kinds()) + 2 {
		good[0] = byte(kind)
		r, ok := readToken(tokenText.EncodeToString(good))
		if ok != (kind < len(schemas.Kinds())) || ok && r.Kind != schemas.Kinds()[kind] {
			t.Errorf("kind %d is read as %q, %t", kind, r.Kind, ok)
		}
	}
}

// With several tenants an unchecked callback counts for the one whose access key it shows.
func TestUncheckedCallbacksGoToTheirTenant(t *testing.T) {
	store := &memory{}
	h := newHandler(t, store, func(o *Options) {
		o.Verify, o.Tenants = Off, map[string][]Tenant{"testak00": {{Name: "other"}}, key.AccessKey: {{Name: "acme"}}}
	})
	r := signed(t, "/ccfs/callback", sample, time.Now())
	if w := serve(h, r); w.Code != http.StatusOK || store.notices[id].Tenant != "acme" {
		t.Errorf("status %d, tenant %q", w.Code, store.notices[id].Tenant)
	}
	r = signed(t, "/ccfs/callback", sample, time.Now())
	r.Header.Set("Authorization", "x")
	if w := serve(h, r); w.Code != http.StatusUnauthorized {
		t.Errorf("without an access key: status %d", w.Code)
	}
}

func TestAVariantIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	h := newHandler(t, &memory{}, func(o *Options) { o.Logger = zerolog.New(&log) })
	for _, path := range []string{"/ccfs/callback", "/ccfs/callback", "/", "/"} {
		serve(h, signed(t, path, sample, time.Now()))
	}
	if n := strings.Count(log.String(), "callback signature variant"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
}

// ofTwo makes a handler for two tenants of one access key, and says under which tenant, and
// why, what it is sent becomes a dead letter.
func ofTwo(t *testing.T, store Store, dead func() []schemas.Message, path, body string, made *Tokens) string {
	t.Helper()
	h := newHandler(t, store, func(o *Options) {
		o.Tenants, o.Tokens = map[string][]Tenant{key.AccessKey: {{Name: "acme", AccountID: "1"}, {Name: "other", AccountID: "2"}}}, made
	})
	if w := serve(h, signed(t, path, body, time.Now())); w.Code != http.StatusBadRequest || len(dead()) != 1 {
		t.Fatalf("status %d, %d dead letters", w.Code, len(dead()))
	}
	return string(dead()[0].Body)
}

// everybodys is a store in which every tenant has asked for everything.
type everybodys struct{ memory }

func (s *everybodys) Knows(string, string) bool { return true }

func TestWhyACallbackIsNobodys(t *testing.T) {
	nobodys, both := &memory{}, &everybodys{}
	for want, got := range map[string]string{
		"it has no token in its path":                            ofTwo(t, nobodys, func() []schemas.Message { return nobodys.dead }, "/ccfs/callback", sample, nil),
		"several tenants of its access key know its response id": ofTwo(t, both, func() []schemas.Message { return both.dead }, "/ccfs/callback", sample, nil),
	} {
		if !strings.Contains(got, want) || !strings.Contains(got, `"tenant":"`+schemas.NoTenant+`"`) {
			t.Errorf("want %q: %s", want, got)
		}
	}
}

func TestAnUnreadableCallbackIsOfTheTenantInItsPath(t *testing.T) {
	store, made := &memory{}, tokens(t, "a")
	path := "/ccfs/callback/" + lastSegment(t, made, "other", asked)
	got := ofTwo(t, store, func() []schemas.Message { return store.dead }, path, `{"msgBody":{}}`, made)
	if !strings.Contains(got, `"tenant":"other"`) {
		t.Error(got)
	}
}
