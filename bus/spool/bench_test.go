package spool

import (
	"sync"
	"testing"

	"aiccbridge/bus/internal/bustest"
	"aiccbridge/bus/internal/hubtest"
	"aiccbridge/bus/internal/wire"
)

// BenchmarkForward compares what 200 agents get through to a hub that syncs:
// forwarded, and published directly by as many goroutines. Spooling is not measured.
func BenchmarkForward(b *testing.B) {
	const agents = 200
	b.Run("direct", func(b *testing.B) {
		publisher := wire.NewPublisher(benchHub(b), wire.PublisherOptions{})
		b.ResetTimer()
		var group sync.WaitGroup
		for agent := range agents {
			group.Go(func() {
				for i := agent; i < b.N; i += agents {
					if err := publisher.Publish(b.Context(), "AICC_EVENTS", wire.Message(bustest.AgentEvent(agent, i, true))); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
	})
	b.Run("fenced", func(b *testing.B) {
		s := spoolOn(b, bustest.Embedded(b), benchHub(b), func(o *Options) { o.MaxBytes = 1 << 30 })
		var group sync.WaitGroup
		for agent := range agents {
			group.Go(func() {
				for i := agent; i < b.N; i += agents {
					publish(b, s, bustest.AgentEvent(agent, i, true))
				}
			})
		}
		group.Wait()
		b.ResetTimer()
		stop := runs(b, s)
		if err := s.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
	})
}

func benchHub(b *testing.B) *wire.Conn {
	hub := hubtest.Open(b, bustest.Embedded(b), func(o *wire.Options) { o.User, o.Password = "", "" })
	hubtest.Ensure(b, hub)
	return hub
}
