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
