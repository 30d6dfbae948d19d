package spool

import (
	"fmt"
	"testing"

	"aiccbridge/internal/formattest"
)

// TestFormats: what is kept with a stream of the spool, and what its messages are called at the
// hub, in a line each.
func TestFormats(t *testing.T) {
	const first = "s"
	l := lineage{{first, 1}, {"a", 8}, {"b", 20}}
	now := fmt.Sprintf("%s=%s %s=%s\n%s=%s %s %s\n", metaSpool, first, metaLines, l.text(), headerSpool, l.name(9), headerMirror, headerHub)
	formattest.Bytes(t, "spool", []byte(now), func([]byte) error {
		read, err := readLineage(map[string]string{metaSpool: first, metaLines: "a@8 b@20"})
		if err != nil || read.name(9) != "a/9" || read.name(7) != "s/7" || read.name(21) != "b/21" {
			return fmt.Errorf("it is %v, %v", read, err)
		}
		return nil
	})
}
