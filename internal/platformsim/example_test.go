package platformsim_test

import (
	"context"
	"fmt"

	"aiccbridge/internal/platformsim"
	"aiccbridge/internal/platformsim/fault"
)

// A platform for a test: three agents on free ports, whose next two polls are cut
// after an event was taken.
func Example() {
	sim, err := platformsim.New(platformsim.Options{Agents: 3, Faults: []fault.Rule{{Fault: "poll.cut_after_pop", Next: 2}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }()
	<-sim.Ready()

	// What a client needs: URLs, the authority of the certificates, agents, keys.
	for _, a := range sim.Settings().Agents {
		fmt.Println("agent", a.ID, "on", a.Phone)
	}
	// Faults can be set while it runs. A rule that could never strike is refused.
	fmt.Println(sim.SetFaults(fault.Rule{Fault: "download.fliped", Next: 1}))
	fmt.Println(sim.Faults()[0].Next, "cuts to go,", len(sim.Truth().Events), "events handed out")

	stop()
	fmt.Println(<-done)
	// Output:
	// agent 101 on 70001
	// agent 102 on 70002
	// agent 103 on 70003
	// fault rule 1: fault "download.fliped" is not known; did you mean download.flipped?
	// 2 cuts to go, 0 events handed out
	// <nil>
}
