package ccfs

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/c2sign"
)

func TestRequestsAreTheDocumentedOnes(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, sample(t, "query_success.json")))
	tenant := time.FixedZone("tenant", 8*3600)
	full := Query{
		DataType: DataTypeCall, AccountID: "202405019999", AgentID: "101", CallID: "1714525260-1001", CallbackURL: "https://b.example/cb",
		From: time.Date(2024, 5, 1, 0, 0, 0, 0, tenant), To: time.Date(2024, 5, 1, 23, 59, 59, 0, tenant),
	}
	agents := full
	agents.DataType, agents.CallID = "", ""
	plain := bills()
	plain.DataType = ""
	const head = `{"request":{"version":"2.0"},"msgBody":{`
	tests := []struct {
		name string
		call func(*Client) (string, error)
		path string
		body string
	}{
		{"bills", func(c *Client) (string, error) { return c.QueryBills(t.Context(), bills()) }, "queryBillData",
			head + `"beginTime":"2018-06-29 10:42:49","endTime":"2018-07-02 10:42:49","dataType":"call_record","callBackURL":"https://10.57.118.171:8000"}}`},
		{"bills, all fields", func(c *Client) (string, error) { return c.QueryBills(t.Context(), full) }, "queryBillData",
			head + `"beginTime":"2024-05-01 00:00:00","endTime":"2024-05-01 23:59:59","accountId":"202405019999","agentId":"101","callId":"1714525260-1001","dataType":"call","callBackURL":"https://b.example/cb"}}`},
		{"agents", func(c *Client) (string, error) { return c.QueryAgentOperations(t.Context(), plain) }, "queryAgentOprInfoData",
			head + `"beginTime":"2018-06-29 10:42:49","endTime":"2018-07-02 10:42:49","callBackURL":"https://10.57.118.171:8000"}}`},
		{"agents, all fields", func(c *Client) (string, error) { return c.QueryAgentOperations(t.Context(), agents) }, "queryAgentOprInfoData",
			head + `"beginTime":"2024-05-01 00:00:00","endTime":"2024-05-01 23:59:59","accountId":"202405019999","agentId":"101","callBackURL":"https://b.example/cb"}}`},
		{"skills", func(c *Client) (string, error) { return c.QueryAgentSkills(t.Context(), plain) }, "queryAgentSkillInfoData",
			head + `"beginTime":"2018-06-29 10:42:49","endTime":"2018-07-02 10:42:49","callBackURL":"https://10.57.118.171:8000"}}`},
		{"skills, all fields", func(c *Client) (string, error) { return c.QueryAgentSkills(t.Context(), agents) }, "queryAgentSkillInfoData",
			head + `"beginTime":"2024-05-01 00:00:00","endTime":"2024-05-01 23:59:59","accountId":"202405019999","agentId":"101","callBackURL":"https://b.example/cb"}}`},
		{"bill file", func(c *Client) (string, error) {
			_, err := c.DownloadBills(t.Context(), testFile, &bytes.Buffer{})
			return testID, want(t, err, Broken) // the answer has no file
		}, "downloadBillFile", head + `"billFileName":"` + testFile + `"}}`},
		{"agents' file", func(c *Client) (string, error) {
			_, err := c.DownloadAgentOperations(t.Context(), testFile, &bytes.Buffer{})
			return testID, want(t, err, Broken)
		}, "downloadAgentOprInfoFile", head + `"agentOprInfoFileName":"` + testFile + `"}}`},
		{"skills' file", func(c *Client) (string, error) {
			_, err := c.DownloadAgentSkills(t.Context(), testFile, &bytes.Buffer{})
			return testID, want(t, err, Broken)
		}, "downloadAgentSkillInfoFile", head + `"agentSkillInfoFileName":"` + testFile + `"}}`},
	}
	for _, profile := range []c2sign.Profile{{}, {SignedHeaders: []string{"host"}, Millis: true, EmptyQueryLine: true}} {
		c := p.client(func(o *Options) { o.Profile = profile })
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				id, err := tt.call(c)
				if err != nil || id != testID {
					t.Fatalf("got %q, %v", id, err)
				}
				if got := p.last(); got.path != testBase+tt.path || got.body != tt.body {
					t.Errorf("sent %s %s\nwant %s", got.path, got.body, tt.body)
				}
			})
		}
	}
}

