package embedded

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestRebuiltIndexesAreOneLine(t *testing.T) {
	var log bytes.Buffer
	l := &logger{log: zerolog.New(&log)}
	for range 5 {
		l.Warnf("Filestore [%s] Stream state outdated, last block has additional entries, will rebuild", "A")
		l.Warnf("Filestore [%s] Recovering stream state from index errored: %v", "A", "prior state file")
	}
	l.Warnf("Something else: %d", 7)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "indexes are rebuilt") || !strings.Contains(lines[1], "Something else: 7") {
		t.Errorf("logged %q", lines)
	}
}
