package bus

import (
	"sync"
	"testing"

	"aiccbridge/bus/embedded"
	"aiccbridge/schemas"
)

// BenchmarkForward compares what 200 agents get through to a hub that syncs:
// forwarded with and without the fence, and published directly by as many
// goroutines. Spooling is not measured.
func BenchmarkForward(b *testing.B) {
	const agents = 200
	b.Run("direct", func(b *testing.B) {
		hub := benchHub(b)
		b.ResetTimer()
		var group sync.WaitGroup
		for agent := range agents {
			group.Go(func() {
				for i := agent; i < b.N; i += agents {
					if err := hub.Publish(b.Context(), agentEvent(agent, i, true)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		group.Wait()
	})
	b.Run("fenced", func(b *testing.B) {
		s := spoolOn(b, benchServer(b), benchHub(b), func(o *SpoolOptions) { o.MaxBytes = 1 << 30 })
		var group sync.WaitGroup
		for agent := range agents {
			group.Go(func() {
				for i := agent; i < b.N; i += agents {
					publish(b, s, agentEvent(agent, i, true))
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

func benchServer(b *testing.B) *embedded.Server {
	s, err := embedded.Start(b.Context(), embedded.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Shutdown)
	return s
}

func benchHub(b *testing.B) *Bus {
	n, err := schemas.NewNames("aicc")
	if err != nil {
		b.Fatal(err)
	}
	hub, err := Connect(b.Context(), Options{Names: n, Instance: "one", InProcess: benchServer(b)})
	if err == nil {
		err = hub.Ensure(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(hub.Close)
	return hub
}
