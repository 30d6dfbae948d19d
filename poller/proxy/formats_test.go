package proxy

import (
	"testing"

	"aiccbridge/internal/formattest"
)

func TestFormats(t *testing.T) {
	formattest.JSON[entry](t, "clients")
	formattest.JSON[secret](t, "client")
}
