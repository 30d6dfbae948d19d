package ccgateway

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"aiccbridge/internal/dialguard"
)

// An address at which the machine would answer to itself is refused before
// anything is sent: no event is lost.
func TestLinkLocalIsNotSent(t *testing.T) {
	for _, url := range []string{"http://169.254.169.254", "https://169.254.169.254", "http://[::ffff:169.254.169.254]", "https://[fd00:ec2::254]:8043"} {
		p := newAgent(t, Options{URL: url}).Poll(t.Context())
		var refused *dialguard.Error
		if p.Outcome != OutcomeNotSent || p.MayHaveLost || !errors.As(p.Err, &refused) {
			t.Errorf("%s: %s, lost %t: %v", url, p.Outcome, p.MayHaveLost, p.Err)
		}
	}
}

// A redirect is an answer like any other with a status that is not 200: the
// agent's GUID goes nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := newAgent(t, Options{URL: serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, status)
		})})
		var got *StatusError
		if p := a.Poll(t.Context()); !errors.As(p.Err, &got) || got.Status != status {
			t.Errorf("poll, %d: %v", status, p.Err)
		}
		if _, err := a.Status(t.Context()); err == nil {
			t.Errorf("status query, %d: no error", status)
		}
	}
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects followed", n)
	}
}
