package callbacks

import (
	"io"
	"net/http"
	"strconv"

	"aiccbridge/internal/sabotage"
)

// answer is what goes back: a status and one constant word, which is also the
// metric's label.
type answer struct {
	status int
	result string
}

var (
	accepted    = answer{http.StatusOK, "accepted"}
	forbidden   = answer{http.StatusForbidden, "forbidden"}
	tooMany     = answer{http.StatusTooManyRequests, "too_many_requests"}
	badEncoding = answer{http.StatusUnsupportedMediaType, "unsupported_encoding"}
	badPath     = answer{http.StatusNotFound, "unknown_path"}
	badMethod   = answer{http.StatusMethodNotAllowed, "method_not_allowed"}
	tooLarge    = answer{http.StatusRequestEntityTooLarge, "too_large"}
	unreadable  = answer{http.StatusBadRequest, "unreadable"}
	refused     = answer{http.StatusUnauthorized, "unauthorized"}
	badBody     = answer{http.StatusBadRequest, "bad_request"}
	unavailable = answer{http.StatusServiceUnavailable, "unavailable"}
	panicked    = answer{http.StatusInternalServerError, "internal_error"}
)

// reply writes status and a small JSON body in the platform's own envelope.
func (h *Handler) reply(w http.ResponseWriter, a answer, s standing) {
	h.counts.WithLabelValues(a.result, string(s)).Inc()
	code, text := "1", a.result
	if a == accepted {
		code, text = "0", "success"
	}
	body := `{"resultCode":"` + code + `","resultDesc":"` + text + `"}`
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	switch a {
	case forbidden, tooMany, badEncoding, tooLarge:
		w.Header().Set("Connection", "close") // or the server would read on to the next request
	}
	if a == tooMany {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, body) // a caller that has gone repeats its callback
	if a == accepted {
		_ = http.NewResponseController(w).Flush()
		sabotage.Point("callback.answered")
	}
}
