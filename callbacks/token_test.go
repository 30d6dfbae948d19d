package callbacks

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
)

func tokens(t testing.TB, keys ...string) *Tokens {
	t.Helper()
	var all [][]byte
	for _, k := range keys {
		all = append(all, bytes.Repeat([]byte(k), minTokenKey))
	}
	made, err := NewTokens(all...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

var asked = schemas.WindowRequest{
	Kind: schemas.KindRecording,
	Window: schemas.Window{
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 4, 1, 0, 0, 0, time.UTC),
	},
	At: time.Date(2026, 1, 4, 1, 15, 0, 123e6, time.UTC),
}

// lastSegment is the token in the address made for the request.
func lastSegment(t testing.TB, made *Tokens, tenant string, r schemas.WindowRequest) string {
	t.Helper()
	address := made.URL(&url.URL{Scheme: "https", Host: "bridge.example.com"}, tenant, r)
	text, ok := strings.CutPrefix(address, "https://bridge.example.com/")
	if !ok || len(text) != tokenChars {
		t.Fatalf("address %s", address)
	}
	return text
}

func TestTokens(t *testing.T) {
	made := tokens(t, "a")
	text := lastSegment(t, made, "acme", asked)
	tenant, r, ok := tokens(t, "b", "a").check(text, []string{"other", "acme"})
	if !ok || tenant != "acme" || r != asked {
		t.Errorf("token of %+v names %s %+v, %v", asked, tenant, r, ok)
	}
	refused := map[string]func() (string, schemas.WindowRequest, bool){
		"another key":    func() (string, schemas.WindowRequest, bool) { return tokens(t, "b").check(text, []string{"acme"}) },
		"another tenant": func() (string, schemas.WindowRequest, bool) { return made.check(text, []string{"other"}) },
		"no tenant":      func() (string, schemas.WindowRequest, bool) { return made.check(text, nil) },
		"upper case": func() (string, schemas.WindowRequest, bool) {
			return made.check(strings.ToUpper(text), []string{"acme"})
		},
		"cut":        func() (string, schemas.WindowRequest, bool) { return made.check(text[1:], []string{"acme"}) },
		"lengthened": func() (string, schemas.WindowRequest, bool) { return made.check(text+"a", []string{"acme"}) },
		"nothing":    func() (string, schemas.WindowRequest, bool) { return made.check("", []string{"acme"}) },
		"not in this code": func() (string, schemas.WindowRequest, bool) {
			return made.check(strings.Repeat("1", tokenChars), []string{"acme"})
		},
	}
	for name, try := range refused {
		if _, _, ok := try(); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range len(text) { // no character may be changed, the unused last bits included
		for _, c := range "a7" {
			changed := text[:i] + string(c) + text[i+1:]
			if _, _, ok := made.check(changed, []string{"acme"}); ok && changed != text {
				t.Errorf("accepted with character %d changed", i)
			}
		}
	}
	if _, err := NewTokens(make([]byte, minTokenKey-1)); err == nil {
		t.Error("a short key was taken")
	}
	if got := (*Tokens)(nil).URL(&url.URL{Scheme: "https", Host: "h"}, "acme", asked); got != "https://h" {
		t.Errorf("without tokens the address is %s", got)
	}
}

func TestTokenInPath(t *testing.T) {
	made := tokens(t, "a")
	good := lastSegment(t, made, "acme", asked)
	foreign := lastSegment(t, made, "globex", asked)
	wrong := lastSegment(t, tokens(t, "b"), "acme", asked)
	now, late := time.Now(), time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name, path string
		at         time.Time
		public     string // path of the public URL
		status     int
		named      bool
	}{
		{"right", "/ccfs/callback/" + good, now, "/ccfs/callback", 200, true},
		{"right, public URL ends with a slash", "/ccfs/callback/" + good, now, "/ccfs/callback/", 200, true},
		{"right, public URL without a path", "/" + good, now, "", 200, true},
		{"right, and an old signature", "/ccfs/callback/" + good, late, "/ccfs/callback", 200, true},
		{"wrong", "/ccfs/callback/" + wrong, now, "/ccfs/callback", 404, false},
		{"no token at all", "/ccfs/callback/anything", now, "/ccfs/callback", 404, false},
		{"twice", "/ccfs/callback/" + good + "/" + good, now, "/ccfs/callback", 404, false},
		{"behind another path", "/other/" + good, now, "/ccfs/callback", 404, false},
		{"of another tenant", "/ccfs/callback/" + foreign, now, "/ccfs/callback", 401, false},
		{"stripped by the platform", "/", now, "/ccfs/callback", 200, false},
		{"left out", "/ccfs/callback", now, "/ccfs/callback", 200, false},
		{"left out, and an old signature", "/ccfs/callback", late, "/ccfs/callback", 401, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &memory{}
			h := newHandler(t, store, func(o *Options) {
				o.Tokens, o.PublicURL.Path, o.Tenants["ak2"] = made, tt.public, []Tenant{{Name: "globex"}}
			})
			w := serve(h, signed(t, tt.path, sample, tt.at))
			n, stored := store.notices[id]
			if w.Code != tt.status || stored != (tt.status == 200) || (n.Request != nil) != tt.named {
				t.Errorf("status %d, stored %v with request %v", w.Code, stored, n.Request)
			}
			if n.Request != nil && *n.Request != asked {
				t.Errorf("the notice names %+v", n.Request)
			}
			if w.Code == 404 && w.Body.String() != `{"resultCode":"1","resultDesc":"unknown_path"}` {
				t.Errorf("body %s", w.Body)
			}
		})
	}
	t.Run("an ingress strips the prefix", func(t *testing.T) {
		store := &memory{}
		h := newHandler(t, store, func(o *Options) { o.Tokens = made })
		r := signed(t, "/ccfs/callback/"+good, sample, now)
		r.URL.Path, r.RequestURI = "/"+good, "/"+good
		if w := serve(h, r); w.Code != 200 || store.notices[id].Request == nil {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("tokens are not in use", func(t *testing.T) {
		if w := serve(newHandler(t, &memory{}, nil), signed(t, "/ccfs/callback/"+good, sample, now)); w.Code != http.StatusNotFound {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("unverified among several tenants", func(t *testing.T) {
		store := &memory{}
		h := newHandler(t, store, func(o *Options) { o.Tokens, o.Verify, o.Tenants["ak2"] = made, Off, []Tenant{{Name: "globex"}} })
		r := signed(t, "/ccfs/callback/"+foreign, sample, now)
		r.Header.Del("Authorization")
		if w := serve(h, r); w.Code != 200 || store.notices[id].Tenant != "globex" {
			t.Errorf("status %d for %s", w.Code, store.notices[id].Tenant)
		}
	})
}

func FuzzToken(f *testing.F) {
	made := tokens(f, "a")
	f.Add(lastSegment(f, made, "acme", asked))
	f.Add(strings.Repeat("a", tokenChars))
	f.Fuzz(func(t *testing.T, text string) {
		if _, r, ok := made.check(text, []string{"acme"}); ok && lastSegment(t, made, "acme", r) != text {
			t.Errorf("%q is not the token of %+v", text, r)
		}
	})
}
