package schemas

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Kind is one of the four row types of the file store.
type Kind string

// The kinds of rows.
const (
	KindCDR       Kind = "cdr"       // call detail records, CSV member *_call
	KindRecording Kind = "recording" // recording index, CSV member *_record
	KindOperation Kind = "operation" // agent operations, CSV member *_agentOprInfo
	KindSkill     Kind = "skill"     // agent skill changes, CSV member *_agentSkillInfo
)

var kinds = [...]Kind{KindCDR, KindRecording, KindOperation, KindSkill}

// Kinds returns every kind in a fixed order.
func Kinds() []Kind { return append([]Kind(nil), kinds[:]...) }

// Validate reports whether k is a known kind.
func (k Kind) Validate() error {
	for _, known := range kinds {
		if k == known {
			return nil
		}
	}
	return fmt.Errorf("kind %q: want one of cdr, recording, operation, skill", string(k))
}

// windowLayout is UTC in whole seconds, lower case as subject tokens are.
const windowLayout = "20060102t150405z"

// Window is a half-open span of time [From, To) for which one kind is
// extracted. Both ends are whole seconds. The zero Window is not valid.
type Window struct {
	From time.Time
	To   time.Time
}

// Validate reports a window without extent or with fractions of a second.
func (w Window) Validate() error {
	err := cmp.Or(
		want(!w.From.IsZero() && !w.To.IsZero(), "both ends must be set"),
		want(w.From.Before(w.To), "from must be before to"),
		want(w.From.UTC().Year() >= 0 && w.To.UTC().Year() <= 9999, "want years of four digits"),
		want(w.From.Nanosecond() == 0 && w.To.Nanosecond() == 0, "ends must be whole seconds"),
	)
	if err != nil {
		return fmt.Errorf("window %s: %w", w, err)
	}
	return nil
}

// String returns the window's token, both ends in UTC:
// 20261101t000000z-20261101t010000z. Tokens of one length sort by time, and
// stay distinct in the hour that a clock change repeats.
func (w Window) String() string {
	return w.From.UTC().Format(windowLayout) + "-" + w.To.UTC().Format(windowLayout)
}

// ParseWindow is the inverse of [Window.String].
func ParseWindow(token string) (Window, error) {
	from, to, ok := strings.Cut(token, "-")
	if !ok {
		return Window{}, fmt.Errorf("parse window %q: want from-to", token)
	}
	f, err := time.Parse(windowLayout, from)
	if err != nil {
		return Window{}, fmt.Errorf("parse window %q: %w", token, err)
	}
	t, err := time.Parse(windowLayout, to)
	if err != nil {
		return Window{}, fmt.Errorf("parse window %q: %w", token, err)
	}
	w := Window{From: f, To: t}
	if w.String() != token {
		return Window{}, fmt.Errorf("parse window %q: not in canonical form", token)
	}
	return w, w.Validate()
}

// MarshalText writes the window's token.
func (w Window) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads a window's token.
func (w *Window) UnmarshalText(text []byte) (err error) {
	*w, err = ParseWindow(string(text))
	return err
}
