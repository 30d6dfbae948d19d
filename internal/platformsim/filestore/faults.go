package filestore

import (
	"cmp"
	"net/http"
	"slices"

	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/callback"
	"aiccbridge/internal/platformsim/filestore/content"
	"aiccbridge/internal/platformsim/world"
)

// The faults of requests, of create requests and of downloads. Those of
// callbacks and of files are in the packages which have them.
const (
	requestUnauthorized = "request.unauthorized"
	requestLocked       = "request.locked"
	requestFirewall     = "request.firewall"

	createRefused     = "create.refused"
	createFlowControl = "create.flow_control"
	createLost        = "create.lost"

	downloadStatus            = "download.status"
	downloadFlipped           = "download.flipped"
	downloadTruncated         = "download.truncated"
	downloadCut               = "download.cut"
	downloadSlowDrip          = "download.slow_drip"
	downloadNoLength          = "download.no_length"
	downloadJSONAsOctetStream = "download.json_as_octet_stream"
	downloadFlowControl       = "download.flow_control"
	downloadNotThere          = "download.not_there"

	audioStatus            = "audio.status"
	audioTruncated         = "audio.truncated"
	audioCut               = "audio.cut"
	audioSlowDrip          = "audio.slow_drip"
	audioNoLength          = "audio.no_length"
	audioJSONAsOctetStream = "audio.json_as_octet_stream"
	audioFlowControl       = "audio.flow_control"
	audioLate              = "audio.late"
	audioAbsent            = "audio.absent"

	playExpired = "play.expired"
)

// downloads are the faults of downloads, of which one strikes; audio those of sound.
var (
	downloads = []string{
		downloadStatus, downloadFlipped, downloadTruncated, downloadCut, downloadSlowDrip, downloadNoLength,
		downloadJSONAsOctetStream, downloadFlowControl, downloadNotThere,
	}
	audio = []string{
		audioStatus, audioTruncated, audioCut, audioSlowDrip, audioNoLength,
		audioJSONAsOctetStream, audioFlowControl, audioLate, audioAbsent,
	}
)

// FaultKinds lists the faults of the file store.
func FaultKinds() []fault.Kind {
	creates := names(func(o *operation) bool { return o.create })
	fetches := names(func(o *operation) bool { return o.family != "" && !o.create })
	sounds := append(names(func(o *operation) bool { return o.sound }), objectStore, playVoice)
	requests := fault.Scope{Path: true, Operations: append(names(func(*operation) bool { return true }), playVoice)}
	create := fault.Scope{Path: true, Operations: creates, Kinds: world.Words}
	file := fault.Scope{Operations: creates, Kinds: world.Words}
	sound := fault.Scope{Path: true, Operations: slices.Sorted(slices.Values(sounds))}
	fetch := fault.Scope{Path: true, Operations: fetches, Kinds: world.Words}
	out := []fault.Kind{
		{Name: requestUnauthorized, What: "401 in JSON before the signature is looked at; not counted for the lock", Scope: requests},
		{Name: requestLocked, What: "403 in JSON, for this request only", Scope: requests},
		{Name: requestFirewall, What: "418 in HTML, as a web firewall answers", Scope: requests},

		{Name: createRefused, What: "HTTP 200 with a code, and nothing is made", Takes: fault.Rule{Code: codeShort}, Scope: create},
		{Name: createFlowControl, What: "0300009, as if too many extracts were asked for", Scope: create},
		{Name: createLost, What: "the extract is made, and the connection closed without an answer", Scope: create},
	}
	out = append(out, callback.FaultKinds(file)...)
	out = append(out, content.FaultKinds(file)...)
	return append(out, []fault.Kind{
		{Name: downloadStatus, What: "HTTP status with an HTML page, as from a proxy", Takes: fault.Rule{Status: http.StatusBadGateway}, Scope: fetch},
		{Name: downloadFlipped, What: "one byte of a member is wrong in this answer", Scope: fetch},
		{Name: downloadTruncated, What: "the first half as a complete answer", Scope: fetch},
		{Name: downloadCut, What: "connection closed after a part of the promised bytes", Takes: fault.Rule{Percent: 50}, Scope: fetch},
		{Name: downloadSlowDrip, What: "some bytes at a time", Takes: fault.Rule{Rate: 1024}, Scope: fetch},
		{Name: downloadNoLength, What: "without Content-Length, which no page promises", Scope: fetch},
		{Name: downloadJSONAsOctetStream, What: "a code in JSON with the content type of a file", Takes: fault.Rule{Code: codeNoFile}, Scope: fetch},
		{Name: downloadFlowControl, What: "0300008, as if too many downloads were under way", Scope: fetch},
		{Name: downloadNotThere, What: "0300011, as if there were no such file", Scope: fetch},

		{Name: audioStatus, What: "HTTP status with an HTML page, as from a proxy", Takes: fault.Rule{Status: http.StatusBadGateway}, Scope: sound},
		{Name: audioTruncated, What: "the first half as a complete answer", Scope: sound},
		{Name: audioCut, What: "connection closed after a part of the promised bytes", Takes: fault.Rule{Percent: 50}, Scope: sound},
		{Name: audioSlowDrip, What: "some bytes at a time", Takes: fault.Rule{Rate: 1024}, Scope: sound},
		{Name: audioNoLength, What: "without Content-Length, which no page promises", Scope: sound},
		{Name: audioJSONAsOctetStream, What: "a code in JSON with the content type of a file", Takes: fault.Rule{Code: codeNoFile}, Scope: sound},
		{Name: audioFlowControl, What: "0300008, as if too many downloads were under way", Scope: sound},
		{Name: audioLate, What: "0300011, as if the sound came later", Scope: sound},
		{Name: audioAbsent, What: "0300012, as if there were no sound", Scope: sound},

		{Name: playExpired, What: "a token, or an address in the object store, is over before its time", Scope: fault.Scope{Path: true, Operations: []string{objectStore, playVoice}}},
	}...)
}

// soundFault is what goes wrong with the sound that a request is about; the zero rule:
// nothing.
func (s *Store) soundFault(r *http.Request, operation string) *fault.Rule {
	return cmp.Or(s.o.Faults.First(fault.Occasion{Operation: operation, Path: r.URL.Path}, audio...), &fault.Rule{})
}

// names are the operations of which wanted is true.
func names(wanted func(*operation) bool) (out []string) {
	for name, op := range table() {
		if wanted(op) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
