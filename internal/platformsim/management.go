package platformsim

import (
	"encoding/json"
	"io"
	"net/http"

	"aiccbridge/internal/platformsim/fault"
)

// maxManagementBytes bounds a request to the management listener.
const maxManagementBytes = 1 << 20

// calls is what the management listener can do, for those who ask it.
const calls = `GET  /          this page
GET  /truth     what has happened: events handed out, files, callbacks, recordings, downloads
GET  /settings  where and with which secrets to connect
GET  /faults    the rules in force, and what is left of their counts
PUT  /faults    replace all rules
POST /faults    add rules to those in force
POST /quiesce   no new calls; it cannot be undone
GET  /quiet     {"quiet":true} once all is said
POST /agents/{agent}/expel   sign an agent out by force

`

// management is the HTTP interface for those who run the simulator.
func (s *Sim) management() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, calls+fault.Help(FaultKinds()))
	})
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Truth()) })
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Settings()) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { show(w, fault.List{Rules: s.Faults()}) })
	mux.HandleFunc("GET /quiet", func(w http.ResponseWriter, _ *http.Request) {
		show(w, map[string]bool{"quiet": s.Quiet()})
	})
	mux.HandleFunc("PUT /faults", s.takeFaults(s.SetFaults))
	mux.HandleFunc("POST /faults", s.takeFaults(s.AddFaults))
	mux.HandleFunc("POST /quiesce", func(w http.ResponseWriter, _ *http.Request) {
		s.Quiesce()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /agents/{agent}/expel", func(w http.ResponseWriter, r *http.Request) {
		if !s.Expel(r.PathValue("agent")) {
			http.Error(w, "this agent is not signed in", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// takeFaults reads rules and hands them to use.
func (s *Sim) takeFaults(use func(...fault.Rule) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManagementBytes))
		var rules []fault.Rule
		if err == nil {
			rules, err = fault.Parse(raw)
		}
		if err == nil {
			err = use(rules...)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		show(w, fault.List{Rules: s.Faults()})
	}
}

// show answers with JSON. A client that has gone is told nothing.
func show(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "this cannot be printed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}
