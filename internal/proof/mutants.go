package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mutant is a broken promise and the test that must notice. More than one test may
// be named for one promise; each must notice. Those of one promise and one suite
// stand together: they share a build.
type mutant struct {
	name  string // of its patch
	suite string // a package
	test  string // in it
}

// mutants break what the bridge promises.
var mutants = []mutant{
	{"ack_before_store", "poller", "TestNoPollWhileNothingCanBeStored"},
	{"ack_before_store", "poller", "TestPromises"},
	{"replayable_get", "internal/ccgateway", "TestF08CutPollIsNeverSentAgain"},
	{"rows_before_check", "exporter/worker", "TestF14DamagedFiles"},
	{"five_minute_window", "callbacks", "TestF12ForgedCallbacks"},
	{"header_only_first", "exporter/worker", "TestF48OddFiles"},
	{"zone_believed", "exporter/worker", "TestF52ZoneOfFiles"},
	{"shape_said_again", "exporter/worker", "TestF52ShapesAreSaidOnce"},
	{"no_expected_sequence", "bus", "TestZombieIsRefused"},
	{"no_expected_sequence", "bus", "TestCallsBehindOneFence"},
	{"content_hash_id", "poller", "TestPromises"},
	{"answer_before_store", "callbacks", "TestRepeatsSucceed"},
	{"answer_before_store", "callbacks", "TestAnswers"},
	{"stored_is_heard", "poller", "TestTheLastStoredMessageBoundsTheGap"},
	{"no_gap", "poller", "TestF20SessionsThatEnd"},
	{"no_gap", "poller", "TestPromises"},
	{"no_gap", "cmd/bridge", "TestF26Stops"},
	{"kept_is_asked_again", "cmd/bridge", "TestF53KillsWhileFetching"},
	{"kept_is_asked_again", "exporter/recordings", "TestRevisionsAreNothingNew"},
	{"audio_of_the_call", "exporter/recordings", "TestAudioOfACall"},
	{"interface_forgotten", "exporter/recordings", "TestNoInterfaceIsForgotten"},
	{"passed_over_for_all", "exporter/recordings", "TestWhatIsNoJob"},
	{"silence_is_absence", "exporter/recordings", "TestFailuresThatSayNothing"},
	{"refusal_is_a_tunnel", "cmd/bridge", "TestF50ProxyUnderLoad"},
	{"refused_leaves_hole", "bus/spool", "TestF46RefusedEventLeavesNoHole"},
	{"last_name_wins", "internal/ccgateway", "TestF47OddAnswers"},
	{"cancel_poll_on_stop", "poller", "TestF26StoppedUnderLoad"},
	{"cancel_poll_on_stop", "poller", "TestPromises"},
	{"cancel_poll_on_stop", "cmd/bridge", "TestF26Stops"},
	{"trust_duplicate_ack", "bus", "TestF28PurgedAndFilledAgain"},
	{"trust_duplicate_ack", "bus/spool", "TestHubIsPurged"},
	{"floor_of_sessions", "poller/partition", "TestF41EpochsWithoutBuckets"},
	{"replicas_not_raised", "bus/assets", "TestF31ReplicasAreRaised"},
	{"replicas_lowered", "bus/assets", "TestF31ReplicasAreRaised"},
	{"one_replica_on_a_cluster", "bus/assets", "TestF31ReplicasAreRaised"},
	{"stays_with_the_cut_off", "cmd/bridge", "TestF31ServerCutOff"},
	{"unheard_is_waited_for", "bus/internal/wire", "TestF31RequestUnheard"},
	{"told_before_commit", "bus/internal/group", "TestManyShareACommit"},
	{"neighbours_refused", "bus/internal/wire", "TestBadNeighbours"},
	{"lost_batch_sent_again", "bus/internal/wire", "TestBatchWithoutAnAnswer"},
	{"asks_any_replica", "bus/kv", "TestF43LaggingReplica"},
	{"id_is_enough", "bus/internal/wire", "TestF41IdsGivenTwiceWithoutASpool"},
	{"id_is_enough", "bus/spool", "TestF41IdsGivenTwice"},
	{"forward_without_look", "bus/spool", "TestTwoSpoolsInTurn"},
	{"forward_without_look", "bus/spool", "TestF03AckSwallowedAndConnectionCut"},
	{"forward_without_look", "bus/spool", "TestF04ForwarderDiesBetweenStoreAndTrim"},
	{"read_ends_early", "bus/internal/wire", "TestF37SilenceInTheMidstOfARead"},
	{"read_ends_early", "bus/spool", "TestF37SilenceDuringTheSearch"},
	{"number_is_proof", "bus/spool", "TestF36CopiedAndRestoredSpool"},
	{"copy_is_ours", "bus/lease", "TestF36CopiedLease"},
	{"copy_unnoticed", "internal/instance", "TestF36CopiesAreNoticed"},
	{"copy_unnoticed", "cmd/bridge", "TestF36CopiedFolders"},
	{"block_used_again", "bus/lease", "TestF36CopiedLease"},
	{"copy_plans_too", "bus/lease", "TestF36PlannersOnCopies"},
	{"mirror_takes_copy", "bus/spool", "TestF36MirrorsOfCopies"},
	{"line_not_on_disk", "bus/spool", "TestF36NoRoomForTheLine"},
	{"replaced_unsaid", "poller", "TestF36WhatAReplacedStoreHad"},
	{"end_believed", "bus/witness", "TestF33DamageOfTheStore"},
	{"holes_believed", "bus/witness", "TestF33DamageOfTheStore"},
	{"beginning_believed", "bus/witness", "TestF33DamageOfTheStore"},
	{"reads_on", "bus/witness", "TestF33DamageOfTheStore"},
	{"deletion_is_damage", "bus/witness", "TestF33DeletedByAnOperator"},
	{"spool_unwatched", "cmd/bridge", "TestF33DamagedFolders"},
	{"hub_put_back_unseen", "cmd/bridge", "TestF33DamagedFolders"},
	{"damage_unsaid", "cmd/bridge", "TestF33DamagedFolders"},
	{"complete_believed", "exporter/planner", "TestF33CompleteWindowsAskedForAgain"},
	{"damage_waits", "exporter/planner", "TestF33DamageFoundLater"},
	{"marker_not_missed", "bus", "TestF33WindowsThatLackRows"},
	{"sync_later", "bus/embedded", "TestServerSettings"},
	{"purge_overlooked", "exporter/worker", "TestSameFileAgain"},
	{"purge_overlooked", "exporter/worker", "TestKnownAgainIsAsRead"},
	{"any_text", "exporter/worker", "TestSameTextAgain"},
	{"any_text", "exporter/worker", "TestKnownAgainIsAsRead"},
	{"floor_of_later", "internal/ask", "TestAgentsAt"},
	{"older_revision_listed", "internal/ask", "TestCalls"},
	{"calls_of_all_windows", "internal/ask", "TestCallsOfFewWindows"},
	{"answer_unlike_its_schema", "cmd/bridge", "TestAnswersMatchTheirSchemas"},
	{"schemas_of_before_kept", "cmd/bridge", "TestSchemasAreKept"},
	{"refusal_is_waited_for", "bus", "TestDeniedAtOnce"},
	{"replayed_again", "internal/replay", "TestResume"},
	{"sent_twice", "cmd/bridge", "TestRehearsal"},
	{"old_file_left", "internal/rowfile/folder", "TestUpToDate"},
	{"half_a_file", "internal/rowfile/folder", "TestHalfAFile"},
	{"attempts_kept", "exporter/ledger", "TestRetry"},
	{"kept_forgotten", "exporter/calls", "TestTwoLegsOfOneNumber"},
	{"handed_back_too_early", "poller/handover", "TestReturn"},
	{"wait_ends_with_its_owner", "poller", "TestKilledInTheWaitToGiveBack"},
	{"offer_unseen", "poller", "TestANewSessionEndsTheOldOne"},
	{"rotation_is_news", "poller/handover", "TestRotationsAreNoNews"},
	{"answer_never_again", "poller/proxy", "TestProxyResend"},
	{"proxy_tunnels", "poller/proxy", "TestProxyRules"},
	{"unfetched_kept", "poller/proxy", "TestNotFetching"},
	{"slashes_refused", "poller/proxy", "TestProxyGeneratedClient"},
	{"origin_unasked", "poller/proxy", "TestProxyOrigins"},
	{"tape_runs_on", "internal/platformsim/gateway/softphone", "TestRecording"},
	{"clients_written_over", "poller/proxy", "TestProxyStale"},
	{"fenced_is_signed_out", "poller/proxy", "TestProxyStale"},
	{"clients_written_over", "poller/proxy/kept", "TestPlace"},
	{"backlog_forgets_refused", "poller/proxy/later", "TestRefusedBehindTheBacklog"},
	{"one_look_heals", "poller/record", "TestConfirm"},
	{"look_beats_event", "poller/record", "TestConfirm"},
	{"healed_without_proof", "poller/record", "TestHealed"},
	{"change_published_again", "poller/monitor", "TestEveryLastingStateOnce"},
	{"outage_unsaid", "poller/monitor", "TestOutage"},
	{"budget_of_each_bridge", "cmd/bridge", "TestLooksOfAllBridges"},
	{"loss_unnamed", "exporter/reconcile", "TestFiftyLosses"},
	{"loss_invented", "exporter/reconcile", "TestNothingLost"},
	{"push_answered_before_stored", "poller/push", "TestNotStoredInTime"},
	{"push_repeats_forgotten", "poller/push", "TestListAgain"},
	{"push_repeats_forgotten", "poller/push", "TestKilledHalfway"},
	{"push_sessions_mixed", "poller/push", "TestSessionsOverlap"},
	{"late_push_tells_state", "poller/push", "TestLateOfSessionBefore"},
	{"push_token_not_compared", "poller/push", "TestWrongToken"},
	{"push_token_for_ever", "poller/push", "TestTokensEnd"},
	{"push_order_within_list", "poller/push", "TestListAgain"},
	{"push_end_unseen", "poller/push", "TestWhatEndedUnseen"},
	{"push_refused_unread", "poller/push", "TestRefusedUnread"},
	{"unread_after_restart", "poller/proxy", "TestProxyRestart"},
	{"further_members_lost", "poller/session/custody", "TestFurtherMembersAreKept"},
	{"known_member_twice", "internal/members", "TestFurtherMembers"},
	{"budget_cut_back", "exporter/ledger", "TestFurtherMembersOfBudgets"},
	{"newer_folder_taken", "internal/instance", "TestFormat"},
	{"set_back_and_forth", "bus/assets", "TestWhatANewerBridgeMade"},
	{"format_changed", "bus/lease", "TestFormats"},
	{"no_lane", "exporter/planner", "TestBackfillsLane"},
	{"lane_without_share", "exporter/planner", "TestBackfillsLane"},
	{"share_forgotten", "exporter/planner", "TestBackfillsPaceOutlivesARestart"},
	{"lane_holds_all_up", "exporter/planner", "TestBackfillsFailAlone"},
	{"lane_of_each_tenant", "exporter/planner", "TestBackfillsOfOneKey"},
	{"cancelled_stays", "exporter/ledger", "TestOrder"},
	{"withdrawn_asked_for", "exporter/ledger", "TestOrdersEnd"},
	{"order_for_ever", "exporter/ledger", "TestOrdersEnd"},
	{"gone_rows_unseen", "exporter/backfill", "TestFind"},
	{"audit_unsaid", "cmd/bridge", "TestRepair"},
	{"object_in_one_request", "bus/kv", "TestObjectsTakeTheirTime"},
	{"same_however_read", "exporter/worker", "TestSameFileAgain"},
	{"disk_not_asked", "exporter/spill", "TestIsAMap"},
	{"disk_not_asked", "exporter/worker", "TestRowsOnDisk"},
	{"disk_not_asked", "exporter/worker", "TestWindowRowsAreAsBefore"},
	{"forget_rows_there", "exporter/worker", "TestF27ExtractAgain"},
	{"forget_rows_there", "exporter/worker", "TestCrashAfterBatches"},
	{"forget_rows_there", "cmd/bridge", "TestF31LeaderKilledInABatch"},
	{"calls_not_read_back", "exporter/calls", "TestCrashes"},
	{"calls_not_read_back", "cmd/bridge", "TestF51Calls"},
	{"later_rows_left", "exporter/calls", "TestLaterRows"},
	{"audio_left", "exporter/calls", "TestAudio"},
	{"audio_of_the_past_forgotten", "exporter/calls", "TestAudio"},
	{"heard_too_early", "exporter/calls", "TestCrashesWithAudio"},
	{"one_leg_of_a_number", "exporter/calls", "TestTwoLegsOfOneNumber"},
	{"sibling_left", "exporter/worker", "TestSharedKey"},
	{"one_row_of_a_key", "internal/rowfile/folder", "TestSeveralOfOneKey"},
	{"farthest_home", "exporter/calls", "TestNearestHome"},
	{"large_call_unsaid", "exporter/calls", "TestCallThatIsNotTaken"},
	{"marker_of_all_windows", "exporter/calls", "TestManyWindows"},
	{"planner_overlap", "exporter/planner", "TestFillGoesOnAfterAnError"},
	{"planner_overlap", "exporter/planner", "TestSettingsChange"},
	{"ack_file_first", "bus", "TestNothingIsAcknowledgedBeforeItIsDone"},
	{"ledger_before_message", "exporter/ledger", "TestRedoAfterTheDedupeWindow"},
	{"ledger_before_message", "exporter/ledger", "TestCrashBetweenMessageAndLedger"},
	{"planner_alone", "exporter/planner", "TestNothingWithoutLease"},
	{"planner_alone", "cmd/bridge", "TestF42PlannersInTurn"},
	{"future_believed", "exporter/planner", "TestF44DueFarInTheFuture"},
	{"standstill_unseen", "cmd/bridge", "TestF40Alarms"},
	{"store_unheard", "cmd/bridge", "TestF40Alarms"},
	{"lease_unseen", "cmd/bridge", "TestF40Alarms"},
	{"default_undocumented", "internal/reload", "TestConfigurationPage"},
	{"reload_undocumented", "internal/reload", "TestConfigurationPage"},
	{"some_unseen", "cmd/bridge", "TestSomeAgents"},
	{"halted_unseen", "poller", "TestStanding"},
	{"sign_in_is_enough", "poller", "TestStanding"},
	{"silence_of_files", "exporter/filestore", "TestFailing"},
	{"failures_forgotten", "exporter/ledger", "TestFailingWindows"},
	{"callbacks_believed", "exporter/ledger", "TestSilentCallbacks"},
	{"purge_unseen", "exporter/ledger", "TestPurged"},
	{"purge_covered_up", "exporter/ledger", "TestPurged"},
	{"letters_uncounted", "bus/internal/wire", "TestStoredDeadLettersCount"},
	{"expiry_unseen", "internal/tlsadvice", "TestExpiry"},
	{"expiry_of_the_last", "internal/expiry", "TestPeers"},
	{"quiet_night_rings", "internal/freshness", "TestFortnight"},
	{"week_of_utc", "internal/freshness", "TestFortnight"},
	{"hours_for_minutes", "internal/freshness", "TestShorterSlots"},
	{"unlooked_is_silence", "internal/freshness/pulse", "TestLookedAt"},
	{"counted_alone", "internal/freshness/pulse", "TestBridgesCountTogether"},
	{"heartbeat_is_life", "poller/record", "TestSignsOfLife"},
	{"settle_of_all", "exporter/lateness", "TestProposals"},
	{"consumer_unseen", "bus/assets", "TestKeepAssets"},
	{"disk_unseen", "bus/embedded", "TestDiskFillsAndEmpties"},
	{"filling_unseen", "internal/health", "TestFull"},
	{"away_unseen", "bus/internal/wire", "TestOpenBeforeTheServer"},
	{"end_untold", "bus", "TestGivenUp"},
	{"end_untold", "cmd/bridge", "TestF38ExhaustedAttempts"},
	{"reader_without_share", "bus/embedded", "TestF39GreedyReader"},
	{"callback_of_the_first", "callbacks", "TestF49WhoseCallback"},
	{"budget_of_one_tenant", "exporter/planner", "TestF49SharedBudget"},
	{"refused_one_by_one", "internal/ccfs", "TestF49RefusedTogether"},
	{"last_key_wins", "schemas/events", "TestRepeatedKeys"},
	{"cut_is_chinese", "exporter/archive", "TestFewCharacters"},
	{"cut_is_chinese", "internal/foreign", "TestClean"},
	{"gone_files_wait", "exporter/planner", "TestFilesThatHaveGone"},
	{"resolved_too_early", "exporter/letters", "TestMendedLetters"},
	{"resolved_again", "exporter/letters", "TestMendedLetters"},
	{"consumers_are_everybodys", "bus/embedded", "TestF39GreedyReader"},
	{"no_fences", "bus/embedded", "TestF39ReaderOnAnothersConsumers"},
	{"crowd_unseen", "bus/assets", "TestF39CrowdedHub"},
	{"others_kept", "poller/partition", "TestShares"},
	{"half_written_taken", "internal/reload", "TestFilesAreNoticed"},
	{"one_more_restarts_all", "poller/partition", "TestSet"},
	{"refused_changes_all_the_same", "internal/reload", "TestRefusals"},
	{"refused_changes_all_the_same", "cmd/bridge", "TestReloadRefused"},
	{"key_beside_the_table", "internal/reload", "TestEveryKeyIsLiveOrRefused"},
	{"halted_for_good", "poller", "TestARefusedPasswordIsNeverTriedAgain"},
	{"same_password_again", "poller", "TestARefusedPasswordIsNeverTriedAgain"},
	{"refusal_forgets", "internal/reload", "TestRefusedKeepsAnEye"},
	{"written_while_read", "internal/reload", "TestWrittenWhileRead"},
	{"shorter_pace_is_wrong", "exporter/planner", "TestShorterPaceIsNoWrongClock"},
	{"failed_for_good_is_late", "exporter/planner", "TestGauges"},
	{"old_skew", "callbacks", "TestSkewIsOfTheClocks"},
	{"gone_when_cut_off", "bus/lease", "TestRoll"},
	{"mirror_is_the_hub", "bus/witness", "TestMirroredBuckets"},
	{"ready_too_early", "cmd/bridge", "TestServiceManager"},
	{"reload_untold", "cmd/bridge", "TestServiceManager"},
	{"stop_untold", "cmd/bridge", "TestServiceManager"},
	{"watchdog_fed_for_nothing", "internal/systemd", "TestWatchdog"},
	{"secret_of_all_unsaid", "config", "TestExposedFiles"},
	{"any_folder_is_credentials", "config", "TestCredentialsAreNotExposed"},
	{"standing_look_unseen", "internal/health", "TestStuck"},
	{"wall_any_host", "internal/admin", "TestHosts"},
	{"wall_number_whole", "internal/wallboard", "TestNumbersAreMasked"},
	{"wall_state_believed", "internal/wallboard", "TestNobodyPolls"},
	{"wall_cookie_for_good", "internal/wallboard", "TestToken"},
	{"wall_other_sheet", "internal/wallboard", "TestStream"},
	{"wall_other_sheet", "internal/wallboard", "TestAnyViewerCatchesUp"},
	{"traces_wrong_untold", "cmd/bridge", "TestWrongTracesCostNothingElse"},
	{"wall_unread_is_zero", "internal/wallboard", "TestUnreadIsUnknown"},
	{"wall_unheard_is_gone", "internal/wallboard", "TestHubAwayKeepsBridges"},
	{"wall_whole_for_each", "internal/wallboard", "TestWholeIsMadeOnce"},
	{"wall_holds_the_end", "internal/admin", "TestWhoReadsNothing"},
	{"wall_hole_before_since", "internal/wallboard", "TestBeforeSince"},
	{"wall_shed_is_a_hole", "internal/wallboard/calendar", "TestFirstWindowFailed"},
}

