package recordings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/retry"
	"aiccbridge/internal/sabotage"
	"aiccbridge/schemas"
)

// job is one try at the audio of one row.
type job struct {
	r        *Recorder
	t        *Tenant
	row      Row
	knownAt  time.Time // when the row was stored
	attempt  int       // deliveries of the row, from 1
	last     bool      // it is late enough for it to be missing
	progress func()
}

// longest is how long the ids of an agent and a call may be: what keeps audio takes no
// longer names.
const longest = 200

// check reports a row of which nothing could be said or kept, ever.
func (j *job) check() error {
	m := j.message(schemas.RecordingMissing)
	m.Reason, m.At = schemas.RecordingUnnamed, j.knownAt
	if err := m.Validate(); err != nil {
		return err
	}
	if len(schemas.EncodeToken(m.Agent)) > longest || len(m.CallID) > longest {
		return fmt.Errorf("row %s of the recording index: the id of the agent or of the call has more than %d bytes", m.Row, longest)
	}
	return nil
}

// run returns nil once it is said what became of the recording.
func (j *job) run(ctx context.Context) error {
	kept, found, err := j.t.Place.Find(ctx, j.row.Name())
	if err != nil { // that it can be looked at does not say that it takes more
		j.r.places[j.row.Tenant].note(err)
		return j.later(j.t.RetryAfter, err)
	}
	if m, ok := Kept(j.t.At, kept); found && ok {
		if m.Row != j.row.Identified.ID { // the row that it was fetched for says so, or has
			j.r.metrics.recordings.WithLabelValues("known").Inc()
			return nil
		}
		return j.say(ctx, m, "known")
	}
	if wait := j.habit().tooSoon(j.row.Key, j.age()); wait > 0 {
		return j.later(wait, errors.New("audio of this tenant is late as a rule"))
	}
	a, err := j.ask(ctx)
	if err != nil {
		return j.without(ctx, err)
	}
	j.habit().found(j.row.Key, j.age())
	sabotage.Point("audio.fetched")
	said, err := j.keep(ctx, a)
	if err != nil {
		return j.later(j.t.RetryAfter, err)
	}
	sabotage.Point("audio.kept")
	return j.say(ctx, said, string(schemas.RecordingStored))
}

func (j *job) later(after time.Duration, err error) error {
	return &schemas.Later{After: max(after, time.Second), Err: err}
}

// audio is what an interface gave and was found sound.
type audio struct {
	sound
	source string
}

func (j *job) habit() *habit { return j.r.habits[j.row.Tenant] }

// age is how long ago the call ended, or the row was stored if that was earlier.
func (j *job) age() time.Duration {
	if end := j.row.CallEnd; !end.IsZero() && end.Before(j.knownAt) {
		return time.Since(end)
	}
	return time.Since(j.knownAt)
}

// ask asks the interfaces one after the other until one gives the audio: those that gave
// some lately; all of them when the others have refused it for good, or before it is given up.
func (j *job) ask(ctx context.Context) (a audio, err error) {
	none := &absence{}
	order, first := j.habit().order()
	j.last = time.Since(j.knownAt) >= j.t.GiveUpAfter
	for i, source := range order {
		if i >= first && !j.last && !none.final() {
			break
		}
		s := j.t.Sources[source]
		if err := j.allowed(ctx); err != nil {
			return a, err
		}
		got, err := j.fetch(ctx, s)
		if err == nil {
			j.habit().had(source, true)
			return audio{got, s.Name}, nil
		}
		if !none.add(err) {
			return a, err
		}
		if !errors.Is(err, ErrUnnamed) {
			j.habit().had(source, false)
		}
	}
	return a, none
}

// longestWait is how long a worker waits for the budget; a row that would wait longer goes
// back, so that another tenant's can be worked on.
const longestWait = 10 * time.Second

// overBudget says when the budget allows the next request.
type overBudget struct{ after time.Duration }

func (o *overBudget) Error() string { return "the budget of requests is used up" }

// allowed takes one request from the budget.
func (j *job) allowed(ctx context.Context) error {
	wait, err := j.r.o.Budget.TakeAudio(ctx, j.row.Tenant, j.t.PerMinute, longestWait)
	if err != nil {
		return err
	}
	if wait > longestWait {
		return &overBudget{wait}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		j.progress()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetch makes one request and checks what comes.
func (j *job) fetch(ctx context.Context, s Source) (sound, error) {
	w := &limited{left: j.t.MaxBytes, progress: j.progress}
	stop := j.alive()
	err := s.Fetch(ctx, j.row, w)
	stop()
	if errors.Is(err, ErrUnnamed) {
		return sound{}, err
	}
	j.r.metrics.requests.WithLabelValues(s.Name).Inc()
	if w.over {
		err = errTooLong
	}
	j.r.fetches[j.row.Tenant].note(ofPlatform(err))
	if err != nil {
		return sound{}, err
	}
	a, err := check(w.got.Bytes(), j.t.MaxBytes, base(j.row.FileName), base(j.row.Original))
	if err == nil && s.OfCall && !a.named && !fits(j.row, a.length) {
		return sound{}, &unclear{fmt.Sprintf("it is %v long, and the row is of another length", a.length.Round(time.Second/10))}
	}
	return a, err
}

// sign is how often a worker says that it waits for an answer.
const sign = 5 * time.Second

// alive says that work goes on until it is stopped: an answer may take longer to begin than
// a row may show no progress.
func (j *job) alive() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for retry.Wait(ctx, sign) == nil {
			j.progress()
		}
	})
	return func() { cancel(); waiting.Wait() }
}

