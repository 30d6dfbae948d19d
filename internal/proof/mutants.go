package main

import (
	"context"
	"fmt"
	"slices"

	"aiccbridge/internal/sabotage"
)

// mutant is a broken promise and the test that must notice. More than one test may
// be named for one promise; each must notice.
type mutant struct {
	name  string // of sabotage.Mutants
	suite string // a package
	test  string // in it
}

// mutants has at least one test for each of sabotage.Mutants.
var mutants = []mutant{
	{"ack_before_store", "poller", "TestNoPollWhileNothingCanBeStored"},
	{"replayable_get", "internal/ccgateway", "TestF08CutPollIsNeverSentAgain"},
	{"rows_before_check", "exporter", "TestF14DamagedFiles"},
	{"five_minute_window", "callbacks", "TestF12ForgedCallbacks"},
	{"no_expected_sequence", "bus", "TestZombieIsRefused"},
	{"content_hash_id", "poller", "TestPromises"},
	{"answer_before_store", "callbacks", "TestRepeatsSucceed"},
	{"no_gap", "poller", "TestF20SessionsThatEnd"},
	{"no_gap", "cmd/bridge", "TestF26Stops"},
	{"cancel_poll_on_stop", "poller", "TestF26StoppedUnderLoad"},
	{"cancel_poll_on_stop", "cmd/bridge", "TestF26Stops"},
	{"trust_duplicate_ack", "bus", "TestF28PurgedAndFilledAgain"},
	{"forward_without_look", "bus", "TestTwoSpoolsInTurn"},
	{"sync_later", "bus/embedded", "TestServerSettings"},
	{"forget_rows_there", "exporter", "TestF27ExtractAgain"},
	{"planner_overlap", "exporter", "TestFillGoesOnAfterAnError"},
	{"ack_file_first", "bus", "TestNothingIsAcknowledgedBeforeItIsDone"},
	{"ledger_before_message", "exporter", "TestRedoAfterTheDedupeWindow"},
}

// kill is a mutant and how its test ended.
type kill struct {
	mutant
	ran bool // false: there is no such test
	outcome
}

// killed says that the test itself turned red.
func (k kill) killed() bool { return k.failed && !k.timedOut }

// sabotage runs the test of each mutant, which must fail.
func (r *runner) sabotage(ctx context.Context, f *found) (kills []kill) {
	for _, name := range sabotage.Mutants {
		at := len(kills)
		for _, m := range mutants {
			if m.name == name && r.wantsMutant(m) {
				kills = append(kills, kill{mutant: m})
			}
		}
		if at == len(kills) && len(r.only) == 0 {
			kills = append(kills, kill{mutant: mutant{name: name}})
		}
	}
	for i, k := range kills {
		s := f.suites[k.suite]
		kills[i].ran = s != nil && slices.Contains(s.tests, k.test)
	}
	each(ctx, r.parallel, len(kills), func(i int) {
		if k := kills[i]; k.ran {
			kills[i].outcome = r.test(ctx, f.suites[k.suite], k.test, k.name, mutantLimit)
		}
	}, func(i int) {
		fmt.Fprintln(r.out, kills[i].line())
		if k := kills[i]; k.ran && !k.killed() {
			r.keep("mutant-"+k.name+"-"+k.test, k.output)
		}
	})
	if n, of := tally(kills); of > 0 {
		fmt.Fprintf(r.out, "mutants %d/%d\n", n, of)
	}
	return kills
}

// wantsMutant: with -only, the mutants whose test is a case of a wanted fault.
func (r *runner) wantsMutant(m mutant) bool {
	if len(r.only) == 0 {
		return true
	}
	for n := range r.only {
		if c := caseName.FindStringSubmatch(m.test); c != nil && c[1] == fmt.Sprintf("%02d", n) {
			return true
		}
	}
	return false
}

// tally counts promises, not tests: one is killed if all its tests noticed.
func tally(kills []kill) (killed, of int) {
	survived := map[string]bool{}
	for _, k := range kills {
		survived[k.name] = survived[k.name] || !k.killed()
	}
	for _, s := range survived {
		if !s {
			killed++
		}
	}
	return killed, len(survived)
}

func (k kill) line() string {
	status, what, took := "killed", k.lastComplaint(), fmt.Sprintf("%6.1f s", k.took.Seconds())
	switch {
	case k.test == "":
		status, what, took = "missing", "no test is named for it", "      –"
	case !k.ran:
		status, what, took = "missing", "there is no such test in "+k.suite, "      –"
	case k.timedOut:
		status, what = "ALIVE", "its test timed out"
	case k.passed:
		status, what = "ALIVE", "its test did not notice"
	case !k.failed:
		status, what = "ALIVE", "its test ended early"
	}
	return fmt.Sprintf("%-21s %-7s %-60.60s %s  %s", k.name, status, what, took, k.test)
}