// details break a rule inside one part, or one of the simulator, without which a
// test would prove nothing.
var details = []mutant{
	{"archive_in_any_order", "internal/release", "TestArchivesAreAlike"},
	{"bill_without_replacements", "internal/buildinfo", "TestBOM"},
	{"root_looks_in", "bus/embedded", "TestForeign"},
	{"root_looks_in", "cmd/bridge", "TestAnotherUsersFolder"},
	{"look_makes_folder", "cmd/bridge", "TestLookingMakesNothing"},
	{"lease_epoch_not_noted", "bus/lease", "TestLeaseModelKilledWithoutTheHub"},
	{"mirror_overwrites", "bus/spool", "TestMirrorModelHandedOverMeanwhile"},
	{"mirror_forgets", "bus/spool", "TestMirrorRemembers"},
	{"in_process_is_nowhere", "bus/internal/wire", "TestWhatIsNotStored"},
	{"publish_without_look", "bus/internal/wire", "TestLostAcknowledgementBeyondTheWindow"},
	{"readers_in_one_account", "bus/embedded", "TestReaderChangesNothing"},
	{"desk_lets_all_pass", "bus/embedded", "TestReaderChangesNothing"},
	{"push_to_all", "bus/embedded", "TestPushedToOneAlone"},
	{"any_sender", "callbacks", "TestAnswers"},
	{"extracts_without_limit", "exporter/planner", "TestMostExtractsUnderWay"},
	{"attempt_not_noted", "exporter/planner", "TestCrashDuringRequest"},
	{"trace_not_kept", "exporter/ledger", "TestTraceOfARequest"},
	{"caller_is_parent", "internal/trace", "TestACallerIsNoParent"},
	{"failure_in_full", "internal/trace", "TestClass"},
	{"each_lost_batch_logged", "internal/trace/otlp", "TestACollectorThatIsAway"},
	{"any_code_kept", "internal/heads", "TestOnlyCodes"},
	{"longest_overrated", "internal/doctor", "TestMeasured"},
	{"single_replica_passes", "internal/doctor", "TestHub"},
	{"imported_history_covered", "exporter/planner", "TestImportedHistoryIsNotPlanned"},
	{"import_over_extract", "exporter/ledger", "TestImport"},
	{"newer_overwritten", "exporter/ledger", "TestEntriesOfANewerBridge"},
	{"imports_overlap", "exporter/importer", "TestWindowThatIsWishedFor"},
	{"rows_in_two_windows", "exporter/importer", "TestSeveralWindows"},
	{"import_id_of_the_name", "exporter/importer", "TestNamesOfAFile"},
	{"body_not_signed", "internal/c2sign", "TestEveryChangedBodyByteIsRefused"},
	{"skew_ignored", "internal/c2sign", "TestVerifyWindow"},
	{"empty_secret", "internal/c2sign", "TestEmptySecretNeverVerifies"},
	{"writes_forgotten", "internal/ccgateway", "TestTimeLimits"},
	{"rotation_missed", "internal/ccgateway", "TestRotation"},
	{"status_decides", "internal/ccfs", "TestDownloadFailures"},
	{"file_without_limit", "internal/ccfs", "TestDownloadLimit"},
	{"circuit_ignored", "internal/ccfs", "TestStampedeCostsTwoCalls"},
	{"sim_pops_two", "internal/platformsim/gateway", "TestOneEventPerPoll"},
	{"sim_pops_for_the_gone", "internal/platformsim/gateway", "TestClientGoneDuringTheHold"},
	{"sim_cuts_in_silence", "internal/platformsim/gateway", "TestTruthKnowsTheCut"},
	{"sim_foreign_call_id", "internal/platformsim/world", "TestRowsMatchEvents"},
	{"sim_wrong_zone", "internal/platformsim/world", "TestRowsMatchEvents"},
	{"sim_talks_on", "internal/platformsim/world", "TestRowsMatchEvents"},
	{"sim_header_name", "internal/platformsim/gateway", "TestHeadersAreSpeltAsThePlatformSpellsThem"},
	{"sim_cookie_of_session", "internal/platformsim/gateway", "TestOneJarForAll"},
	{"sim_empty_body_acknowledges", "internal/platformsim/filestore", "TestRepeats"},
	{"sim_any_signature", "internal/platformsim/filestore", "TestAuthentication"},
	{"sim_rows_of_the_query", "internal/platformsim/filestore", "TestRowsOfTheGeneration"},
}

