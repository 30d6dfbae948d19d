package c2sign

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzVerify changes a valid header and its body at will: only the original, white space
// aside, may verify.
func FuzzVerify(f *testing.F) {
	vectors := loadVectors(f)
	v := vectors.find(f, "V3")
	valid := v.authorization(vectors.AK)
	f.Add(valid, v.Body)
	f.Add(" "+valid+"\n", v.Body)
	f.Add(valid, v.Body+" ")
	f.Add(strings.Replace(valid, "content-length;content-type;host", "host", 1), v.Body)
	f.Add(vectors.find(f, "V1").authorization(vectors.AK), vectors.find(f, "V1").Body)
	f.Add("auth-v2/a/b/2024-05-02T03:04:05Z/host/"+strings.Repeat("0", 64), "")
	f.Add("////", "{}")
	verifier := Verifier{Keys: only(vectors.key()), PublicURL: mustURL(f, "https://bridge.example.com:8443/ccfs/callback")}
	f.Fuzz(func(t *testing.T, authorization, body string) {
		r := v.request()
		r.Body = []byte(body)
		m, err := verifier.Verify(r, authorization, v.at(t))
		original := body == v.Body && strings.Join(strings.Fields(authorization), "") == valid && len(authorization) <= maxHeaderBytes
		if (err == nil) != original {
			t.Fatalf("verify %q %q: %v %v", authorization, body, m, err)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add("auth-v2/ak/2018-07-02T02:42:49Z/content-length;content-type;host\n/" + strings.Repeat("a", 64))
	f.Add("auth-v2/a/k/2021-08-31T09:38:50.872Z/host/" + strings.Repeat("f", 64))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHeader(s)
		if err != nil {
			return
		}
		if h.AccessKey == "" || !isSignature(h.Signature) || len(h.SignedHeaders) == 0 ||
			!strings.HasPrefix(h.prefix, "auth-v2/"+h.AccessKey+"/") || !strings.HasSuffix(h.prefix, "/"+h.list) {
			t.Fatalf("parsed %q into %+v", s, h)
		}
	})
}

// FuzzSignVerify: whatever is signed verifies, and stops verifying when any part changes.
func FuzzSignVerify(f *testing.F) {
	f.Add("POST", "/CCFS/resource/ccfs/queryBillData", "a=1", "ccfs.example.com:28443", "application/json;charset=UTF-8", "{}")
	f.Add("get", "", "", "10.0.0.1", "text/plain; a=b;c", "测试\n")
	f.Fuzz(func(t *testing.T, method, path, query, host, contentType, body string) {
		values, err := url.ParseQuery(query)
		if err != nil || host == "" {
			return // not a request
		}
		r := Request{Method: method, Path: path, Query: values, Body: []byte(body), Header: map[string]string{
			"host": host, "content-type": contentType, "content-length": "1",
		}}
		at := time.Unix(1714619045, 0)
		authorization, err := Sign(testKey, Profile{}, r, at)
		if err != nil {
			t.Fatal(err)
		}
		verifier := Verifier{Keys: only(testKey), MaxSkew: time.Second}
		if _, err := verifier.Verify(r, authorization, at); err != nil {
			t.Fatal(err)
		}
		r.Body = append(r.Body, 'x')
		if _, err := verifier.Verify(r, authorization, at); err == nil {
			t.Fatal("a longer body verifies")
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add("a+b ~*/é%00")
	f.Fuzz(func(t *testing.T, s string) {
		e := encode(s)
		if back, err := url.PathUnescape(e); err != nil || back != s {
			t.Fatalf("encode(%q) = %q, which decodes to %q, %v", s, e, back, err)
		}
		if strings.ContainsAny(e, " +/:;=&?\n\"") {
			t.Fatalf("encode(%q) = %q", s, e)
		}
	})
}
