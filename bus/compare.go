package bus

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// setting compares one field of a stream: weaker says whether have is less than
// the bridge needs, show prints the field.
type setting struct {
	name   string
	weaker func(have, want jetstream.StreamConfig) bool
	show   func(c jetstream.StreamConfig) any
}

type streamConfig = jetstream.StreamConfig

// settings is every field that can cost messages, order, or the fence.
var settings = []setting{
	{"subjects", func(h, w streamConfig) bool { return !containsAll(h.Subjects, w.Subjects) }, func(c streamConfig) any { return c.Subjects }},
	{"storage", func(h, w streamConfig) bool { return h.Storage != w.Storage }, func(c streamConfig) any { return c.Storage }},
	{"retention", func(h, w streamConfig) bool { return h.Retention != w.Retention }, func(c streamConfig) any { return c.Retention }},
	{"discard", func(h, w streamConfig) bool { return h.Discard != w.Discard }, func(c streamConfig) any { return c.Discard }},
	{"max_age", func(h, w streamConfig) bool { return lower(h.MaxAge, w.MaxAge) }, func(c streamConfig) any { return orUnlimited(c.MaxAge) }},
	{"max_msgs", func(h, w streamConfig) bool { return lower(h.MaxMsgs, w.MaxMsgs) }, func(c streamConfig) any { return orUnlimited(c.MaxMsgs) }},
	{"max_bytes", func(h, w streamConfig) bool { return lower(h.MaxBytes, w.MaxBytes) }, func(c streamConfig) any { return orUnlimited(c.MaxBytes) }},
	{"max_msg_size", func(h, w streamConfig) bool { return lower(h.MaxMsgSize, w.MaxMsgSize) }, func(c streamConfig) any { return orUnlimited(c.MaxMsgSize) }},
	{"max_msgs_per_subject", func(h, w streamConfig) bool { return lower(h.MaxMsgsPerSubject, w.MaxMsgsPerSubject) }, func(c streamConfig) any { return orUnlimited(c.MaxMsgsPerSubject) }},
	{"discard_new_per_subject", func(h, w streamConfig) bool { return h.DiscardNewPerSubject }, func(c streamConfig) any { return c.DiscardNewPerSubject }},
	{"duplicate_window", func(h, w streamConfig) bool { return h.Duplicates < w.Duplicates }, func(c streamConfig) any { return c.Duplicates }},
	{"num_replicas", func(h, w streamConfig) bool { return h.Replicas < w.Replicas }, func(c streamConfig) any { return c.Replicas }},
	{"persist_mode", func(h, w streamConfig) bool { return h.PersistMode != w.PersistMode }, func(c streamConfig) any { return c.PersistMode }},
	{"allow_atomic", func(h, w streamConfig) bool { return w.AllowAtomicPublish && !h.AllowAtomicPublish }, func(c streamConfig) any { return c.AllowAtomicPublish }},
	{"allow_msg_counter", func(h, w streamConfig) bool { return h.AllowMsgCounter }, func(c streamConfig) any { return c.AllowMsgCounter }},
	{"no_ack", func(h, w streamConfig) bool { return h.NoAck }, func(c streamConfig) any { return c.NoAck }},
	{"sealed", func(h, w streamConfig) bool { return h.Sealed }, func(c streamConfig) any { return c.Sealed }},
	{"mirror", func(h, w streamConfig) bool { return h.Mirror != nil }, func(c streamConfig) any { return c.Mirror != nil }},
	{"subject_transform", func(h, w streamConfig) bool { return h.SubjectTransform != nil }, func(c streamConfig) any { return c.SubjectTransform != nil }},
}

// compare returns what is weaker on the server than in the table.
func (a asset) compare(have jetstream.StreamConfig) []Difference {
	var list []Difference
	for _, s := range settings {
		weaker := s.weaker(have, a.config)
		if s.name == "max_age" && a.exactAge {
			weaker = have.MaxAge != a.config.MaxAge
		}
		if weaker {
			list = append(list, Difference{
				Asset: a.label, Setting: s.name,
				Have: fmt.Sprint(s.show(have)), Want: fmt.Sprint(s.show(a.config)),
			})
		}
	}
	return list
}

// compareConsumer returns what could lose or starve files.
func compareConsumer(have, want jetstream.ConsumerConfig) []Difference {
	filters := slices.Clone(have.FilterSubjects)
	if have.FilterSubject != "" {
		filters = append(filters, have.FilterSubject)
	}
	var list []Difference
	add := func(weaker bool, setting string, h, w any) {
		if weaker {
			list = append(list, Difference{Asset: FileConsumer, Setting: setting, Have: fmt.Sprint(h), Want: fmt.Sprint(w)})
		}
	}
	add(have.AckPolicy != want.AckPolicy, "ack_policy", have.AckPolicy, want.AckPolicy)
	add(have.DeliverPolicy != want.DeliverPolicy, "deliver_policy", have.DeliverPolicy, want.DeliverPolicy)
	add(have.AckWait < want.AckWait, "ack_wait", have.AckWait, want.AckWait)
	add(lower(have.MaxDeliver, want.MaxDeliver), "max_deliver", have.MaxDeliver, "unlimited")
	add(len(have.BackOff) > 0, "backoff", have.BackOff, "none")
	add(len(filters) > 0, "filter_subjects", filters, "none")
	add(have.DeliverSubject != "", "deliver_subject", have.DeliverSubject, "none, a pull consumer")
	add(have.HeadersOnly, "headers_only", have.HeadersOnly, want.HeadersOnly)
	add(have.MemoryStorage, "mem_storage", have.MemoryStorage, want.MemoryStorage)
	add(have.InactiveThreshold > 0, "inactive_threshold", have.InactiveThreshold, "none")
	return list
}

// lower compares limits, where zero and less mean unlimited.
func lower[T ~int | ~int32 | ~int64](have, want T) bool {
	return have > 0 && (want <= 0 || have < want)
}

func orUnlimited[T ~int32 | ~int64](limit T) any {
	if limit <= 0 {
		return "unlimited"
	}
	return limit
}

func containsAll(have, want []string) bool {
	for _, s := range want {
		if !slices.Contains(have, s) {
			return false
		}
	}
	return true
}