// program is the suite whose tests run the program too.
const program = "cmd/bridge"

// kill is a mutant and how its test ended.
type kill struct {
	mutant
	promise string // that the patch breaks
	problem string // why there was nothing to run
	outcome
}

// killed says that the test itself turned red.
func (k kill) killed() bool { return k.problem == "" && k.failed && !k.timedOut }

// mutate breaks each promise and runs the tests named, which must fail.
func (r *runner) mutate(ctx context.Context, f *found, all []mutant) []kill {
	var shared [][]kill // what one build is for
	for _, m := range all {
		if !r.wantsMutant(m) {
			continue
		}
		if n := len(shared); n > 0 && shared[n-1][0].name == m.name && shared[n-1][0].suite == m.suite {
			shared[n-1] = append(shared[n-1], kill{mutant: m})
		} else {
			shared = append(shared, []kill{{mutant: m}})
		}
	}
	each(ctx, r.parallel, len(shared), func(i int) {
		if err := r.breakIt(ctx, f.suites[shared[i][0].suite], shared[i]); err != nil {
			for n := range shared[i] {
				shared[i][n].problem = err.Error()
			}
		}
	}, func(i int) {
		for _, k := range shared[i] {
			fmt.Fprintln(r.out, k.line())
			if !k.killed() {
				r.keep("mutant-"+k.name+"-"+k.test, append(k.output, k.problem...))
			}
		}
	})
	return slices.Concat(shared...)
}

