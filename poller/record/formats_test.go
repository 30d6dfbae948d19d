package record

import (
	"testing"

	"aiccbridge/internal/formattest"
	"aiccbridge/schemas"
)

func TestFormats(t *testing.T) { formattest.JSON[schemas.AgentState](t, "state") }
