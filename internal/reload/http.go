package reload

import (
	"encoding/json"
	"errors"
	"net/http"

	"aiccbridge/config"
)

// Path is where a bridge takes the request to reload, by POST.
const Path = "/-/reload"

// Answer is what a bridge answers, as JSON. The status is 200 when the configuration was taken.
type Answer struct {
	Changes  []Change         `json:"changes"` // none: nothing was to be changed
	Error    string           `json:"error,omitempty"`
	Keys     []string         `json:"keys,omitempty"` // that need a restart
	Findings []config.Finding `json:"findings,omitempty"`
}

// ServeHTTP reloads and answers what has been changed, or why nothing was: 409 when keys need a
// restart, 422 when the configuration is wrong. Pages in a browser cannot have it done.
func (r *Reloader) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if err := http.NewCrossOriginProtection().Check(q); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	changes, err := r.Reload()
	answer, status := Answer{Changes: changes}, http.StatusOK
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		answer.Keys, answer.Findings, status = refusal.Keys, refusal.Findings, http.StatusUnprocessableEntity
		if len(refusal.Keys) > 0 {
			status = http.StatusConflict
		}
	case err != nil:
		status = http.StatusUnprocessableEntity
	}
	if err != nil {
		answer.Error = err.Error()
	}
	if answer.Changes == nil {
		answer.Changes = []Change{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // a caller who has gone needs no answer
}
