package schemas

import "fmt"

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
