package sequence

import "sync/atomic"

// Habits is how well a gateway keeps to each rule, over all agents that are followed:
// the pages are not the gateway. Each time a rule is kept its score grows by one, each
// time it is not it falls by penalty, so one that does not hold in some 5 % of the
// cases never counts for long. The zero value has seen nothing, so no rule counts yet.
// Safe for concurrent use.
type Habits struct {
	scores [len(callRules) + 2]atomic.Int32
}

const (
	trusted   = 10 // score from which a rule counts
	penalty   = 20
	mostTrust = 100
)

// judge reports a rule that was broken although the gateway keeps to it.
func (h *Habits) judge(rule int, kept bool) bool {
	score := h.scores[rule].Load() // two agents at once may count as one
	if kept {
		h.scores[rule].Store(min(score+1, mostTrust))
		return false
	}
	h.scores[rule].Store(max(score-penalty, 0))
	return score >= trusted
}
