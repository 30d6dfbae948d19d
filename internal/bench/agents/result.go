package agents

import (
	"fmt"
	"math"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/stage"
)

// Result is what was measured.
type Result struct {
	Agents         int
	Memory, Events bool
	m              stage.Measured
}

// Verdicts are those of P5 to P8, as far as they were measured.
func (r *Result) Verdicts() (all []figures.Verdict) {
	m := r.m
	if r.Memory {
		flat := m.Ratio("many: memory", "few: memory")
		all = append(all,
			figures.Verdict{Target: 5, Claims: []figures.Claim{
				stage.AtMost(fmt.Sprintf("memory of an agent at %d, of the plain client's", r.Agents), m.Ratio("many: memory", "many: plain memory"), 0.65),
				stage.AtMost("its change from 1,000 agents on", math.Abs(flat-1), 0.10),
			}},
			figures.Verdict{Target: 6, Claims: []figures.Claim{
				stage.AtMost("CPU of an idle poll, of the plain client's", m.Ratio("many: idle CPU", "many: plain idle CPU"), 1),
				stage.AtMost("of that at 1,000 agents", m.Ratio("many: idle CPU", "few: idle CPU"), 1.1),
			}})
	}
	if r.Events {
		all = append(all,
			figures.Verdict{Target: 7, Claims: []figures.Claim{
				stage.AtMost(fmt.Sprintf("p50 at %d agents, of that at 1,000", r.Agents), m.Ratio("many: p50", "few: p50"), 1.2),
				stage.AtMost("p99", m.Ratio("many: p99", "few: p99"), 2),
				stage.AtMost("µs of CPU for an event", 1e6*r.eventCPU().Median(), 150),
				stage.AtLeast("events a sync at 5,000 a second", m["busy: events a sync"].Median(), 3),
				stage.AtLeast("highest rate, of single publishes", m.Ratio("highest", "singles: rate"), 0.8),
			}},
			figures.Verdict{Target: 8, Claims: []figures.Claim{
				stage.AtMost("time to the next poll, of the plain client's, median", m.Ratio("bridge: gap p50", "plain: gap p50"), 1.01),
				stage.AtMost("p99", m.Ratio("bridge: gap p99", "plain: gap p99"), 1.05),
			}})
	}
	return all
}

// eventCPU is the CPU of an event, with few agents: what a second with events takes beyond
// one without.
func (r *Result) eventCPU() figures.Series {
	var each figures.Series
	for _, beyond := range r.m["few: CPU/s"].Minus(r.m["few: idle CPU/s"]) {
		each = append(each, beyond/eventRate)
	}
	return each
}

// Tables are for the document.
func (r *Result) Tables() (all []figures.Table) {
	m := r.m
	if r.Memory {
		all = append(all, figures.Table{
			Title: "Agents",
			Note: fmt.Sprintf("Agents at HTTPS long polls of 10 s, the server in the bridge. Memory of an agent is what the process has after every agent was polled, less what it has with %d, divided by the number. "+
				"The plain client is `net/http` with a goroutine for each agent and does nothing with what it gets.", queueAgents),
			Lines: []figures.Line{
				m.Line("memory of an agent, 1,000", "bytes", "few: memory", "plain client", "few: plain memory").In("KiB", 1.0/1024),
				m.Line(fmt.Sprintf("memory of an agent, %d", r.Agents), "bytes", "many: memory", "plain client", "many: plain memory").In("KiB", 1.0/1024),
				m.Line("CPU of an idle poll, 1,000", "s", "few: idle CPU", "plain client", "few: plain idle CPU").In("µs", 1e6),
				m.Line(fmt.Sprintf("CPU of an idle poll, %d", r.Agents), "s", "many: idle CPU", "plain client", "many: plain idle CPU").In("µs", 1e6),
				m.Line("all of 1,000 resumed agents polled after", "s", "few: resumed", "", ""),
				m.Line(fmt.Sprintf("all of %d resumed agents polled after, %d a tenant", r.Agents, perTenant), "s", "many: resumed", "", ""),
				m.Line("memory without agents", "bytes", "base", "", "").In("KiB", 1.0/1024),
			},
		})
	}
	if r.Events {
		all = append(all, figures.Table{
			Title: "Events",
			Note: "From the answer that hands an event out until a consumer of the stream has it. CPU, bytes and syncs are of further seconds in which nobody consumes. " +
				"Syncs are the flushes of the disk, of all processes, divided by what one sync was seen to take. The highest rate is that with an event ready for every poll.",
			Lines: []figures.Line{
				m.Line("p50 at 1,000 a second, 1,000 agents", "s", "few: p50", "raw single publish", "singles: p50").In("ms", 1e3),
				m.Line("p99", "s", "few: p99", "raw single publish", "singles: p99").In("ms", 1e3),
				m.Line(fmt.Sprintf("p50 at 1,000 a second, %d agents", r.Agents), "s", "many: p50", "1,000 agents", "few: p50").In("ms", 1e3),
				m.Line("p99", "s", "many: p99", "1,000 agents", "few: p99").In("ms", 1e3),
				figures.Line{What: "CPU of an event beyond idle polls, 1,000 agents", Figures: r.eventCPU(), Of: "raw single publish", Baseline: m["singles: CPU"]}.In("µs", 1e6),
				m.Line("bytes written for an event", "bytes", "few: event bytes", "", ""),
				m.Line("events a sync at 1,000 a second", "", "many: events a sync", "", ""),
				m.Line("events a sync at 5,000 a second", "", "busy: events a sync", "", ""),
				m.Line("events handed out when 5,000 a second were due", "events/s", "busy: rate", "", ""),
				m.Line(fmt.Sprintf("highest rate, %d agents", r.Agents), "events/s", "highest", "raw single publishes", "singles: rate"),
				m.Line("raw batches of 100", "events/s", "grouped: rate", "raw single publishes", "singles: rate"),
				m.Line("next poll after an event, median", "s", "bridge: gap p50", "plain client", "plain: gap p50").In("ms", 1e3),
				m.Line("next poll after an event, p99", "s", "bridge: gap p99", "plain client", "plain: gap p99").In("ms", 1e3),
			},
		})
	}
	return all
}
