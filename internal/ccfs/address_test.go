package ccfs

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/foreign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore"
)

// TestListeningAddress is good for 30 minutes, and a secret.
func TestListeningAddress(t *testing.T) {
	var log bytes.Buffer
	s := newStudio(t, nil, func(o *Options) { o.Logger = zerolog.New(&log) })
	a, err := s.RequestPlay(t.Context(), oneOriginal)
	if err != nil || !a.Until.Equal(s.now().Add(30*time.Minute)) || !strings.Contains(a.Reveal(), "/CCFS/resource/ccfs/playVoice?t=1714640400000&version=2.0&st=") {
		t.Fatalf("%s until %v, %v", a.Reveal(), a.Until, err)
	}
	token := a.Reveal()[strings.LastIndexByte(a.Reveal(), '=')+1:]
	if err := s.book.Set([]fault.Rule{{Fault: "play.expired", Share: 1}}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Open(t.Context(), a, io.Discard)
	if e := asError(t, err); e.Class != NotThere || e.Code != "010106" || !strings.Contains(e.Message, "ask for a new one") {
		t.Errorf("%+v", e)
	}
	all, err := s.RequestStored(t.Context(), dayOf(oneCall))
	if err != nil || !all[0].Until.Equal(s.now().Add(8*time.Hour)) {
		t.Fatalf("%v", err)
	}
	_, err = s.Open(t.Context(), all[0], io.Discard)
	if e := asError(t, err); e.Class != NotThere || e.Status != 403 {
		t.Errorf("%+v", e)
	}
	for _, v := range []any{a, &a, []Address{a}, struct{ A Address }{a}} {
		text, bad := json.Marshal(v)
		for _, p := range []string{fmt.Sprintf("%v %+v %#v %s %x %q", v, v, v, v, v, v), string(text), log.String()} {
			if bad != nil || strings.Contains(p, token) || strings.Contains(p, fmt.Sprintf("%x", token)) {
				t.Errorf("%T prints as %s", v, p)
			}
		}
	}
}

// TestStoredSpellings takes the answers that pages and clients know.
func TestStoredSpellings(t *testing.T) {
	const one, two = "https://obs.example/a?Signature=1", "https://obs.example/b?Signature=2"
	for body, want := range map[string][]string{
		`{"resultCode":"0","resultData":{"url":"` + one + `"}}`:                                           {one},
		`{"resultCode":"0100000","resultData":{"obsFileUrl":"` + one + `"}}`:                              {one},
		`{"resultCode":"0","url":"` + one + `"}`:                                                          {one},
		`{"resultCode":"0","resultData":"","obsFileUrl":"` + one + `"}`:                                   {one},
		`{"resultCode":"0","resultData":{"url":["` + one + `","` + two + `"]}}`:                           {one, two},
		`{"resultCode":"0","resultData":[{"url":"` + one + `"},{"url":"` + two + `"}]}`:                   {one, two},
		`{"resultCode":"0","resultData":{"url":"` + one + `","obsFileUrl":"` + one + `","fileName":"a"}}`: {one},
		`{"resultCode":"0","resultData":{}}`:                                                              nil,
		`{"resultCode":"0","resultData":{"url":"ftp://a"}}`:                                               nil,
		`{"resultCode":"0","resultData":{"url":"http://a/b"}}`:                                            nil,
		`{"resultCode":"0","resultData":{"url":"https://u:p@a/b"}}`:                                       nil,
		`{"resultCode":"0","resultData":{"url":"https://"}}`:                                              nil,
		`{"resultCode":"0","resultData":{"url":"https://a/%zz"}}`:                                         nil,
	} {
		p := newPlatform(t, reply(200, asJSON, body))
		all, err := p.client().RequestStored(t.Context(), dayOf("1"))
		var got []string
		for _, a := range all {
			got = append(got, a.Reveal())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", body, got, err)
		}
		if want == nil {
			e := asError(t, err)
			if e.Class != Broken || strings.Contains(e.Error(), "u:p") || strings.Contains(e.Error(), "zz") {
				t.Errorf("%s: %v", body, e)
			}
		}
		if got := p.last().body; got != `{"version":"2.0","callId":"1","beginTime":"2024-05-01 00:00:00","endTime":"2024-05-01 23:59:59"}` {
			t.Errorf("sent %s", got)
		}
	}
}

// TestShortCallIDs are tried once, and remembered.
func TestShortCallIDs(t *testing.T) {
	s := newStudio(t, func(o *filestore.Options) { o.Audio.ShortCallIDs = true })
	for range 3 {
		if all, err := s.RequestStored(t.Context(), dayOf(oneCall)); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
	}
	if n := s.truth.Snapshot().Requests["getRecordFileUrlFromObs"]; n != 4 {
		t.Errorf("%d requests for three calls", n)
	}
	// A platform that takes no form at all does not make two requests a call for ever.
	p := newPlatform(t, reply(200, asJSON, `{"resultCode":"0300028"}`))
	if _, err := p.client().RequestStored(t.Context(), dayOf(oneCall)); want(t, err, Permanent) != nil || p.calls() != 2 {
		t.Errorf("%d calls", p.calls())
	}
}

// TestOldPlatform has no getRecordFileUrlFromObs.
func TestOldPlatform(t *testing.T) {
	s := newStudio(t, func(o *filestore.Options) { o.Form.Edition = 18 })
	_, err := s.RequestStored(t.Context(), dayOf(oneCall))
	if e := asError(t, err); e.Class != Permanent || e.Status != 404 {
		t.Errorf("%+v", e)
	}
}

// address of the object store, as the platform names it.
func stored(t *testing.T, url string, edit ...func(*Options)) (*Client, Address) {
	t.Helper()
	p := newPlatform(t, reply(200, asJSON, `{"resultCode":"0","resultData":{"url":"`+url+`"}}`))
	c := p.client(edit...)
	all, err := c.RequestStored(t.Context(), dayOf("1"))
	if err != nil {
		t.Fatal(err)
	}
	return c, all[0]
}

// TestObjectStoreGetsNothingOfOurs: no Authorization, no body, and it leads nowhere else.
func TestObjectStoreGetsNothingOfOurs(t *testing.T) {
	h := newHeard(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/a.wav", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "RIFF1234WAVE")
	})
	c, a := stored(t, h.URL+"/a.wav?Signature=s3cr3ts3cr3t")
	var b bytes.Buffer
	if got, err := c.Open(t.Context(), a, &b); err != nil || got.Bytes != 12 {
		t.Fatalf("%+v, %v", got, err)
	}
	r := h.seen[0]
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || r.Header.Get("Content-Type") != "" || r.ContentLength != 0 || r.URL.RawQuery != "Signature=s3cr3ts3cr3t" {
		t.Errorf("%+v", r)
	}
	c, a = stored(t, h.URL+"/away?Signature=s3cr3ts3cr3t")
	_, err := c.Open(t.Context(), a, &b)
	if e := asError(t, err); e.Status != http.StatusFound || len(h.seen) != 2 || strings.Contains(e.Error(), "s3cr3ts3cr3t") {
		t.Errorf("%v, %d requests", e, len(h.seen))
	}
}

