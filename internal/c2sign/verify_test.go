package c2sign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

var (
	testKey = NewKey("testak01", "testsk-0123456789abcdef")
	testAt  = time.Date(2024, 5, 2, 3, 4, 5, 0, time.UTC)
)

func callback() Request {
	return Request{
		Method: "POST", Path: "/ccfs/callback",
		Header: map[string]string{
			"host": "bridge.example.com:8443", "content-length": "2", "content-type": "application/json;charset=UTF-8",
		},
		Body: []byte("{}"),
	}
}

func mustSign(t testing.TB, k Key, p Profile, r Request) string {
	t.Helper()
	authorization, err := Sign(k, p, r, testAt)
	if err != nil {
		t.Fatal(err)
	}
	return authorization
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestVerifyFindsTheSpellingThatWasSigned(t *testing.T) {
	const public = "https://bridge.example.com:8443/ccfs/callback"
	with := func(name, value string) func(*Request) { return func(r *Request) { r.Header[name] = value } }
	path := func(p string) func(*Request) { return func(r *Request) { r.Path = p } }
	tests := []struct {
		name, public string
		signed       func(*Request) // what the platform signed
		received     func(*Request) // what arrives
		profile      Profile
		want         Match
	}{
		{name: "as received", public: public, want: Match{Host: VariantReceived, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "signed without port", public: public, signed: with("host", "bridge.example.com"),
			want: Match{Host: VariantPublicHost, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "ingress rewrote host", public: public, received: with("host", "10.0.0.7"),
			want: Match{Host: VariantPublicHostPort, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "default port signed", public: "https://bridge.example.com/ccfs/callback", signed: with("host", "bridge.example.com:443"),
			received: with("host", "bridge.example.com"), want: Match{Host: VariantPublicHostPort, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "IPv6 without port", public: "https://[2001:db8::1]:8443/ccfs/callback", signed: with("host", "[2001:db8::1]"),
			want: Match{Host: VariantPublicHost, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "ingress stripped prefix", public: public, received: path("/callback"),
			want: Match{Host: VariantReceived, Path: VariantPublicPath, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "public URL without path", public: "https://bridge.example.com:8443", signed: path("/"),
			want: Match{Host: VariantReceived, Path: VariantPublicPath, QueryLine: VariantOmitted, ContentType: VariantReceived}},
		{name: "empty query line", public: public, profile: Profile{EmptyQueryLine: true},
			want: Match{Host: VariantReceived, Path: VariantReceived, QueryLine: VariantEmpty, ContentType: VariantReceived}},
		{name: "proxy added a blank", public: public, received: with("content-type", "application/json; charset=UTF-8"),
			want: Match{Host: VariantReceived, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantWithoutBlank}},
		{name: "proxy removed the blank", public: public, signed: with("content-type", "application/json; charset=UTF-8"),
			want: Match{Host: VariantReceived, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantWithBlank}},
		{name: "host only", public: public, profile: Profile{SignedHeaders: []string{"Host"}}, received: with("content-type", "text/plain"),
			want: Match{Host: VariantReceived, Path: VariantReceived, QueryLine: VariantOmitted, ContentType: VariantUnsigned}},
		{name: "everything at once", public: public, profile: Profile{EmptyQueryLine: true},
			signed: with("host", "bridge.example.com"),
			received: func(r *Request) {
				r.Path, r.Header["host"], r.Header["content-type"] = "/x", "10.0.0.7", "application/json; charset=UTF-8"
			},
			want: Match{Host: VariantPublicHost, Path: VariantPublicPath, QueryLine: VariantEmpty, ContentType: VariantWithoutBlank}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			signed, received := callback(), callback()
			if tt.signed != nil {
				tt.signed(&signed)
			}
			if tt.received != nil {
				tt.received(&received)
			}
			authorization := mustSign(t, testKey, tt.profile, signed)
			before := maps.Clone(received.Header)
			verifier := Verifier{Keys: only(testKey), MaxSkew: DefaultMaxSkew, PublicURL: mustURL(t, tt.public)}
			got, err := verifier.Verify(received, authorization, testAt)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.AccessKey, tt.want.Timestamp = testKey.AccessKey, testAt
			if got != tt.want {
				t.Errorf("got  %v\nwant %v", got, tt.want)
			}
			if !maps.Equal(before, received.Header) {
				t.Error("the verifier changed the request")
			}
			if tt.want.Host != VariantReceived || tt.want.Path != VariantReceived {
				if _, err := (Verifier{Keys: only(testKey)}).Verify(received, authorization, testAt); !errors.Is(err, ErrSignature) {
					t.Errorf("without a public URL: %v", err)
				}
			}
		})
	}
}

func TestVerifyTriesNoMoreThanItsCandidates(t *testing.T) {
	r := callback()
	r.Header["content-type"] = "application/json;\tcharset=UTF-8" // neither spelling
	r.Header["host"], r.Path = "10.0.0.7", "/x"
	v := Verifier{PublicURL: mustURL(t, "https://bridge.example.com/ccfs/callback")}
	names := DefaultSignedHeaders()
	seen := make(map[string]bool)
	for c := range v.candidates(requestOf(r, names, strings.Join(names, ";"), false), names, r) {
		seen[c.String()] = true
	}
	if want := 3 * 2 * 2 * 3; len(seen) != want {
		t.Errorf("%d distinct candidates, want %d", len(seen), want)
	}
}

func TestVerifyRotation(t *testing.T) {
	old := NewKey(testKey.AccessKey, "the old secret")
	r := callback()
	for _, k := range []Key{old, testKey} {
		authorization := mustSign(t, k, Profile{}, r)
		if _, err := (Verifier{Keys: only(old, testKey)}).Verify(r, authorization, testAt); err != nil {
			t.Errorf("during rotation: %v", err)
		}
	}
	authorization := mustSign(t, old, Profile{}, r)
	if _, err := (Verifier{Keys: only(testKey)}).Verify(r, authorization, testAt); !errors.Is(err, ErrSignature) {
		t.Errorf("after rotation: %v", err)
	}
}

func TestVerifyWindow(t *testing.T) {
	r := callback()
	authorization := mustSign(t, testKey, Profile{}, r)
	tests := []struct {
		window, late time.Duration
		want         error
	}{
		{15 * time.Minute, 15 * time.Minute, nil},
		{15 * time.Minute, -15 * time.Minute, nil},
		{15 * time.Minute, 15*time.Minute + 1, ErrSkew},
		{15 * time.Minute, -15*time.Minute - 1, ErrSkew},
		{0, 1000 * time.Hour, nil},
	}
	for _, tt := range tests {
		m, err := Verifier{Keys: only(testKey), MaxSkew: tt.window}.Verify(r, authorization, testAt.Add(tt.late))
		if !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
			t.Errorf("window %v, %v late: %v, want %v", tt.window, tt.late, err, tt.want)
		}
		if m.Skew != -tt.late || m.AccessKey != testKey.AccessKey {
			t.Errorf("window %v, %v late: skew %v", tt.window, tt.late, m.Skew)
		}
	}
	r.Body = []byte("[]")
	if _, err := (Verifier{Keys: only(testKey), MaxSkew: time.Minute}).Verify(r, authorization, testAt.Add(time.Hour)); !errors.Is(err, ErrSignature) {
		t.Errorf("old and wrong: %v, want the signature to be named", err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	valid := mustSign(t, testKey, Profile{}, callback())
	edit := func(from, to string) string { return strings.Replace(valid, from, to, 1) }
	const list = "content-length;content-type;host"
	tests := []struct {
		name, authorization string
		want                error
	}{
		{"nothing", "", ErrMissing},
		{"blanks", " \r\n\t", ErrMissing},
		{"no host", edit(list, "content-length;content-type"), ErrMalformed},
		{"no names", edit(list, ""), ErrMalformed},
		{"name twice", edit(list, "host;host"), ErrMalformed},
		{"upper-case name", edit(list, "Host"), ErrMalformed},
		{"absent header", edit(list, list+";x-other"), ErrMalformed},
		{"signs itself", edit(list, "authorization;"+list), ErrMalformed},
		{"other version", edit("auth-v2", "auth-v1"), ErrMalformed},
		{"scheme word", "Bearer " + valid, ErrMalformed},
		{"no ak", edit("testak01", ""), ErrMalformed},
		{"offset instead of Z", edit("05Z", "05+00:00"), ErrMalformed},
		{"no time", edit("2024-05-02T03:04:05Z", ""), ErrMalformed},
		{"trailing slash", valid + "/", ErrMalformed},
		{"short signature", valid[:len(valid)-1], ErrMalformed},
		{"too long", valid + strings.Repeat(" ", 5000), ErrMalformed},
		{"many names", edit(list, strings.Repeat("a;", 40)+"host"), ErrMalformed},
		{"one part", "auth-v2", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Verifier{Keys: only(testKey)}.Verify(callback(), tt.authorization, testAt)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && tt.want != ErrMissing && strings.Contains(err.Error(), valid[len(valid)-20:]) {
				t.Errorf("the error quotes the signature: %v", err)
			}
		})
	}
}

func TestRefusalsQuoteNothingReceived(t *testing.T) {
	valid := mustSign(t, testKey, Profile{}, callback())
	for _, list := range []string{
		"host;canary-13800138", "host;CANARY", "canary;canary;host", "host;canary 138", "canary",
		"host;<canary>", "host;%0acanary", "authorization;host;canary",
	} {
		authorization := strings.Replace(valid, "content-length;content-type;host", list, 1)
		_, err := Verifier{Keys: only(testKey)}.Verify(callback(), authorization, testAt)
		if !errors.Is(err, ErrMalformed) || strings.Contains(strings.ToLower(err.Error()), "canary") {
			t.Errorf("%s: %v", list, err)
		}
	}
	// The names of one's own profile are quoted: they are there to be mended.
	_, err := Sign(testKey, Profile{SignedHeaders: []string{"host", "x-own"}}, callback(), testAt)
	if err == nil || !strings.Contains(err.Error(), "x-own") {
		t.Errorf("sign: %v", err)
	}
}

func TestVerifyAccepts(t *testing.T) {
	r := callback()
	valid := mustSign(t, testKey, Profile{}, r)
	i := strings.LastIndexByte(valid, '/')
	slashed := NewKey("dev/eloper/1", "s")
	all := Verifier{Keys: only(testKey, slashed), RequiredHeaders: []string{"content-length", "content-type"}}
	for name, authorization := range map[string]string{
		"line break of the printed samples": valid[:i] + "\n " + valid[i:],
		"blanks around":                     "  " + valid + "\t",
		"ak with slashes":                   mustSign(t, slashed, Profile{}, r),
		"milliseconds":                      mustSign(t, testKey, Profile{Millis: true}, r),
	} {
		if _, err := all.Verify(r, authorization, testAt); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	hostOnly := mustSign(t, testKey, Profile{SignedHeaders: []string{"host"}}, r)
	if _, err := all.Verify(r, hostOnly, testAt); !errors.Is(err, ErrMalformed) {
		t.Errorf("host only, more required: %v", err)
	}
	// Names in another order than sorted: header lines are sorted, the list stays as received.
	list := "host;content-length;content-type"
	prefix := "auth-v2/" + testKey.AccessKey + "/2024-05-02T03:04:05Z/" + list
	unsorted := prefix + "/" + requestOf(r, strings.Split(list, ";"), list, false).sign(hmacHex(testKey.Reveal(), prefix))
	if _, err := all.Verify(r, unsorted, testAt); err != nil {
		t.Errorf("unsorted list: %v", err)
	}
}

func TestEmptySecretNeverVerifies(t *testing.T) {
	r := callback()
	names := DefaultSignedHeaders()
	list := strings.Join(names, ";")
	prefix := "auth-v2/testak01/2024-05-02T03:04:05Z/" + list
	forged := prefix + "/" + requestOf(r, names, list, false).sign(hmacHex("", prefix))
	empty := only(Key{AccessKey: "testak01"})
	if _, err := (Verifier{Keys: empty}).Verify(r, forged, testAt); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("empty secret: %v", err)
	}
	if _, err := (Verifier{}).Verify(r, forged, testAt); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("no keys: %v", err)
	}
	// The key that stands in for an unknown one is public; it must not open the door.
	standIn := prefix + "/" + requestOf(r, names, list, false).sign(hmacHex("stands in for an unknown key", prefix))
	if _, err := (Verifier{}).Verify(r, standIn, testAt); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("signed with the stand-in: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	without := func(name string) Request {
		r := callback()
		delete(r.Header, name)
		return r
	}
	tests := map[string]struct {
		key     Key
		profile Profile
		request Request
	}{
		"no secret":       {Key{AccessKey: "a"}, Profile{}, callback()},
		"no access key":   {NewKey("", "s"), Profile{}, callback()},
		"blank in key":    {NewKey("a b", "s"), Profile{}, callback()},
		"no host":         {testKey, Profile{}, without("host")},
		"no content type": {testKey, Profile{}, without("content-type")},
		"host not signed": {testKey, Profile{SignedHeaders: []string{"content-type"}}, callback()},
		"odd name":        {testKey, Profile{SignedHeaders: []string{"host", "a;b"}}, callback()},
	}
	for name, tt := range tests {
		if got, err := Sign(tt.key, tt.profile, tt.request, testAt); err == nil {
			t.Errorf("%s: signed %q", name, got)
		}
	}
}

func TestKeyPrintsNothing(t *testing.T) {
	holder := struct{ K *Key }{&testKey}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	logger := zerolog.New(&log)
	logger.Info().Any("a", testKey).Interface("b", &testKey).Stringer("c", testKey).Msg("m")
	prints := []string{string(asJSON), log.String(), testKey.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		prints = append(prints, fmt.Sprintf(verb, testKey), fmt.Sprintf(verb, []Key{testKey}))
	}
	for _, p := range prints {
		if strings.Contains(p, "testsk") || strings.Contains(p, "testak") || !strings.Contains(p, "***") {
			t.Errorf("printed %q", p)
		}
	}
	if !slices.Contains(prints, "***") {
		t.Error("want ***")
	}
}

// fmt calls no methods on what it finds in unexported fields.
func TestNoHolderPrintsTheSecret(t *testing.T) {
	type inner struct{ k Key }
	holders := []any{
		inner{testKey}, &inner{testKey}, struct{ i inner }{inner{testKey}}, struct{ k *Key }{&testKey},
		struct{ k []Key }{[]Key{testKey}}, struct{ k map[string]Key }{map[string]Key{"a": testKey}}, struct{ k any }{testKey},
		NewTransport(nil, testKey, Profile{}, nil), Verifier{Keys: only(testKey)},
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, h := range holders {
			p := fmt.Sprintf(verb, h)
			if strings.Contains(p, testKey.Reveal()) || strings.Contains(p, fmt.Sprintf("%x", testKey.Reveal())) {
				t.Errorf("%s of %T: %s", verb, h, p)
			}
		}
	}
	if got := testKey.Reveal(); got != "testsk-0123456789abcdef" {
		t.Errorf("Reveal: %q", got)
	}
	if got := (Key{AccessKey: "a"}).Reveal(); got != "" {
		t.Errorf("Reveal without a secret: %q", got)
	}
}

// TestDefaultMaxSkew: by default a signature counts for a quarter of an hour.
func TestDefaultMaxSkew(t *testing.T) {
	r := callback()
	authorization := mustSign(t, testKey, Profile{}, r)
	verifier := Verifier{Keys: only(testKey), MaxSkew: DefaultMaxSkew}
	for age, want := range map[time.Duration]bool{14 * time.Minute: true, 16 * time.Minute: false} {
		if _, err := verifier.Verify(r, authorization, testAt.Add(age)); (err == nil) != want {
			t.Errorf("a signature of %s ago: %v", age, err)
		}
	}
}
