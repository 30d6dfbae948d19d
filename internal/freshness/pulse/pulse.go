package pulse

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"aiccbridge/internal/freshness"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/trouble"
	"aiccbridge/schemas"
)

// Bucket is a key-value bucket with compare-and-set.
type Bucket interface {
	// Get returns revision 0 when there is no such key.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Swap writes if the key's revision is still the given one (0: there must be no such
	// key). ok is false when somebody was faster.
	Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error)
	// Watch calls f for every key that matches, then loaded once, then f for every change
	// until ctx ends.
	Watch(ctx context.Context, filter string, f func(key string, value []byte, revision uint64), loaded func()) error
}

// Options are what a pulse needs. All but Logger are required.
type Options struct {
	Tenant string
	Bucket Bucket
	Slot   time.Duration // whole seconds, a day at most
	Team   func(agent string) string
	// Looking are the teams of which events would be seen now if there were any: those of the
	// agents that this bridge polls.
	Looking func() []string
	Logger  zerolog.Logger // with the tenant; the zero value discards
}

// Pulse counts what comes of one tenant's teams. It is safe for concurrent use.
type Pulse struct {
	o       Options
	loaded  chan struct{}
	failing trouble.Episode // of adding

	mu    sync.Mutex
	last  time.Time // when it looked last
	ended time.Time // the end of the last slot that was noted
	teams map[string]*team
}

// team is what is known of one team.
type team struct {
	begun time.Time         // since when this bridge has looked all along; zero: it does not
	days  map[time.Time]Day // of the bucket, by their beginnings; with slots of our length
	own   map[time.Time]Day // that are still to be added to it
	last  time.Time         // when something came last
	slots []freshness.Slot  // those of days, ascending; nil: not put together yet
}

// New returns a pulse; nothing is read or counted into the bucket before [Pulse.Run].
func New(o Options) (*Pulse, error) {
	if o.Tenant == "" || o.Bucket == nil || o.Team == nil || o.Looking == nil {
		return nil, errors.New("pulse: tenant, bucket, teams and looking are required")
	}
	if o.Slot < time.Second || o.Slot > hoursOfDay || o.Slot%time.Second != 0 || hoursOfDay%o.Slot != 0 {
		return nil, errors.New("pulse: want slots of whole seconds that a day is a multiple of")
	}
	return &Pulse{o: o, loaded: make(chan struct{}), teams: map[string]*team{}}, nil
}

// Heard notes an event of an agent.
func (p *Pulse) Heard(agent string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	day, slot := p.place(at)
	t := p.team(p.o.Team(agent))
	d := t.owes(day, p.seconds())
	d.Counts[slot]++
	if at.After(d.LastAt) {
		d.LastAt = at.UTC()
	}
	t.own[day] = d
	if at.After(t.last) {
		t.last = at
	}
}

// owes is what is to be added to a day, with room for more.
func (t *team) owes(day time.Time, seconds int) Day {
	if d, ok := t.own[day]; ok {
		return d
	}
	return Day{Slot: seconds, Counts: map[int]int{}}
}

func (p *Pulse) seconds() int { return int(p.o.Slot / time.Second) }

// place is the day of an instant, and the slot of it.
func (p *Pulse) place(at time.Time) (day time.Time, slot int) {
	day = at.UTC().Truncate(hoursOfDay)
	return day, int(at.Sub(day) / p.o.Slot)
}

func (p *Pulse) team(name string) *team {
	if p.teams[name] == nil {
		p.teams[name] = &team{days: map[time.Time]Day{}, own: map[time.Time]Day{}}
	}
	return p.teams[name]
}

// How often what was heard is added to the bucket: thirty times in a slot, within these bounds.
const (
	addSoonest = 100 * time.Millisecond
	addLatest  = 30 * time.Second
)

func (p *Pulse) every() time.Duration { return min(max(p.o.Slot/30, addSoonest), addLatest) }

// addLimit is how long adding may take at a time, and how late a look may come that is still one
// of a series.
const addLimit = 5 * time.Second

// Run follows the bucket, and adds to it, until ctx ends; it has no other error than nil.
func (p *Pulse) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	p.look(time.Now())
	group.Go(func() {
		for retry.Wait(ctx, p.every()) == nil {
			p.look(time.Now())
			p.add(ctx)
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		p.add(last) // what it can't have is not counted
	})
	return p.o.Bucket.Watch(ctx, prefix(p.o.Tenant)+">", p.follow, func() { close(p.loaded) })
}

