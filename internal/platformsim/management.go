package platformsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"aiccbridge/internal/platformsim/filestore"
	"aiccbridge/internal/platformsim/gateway"
)

// maxManagementBytes bounds a request to the management listener.
const maxManagementBytes = 1 << 20

// management is the HTTP interface for those who run the simulator:
//
//	GET  /           what there is to call, and the kinds of gateway faults
//	GET  /truth      what has happened (truth.Snapshot)
//	GET  /settings   where and with which secrets to connect (Settings)
//	GET  /faults     faults in force (Faults)
//	PUT  /faults     {"gateway":{…},"filestore":{…}}; what is left out stays
//	POST /quiesce    no new calls
//	GET  /quiet      {"quiet":true} once all is said
//	POST /agents/{agent}/expel   sign an agent out by force
func (s *Sim) management() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, index()) })
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Truth()) })
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Settings()) })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { show(w, s.Faults()) })
	mux.HandleFunc("GET /quiet", func(w http.ResponseWriter, _ *http.Request) {
		show(w, map[string]bool{"quiet": s.Quiet()})
	})
	mux.HandleFunc("PUT /faults", s.putFaults)
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

// index describes the management listener and what can be switched.
func index() map[string]any {
	return map[string]any{
		"calls": []string{
			"GET /truth", "GET /settings", "GET /faults", "GET /quiet", "PUT /faults", "POST /quiesce", "POST /agents/{agent}/expel",
		},
		"gateway_fault_kinds": gateway.Kinds(),
		"gateway_fault":       gateway.Fault{Kind: "cut_after_pop", Agent: "101", Next: 1},
		"filestore_faults":    filestore.Faults{},
		"chance":              filestore.Chance{Next: 1, Probability: 0.5},
		"put":                 `{"gateway":{"rules":[…]},"filestore":{…}}; a half that is left out stays as it is`,
	}
}

func (s *Sim) putFaults(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManagementBytes))
	if err == nil {
		err = s.setFaults(raw)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	show(w, s.Faults())
}

// setFaults replaces the faults of the halves that are mentioned, all or none.
func (s *Sim) setFaults(raw []byte) error {
	var f struct {
		Gateway *gateway.Faults   `json:"gateway"`
		Files   *filestore.Faults `json:"filestore"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("read faults: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read faults: there is more than one JSON value")
	}
	if f.Gateway != nil {
		if err := s.SetGatewayFaults(*f.Gateway); err != nil {
			return err
		}
	}
	if f.Files != nil {
		s.SetFilesFaults(*f.Files)
	}
	return nil
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
