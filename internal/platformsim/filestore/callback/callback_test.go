package callback

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/truth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk receives callbacks and answers with what it is told to.
type desk struct {
	*httptest.Server
	answers []string // bodies, in turn
	got     []string // bodies received
}

func newDesk(t *testing.T, answers ...string) *desk {
	d := &desk{answers: answers}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, d.answers[len(d.got)])
		d.got = append(d.got, string(body))
	}))
	t.Cleanup(d.Close)
	return d
}

func sender(t *testing.T, log *truth.Log, rules ...fault.Rule) *Sender {
	t.Helper()
	book := fault.NewBook(FaultKinds(fault.Scope{}), 1, time.Now)
	if err := book.Set(rules); err != nil {
		t.Fatal(err)
	}
	s := New(Options{
		Key: c2sign.NewKey("ak", "sk"), Now: time.Now, Truth: log, Faults: book, Timeout: 10 * time.Second,
		RepeatEvery: time.Millisecond, RepeatLimit: 2,
	})
	t.Cleanup(s.Close)
	return s
}

func notice(t *testing.T, address string) Notice {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return Notice{ResponseID: strings.Repeat("0a", 16), FileName: "f.zip", Field: "billFileName", URL: u}
}

// TestOnlyABodyAcknowledges repeats until there is one.
func TestOnlyABodyAcknowledges(t *testing.T) {
	log, d := truth.New(), newDesk(t, "", "", "x")
	delivery := sender(t, log).Delivery(notice(t, d.URL+"/cb"))
	if delivery.Now(t.Context()) {
		t.Error("an empty answer acknowledged")
	}
	delivery.Run(t.Context())
	tries := log.Snapshot().Callbacks
	if len(tries) != 3 || tries[2].Attempt != 3 || tries[2].BodyBytes != 1 || tries[0].BodyBytes != 0 {
		t.Errorf("tries: %+v", tries)
	}
	want := `{"request":{"version":"2.0"},"msgBody":{"responseId":"` + strings.Repeat("0a", 16) + `","billFileName":"f.zip"}}`
	if d.got[0] != want {
		t.Errorf("sent %s", d.got[0])
	}
}

func TestGivenUp(t *testing.T) {
	log := truth.New()
	d := newDesk(t)
	d.Close() // nobody listens
	sender(t, log).Delivery(notice(t, d.URL+"/secret-path")).Run(t.Context())
	tries := log.Snapshot().Callbacks
	if len(tries) != 3 {
		t.Errorf("%d tries, want 3", len(tries))
	}
	for _, c := range tries {
		if c.Err == "" || strings.Contains(c.Err, "secret-path") {
			t.Errorf("recorded %q", c.Err)
		}
	}
}

// TestRestrictedByPath lets a rule pass by the callbacks of others.
func TestRestrictedByPath(t *testing.T) {
	log, d := truth.New(), newDesk(t, "x", "x")
	s := sender(t, log,
		fault.Rule{Fault: drop, Path: "/a", Next: 1}, fault.Rule{Fault: otherField, Path: "/b", Next: 1, Field: "billName"},
	)
	if !s.Delivery(notice(t, d.URL+"/a")).Dropped() {
		t.Error("not dropped")
	}
	other := s.Delivery(notice(t, d.URL+"/b"))
	if other.Dropped() || other.BeforeAnswer() {
		t.Error("another one was struck")
	}
	other.Run(t.Context())
	if c := log.Snapshot().Callbacks; len(c) != 1 || c[0].Fault != otherField || !strings.Contains(d.got[0], `"billName":"f.zip"`) {
		t.Errorf("recorded %+v, sent %s", c, d.got)
	}
}
