package kept

import (
	"testing"

	"aiccbridge/internal/formattest"
)

func TestFormats(t *testing.T) {
	formattest.JSON[Entry](t, "clients")
	formattest.JSON[Secret](t, "client")
}
