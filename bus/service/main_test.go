package service

import (
	"testing"

	"aiccbridge/bus/internal/bustest"
)

func TestMain(m *testing.M) { bustest.Main(m) }