// TestObjectStoreIsGuarded: whatever the file store's own address is allowed.
func TestObjectStoreIsGuarded(t *testing.T) {
	for _, url := range []string{"https://169.254.169.254/a?Signature=s3cr3ts3cr3t", "https://[fd00:ec2::254]/a?Signature=s3cr3ts3cr3t"} {
		c, a := stored(t, url, func(o *Options) { o.AllowLinkLocal = true })
		_, err := c.Open(t.Context(), a, io.Discard)
		if e := asError(t, err); e.Class != Permanent || !strings.Contains(e.Error(), "never opened") || strings.Contains(e.Error(), "s3cr3ts3cr3t") {
			t.Errorf("%s: %v", url, e)
		}
	}
}

// TestObjectStoreFailures say no secret, and never that the platform locked us.
func TestObjectStoreFailures(t *testing.T) {
	const denied = `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		class  Class
	}{
		"expired":           {reply(403, "application/xml", denied), NotThere},
		"not known":         {reply(401, asJSON, own(401)), NotThere},
		"gone":              {reply(404, "application/xml", denied), NotThere},
		"busy":              {reply(503, "application/xml", denied), Firewall},
		"a page":            {reply(200, "text/html", "<html>s3cr3ts3cr3t"), Firewall},
		"JSON":              {reply(200, asJSON, `{"resultCode":"0"}`), Broken},
		"a code":            {reply(200, asJSON, `{"resultCode":"0300012"}`), NotThere},
		"something":         {reply(200, asBytes, "OggS"), Broken},
		"nothing":           {reply(200, asBytes, ""), Again},
		"its own address":   {reply(500, "text/plain", "no Signature=s3cr3ts3cr3t&b here"), Again},
		"the address again": {reply(502, "text/plain", "Signature=s3cr3ts3cr3t&b"), Firewall},
	} {
		h := newHeard(t, c.handle)
		client, a := stored(t, h.URL+"/a.wav?Signature=s3cr3ts3cr3t&b")
		for range 3 {
			_, err := client.Open(t.Context(), a, io.Discard)
			if e := asError(t, err); e.Class != c.class || e.Local || strings.Contains(e.Error(), "Signature=s3cr3ts3cr3t") {
				t.Errorf("%s: %+v", name, e)
			}
		}
		if _, err := client.RequestStored(t.Context(), dayOf("1")); err != nil {
			t.Errorf("%s stopped the calls: %v", name, err)
		}
	}
	_, a := stored(t, "https://127.0.0.1:1/a?Signature=s3cr3ts3cr3t")
	c, _ := New(Options{URL: "https://127.0.0.1:1/", Key: testKey})
	_, err := c.Open(t.Context(), a, io.Discard)
	if e := asError(t, err); e.Class != Again || strings.Contains(e.Error(), "s3cr3ts3cr3t") {
		t.Errorf("%v", e)
	}
}

// TestSecretsOfAddresses are hidden in whatever form a page repeats them, and where a text is
// cut.
func TestSecretsOfAddresses(t *testing.T) {
	const raw, plain = "hush%2Fhush%3D", "hush/hush="
	for _, text := range []string{
		"no /a.wav?AccessKeyId=1&amp;Signature=" + raw + "&amp;b=1", "no Signature=" + plain, "no <b>hush/\nhush=</b> " + raw,
	} {
		for status, contentType := range map[int]string{200: "text/html", 502: "text/html", 500: "text/plain", 403: "application/xml"} {
			h := newHeard(t, reply(status, contentType, "<html>"+text))
			client, a := stored(t, h.URL+"/a.wav?AccessKeyId=1&Signature="+raw)
			_, err := client.Open(t.Context(), a, io.Discard)
			if e := asError(t, err); strings.Contains(e.Error(), "hush") && !strings.Contains(e.Error(), "hush/ hush=") {
				t.Errorf("%d %s: %v", status, text, e)
			}
		}
	}
}

// TestNoBeginningOfASecret is left where a text is cut.
func TestNoBeginningOfASecret(t *testing.T) {
	c, err := New(Options{URL: "https://ccfs.example.com/x", Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	c = c.hiding(func() []string { return []string{"hushhush"} })
	for _, secret := range []string{"hushhush", testKey.Reveal()} {
		for before := 290; before < 302; before++ {
			e := c.fail(&Error{Message: strings.Repeat("x", before) + secret})
			if strings.Contains(e.Message, "x"+secret[:1]) {
				t.Errorf("%d: %s", before, e.Message)
			}
		}
	}
}

// TestFirstThatTrusts: a server of a public authority is reached although the file store has
// one of the company's; no other failure is tried twice.
func TestFirstThatTrusts(t *testing.T) {
	h := newHeard(t, reply(200, asBytes, "RIFF"))
	stranger := going(newTransport(Options{RootCAs: x509.NewCertPool()}, "https"))
	t.Cleanup(stranger.CloseIdleConnections)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := first([]*http.Client{stranger, h.Client()}, req)
	if err != nil || len(h.seen) != 1 {
		t.Fatalf("%v, %d requests", err, len(h.seen))
	}
	res.Body.Close()
	if _, err := first([]*http.Client{stranger, stranger}, req); err == nil {
		t.Error("nobody trusts it, and it was asked")
	}
	cut := newHeard(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, cut.URL, nil)
	if _, err := first([]*http.Client{cut.Client(), cut.Client()}, req); err == nil || len(cut.seen) != 1 {
		t.Errorf("%v, %d requests", err, len(cut.seen))
	}
}

// TestForeignSound attacks the downloads with answers that servers and proxies give.
func TestForeignSound(t *testing.T) {
	wav := "RIFF" + strings.Repeat("\x00", 100)
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		bytes  int
		class  Class
	}{
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped(t, []byte(wav)))
		}, len(wav), ""},
		"gzip that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, wav)
		}, len(wav), ""},
		"blanks before JSON":    {reply(200, asBytes, "\r\n\r\n {\"resultCode\":\"0300012\"}"), 0, NotThere},
		"a mark before JSON":    {reply(200, asBytes, "\ufeff{\"resultCode\":\"0300012\"}"), 0, NotThere},
		"big endian":            {reply(200, asBytes, "RIFX"+wav), 0, Broken},
		"success without sound": {reply(200, asJSON, `{"resultCode":"0","resultData":""}`), 0, Broken},
		"a tenth of a head":     {reply(200, asBytes, "RIF"), 0, Broken},
		"partial content":       {reply(206, asBytes, wav), 0, Broken},
		"HTML as sound":         {reply(200, asBytes, "<html>login</html>"), 0, Firewall},
	} {
		p := newPlatform(t, c.handle)
		var b bytes.Buffer
		got, err := p.client().DownloadRecording(t.Context(), oneFile, &b)
		var e *Error
		if c.class == "" && (err != nil || int(got.Bytes) != c.bytes) || c.class != "" && (!errors.As(err, &e) || e.Class != c.class || b.Len() != 0) {
			t.Errorf("%s: %+v, %d bytes, %v", name, got, b.Len(), err)
		}
	}
	// Rows are not heard, and sound is not unpacked.
	p := newPlatform(t, reply(200, asBytes, wav))
	got, err := download(t, p.client())
	if e := asError(t, err); e.Class != Broken || len(got) != 0 {
		t.Errorf("sound for rows: %+v", e)
	}
}

// FuzzStored: every address that comes out of an answer is one that can be opened.
func FuzzStored(f *testing.F) {
	for _, s := range []string{`{"url":"https://a/b"}`, `["https://a","https://a"]`, `"http://a"`, `{"url":{"url":["https://a:b@c"]}}`, ``, `[`, `{"a":"https://` + strings.Repeat("a", 9000) + `"}`} {
		f.Add([]byte(s))
	}
	c, err := New(Options{URL: "https://ccfs.example.com/x", Key: testKey})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, _ := foreign.ParseObject(data)
		found := addresses(&answer{data: data, whole: body{whole}})
		if len(found) > maxAddresses {
			t.Fatalf("%d addresses", len(found))
		}
		for _, address := range found {
			u, err := c.objectURL(address)
			if err == nil && (u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
				t.Errorf("%q passes", address)
			}
			if err == nil {
				if _, err := http.NewRequest(http.MethodGet, address, nil); err != nil {
					t.Errorf("%q can't be asked for: %v", address, err)
				}
			}
		}
		if _, err := readPrompt(&answer{data: data}); err == nil && !bytes.Contains(data, []byte("ame")) {
			t.Errorf("%q has a file name", data)
		}
	})
}