// follow takes what an entry holds now.
func (p *Pulse) follow(key string, value []byte, _ uint64) {
	name, day, _ := strings.Cut(strings.TrimPrefix(key, prefix(p.o.Tenant)), ".")
	day, _, _ = strings.Cut(day, ".")
	begin, err := time.Parse(dayForm, day)
	of, badToken := schemas.DecodeToken(name)
	d, _, ok := decode(value)
	if err != nil || badToken != nil || !ok {
		return // somebody else's
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(p.team(of), begin, d)
}

// take takes an entry over. Of one with slots of another length it is known when something came
// last; the rest can't be added up with ours.
func (p *Pulse) take(t *team, begin time.Time, d Day) {
	if d.Slot == p.seconds() {
		t.days[begin], t.slots = d, nil
	}
	if d.LastAt.After(t.last) {
		t.last = d.LastAt
	}
}

// look notes that there was a look at now, and the slots that have ended since the one before.
// After a while without one, as of a machine that was suspended, looking begins anew. Then, and
// when the clock was set, nothing is forgotten.
func (p *Pulse) look(now time.Time) {
	looking := p.o.Looking()
	p.mu.Lock()
	defer p.mu.Unlock()
	now = now.UTC().Round(0) // the monotonic clock of a suspended machine stands still
	since := now.Sub(p.last)
	anew := p.last.IsZero() || since < 0 || since > 2*p.every()+2*addLimit
	if p.last = now; anew {
		p.ended = now.Truncate(p.o.Slot)
	}
	p.begin(looking, now, anew)
	for end := p.ended.Add(p.o.Slot); !end.After(now); end = end.Add(p.o.Slot) {
		p.noteLooked(p.ended)
		p.ended = end
	}
	if !anew {
		p.forget(now)
	}
}

// begin notes which teams are looked at from now on, and which no more.
func (p *Pulse) begin(looking []string, now time.Time, anew bool) {
	for name, t := range p.teams {
		if anew || !slices.Contains(looking, name) {
			t.begun = time.Time{}
		}
	}
	for _, name := range looking {
		if t := p.team(name); t.begun.IsZero() {
			t.begun = now
		}
	}
}

// noteLooked notes a slot for the teams that were looked at all along.
func (p *Pulse) noteLooked(from time.Time) {
	day, slot := p.place(from)
	for _, t := range p.teams {
		if t.begun.IsZero() || from.Before(t.begun) {
			continue
		}
		d := t.owes(day, p.seconds())
		d.Looked = append(d.Looked, slot)
		t.own[day] = d
	}
}

// forget lets go of days that no calendar learns from; those of the bucket expire.
func (p *Pulse) forget(now time.Time) {
	for _, t := range p.teams {
		for day := range t.days {
			if now.Sub(day) > freshness.Memory+hoursOfDay {
				delete(t.days, day)
				t.slots = nil
			}
		}
	}
}

// add adds to the bucket what it lacks. What fails is tried again the next time.
func (p *Pulse) add(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, addLimit)
	defer cancel()
	for _, o := range p.owed() {
		if err := p.addDay(ctx, o); err != nil {
			if _, changed := p.failing.Failed(trouble.Gist(err.Error()), zerolog.DebugLevel); changed {
				p.o.Logger.Debug().Err(err).Msg("what was counted of the events is not shared yet")
			}
			return
		}
	}
	p.failing.Over()
}

// owed is a day that is to be added.
type owed struct {
	team  string
	begin time.Time
	day   Day
}

func (p *Pulse) owed() (all []owed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, t := range p.teams {
		for begin, d := range t.own {
			if !d.empty() {
				all = append(all, owed{name, begin, d.copied()})
			}
		}
	}
	return all
}

func (p *Pulse) addDay(ctx context.Context, o owed) error {
	at := key(p.o.Tenant, o.team, o.begin, o.day.Slot)
	for {
		value, revision, err := p.o.Bucket.Get(ctx, at)
		if err != nil {
			return err
		}
		has, further, ok := decode(value)
		if !ok || has.Slot != o.day.Slot { // it is damaged
			has = Day{Slot: o.day.Slot}
		}
		sum := has.merge(o.day)
		if value, err = sum.encode(further); err != nil {
			return err
		}
		_, ok, err = p.o.Bucket.Swap(ctx, at, value, revision)
		if err != nil {
			return err
		}
		if ok {
			p.added(o, sum)
			return nil
		}
	}
}

// added takes away what has been added from what is owed.
func (p *Pulse) added(o owed, sum Day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.team(o.team)
	p.take(t, o.begin, sum)
	left := t.own[o.begin].copied()
	for i, n := range o.day.Counts {
		if left.Counts[i] -= n; left.Counts[i] <= 0 {
			delete(left.Counts, i)
		}
	}
	left.Looked = slices.DeleteFunc(left.Looked, func(i int) bool { return slices.Contains(o.day.Looked, i) })
	if t.own[o.begin] = left; left.empty() {
		delete(t.own, o.begin)
	}
}

// Feed is what is known of a team at now. Before the bucket has been read nothing is.
func (p *Pulse) Feed(name string, now time.Time) freshness.Feed {
	select {
	case <-p.loaded:
	default:
		return freshness.Feed{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.team(name)
	if t.slots == nil {
		for begin, d := range t.days {
			t.slots = append(t.slots, d.slots(begin)...)
		}
		slices.SortFunc(t.slots, bySlot)
	}
	f := freshness.Feed{Slots: t.slots, Last: t.last, Limit: p.o.Slot * 3 / 2, Period: p.o.Slot}
	if more := p.present(t, now); len(more) > 0 {
		f.Slots = slices.Concat(t.slots, more)
		if n := len(t.slots); n > 0 && more[0].From.Before(t.slots[n-1].From) {
			slices.SortFunc(f.Slots, bySlot)
		}
	}
	return f.By(now)
}

func bySlot(a, b freshness.Slot) int { return a.From.Compare(b.From) }

// present are the slots that this bridge has looked at without a break up to now and the bucket
// does not call so: those at both ends of its look, and what could not be added yet.
func (p *Pulse) present(t *team, now time.Time) (all []freshness.Slot) {
	if t.begun.IsZero() {
		return nil
	}
	from := t.begun
	if oldest := now.Add(-freshness.Memory); from.Before(oldest) {
		from = oldest.UTC().Truncate(p.o.Slot)
	}
	for from.Before(now) {
		day, slot := p.place(from)
		to := day.Add(time.Duration(slot+1) * p.o.Slot)
		if to.After(now) {
			to = now
		}
		if d := t.days[day]; !slices.Contains(d.Looked, slot) {
			all = append(all, freshness.Slot{From: from, To: to, Count: d.Counts[slot] + t.own[day].Counts[slot]})
		}
		from = to
	}
	return all
}
