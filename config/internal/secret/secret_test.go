package secret

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestOnlyRevealShowsIt(t *testing.T) {
	s := New("f", "hush")
	if s.Reveal() != "hush" || s.File() != "f" || (Secret{}).Reveal() != "" {
		t.Errorf("%q of %q, and %q", s.Reveal(), s.File(), Secret{}.Reveal())
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", s, s, s, s, s, s, s, struct{ s Secret }{s})
	asJSON, err := json.Marshal(s)
	text, errText := s.MarshalText()
	yaml, errYAML := s.MarshalYAML()
	if err != nil || errText != nil || errYAML != nil || strings.Contains(shown+string(asJSON)+string(text)+string(yaml)+s.String()+s.GoString(), "hush") {
		t.Errorf("%s %s %s %s", shown, asJSON, text, yaml)
	}
}

// TestRead: of a file its one line is the secret, without what editors put around it.
func TestRead(t *testing.T) {
	for text, want := range map[string]struct {
		value, problem string
		padded         bool
	}{
		"hush":               {"hush", "", false},
		"hush\r\n":           {"hush", "", false},
		"\ufeffhush\n":       {"hush", "", false},
		"\ufeff\ufeffhush\n": {"\ufeffhush", "", false},
		" hush\n":            {" hush", "", true},
		"hu sh\t\n":          {"hu sh\t", "", true},
		"\ufeff\n":           {"", "is empty", false},
		" \n":                {"", "is empty", false},
		"hush\nhush\n":       {"", "has several lines", false},
	} {
		s, problem, _ := Read("f", []byte(text))
		if s.Reveal() != want.value || problem != want.problem || s.Padded() != want.padded {
			t.Errorf("%q: %q, %q, %v", text, s.Reveal(), problem, s.Padded())
		}
	}
}
