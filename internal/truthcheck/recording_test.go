package truthcheck

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// audio is a scene with two recordings: the first can be had, the second is absent.
func audio(t *testing.T, say func(s *audioScene)) (RecordingReport, []string) {
	t.Helper()
	s := &audioScene{t: t, c: NewRecordings("acme")}
	for i := 1; i <= 2; i++ {
		s.row(i)
	}
	say(s)
	return s.c.Compare(truth.Snapshot{
		Recordings: []truth.Recording{
			{CallID: "17-1", FileName: "/r/1.wav", SHA256: digest("1")},
			{CallID: "17-2", FileName: "/r/2.wav", Absent: true},
			{FileName: "Y:/flow.wav"},
		},
		Requests: map[string]int{"downloadRecordFile": 2, "downloadBillFile": 7},
	})
}

type audioScene struct {
	t *testing.T
	c *Recordings
	n uint64
}

func digest(of string) string { return strings.Repeat(of, 64) }

func keyOf(i int) string { return fmt.Sprintf("%032x", i) }

func (s *audioScene) feed(subject, typ, id, key string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.n++
	s.c.Message(schemas.Stored{Subject: subject, Sequence: s.n, Body: text, Header: map[string][]string{
		"ce-type": {typ}, "ce-id": {id}, schemas.HeaderRow: {key + ".1.x"},
	}})
}

func (s *audioScene) row(i int) {
	s.feed("aicc.v1.acme.row.recording.w", "aicc.v1.row.recording", "x", keyOf(i), map[string]string{"file_name": fmt.Sprintf("/r/%d.wav", i)})
}

func (s *audioScene) say(i int, sha string) {
	at := time.Unix(1_800_000_000, 0).UTC()
	r := schemas.Recording{
		Tenant: "acme", Agent: "7", Status: schemas.RecordingMissing, Key: keyOf(i), Row: "r", Reason: schemas.RecordingAbsent,
		Window: schemas.Window{From: at, To: at.Add(time.Hour)}, At: at,
	}
	if sha != "" {
		r.Status, r.Reason, r.Object, r.Bytes, r.SHA256 = schemas.RecordingStored, "", "a/b", 1, sha
	}
	s.feed("aicc.v1.acme.recording.7."+string(r.Status), schemas.TypeRecording, r.Key+string(r.Status), "", r)
}

func TestRecordings(t *testing.T) {
	good := func(s *audioScene) { s.say(1, digest("1")); s.say(2, "") }
	if r, problems := audio(t, good); len(problems) > 0 || r != (RecordingReport{InTruth: 2, Stored: 1, Missing: 1, Requests: 2}) {
		t.Errorf("%+v %v", r, problems)
	}
	for name, c := range map[string]struct {
		say  func(s *audioScene)
		want RecordingReport
	}{
		"unsaid":      {func(s *audioScene) { s.say(2, "") }, RecordingReport{InTruth: 2, Missing: 1, Unsaid: 1, Requests: 2}},
		"other audio": {func(s *audioScene) { s.say(1, digest("2")); s.say(2, "") }, RecordingReport{InTruth: 2, Stored: 1, Missing: 1, WrongDigest: 1, Requests: 2}},
		"given up":    {func(s *audioScene) { s.say(1, ""); s.say(2, "") }, RecordingReport{InTruth: 2, Missing: 2, Had: 1, Requests: 2}},
		"invented":    {func(s *audioScene) { s.say(1, digest("1")); s.say(2, digest("2")) }, RecordingReport{InTruth: 2, Stored: 2, Invented: 1, Requests: 2}},
		"said twice":  {func(s *audioScene) { good(s); s.say(1, digest("1")) }, RecordingReport{InTruth: 2, Stored: 1, Missing: 1, Repeated: 1, Requests: 2}},
		"of another tenant": {func(s *audioScene) {
			good(s)
			s.feed("aicc.v1.other.recording.7.stored", schemas.TypeRecording, "y", "", "nonsense")
			s.feed("aicc.v1.acme.recording.7.stored", schemas.TypeRecording, "y", "", "nonsense")
		}, RecordingReport{InTruth: 2, Stored: 1, Missing: 1, Requests: 2}},
	} {
		if r, problems := audio(t, c.say); len(problems) != 1 || r != c.want {
			t.Errorf("%s: %+v %v", name, r, problems)
		}
	}
}
