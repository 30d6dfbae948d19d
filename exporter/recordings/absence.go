package recordings

import (
	"errors"
	"net/http"
	"strings"

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// absence is why none of the interfaces gave the audio, from answers about the recording
// itself.
type absence struct {
	reasons map[schemas.RecordingReason]bool
	errs    []error
}

// add takes the failure of one interface; false when it says nothing of the recording.
func (a *absence) add(err error) bool {
	reason, ok := reasonOf(err)
	if !ok {
		return false
	}
	if a.reasons == nil {
		a.reasons = map[schemas.RecordingReason]bool{}
	}
	a.reasons[reason] = true
	a.errs = append(a.errs, err)
	return true
}

// reasonOf tells what a failure says of a recording. A refusal without a result code comes
// from a wrong address or a platform without the operation.
func reasonOf(err error) (schemas.RecordingReason, bool) {
	var e *ccfs.Error
	var damaged *unsound
	var other *unclear
	switch {
	case errors.Is(err, ErrUnnamed):
		return schemas.RecordingUnnamed, true
	case errors.Is(err, errTooLong):
		return schemas.RecordingTooLong, true
	case errors.As(err, &damaged):
		return schemas.RecordingDamaged, true
	case errors.As(err, &other):
		return schemas.RecordingUnclear, true
	case !errors.As(err, &e):
		return "", false
	case e.Class == ccfs.Permanent && e.Code == "" && e.Status == http.StatusOK: // the client takes no more
		return schemas.RecordingTooLong, true
	case e.Class == ccfs.NotThere:
		return schemas.RecordingAbsent, true
	case e.Class == ccfs.Broken:
		return schemas.RecordingDamaged, true
	case e.Class == ccfs.Permanent && (e.Code != "" || e.Local):
		return schemas.RecordingRefused, true
	}
	return "", false
}

// byWeight are the reasons, from the one that says most of why there is nothing.
var byWeight = []schemas.RecordingReason{
	schemas.RecordingTooLong, schemas.RecordingDamaged, schemas.RecordingUnclear, schemas.RecordingAbsent, schemas.RecordingRefused, schemas.RecordingUnnamed,
}

func (a *absence) reason() schemas.RecordingReason {
	for _, r := range byWeight {
		if a.reasons[r] {
			return r
		}
	}
	return schemas.RecordingUnnamed
}

// final reports that waiting does not help.
func (a *absence) final() bool {
	return !a.reasons[schemas.RecordingDamaged] && !a.reasons[schemas.RecordingUnclear] && !a.reasons[schemas.RecordingAbsent]
}

func (a *absence) Error() string {
	var texts []string
	for _, err := range a.errs {
		texts = append(texts, err.Error())
	}
	return "no interface gives the audio: " + strings.Join(texts, "; ")
}
