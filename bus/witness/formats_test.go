package witness

import (
	"fmt"
	"testing"
	"time"

	"aiccbridge/internal/formattest"
	"aiccbridge/schemas"
)

func TestFormats(t *testing.T) {
	formattest.JSON[notes](t, "streams")
	key := markKey("AICC_EVENTS", "aicc.v1.acme.agent.291.>")
	m := mark{Position: schemas.Position{Epoch: 7, Seq: 8}, sequence: 9, at: time.Unix(1_793_491_200, 5)}
	formattest.Bytes(t, "marks", encodeMark(key, m), func(text []byte) error {
		if k, read, ok := decodeMark(text); !ok || k != key || read != m {
			return fmt.Errorf("it is %q, %+v, %t", k, read, ok)
		}
		return nil
	})
}
