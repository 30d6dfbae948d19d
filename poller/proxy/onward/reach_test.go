package onward

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/poller/internal/insist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFailing: calls that fail for long, one after the other, are told of, a single one is not, nor
// what failed long ago.
func TestFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reach{trouble: insist.New(zerolog.Nop()), failed: func(string) {}}
		fails := func(when string, want bool) {
			t.Helper()
			if err := r.failing(time.Minute); (err != nil) != want {
				t.Errorf("%s: %v", when, err)
			}
		}
		down := errors.New("refused")
		fails("at first", false)
		r.lost(Unanswered, down)
		time.Sleep(2 * time.Minute)
		fails("after one failure", false)
		r.answered(http.StatusBadGateway)
		fails("after two", true)
		if err := r.failing(time.Minute); !strings.Contains(err.Error(), "status 502") {
			t.Error(err)
		}
		r.answered(http.StatusInternalServerError) // the gateway's own word
		fails("after an answer", false)
		r.lost(Unanswered, down)
		fails("after another failure", false)
		time.Sleep(time.Minute)
		r.lost(Unanswered, down)
		fails("a minute later", true)
		time.Sleep(forgotten + time.Second)
		fails("when nobody has called for long", false)
		r.lost(Unanswered, down)
		fails("at the first call after that", false)
	})
}

// TestWhatFailed: a call that the gateway does not answer is counted with its cause, one that its
// client breaks off is not.
func TestWhatFailed(t *testing.T) {
	t.Parallel()
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}))
	defer server.Close()
	gateway, err := ccgateway.New(ccgateway.Options{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	var mu sync.Mutex
	var why []string
	way := New(gateway, "own", func(w string) {
		mu.Lock()
		defer mu.Unlock()
		why = append(why, w)
	}, zerolog.Nop())
	defer way.Close()
	stream := func(body io.Reader) int {
		w := httptest.NewRecorder()
		way.Stream(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body), "onlineagent/101/x", nil)
		return w.Code
	}
	exchange := func() {
		_, _ = way.Exchange(httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/", nil), "onlineagent/101", nil, nil) // it is counted
	}
	stream(nil)
	exchange()
	if way.Failing(0) == nil {
		t.Error("it does not fail")
	}
	status = http.StatusOK
	if code := stream(strings.NewReader("x")); code != http.StatusOK || way.Failing(0) != nil {
		t.Errorf("%d, %v", code, way.Failing(0))
	}
	if code := stream(io.MultiReader(strings.NewReader("x"), broken{})); code != http.StatusBadGateway || way.Failing(0) != nil {
		t.Errorf("a client that breaks off: %d, %v", code, way.Failing(0))
	}
	server.Close()
	stream(nil)
	exchange()
	if want := []string{BadStatus, BadStatus, Unanswered, Unanswered}; !slices.Equal(why, want) || way.Failing(0) == nil {
		t.Errorf("%v, %v", why, way.Failing(0))
	}
}

// broken is what a client does not send to the end.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
