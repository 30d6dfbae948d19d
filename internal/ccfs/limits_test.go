package ccfs

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What an error says is all that an operator sees of it.
func TestErrorText(t *testing.T) {
	for want, e := range map[string]*Error{
		"op: bad":                                  {Message: "bad"},
		"op: bad: cause":                           {Message: "bad", Err: errors.New("cause")},
		"op: flow control, resultCode 0300009":     {Message: "flow control", Code: "0300009", Status: 200},
		"op: hm, resultCode 7, HTTP status 403":    {Message: "hm", Code: "7", Status: 403},
		"op: gone, HTTP status 410":                {Message: "gone", Status: 410, RetryAfter: time.Hour},
		"op: no":                                   {Message: "no", Local: true},
		"op: no; nothing was sent, next try in 2s": {Message: "no", Local: true, RetryAfter: 2100 * time.Millisecond},
		"op: no, HTTP status 401; look at access_key and secret_key_file of the tenant, and at this machine's clock": {
			Message: "no", Status: 401, Class: Auth, Skew: -time.Minute},
		"op: no, HTTP status 401; the platform's clock differs from ours by -1m1s; look at access_key and secret_key_file of the tenant, and at this machine's clock": {
			Message: "no", Status: 401, Class: Auth, Skew: -61 * time.Second},
		"op: It does not exist, resultCode 0300011": {Message: "It does not exist.", Code: "0300011", Status: 200},
		"op: late, HTTP status 500":                 {Message: "late", Status: 500, Class: Again, Skew: time.Hour},
	} {
		e.Operation = "op"
		if got := e.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestForeignTextUpToItsLimit(t *testing.T) {
	whole := strings.Repeat("ü", maxMessageRunes)
	if got := clean(whole); got != whole {
		t.Errorf("a text as long as allowed was cut to %d bytes", len(got))
	}
	if got := clean(whole + "x"); got != whole+"…" {
		t.Errorf("a longer one became %d bytes", len(got))
	}
}

func TestQueriesUpToTheirLimits(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, sample(t, "query_success.json")))
	q := bills()
	q.AccountID, q.AgentID, q.CallID = strings.Repeat("1", 20), strings.Repeat("2", 20), strings.Repeat("3", 25)
	q.To = q.From // one second, both ends meant inclusively
	if _, err := p.client().QueryBills(t.Context(), q); err != nil {
		t.Error(err)
	}
}

func TestAnswersUpToTheirLimit(t *testing.T) {
	body := sample(t, "query_success.json")
	for missing, class := range map[int64]Class{0: "", 1: Broken} {
		c := newPlatform(t, reply(200, asJSON, body)).client(func(o *Options) { o.MaxAnswerBytes = int64(len(body)) - missing })
		err := query(t, c)
		if class == "" && err != nil {
			t.Errorf("as long as allowed: %v", err)
		}
		if class != "" && (err == nil || asError(t, err).Class != class) {
			t.Errorf("longer by %d: %v", missing, err)
		}
	}
}

func TestHostsUpToTheLastSignOfASCII(t *testing.T) {
	if _, err := New(Options{URL: "https://a~b.example.com/CCFS", Key: testKey}); err != nil {
		t.Error(err)
	}
}

// Whoever takes the connection and says nothing is no platform; it costs less than an answer may.
func TestAHandshakeEndsEarlierThanAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var far []net.Conn
		c, err := New(Options{
			URL: "https://" + testHost + testBase, Key: testKey,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				near, other := net.Pipe()
				far = append(far, other)
				return near, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		start := time.Now()
		e := asError(t, query(t, c))
		if took := time.Since(start); e.Class != Again || took != 30*time.Second {
			t.Errorf("after %v: %+v", took, e)
		}
		for _, conn := range far {
			_ = conn.Close() // it was closed on our side
		}
	})
}

func TestSoundUpToItsLimits(t *testing.T) {
	long := strings.Repeat("ü", 225)
	c := newPlatform(t, reply(200, asBytes, "RIFF")).client()
	for name, err := range map[string]error{
		"name":     second(c.DownloadRecording(t.Context(), long, io.Discard)),
		"original": second(c.DownloadOriginal(t.Context(), Original{FileName: long}, io.Discard)),
		"call":     second(c.DownloadOriginal(t.Context(), Original{CallID: long[:25], CCID: long[:64]}, io.Discard)),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ Sound, err error) error { return err }

func TestAddressesUpToTheirLimits(t *testing.T) {
	s := dayOf(strings.Repeat("1", 25))
	for missing, right := range map[int]bool{1: true, 0: true, -1: false} {
		address := "https://obs.example/"
		address += strings.Repeat("a", maxAddressBytes-len(address)-missing)
		c := newPlatform(t, reply(200, asJSON, `{"resultCode":"0","resultData":{"url":"`+address+`"}}`)).client()
		if _, err := c.RequestStored(t.Context(), s); (err == nil) != right {
			t.Errorf("%d bytes below the limit: %v", missing, err)
		}
	}
	s.CallID += "1"
	if e := asError(t, s.refusal(t)); !e.Local {
		t.Errorf("a longer call id: %v", e)
	}
}

// refusal is what a client says of a question.
func (s Stored) refusal(t *testing.T) error {
	_, err := newPlatform(t, reply(200, asJSON, "{}")).client().RequestStored(t.Context(), s)
	return err
}

func TestTokensUpToTheirLimits(t *testing.T) {
	for token, right := range map[string]bool{
		"": false, "!": true, "~": true, " ": false, "\x7f": false, "ü": false,
		strings.Repeat("a", 1024): true, strings.Repeat("a", 1025): false,
	} {
		if isToken(token) != right {
			t.Errorf("%.10q of %d bytes", token, len(token))
		}
	}
}

// A call without recording shows as well as one with that the short form is taken.
func TestShortCallIDsOfCallsWithoutRecording(t *testing.T) {
	var p *platform
	p = newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
		code := "0300012"
		if strings.Contains(string(p.last().body), oneCall) {
			code = "0300028"
		}
		reply(200, asJSON, `{"resultCode":"`+code+`"}`)(w, r)
	})
	c := p.client()
	for i, calls := range []int{2, 3, 4} {
		if _, err := c.RequestStored(t.Context(), dayOf(oneCall)); asError(t, err).Class != NotThere || p.calls() != calls {
			t.Errorf("call %d: %v, %d requests", i, err, p.calls())
		}
	}
}

// Whose addresses may be opened: those that the company's authority vouches for, and the
// public ones.
func TestObjectStoresOfWhom(t *testing.T) {
	for want, roots := range map[int]*x509.CertPool{1: nil, 2: x509.NewCertPool()} {
		if got := objectClients(Options{RootCAs: roots}); len(got) != want {
			t.Errorf("%d clients, want %d", len(got), want)
		}
	}
}

func TestSecretsFromEightSignsOn(t *testing.T) {
	a := newAddress(objectStore, "https://h/a?a=12345678&b=1234567&c=%61bcdefgh&d=%61bcdefg", time.Time{})
	if got, want := a.secrets(), []string{"12345678", "%61bcdefgh", "abcdefgh", "%61bcdefg"}; !slices.Equal(got, want) {
		t.Errorf("secrets %q, want %q", got, want)
	}
}