// ofDetails says of a kill whether it is one of [details].
func ofDetails(k kill) bool { return slices.Contains(details, k.mutant) }

// breakIt makes one mutant of a suite and runs its tests. The error says why there
// is no such mutant.
func (r *runner) breakIt(ctx context.Context, s *suite, kills []kill) error {
	p, err := readPatch(kills[0].name)
	if err != nil {
		return err
	}
	for i := range kills {
		kills[i].promise = p.promise
	}
	if s == nil {
		return fmt.Errorf("there is no suite %s", kills[0].suite)
	}
	dir, err := os.MkdirTemp(r.dir, p.name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // such binaries are large
	broken, err := r.rebuild(ctx, *s, p, dir)
	if err != nil {
		return err
	}
	for i, k := range kills {
		if !slices.Contains(s.tests, k.test) {
			kills[i].problem = "there is no such test in " + k.suite
			continue
		}
		kills[i].outcome = r.test(ctx, broken, k.test, mutantLimit)
	}
	return nil
}

// rebuild builds a suite with a patch.
func (r *runner) rebuild(ctx context.Context, s suite, p patch, dir string) (*suite, error) {
	overlay, err := p.overlay(ctx, r.root, dir)
	if err != nil {
		return nil, err
	}
	r.building <- struct{}{}
	defer func() { <-r.building }()
	if s.name == program {
		s.bridge = filepath.Join(dir, "bridge")
		if out, err := r.goTool(ctx, "build", "-tags", tag, "-overlay", overlay, "-o", s.bridge, "./"+s.name); err != nil {
			return nil, fmt.Errorf("mutants/%s.patch makes a program that does not build: %w\n%s", p.name, err, out)
		}
	}
	s.binary = filepath.Join(dir, "suite.test")
	if out, err := r.goTool(ctx, "test", "-c", "-tags", tag, "-overlay", overlay, "-o", s.binary, "./"+s.name); err != nil {
		return nil, fmt.Errorf("mutants/%s.patch makes a suite that does not build: %w\n%s", p.name, err, out)
	}
	return &s, nil
}

// wantsMutant: with -mutant that one, or all; with -only, those whose test is a case of a
// wanted fault.
func (s settings) wantsMutant(m mutant) bool {
	if s.mutant != "" || len(s.only) == 0 {
		return s.mutant == "" || s.mutant == "all" || s.mutant == m.name
	}
	for n := range s.only {
		if c := caseName.FindStringSubmatch(m.test); c != nil && c[1] == fmt.Sprintf("%02d", n) {
			return true
		}
	}
	return false
}

// killedOf counts promises, not tests: one is killed if all its tests noticed.
func killedOf(kills []kill) (killed, of int) {
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

// status is one word of how it ended.
func (k kill) status() string {
	switch {
	case k.problem != "":
		return "missing"
	case k.killed():
		return "killed"
	}
	return "ALIVE"
}

// count prints how many were killed, if there were any.
func (r *runner) count(what string, kills []kill) {
	if killed, of := killedOf(kills); of > 0 {
		fmt.Fprintf(r.out, "%s %d/%d\n", what, killed, of)
	}
}

func (k kill) line() string {
	what, took := k.lastComplaint(), fmt.Sprintf("%6.1f s", k.took.Round(100*time.Millisecond).Seconds())
	switch {
	case k.problem != "":
		what, _, _ = strings.Cut(k.problem, "\n")
		took = "      –"
	case k.timedOut:
		what = "its test timed out"
	case k.passed:
		what = "its test did not notice"
	case !k.failed:
		what = "its test ended early"
	}
	return fmt.Sprintf("%-21s %-7s %-60.60s %s  %s", k.name, k.status(), what, took, k.test)
}
