package custody

import (
	"testing"

	"aiccbridge/internal/formattest"
	"aiccbridge/schemas"
)

func TestFormats(t *testing.T) { formattest.JSON[schemas.Session](t, "session") }
