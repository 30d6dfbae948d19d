package softphone

import (
	"net/http"
	"strings"
)

// medium are the interfaces of playback and recording: how each is called, and its retcode
// where the phone is in no state for it. Those of winding, resumeplay and stopplay are on their
// pages (cec_07_4204, 4206, 4207), the others are ours.
var medium = []struct{ method, path, name, code string }{
	{http.MethodPut, "play", "play", "500-004"}, {http.MethodDelete, "stopplay", "stopplay", "500-009"},
	{http.MethodPost, "pauseplay", "pauseplay", "500-002"}, {http.MethodPost, "resumeplay", "resumeplay", "500-005"},
	{http.MethodPost, "forefast/{time}", "forefast", "500-001"}, {http.MethodPost, "backfast/{time}", "backfast", "500-001"},
	{http.MethodPut, "record", "record", "500-007"}, {http.MethodPut, "recordwithoutfilename", "recordwithoutfilename", "500-007"},
	{http.MethodDelete, "stoprecord", "stoprecord", "500-008"},
	{http.MethodPost, "pauserecord", "pauserecord", "500-003"}, {http.MethodPost, "resumerecord", "resumerecord", "500-006"},
}

// media are the interfaces of playback and recording.
func media() (all []Call) {
	for _, m := range medium {
		all = append(all, Call{m.method, "/recordplay/{agent}/" + m.path, m.name, plain(func(a ask) error {
			do, what := a.phone.Play, strings.TrimSuffix(m.name, "withoutfilename")
			if strings.HasSuffix(what, "record") {
				do = a.phone.Tape
			}
			if what == "record" && !a.recordable() {
				return errParameter
			}
			if do(what) != nil {
				return refusal(m.code)
			}
			return nil
		})})
	}
	return all
}

// recordable reports whether a request to record makes sense (page cec_07_0402): the medium is
// common voice, which older clients do not say, and a name for the file, which the simulator does
// not use, is short enough.
func (a ask) recordable() bool {
	medium, err := a.number("mediaType", 5)
	return err == nil && medium == 5 && len(a.get("fileName")) <= 100
}
