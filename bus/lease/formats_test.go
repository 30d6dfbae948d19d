package lease

import (
	"testing"

	"aiccbridge/internal/formattest"
)

func TestFormats(t *testing.T) {
	formattest.JSON[owner](t, "lease")
	formattest.JSON[epochValue](t, "epoch")
	formattest.JSON[presence](t, "member")
	formattest.JSON[remembered](t, "remembered")
	if format != 1 {
		t.Errorf("leases have format %d: docs/operations.md says what older bridges make of another one than 1", format)
	}
}
