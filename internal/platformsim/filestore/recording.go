package filestore

import (
	"archive/zip"
	"bytes"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// The names of recordings: column file_name of the index (letters, digits, slash and
// point), column original_file_name, and what the IVR records.
var (
	recordName   = regexp.MustCompile(`^/[0-9A-Za-z/.]+/record/[0-9A-Za-z/.]+\.[0-9A-Za-z]+$`)
	originalName = regexp.MustCompile(`^[A-Z]:[/\\][0-9A-Za-z/\\._-]+\.[0-9A-Za-z]+$`)
	flowName     = regexp.MustCompile(`^[A-Z]:/(?:record/\d+/odfsrecord|\d+/odfsrecord|record/\d+|\d+/transferrecord|\d+/record)/\d{8}/[0-9A-Za-z._-]+\.wav$`)
	digits       = regexp.MustCompile(`^\d+$`)
)

// recordings are the operations about sound (pages cec_07_0813, 0816, 0817, 0822, 0824,
// 0825).
func recordings() []operation {
	location := []field{{"locationId", 0, false, digits.MatchString}}
	return []operation{
		{name: "downloadRecordFile", sound: true, serve: (*Store).recordFile, fields: []field{{"fileName", 225, true, recordName.MatchString}}},
		{name: "downloadRecord", sound: true, serve: (*Store).record, fields: []field{
			{"fileName", 225, false, originalName.MatchString}, {"callId", 25, false, nil}, {"ccId", 64, false, nil},
		}},
		{name: "downloadIVRRecordFile", sound: true, serve: (*Store).flowRecord, query: location, fields: []field{{"fileName", 225, true, flowName.MatchString}}},
		{name: "downloadOiapRecord", sound: true, serve: (*Store).flowRecord, query: location, fields: []field{{"fileName", 127, true, flowName.MatchString}}},
		{name: "getRecordFileUrlFromObs", sound: true, serve: (*Store).recordURL, flat: true, fields: []field{
			{"callId", 25, true, nil}, {"beginTime", 0, true, validTime}, {"endTime", 0, true, validTime},
		}},
		{name: "requestPlayVoice", sound: true, serve: (*Store).requestPlay, fields: []field{{"fileName", 0, true, originalWithSlashes}}},
	}
}

// originalWithSlashes holds what the page of requestPlayVoice asks for: "\" turned into "/".
func originalWithSlashes(s string) bool {
	return originalName.MatchString(s) && !strings.Contains(s, `\`)
}

// recordingIndex has all rows of recordings that are known now.
func (s *Store) recordingIndex() []world.Row {
	now := s.o.Now()
	return s.o.Source.Rows(world.Record, time.Time{}, now, now)
}

// dated reports whether a part of a name that looks like a date is one.
func dated(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if len(part) != len("20060102") || !digits.MatchString(part) {
			continue
		}
		if _, err := time.Parse("20060102", part); err != nil {
			return false
		}
	}
	return true
}

func (s *Store) recordFile(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	found, ok := s.sounds.ByName(msg["fileName"].value)
	s.sound(w, r, op, msg["fileName"].value, one(found, ok), refuseNoFile)
}

// record takes a name, or a call id: then a call with several recordings comes as a ZIP.
func (s *Store) record(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	name, id := strings.ReplaceAll(msg["fileName"].value, `\`, "/"), msg["callId"].value
	switch {
	case name == "" && id == "":
		s.refuse(w, jsonType, refuseField(codeNull, "fileName"))
	case name != "":
		found, ok := s.sounds.ByOriginal(name)
		s.sound(w, r, op, name, one(found, ok), refuseNoFile)
	default:
		s.sound(w, r, op, id, s.sounds.ByCall(id), refuseNoData)
	}
}

// flowLocations are the nodes that have recordings of IVR flows.
var flowLocations = []string{"", "0", "256"}

func (s *Store) flowRecord(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	name, now := msg["fileName"].value, s.o.Now()
	parts := strings.Split(name, "/")
	day, err := time.ParseInLocation("20060102", parts[len(parts)-2], s.o.Timezone)
	if err != nil {
		s.refuse(w, jsonType, refuseFileDate)
		return
	}
	var found []voice.Recording
	if !day.After(now) && slices.Contains(flowLocations, r.URL.Query().Get("locationId")) {
		found = []voice.Recording{s.sounds.Flow(name, day)}
	}
	s.sound(w, r, op, name, found, refuseNoFile)
}

func one(r voice.Recording, ok bool) []voice.Recording {
	if !ok {
		return nil
	}
	return []voice.Recording{r}
}

// sound answers with the recordings that were found, and records it. none is the answer
// when nothing was.
func (s *Store) sound(w http.ResponseWriter, r *http.Request, op *operation, name string, found []voice.Recording, none *refusal) {
	started := s.o.Now()
	result, n := s.fetchSound(w, r, op.name, name, found, none)
	s.o.Truth.Download(truth.Download{Name: name, At: started, Bytes: n, Result: result})
	s.o.Logger.Debug().Str("operation", op.name).Str("result", result).Int64("bytes", n).Msg("download of sound")
}

// fetchSound returns what fetch does.
func (s *Store) fetchSound(w http.ResponseWriter, r *http.Request, operation, name string, found []voice.Recording, none *refusal) (string, int64) {
	if !s.slots.take() {
		return s.turnDown(w, refuseDownloads)
	}
	defer s.slots.release()
	if !dated(name) {
		return s.turnDown(w, refuseFileDate)
	}
	bad := s.soundFault(r, operation)
	if result, done := s.badSound(w, bad); done {
		return result, 0
	}
	there, why := s.there(found, none)
	if why != nil {
		return s.turnDown(w, why)
	}
	return s.sendFile(r.Context(), w, packed(there), bad)
}

// badSound answers where a fault leaves nothing of the sound.
func (s *Store) badSound(w http.ResponseWriter, bad *fault.Rule) (result string, done bool) {
	switch bad.Fault {
	case audioStatus:
		s.page(w, bad.Status)
	case audioJSONAsOctetStream:
		s.refuse(w, octetType, &refusal{bad.Code, "The file cannot be downloaded."})
	case audioFlowControl:
		s.refuse(w, jsonType, refuseDownloads)
	case audioLate:
		s.refuse(w, jsonType, refuseNoFile)
	case audioAbsent:
		s.refuse(w, jsonType, refuseNoData)
	default:
		return "", false
	}
	return bad.Fault, true
}

// there are those whose sound can be had now; without any of them it says why.
func (s *Store) there(found []voice.Recording, none *refusal) (out []voice.Recording, why *refusal) {
	why = none
	for _, r := range found {
		switch {
		case r.Absent:
			why = refuseNoData
		case r.ThereAt.After(s.o.Now()):
			why = refuseNoFile
		default:
			out = append(out, r)
		}
	}
	if len(out) > 0 {
		why = nil
	}
	return out, why
}

// packed is the WAV of one recording, or a ZIP of several.
func packed(all []voice.Recording) []byte {
	if len(all) == 1 {
		return all[0].WAV()
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, r := range all {
		name := r.Base()
		if slices.ContainsFunc(all[:i], func(o voice.Recording) bool { return o.Base() == name }) {
			name = strconv.Itoa(i+1) + "_" + name
		}
		if m, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}); err == nil { // memory does not fail to be written
			_, _ = m.Write(r.WAV())
		}
	}
	_ = z.Close()
	return b.Bytes()
}
