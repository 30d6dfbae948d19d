package assets

import (
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// setting compares one field of a stream: weaker says whether have is less than
// the bridge needs, show prints the field.
type setting struct {
	name   string
	weaker func(have jetstream.StreamConfig, want Asset) bool
	show   func(c jetstream.StreamConfig) any
}

// settings is every field that can cost messages, order, or the fence, or starve
// a reader.
var settings = []setting{
	{"subjects", func(h jetstream.StreamConfig, w Asset) bool { return !containsAny(h.Subjects, w.Subjects) }, func(c jetstream.StreamConfig) any { return c.Subjects }},
	{"storage", func(h jetstream.StreamConfig, w Asset) bool { return h.Storage != w.Storage }, func(c jetstream.StreamConfig) any { return c.Storage }},
	{"retention", func(h jetstream.StreamConfig, w Asset) bool { return h.Retention != w.Retention }, func(c jetstream.StreamConfig) any { return c.Retention }},
	{"discard", func(h jetstream.StreamConfig, w Asset) bool { return h.Discard != w.Discard }, func(c jetstream.StreamConfig) any { return c.Discard }},
	{"max_age", func(h jetstream.StreamConfig, w Asset) bool {
		return lower(h.MaxAge, w.MaxAge) || w.exactAge && h.MaxAge != w.MaxAge
	}, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxAge) }},
	{"max_msgs", func(h jetstream.StreamConfig, w Asset) bool { return lower(h.MaxMsgs, w.MaxMsgs) }, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxMsgs) }},
	{"max_bytes", func(h jetstream.StreamConfig, w Asset) bool { return lower(h.MaxBytes, w.MaxBytes) }, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxBytes) }},
	{"max_msg_size", func(h jetstream.StreamConfig, w Asset) bool { return lower(h.MaxMsgSize, w.MaxMsgSize) }, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxMsgSize) }},
	{"max_msgs_per_subject", func(h jetstream.StreamConfig, w Asset) bool { return lower(h.MaxMsgsPerSubject, w.MaxMsgsPerSubject) }, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxMsgsPerSubject) }},
	{"discard_new_per_subject", func(h jetstream.StreamConfig, w Asset) bool { return h.DiscardNewPerSubject }, func(c jetstream.StreamConfig) any { return c.DiscardNewPerSubject }},
	{"duplicate_window", func(h jetstream.StreamConfig, w Asset) bool { return h.Duplicates < w.Duplicates }, func(c jetstream.StreamConfig) any { return c.Duplicates }},
	{"persist_mode", func(h jetstream.StreamConfig, w Asset) bool { return h.PersistMode != w.PersistMode }, func(c jetstream.StreamConfig) any { return c.PersistMode }},
	{"max_consumers", func(h jetstream.StreamConfig, w Asset) bool { return lower(h.MaxConsumers, w.MaxConsumers) }, func(c jetstream.StreamConfig) any { return orUnlimited(c.MaxConsumers) }},
	{"allow_direct", func(h jetstream.StreamConfig, w Asset) bool { return h.AllowDirect && !w.AllowDirect }, func(c jetstream.StreamConfig) any { return c.AllowDirect }},
	{"allow_atomic", func(h jetstream.StreamConfig, w Asset) bool {
		return w.AllowAtomicPublish && !w.onlyQuicker && !h.AllowAtomicPublish
	}, func(c jetstream.StreamConfig) any { return c.AllowAtomicPublish }},
	{"allow_msg_counter", func(h jetstream.StreamConfig, w Asset) bool { return h.AllowMsgCounter }, func(c jetstream.StreamConfig) any { return c.AllowMsgCounter }},
	{"no_ack", func(h jetstream.StreamConfig, w Asset) bool { return h.NoAck }, func(c jetstream.StreamConfig) any { return c.NoAck }},
	{"sealed", func(h jetstream.StreamConfig, w Asset) bool { return h.Sealed }, func(c jetstream.StreamConfig) any { return c.Sealed }},
	{"mirror", func(h jetstream.StreamConfig, w Asset) bool { return h.Mirror != nil }, func(c jetstream.StreamConfig) any { return c.Mirror != nil }},
	{"subject_transform", func(h jetstream.StreamConfig, w Asset) bool { return h.SubjectTransform != nil }, func(c jetstream.StreamConfig) any { return c.SubjectTransform != nil }},
}

// Settings that the bridge may add: of streams and consumers, on how many servers they
// are kept, and of consumers, what they are given.
const (
	numReplicas    = "num_replicas"
	filterSubjects = "filter_subjects"
)

