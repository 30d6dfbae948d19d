package ledger

import (
	"testing"

	"aiccbridge/internal/formattest"
	"aiccbridge/schemas"
)

func TestFormats(t *testing.T) {
	formattest.JSON[schemas.WindowEntry](t, "window")
	formattest.JSON[schemas.FileNotice](t, "notice")
	formattest.JSON[turns](t, "budget")
}