// want returns nil if err is an *Error of the class, else err.
func want(t testing.TB, err error, class Class) error {
	t.Helper()
	var e *Error
	if errors.As(err, &e) && e.Class == class {
		return nil
	}
	t.Errorf("got %v, want class %s", err, class)
	return err
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, "{}"))
	c := p.client()
	for name, edit := range map[string]func(*Query){
		"data type":       func(q *Query) { q.DataType = "calls" },
		"no data type":    func(q *Query) { q.DataType = "" },
		"no begin":        func(q *Query) { q.From = time.Time{} },
		"no end":          func(q *Query) { q.To = time.Time{} },
		"end first":       func(q *Query) { q.To = q.From.Add(-time.Second) },
		"over 3 days":     func(q *Query) { q.To = q.From.Add(72*time.Hour + time.Second) },
		"account":         func(q *Query) { q.AccountID = strings.Repeat("1", 21) },
		"agent":           func(q *Query) { q.AgentID = strings.Repeat("1", 21) },
		"call":            func(q *Query) { q.CallID = strings.Repeat("1", 26) },
		"no callback":     func(q *Query) { q.CallbackURL = "" },
		"relative":        func(q *Query) { q.CallbackURL = "/cb" },
		"scheme":          func(q *Query) { q.CallbackURL = "ftp://b.example/" },
		"query":           func(q *Query) { q.CallbackURL += "/?a=1" },
		"bare query sign": func(q *Query) { q.CallbackURL += "/?" },
		"fragment":        func(q *Query) { q.CallbackURL += "/#" },
		"user":            func(q *Query) { q.CallbackURL = "https://a:b@b.example/" },
	} {
		q := bills()
		edit(&q)
		_, err := c.QueryBills(t.Context(), q)
		if e := asError(t, err); e.Class != Permanent || !e.Local || !e.Final(1) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if _, err := c.QueryAgentOperations(t.Context(), bills()); err == nil {
		t.Error("agent operations with a data type")
	}
	if _, err := c.QueryAgentSkills(t.Context(), bills()); err == nil {
		t.Error("skill changes with a data type")
	}
	for _, name := range []string{"", "a.zip", "../20180702_a.zip", "20180702_.zip", "2018070_a.zip", "20180702_a.zip\n",
		"20180702_a/b.zip", "20180702_" + strings.Repeat("a", 41) + ".zip", "20180702_a.ZIP"} {
		_, err := c.DownloadBills(t.Context(), name, &bytes.Buffer{})
		if e := asError(t, err); e.Class != Permanent || !e.Local {
			t.Errorf("%q: %+v", name, e)
		}
		if _, err := c.DownloadAgentOperations(t.Context(), name, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was asked for", name)
		}
		if _, err := c.DownloadAgentSkills(t.Context(), name, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was asked for", name)
		}
	}
	if p.calls() != 0 {
		t.Errorf("%d requests were sent", p.calls())
	}
}

func TestWindowIsMeasuredAsWritten(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	q := bills() // across the night on which the clock is set back: 72 h as written, 73 h of time
	q.From, q.To = time.Date(2024, 10, 25, 12, 0, 0, 0, berlin), time.Date(2024, 10, 28, 12, 0, 0, 0, berlin)
	if err := q.check(true); err != nil {
		t.Error(err)
	}
	// 02:30 comes twice that night; the later instant may be written earlier.
	q.From = time.Date(2024, 10, 27, 0, 45, 0, 0, time.UTC).In(berlin) // 02:45 CEST
	q.To = time.Date(2024, 10, 27, 1, 15, 0, 0, time.UTC).In(berlin)   // 02:15 CET
	if err := q.check(true); err == nil {
		t.Error("a window that ends before it begins, as written")
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{URL: "https://ccfs.example.com:28443/CCFS/resource/ccfs", Key: testKey}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	edits := map[string]func(*Options){
		"no key":    func(o *Options) { o.Key = c2sign.Key{} },
		"no secret": func(o *Options) { o.Key = c2sign.NewKey(testKey.AccessKey, "") },
		"profile":   func(o *Options) { o.Profile.SignedHeaders = []string{"content-type"} },
		"header":    func(o *Options) { o.Profile.SignedHeaders = []string{"host", "x-date"} },
	}
	for _, u := range []string{"", "://", "http://ccfs.example.com/CCFS", "https:///CCFS", "https://a:b@ccfs.example.com/CCFS",
		"https://ccfs.example.com/CCFS?a=1", "https://ccfs.example.com/CCFS?", "https://ccfs.example.com/CCFS#a", "https://ccfs.example.com/CCFS#",
		"https://bücher.example/CCFS", "https://[fe80::1%25eth0]/CCFS", "https://ccfs.example.com/a%2Fb", "https://ccfs.example.com/a b"} {
		edits[u] = func(o *Options) { o.URL = u }
	}
	for name, edit := range edits {
		o := good
		edit(&o)
		_, err := New(o)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), testKey.Reveal()) || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: the error holds a secret: %v", name, err)
		}
	}
}

