package recordings

import (
	"strconv"
	"time"

	"aiccbridge/schemas"
)

// meta is what is kept beside the audio: enough to say again what became of it, and no
// phone number.
func meta(m schemas.Recording) map[string]string {
	all := map[string]string{
		"tenant": m.Tenant, "agent": m.Agent, "key": m.Key, "row": m.Row, "window": m.Window.String(), "call": m.CallID,
		"sha256": m.SHA256, "bytes": strconv.FormatInt(m.Bytes, 10), "format": m.Format,
		"milliseconds": strconv.FormatInt(m.Milliseconds, 10), "encrypted": m.EncryptedBy, "source": m.Source,
		"at": m.At.Format(time.RFC3339Nano),
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

// read is the reverse of meta. What cannot be read is left empty.
func read(meta map[string]string) schemas.Recording {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(meta[name], 10, 64)
		return n
	}
	window, _ := schemas.ParseWindow(meta["window"])
	at, _ := time.Parse(time.RFC3339Nano, meta["at"])
	return schemas.Recording{
		Tenant: meta["tenant"], Agent: meta["agent"], Status: schemas.RecordingStored, Key: meta["key"], Row: meta["row"], Window: window,
		CallID: meta["call"], Source: meta["source"], At: at,
		Audio: schemas.Audio{
			SHA256: meta["sha256"], Bytes: number("bytes"), Format: meta["format"], Milliseconds: number("milliseconds"), EncryptedBy: meta["encrypted"],
		},
	}
}

// Kept is what is known of audio that is kept at a place; ok is false for an object that no
// recorder made.
func Kept(at string, o schemas.Object) (r schemas.Recording, ok bool) {
	r = read(o.Meta)
	r.Object = at + "/" + o.Name
	return r, r.Validate() == nil
}
