package schemas_test

import (
	"strings"
	"testing"
	"time"

	"aiccbridge/schemas"
	"aiccbridge/schemas/internal/schematest"
)

func missing() schemas.Recording {
	return schemas.Recording{
		Tenant: "acme", Agent: "7", Status: schemas.RecordingMissing, Key: strings.Repeat("0a", 16), Row: "r-1",
		Window: schematest.File(schemas.KindRecording).Window, Reason: schemas.RecordingAbsent, At: schematest.At(1),
	}
}

// TestRecordingIsOneMessage: what is said again has the same id, wherever and whenever.
func TestRecordingIsOneMessage(t *testing.T) {
	n := schematest.Names(t)
	first, err := n.RecordingMessage(missing())
	if err != nil {
		t.Fatal(err)
	}
	again := missing()
	again.At, again.Row = again.At.Add(time.Hour), "r-2"
	second, err := n.RecordingMessage(again)
	if err != nil || first.MsgID() != second.MsgID() || !first.Dedupe {
		t.Errorf("%s and %s, %v", first.MsgID(), second.MsgID(), err)
	}
	if want := "aicc.v1.acme.recording.7.missing"; first.Subject != want || !n.InStream(schemas.StreamFiles, first.Subject) {
		t.Errorf("on %s", first.Subject)
	}
	if err := schematest.Validate(t, schematest.Compile(t, first.Type), first.Body); err != nil {
		t.Error(err)
	}
}

func TestRecordingValidate(t *testing.T) {
	n := schematest.Names(t)
	for name, spoil := range map[string]func(*schemas.Recording){
		"no tenant":  func(r *schemas.Recording) { r.Tenant = "" },
		"no row":     func(r *schemas.Recording) { r.Row = "" },
		"no window":  func(r *schemas.Recording) { r.Window = schemas.Window{} },
		"odd key":    func(r *schemas.Recording) { r.Key = "0A" },
		"odd status": func(r *schemas.Recording) { r.Status = "late" },
		"no reason":  func(r *schemas.Recording) { r.Reason = "" },
		"no time":    func(r *schemas.Recording) { r.At = time.Time{} },
		"stored, no bytes": func(r *schemas.Recording) {
			r.Status, r.Reason, r.Object, r.SHA256 = schemas.RecordingStored, "", "a/b", strings.Repeat("ab", 32)
		},
		"stored, no object":  func(r *schemas.Recording) { r.Status, r.Reason = schemas.RecordingStored, "" },
		"missing, an object": func(r *schemas.Recording) { r.Object, r.Bytes, r.SHA256 = "a/b", 1, strings.Repeat("ab", 32) },
	} {
		r := missing()
		if spoil(&r); r.Validate() == nil {
			t.Errorf("%s: valid", name)
		}
		if _, err := n.RecordingMessage(r); err == nil {
			t.Errorf("%s: a message", name)
		}
	}
}