// addable is what may lack on the server as long as the bridge may add it: see
// improve. A stream of an earlier version lacks some of its subjects. Without rollups a
// key cannot be deleted nor an object replaced, without times to live the last epoch of a
// lease expires with the lease.
var addable = []setting{
	{"subjects", func(h jetstream.StreamConfig, w Asset) bool { return narrower(h.Subjects, w.Subjects) }, func(c jetstream.StreamConfig) any { return c.Subjects }},
	{"allow_rollup_hdrs", func(h jetstream.StreamConfig, w Asset) bool { return w.AllowRollup && !h.AllowRollup }, func(c jetstream.StreamConfig) any { return c.AllowRollup }},
	{"subject_delete_marker_ttl", func(h jetstream.StreamConfig, w Asset) bool {
		return w.SubjectDeleteMarkerTTL > 0 && h.SubjectDeleteMarkerTTL == 0
	}, func(c jetstream.StreamConfig) any { return c.SubjectDeleteMarkerTTL }},
	{numReplicas, func(h jetstream.StreamConfig, w Asset) bool { return h.Replicas < w.Replicas }, func(c jetstream.StreamConfig) any { return c.Replicas }},
	{"allow_msg_ttl", func(h jetstream.StreamConfig, w Asset) bool { return w.AllowMsgTTL && !h.AllowMsgTTL }, func(c jetstream.StreamConfig) any { return c.AllowMsgTTL }},
}

// Compare returns what is weaker on the server than it should be.
func (a Asset) Compare(have jetstream.StreamConfig) []Difference {
	return a.differences(have, settings)
}

func (a Asset) differences(have jetstream.StreamConfig, settings []setting) []Difference {
	var list []Difference
	for _, s := range settings {
		if s.weaker(have, a) {
			list = append(list, Difference{
				Asset: a.Label, Setting: s.name,
				Have: fmt.Sprint(s.show(have)), Want: fmt.Sprint(s.show(a.StreamConfig)),
			})
		}
	}
	return list
}

// filters are the subjects that a consumer is given; none: all of its stream.
func filters(c jetstream.ConsumerConfig) []string {
	if c.FilterSubject != "" {
		return append(slices.Clone(c.FilterSubjects), c.FilterSubject)
	}
	return c.FilterSubjects
}

// compareConsumer returns what could lose or starve work.
func compareConsumer(have, want jetstream.ConsumerConfig) []Difference {
	paused := have.PauseUntil != nil && have.PauseUntil.After(time.Now())
	var list []Difference
	for _, s := range []struct {
		name       string
		weaker     bool
		have, want any
	}{
		{"ack_policy", have.AckPolicy != want.AckPolicy, have.AckPolicy, want.AckPolicy},
		{"deliver_policy", have.DeliverPolicy != want.DeliverPolicy, have.DeliverPolicy, want.DeliverPolicy},
		{"replay_policy", have.ReplayPolicy != want.ReplayPolicy, have.ReplayPolicy, want.ReplayPolicy},
		{"ack_wait", have.AckWait < want.AckWait, have.AckWait, want.AckWait},
		{"max_deliver", lower(have.MaxDeliver, want.MaxDeliver), have.MaxDeliver, "unlimited"},
		{"max_ack_pending", lower(have.MaxAckPending, want.MaxAckPending), have.MaxAckPending, "unlimited (-1)"},
		{"max_expires", have.MaxRequestExpires > 0, have.MaxRequestExpires, "unlimited"},
		{"backoff", len(have.BackOff) > 0, have.BackOff, "none"},
		{filterSubjects, len(filters(have)) > 0 && !slices.Equal(filters(have), filters(want)), filters(have), filters(want)},
		{"pause_until", paused, have.PauseUntil, "not paused"},
		{"priority_policy", have.PriorityPolicy != want.PriorityPolicy, have.PriorityPolicy, "none"},
		{"deliver_subject", have.DeliverSubject != "", have.DeliverSubject, "none, a pull consumer"},
		{"headers_only", have.HeadersOnly, have.HeadersOnly, want.HeadersOnly},
		{"mem_storage", have.MemoryStorage, have.MemoryStorage, want.MemoryStorage},
		{"inactive_threshold", have.InactiveThreshold > 0, have.InactiveThreshold, "none"},
	} {
		if s.weaker {
			list = append(list, Difference{Asset: want.Durable, Setting: s.name, Have: fmt.Sprint(s.have), Want: fmt.Sprint(s.want)})
		}
	}
	return list
}

// lacks is what the bridge may add to a consumer: replicas, where it has fewer than its
// stream (0: as many), and its filter, where it has none.
func lacks(have, want jetstream.ConsumerConfig, replicas int) (list []Difference) {
	add := func(setting string, is, should any) {
		list = append(list, Difference{Asset: want.Durable, Setting: setting, Have: fmt.Sprint(is), Want: fmt.Sprint(should)})
	}
	if have.Replicas != 0 && have.Replicas < replicas {
		add(numReplicas, have.Replicas, replicas)
	}
	if len(filters(have)) == 0 && len(filters(want)) > 0 {
		add(filterSubjects, "none", filters(want))
	}
	return list
}

// lower compares limits, where zero and less mean unlimited.
func lower[T ~int | ~int32 | ~int64](have, want T) bool {
	return have > 0 && (want <= 0 || have < want)
}

func orUnlimited[T ~int | ~int32 | ~int64](limit T) any {
	if limit <= 0 {
		return "unlimited"
	}
	return limit
}

// lacking are those of want that are not in have.
func lacking(have, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(have, s) })
}

func containsAny(have, want []string) bool { return len(lacking(have, want)) < len(want) }

// narrower reports a stream that captures some of its subjects and not all.
func narrower(have, want []string) bool {
	n := len(lacking(have, want))
	return n > 0 && n < len(want)
}