// ofPlatform is what an end says of the file store: an answer about one recording is one.
func ofPlatform(err error) error {
	var e *ccfs.Error
	if errors.As(err, &e) && (e.Class == ccfs.NotThere || e.Class == ccfs.Permanent && e.Code != "") {
		return nil
	}
	if errors.Is(err, errTooLong) {
		return nil
	}
	return err
}

// limited keeps what is written, up to so many bytes.
type limited struct {
	got      bytes.Buffer
	left     int64
	over     bool
	progress func()
}

var errTooLong = errors.New("the audio is longer than what is accepted")

func (l *limited) Write(p []byte) (int, error) {
	l.progress()
	if l.left -= int64(len(p)); l.left < 0 {
		l.over = true
		return 0, errTooLong
	}
	n, err := l.got.Write(p)
	sabotage.Point("audio.half")
	return n, err
}

// without decides what it means that there is no audio.
func (j *job) without(ctx context.Context, err error) error {
	var none *absence
	var wait *overBudget
	var e *ccfs.Error
	age := time.Since(j.knownAt)
	switch {
	case errors.As(err, &wait):
		return j.later(max(wait.after, min(wait.after*time.Duration(j.attempt), longestPass)), err) // there may be many
	case errors.As(err, &none) && (none.final() || j.last):
		j.habit().missing(j.row.Key)
		m := j.message(schemas.RecordingMissing)
		m.Reason, m.At = none.reason(), time.Now().UTC()
		return j.say(ctx, m, string(m.Reason))
	case errors.As(err, &none):
		j.habit().absent(j.row.Key)
		wait := j.habit().unripe(j.age())
		if wait == 0 {
			wait = pause(age, j.t.RetryAfter)
		}
		return j.later(min(max(wait, j.t.RetryAfter), j.t.GiveUpAfter-age), err)
	case errors.As(err, &e):
		return j.later(max(e.RetryAfter, min(pause(age, j.t.RetryAfter), longestPass)), err)
	}
	return j.later(j.t.RetryAfter, err)
}

// pause grows with the age of a row: as long again as it has been known.
func pause(age, least time.Duration) time.Duration { return max(least, min(age, longestPause)) }

// keep puts audio away.
func (j *job) keep(ctx context.Context, a audio) (schemas.Recording, error) {
	digest := sha256.Sum256(a.wav)
	m := j.message(schemas.RecordingStored)
	m.SHA256, m.Bytes, m.Format, m.Milliseconds = hex.EncodeToString(digest[:]), int64(len(a.wav)), a.format, a.length.Milliseconds()
	m.Source, m.At = a.source, time.Now().UTC().Truncate(time.Millisecond)
	name, content := j.row.Name(), a.wav
	if j.t.Key != nil {
		m.EncryptedBy, content = j.t.Key.ID(), j.t.Key.Seal(a.wav, name)
	}
	object, err := j.t.Place.Put(ctx, name, meta(m), &steady{bytes.NewReader(content), j.progress})
	if j.r.places[j.row.Tenant].note(err); err != nil {
		return m, fmt.Errorf("keep the audio of row %s: %w", j.row.Identified.ID, err)
	}
	m.Object = object
	j.r.metrics.bytes.Add(float64(len(content)))
	return m, nil
}

// steady says with every read that work goes on. Len is how much is left, for places that
// want to know.
type steady struct {
	content  *bytes.Reader
	progress func()
}

func (s *steady) Read(p []byte) (int, error) {
	s.progress()
	return s.content.Read(p)
}

func (s *steady) Len() int { return s.content.Len() }

// message is what the row says of a recording.
func (j *job) message(s schemas.RecordingStatus) schemas.Recording {
	return schemas.Recording{
		Tenant: j.row.Tenant, Agent: j.row.AgentID, Status: s, Key: j.row.Key, Row: j.row.Identified.ID,
		Window: j.row.Window, CallID: j.row.CallID,
	}
}

// say publishes what became of the recording.
func (j *job) say(ctx context.Context, m schemas.Recording, result string) error {
	message, err := j.r.o.Names.RecordingMessage(m)
	if err != nil {
		return &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err}
	}
	err = j.r.o.Publisher.Publish(ctx, message)
	if errors.As(err, new(*schemas.Permanent)) {
		return err
	}
	if err != nil {
		return j.later(j.t.RetryAfter, fmt.Errorf("say what became of the audio of row %s: %w", j.row.Identified.ID, err))
	}
	sabotage.Point("audio.said")
	j.r.metrics.recordings.WithLabelValues(result).Inc()
	j.r.o.Logger.Debug().Str("tenant", m.Tenant).Str("row", m.Row).Str("result", result).Msg("recording settled")
	return nil
}
