package main

import (
	"testing"

	"aiccbridge/internal/privacy"
)

// TestUnmatched: a policy that alters in rows what events have as it is leaves nothing to match.
func TestUnmatched(t *testing.T) {
	for field, want := range map[string]map[string]string{
		"agent_id":   {"keep": "", "mask": "agent_id", "hmac": "agent_id", "drop": "agent_id"},
		"CallID":     {"keep": "", "mask": "call_id", "hmac": "", "drop": "call_id"},
		"begin_time": {"drop": "begin_time"},
		"caller_no":  {"drop": "", "hmac": ""},
	} {
		for action, want := range want {
			policy, err := privacy.New(privacy.Options{Fields: map[string]privacy.Action{field: privacy.Action(action)}, Key: []byte("0123456789abcdef")})
			if err != nil {
				t.Fatal(err)
			}
			if got := unmatched(policy); got != want {
				t.Errorf("%s: %s: %q, want %q", field, action, got, want)
			}
		}
	}
}