func TestPrintedClientHoldsNoSecret(t *testing.T) {
	o := Options{URL: "https://ccfs.example.com/CCFS", Key: testKey}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{c, *c, o, &o, struct{ c Client }{*c}, c.access.Load().http.Transport} {
			p := fmt.Sprintf(verb, v)
			if strings.Contains(p, testKey.Reveal()) || strings.Contains(p, fmt.Sprintf("%x", testKey.Reveal())) {
				t.Errorf("%s of %T: %s", verb, v, p)
			}
		}
	}
}

func TestUntrustedCertificateIsNamed(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, sample(t, "query_success.json")))
	c := p.client(func(o *Options) { o.RootCAs = x509.NewCertPool() })
	e := asError(t, query(t, c))
	if e.Class != Again || !strings.Contains(e.Message, "certificate is not trusted") || p.calls() != 0 {
		t.Errorf("got %v", e)
	}
}

func TestContextOfTheCaller(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
	})
	t.Cleanup(func() { close(release) })
	c := p.client()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := c.QueryBills(ctx, bills())
		first <- err
	}()
	<-entered
	// The second call waits for the first one's answer; its own context ends the wait.
	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	_, err := c.QueryBills(short, bills())
	if e := asError(t, err); !errors.Is(err, context.DeadlineExceeded) || !e.Local || e.Class != Again {
		t.Errorf("waiting call: %+v", e)
	}
	cancel()
	err = <-first
	if e := asError(t, err); !errors.Is(err, context.Canceled) || e.Class != Again {
		t.Errorf("call in progress: %+v", e)
	}
	if p.calls() != 1 {
		t.Errorf("%d calls", p.calls())
	}
}

func TestSkewIsLoggedOncePerChange(t *testing.T) {
	var date string
	p := newPlatform(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date)
		reply(200, asJSON, sample(t, "query_success.json"))(w, r)
	})
	var log strings.Builder
	c := p.client(func(o *Options) { o.Logger = zerolog.New(&log) })
	if _, known := c.Skew(); known {
		t.Error("skew known before the first answer")
	}
	steps := []struct {
		ahead time.Duration
		lines int // in the log so far
	}{
		{0, 0}, {time.Minute, 0}, {61 * time.Second, 1}, {time.Hour, 1}, {-time.Hour, 1}, {0, 2}, {0, 2}, {-2 * time.Minute, 3},
	}
	for i, step := range steps {
		date = p.clock.now().Add(step.ahead).UTC().Format(http.TimeFormat)
		if err := query(t, c); err != nil {
			t.Fatal(err)
		}
		if skew, known := c.Skew(); skew != step.ahead || !known {
			t.Errorf("step %d: skew %v, want %v", i, skew, step.ahead)
		}
		if got := strings.Count(log.String(), "\n"); got != step.lines {
			t.Errorf("step %d: %d log lines, want %d:\n%s", i, got, step.lines, log.String())
		}
	}
	date = "yesterday"
	if err := query(t, c); err != nil {
		t.Fatal(err)
	}
	if skew, _ := c.Skew(); skew != -2*time.Minute {
		t.Errorf("an unreadable date changed the skew to %v", skew)
	}
}

func TestLaxTransportOnlyWhenAsked(t *testing.T) {
	p := newPlatform(t, reply(200, asJSON, sample(t, "query_success.json")))
	c := p.client(func(o *Options) { o.RootCAs, o.InsecureSkipVerify = x509.NewCertPool(), true })
	if err := query(t, c); err != nil || p.calls() != 1 {
		t.Errorf("unknown certificate, accepted by option: %v", err)
	}
	if _, err := New(Options{URL: "http://ccfs.example.com/CCFS", Key: testKey, AllowHTTP: true}); err != nil {
		t.Errorf("plain http, allowed by option: %v", err)
	}
	if _, err := New(Options{URL: "ftp://ccfs.example.com/CCFS", Key: testKey, AllowHTTP: true}); err == nil {
		t.Error("AllowHTTP lets any scheme pass")
	}
}
