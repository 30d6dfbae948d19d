package truthcheck

import (
	"slices"
	"strings"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/schemas"
)

// Recordings collects what was said of the recordings of one tenant. It is not for
// concurrent use.
type Recordings struct {
	tenant string                                                    // as a subject token
	files  map[string]string                                         // column file_name by the key of its row
	said   map[string]map[schemas.RecordingStatus]*schemas.Recording // by key
	report RecordingReport
	bad    problems // of the streams alone
}

// RecordingReport is about the audio of recordings. InTruth is the sum of Stored, Missing
// and Unsaid.
type RecordingReport struct {
	InTruth int `json:"in_truth"` // recordings whose row was in a file
	Stored  int `json:"stored"`   // with the digest of the truth
	Missing int `json:"missing"`  // said to be

	Unsaid      int `json:"unsaid,omitempty"`       // nothing was said of them
	WrongDigest int `json:"wrong_digest,omitempty"` // of the stored, with another digest
	Had         int `json:"had,omitempty"`          // of the missing, those whose audio could be had
	Invented    int `json:"invented,omitempty"`     // stored although the platform has no audio
	Repeated    int `json:"repeated,omitempty"`     // messages that say again what another one says
	Requests    int `json:"requests"`               // for audio, at the platform
}

// NewRecordings returns one without messages.
func NewRecordings(tenant string) *Recordings { return newRecordings(schemas.EncodeToken(tenant)) }

func newRecordings(token string) *Recordings {
	return &Recordings{tenant: token, files: map[string]string{}, said: map[string]map[schemas.RecordingStatus]*schemas.Recording{}}
}

// Message takes one message. All of the streams FILES and ROWS must be fed, once; others
// are ignored.
func (c *Recordings) Message(m schemas.Stored) {
	tokens := strings.SplitN(m.Subject, ".", 5)
	if len(tokens) < 5 || tokens[2] != c.tenant {
		return
	}
	switch m.Get("ce-type") {
	case schemas.TypeRow + string(schemas.KindRecording):
		row, err := decode[struct {
			FileName string `json:"file_name"`
		}](m)
		if err == nil {
			c.files[schemas.ReadRowHeader(m.Header).Key] = row.FileName
		}
	case schemas.TypeRecording:
		said, err := decode[schemas.Recording](m)
		if err != nil || said.Validate() != nil {
			c.bad.add("recording message %d cannot be read", m.Sequence)
			return
		}
		of := c.said[said.Key]
		if of == nil {
			of = map[schemas.RecordingStatus]*schemas.Recording{}
			c.said[said.Key] = of
		}
		if of[said.Status] != nil {
			c.report.Repeated++
			c.bad.add("recording message %d says again what another one says", m.Sequence)
		}
		of[said.Status] = &said
	}
}

// soundOperations are the platform's interfaces for audio.
var soundOperations = []string{"downloadRecordFile", "downloadRecord", "getRecordFileUrlFromObs", "object"}

// Compare holds what was said against the truth. It changes nothing.
func (c *Recordings) Compare(t truth.Snapshot) (RecordingReport, []string) {
	r, p := c.report, &problems{list: slices.Clone(c.bad.list)}
	keys := map[string]string{}
	for key, file := range c.files {
		keys[file] = key
	}
	for _, did := range t.Recordings {
		if did.CallID == "" { // an IVR flow's, of which no row tells
			continue
		}
		r.InTruth++
		c.compare(did, c.said[keys[did.FileName]], &r, p)
	}
	for _, operation := range soundOperations {
		r.Requests += t.Requests[operation]
	}
	return r, p.list
}

// compare judges one recording.
func (c *Recordings) compare(did truth.Recording, said map[schemas.RecordingStatus]*schemas.Recording, r *RecordingReport, p *problems) {
	stored, missing := said[schemas.RecordingStored], said[schemas.RecordingMissing]
	switch {
	case stored == nil && missing == nil:
		r.Unsaid++
		p.add("nothing is said of recording %s", did.FileName)
	case stored == nil:
		r.Missing++
		if !did.Absent {
			r.Had++
			p.add("recording %s is said to be missing (%s), and could be had", did.FileName, missing.Reason)
		}
	default:
		r.Stored++
		switch {
		case did.Absent:
			r.Invented++
			p.add("recording %s is stored, and the platform has none", did.FileName)
		case stored.SHA256 != did.SHA256:
			r.WrongDigest++
			p.add("recording %s is stored with another digest", did.FileName)
		}
	}
}
