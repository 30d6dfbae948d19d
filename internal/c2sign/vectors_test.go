package c2sign

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

type vector struct {
	Name, What, Timestamp, Method, Path string
	Query                               [][2]string
	Headers                             map[string]string
	SignedHeaders                       []string
	EmptyQueryLine                      bool
	Body, CanonicalRequest, Signature   string
}

type vectorFile struct {
	AK, SK  string
	Vectors []vector
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) != 10 {
		t.Fatalf("%d vectors, want 10", len(f.Vectors))
	}
	return f
}

func (f vectorFile) key() Key { return NewKey(f.AK, f.SK) }

func (f vectorFile) find(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range f.Vectors {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vector %s", name)
	return vector{}
}

func (v vector) request() Request {
	r := Request{Method: v.Method, Path: v.Path, Query: url.Values{}, Header: map[string]string{}, Body: []byte(v.Body)}
	for _, pair := range v.Query {
		r.Query.Add(pair[0], pair[1])
	}
	for name, value := range v.Headers {
		r.Header[strings.ToLower(name)] = value
	}
	return r
}

func (v vector) profile() Profile {
	return Profile{SignedHeaders: v.SignedHeaders, EmptyQueryLine: v.EmptyQueryLine, Millis: strings.Contains(v.Timestamp, ".")}
}

func (v vector) at(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, v.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func (v vector) authorization(ak string) string {
	return "auth-v2/" + ak + "/" + v.Timestamp + "/" + strings.Join(v.SignedHeaders, ";") + "/" + v.Signature
}

func only(keys ...Key) func(string) []Key {
	return func(ak string) []Key {
		var out []Key
		for _, k := range keys {
			if k.AccessKey == ak {
				out = append(out, k)
			}
		}
		return out
	}
}

func TestVectors(t *testing.T) {
	f := loadVectors(t)
	for _, v := range f.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			r, p := v.request(), v.profile()
			list := strings.Join(p.names(), ";")
			if got := requestOf(r, p.names(), list, p.EmptyQueryLine).String(); got != v.CanonicalRequest {
				t.Errorf("canonical request\n got %q\nwant %q", got, v.CanonicalRequest)
			}
			got, err := Sign(f.key(), p, r, v.at(t))
			if err != nil {
				t.Fatal(err)
			}
			if want := v.authorization(f.AK); got != want {
				t.Errorf("authorization\n got %s\nwant %s", got, want)
			}
			m, err := Verifier{Keys: only(f.key()), MaxSkew: time.Minute}.Verify(r, got, v.at(t))
			if err != nil {
				t.Fatalf("verify: %v", err)
			}
			want := VariantOmitted
			switch {
			case v.EmptyQueryLine:
				want = VariantEmpty
			case len(v.Query) > 0:
				want = VariantPresent
			}
			if m.QueryLine != want || m.Host != VariantReceived || m.Path != VariantReceived || !m.Timestamp.Equal(v.at(t)) {
				t.Errorf("match %v at %v", m, m.Timestamp)
			}
		})
	}
}

func TestSigningKeys(t *testing.T) {
	f := loadVectors(t)
	tests := map[string]string{
		"auth-v2/testak01/2024-05-02T03:04:05.678Z/content-length;content-type;host": "57702bbb782e55d78eb417db9e679963d8cf5b479d41bc85e9b30f3322ab539e",
		"auth-v2/testak01/2024-05-02T03:04:05Z/host":                                 "803d0f32ab3ac4c298e5a2d827064840f69c3684d45e235ab43d587ed34fe34b",
		"auth-v2/testak01/2024-05-02T03:14:05.678Z/content-length;content-type;host": "7274dad3aa04ed094947290496de2142ae4db2a696d71474f16cc7f25dedb088",
	}
	for prefix, want := range tests {
		if got := hmacHex(f.SK, prefix); got != want {
			t.Errorf("signing key of %s = %s, want %s", prefix, got, want)
		}
	}
}

func TestEveryChangedBodyByteIsRefused(t *testing.T) {
	f := loadVectors(t)
	v := f.find(t, "V3")
	sound := Verifier{Keys: only(f.key())}
	for i := range v.Body {
		r := v.request()
		r.Body[i] ^= 1
		if _, err := sound.Verify(r, v.authorization(f.AK), v.at(t)); !errors.Is(err, ErrSignature) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	// V3 was signed with its body, so a verifier that forgets the body would refuse even
	// the untouched one; a signature made without a body shows what it would let through.
	r, at := v.request(), v.at(t)
	r.Body = nil
	authorization, err := Sign(f.key(), Profile{}, r, at)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = []byte("anything")
	if _, err := sound.Verify(r, authorization, at); !errors.Is(err, ErrSignature) {
		t.Errorf("a body put under a signature made without one: %v", err)
	}
}

func TestNegativeVectors(t *testing.T) {
	f := loadVectors(t)
	v := f.find(t, "V3")
	other := NewKey("testak02", f.SK)
	verifier := Verifier{Keys: only(f.key(), other)}
	header := v.authorization(f.AK)
	tests := []struct {
		name, authorization string
		want                error
	}{
		{"shorter list", strings.Replace(header, "content-length;content-type;host", "content-type;host", 1), ErrSignature},
		{"upper-case signature", strings.Replace(header, v.Signature, strings.ToUpper(v.Signature), 1), ErrMalformed},
		{"another known key", v.authorization("testak02"), ErrSignature},
		{"an unknown key", v.authorization("testak03"), ErrUnknownKey},
		{"another time", strings.Replace(header, "03:14:05.678Z", "03:14:05.679Z", 1), ErrSignature},
		{"same time, other spelling", strings.Replace(header, "03:14:05.678Z", "03:14:05.6780Z", 1), ErrSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := verifier.Verify(v.request(), tt.authorization, v.at(t)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
