package filestore

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
)

// playVoice is asked for by a browser: GET …/playVoice?t=…&version=2.0&st={token}.
const playVoice = "playVoice"

// objectStore is the name of the object store in rules about faults and in the truth log;
// its addresses lie under objectBase.
const (
	objectStore = "object"
	objectBase  = "/obs/aicc-recordings/"
)

type playToken struct {
	Token string `json:"token"`
}

// requestPlay gives a token for one recording (page cec_07_0822).
func (s *Store) requestPlay(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	if _, done := s.badSound(w, s.soundFault(r, op.name)); done {
		return
	}
	name := msg["fileName"].value
	if !dated(name) {
		s.refuse(w, jsonType, refuseFileDate)
		return
	}
	found, ok := s.sounds.ByOriginal(name)
	there, why := s.there(one(found, ok), refuseNoFile)
	if why != nil {
		s.refuse(w, jsonType, why)
		return
	}
	token, _ := s.tokens.Issue(there[0], s.o.Now())
	s.writeResult(w, jsonType, result{ResultData: playToken{token}, ResultCode: codeOK, ResultDesc: "success"})
}

// play sends the sound of a token (page cec_07_0823). Its failures are labelled as sound,
// and their resultData is null.
func (s *Store) play(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		s.problem(w, r, http.StatusMethodNotAllowed)
		return
	}
	refuse := func(why *refusal) {
		s.writeResult(w, octetType, result{ResultData: null, ResultCode: why.code, ResultDesc: why.text})
	}
	q := r.URL.Query()
	recording, ok := s.tokens.Open(q.Get("st"), s.o.Now())
	expired := ok && s.o.Faults.First(fault.Occasion{Operation: playVoice, Path: r.URL.Path}, playExpired) != nil
	switch {
	case q.Get("version") != version:
		refuse(refuseVersion)
	case q.Get("st") == "":
		refuse(refuseNoToken)
	case !ok || expired:
		refuse(refuseToken)
	default:
		s.sendSound(w, r, playVoice, recording)
	}
}

// sendSound sends a recording to whoever has a pass for it.
func (s *Store) sendSound(w http.ResponseWriter, r *http.Request, operation string, recording voice.Recording) {
	started := s.o.Now()
	bad := s.soundFault(r, operation)
	result, done := s.badSound(w, bad)
	n := int64(0)
	if !done {
		result, n = s.sendFile(r.Context(), w, recording.WAV(), bad)
	}
	s.o.Truth.Download(truth.Download{Name: recording.Name, At: started, Bytes: n, Result: result})
}

// recordURL gives addresses in the object store (page cec_07_0813). Without version the
// times are UTC. Platforms before AICC 22.100 don't know the operation.
func (s *Store) recordURL(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	if s.o.Form.Edition < 23 {
		s.problem(w, r, http.StatusNotFound)
		return
	}
	if refused := checkWindow(msg); refused != nil {
		s.refuse(w, jsonType, refused)
		return
	}
	if _, done := s.badSound(w, s.soundFault(r, op.name)); done {
		return
	}
	id := msg["callId"].value
	if s.o.Audio.ShortCallIDs && strings.Contains(id, "-") {
		s.refuse(w, jsonType, refuseCallID)
		return
	}
	zone := time.UTC
	if msg["version"].given {
		zone = s.o.Timezone
	}
	begin, _ := time.ParseInLocation(layout, msg["beginTime"].value, zone) // checked
	end, _ := time.ParseInLocation(layout, msg["endTime"].value, zone)
	found := slices.DeleteFunc(s.sounds.ByCall(id), func(r voice.Recording) bool { return r.Begin.Before(begin) || r.Begin.After(end) })
	there, why := s.there(found, refuseNoData)
	if why != nil {
		s.refuse(w, jsonType, why)
		return
	}
	s.writeResult(w, jsonType, result{
		ResultData: map[string]any{s.o.Audio.ObjectField: s.addresses(r, there)}, ResultCode: s.o.Audio.ObjectCode, ResultDesc: "success",
	})
}

// addresses are one text, or a list of several.
func (s *Store) addresses(r *http.Request, there []voice.Recording) any {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	all := make([]string, len(there))
	for i, recording := range there {
		secret, until := s.objects.Issue(recording, s.o.Now())
		all[i] = fmt.Sprintf("%s://%s%s%s?AccessKeyId=OBSAK01&Expires=%d&Signature=%s",
			scheme, r.Host, objectBase, recording.Base(), until.Unix(), secret)
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

// object is the object store: whoever has the address gets the sound, for as long as it is
// good. Its errors are XML.
func (s *Store) object(w http.ResponseWriter, r *http.Request, name string) {
	s.o.Truth.Request(objectStore)
	o := fault.Occasion{Operation: objectStore, Path: r.URL.Path}
	recording, ok := s.objects.Open(r.URL.Query().Get("Signature"), s.o.Now())
	switch {
	case r.Method != http.MethodGet:
		s.objectError(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	case !ok || s.o.Faults.First(o, playExpired) != nil:
		s.objectError(w, http.StatusForbidden, "AccessDenied")
	case name != recording.Base():
		s.objectError(w, http.StatusNotFound, "NoSuchKey")
	default:
		s.sendSound(w, r, objectStore, recording)
	}
}

func (s *Store) objectError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, err := fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>Request refused</Message></Error>\n", code)
	if err != nil {
		s.o.Logger.Debug().Err(err).Msg("answer not delivered")
	}
}
