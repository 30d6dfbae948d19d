package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if !For(short, time.Second/2) || time.Since(begin) != time.Second/2 {
			t.Errorf("waited %v", time.Since(begin))
		}
		if !For(short, 0) || For(short, time.Minute) || time.Since(begin) != time.Second || For(short, -1) {
			t.Errorf("the end of the context does not count; waited %v", time.Since(begin))
		}
	})
}
