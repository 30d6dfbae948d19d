package session

import (
	"context"
	"time"

	"aiccbridge/poller/internal/aside"
	"aiccbridge/poller/session/custody"
	"aiccbridge/schemas"
)

// legacy is what the last owner of the agent left behind.
type legacy struct {
	at      time.Time // its last sign of life
	unclean bool      // it did not say that it stopped
	left    bool      // it stopped and left its session alive
	pushed  bool      // its session is one whose events are pushed
	copied  bool      // it may have gone on elsewhere, in what our store is a copy of
}

// start begins when there is room: a restart is not to ask the store for everything of
// thousands of agents at the same time.
func (l *Loop) start(intake, work context.Context) (phase, error) {
	select {
	case l.tenant.options.Limits.starting <- struct{}{}:
		defer func() { <-l.tenant.options.Limits.starting }()
		return l.begin(work)
	case <-intake.Done():
		return phaseLeaving, nil
	}
}

// begin claims the agent and finds out whether there is a session to go on with.
func (l *Loop) begin(ctx context.Context) (phase, error) {
	entry, err := l.custody.Load(ctx)
	if err != nil {
		return "", err
	}
	epoch := l.tenant.options.Epoch
	l.record.Follow(schemas.Position{Epoch: entry.Epoch, Seq: entry.LastSeq})
	switch {
	case entry.Epoch > epoch, entry.Epoch == epoch && entry.Polling && l.record.Seq() == 0:
		// Of an owner with our own epoch that did not stop cleanly the last number
		// is not known; used again, it would be taken for a repeat and dropped.
		return "", custody.ErrFenced
	case entry.Epoch == epoch:
		l.record.Continue(entry.LastSeq)
	}
	l.record.Standing.Recall(ctx)
	old := l.legacy(ctx, entry)
	old.copied = !old.at.IsZero() && !old.at.After(l.tenant.options.Copied)
	resumes := false
	if old.pushed && l.agent.Password != "" {
		l.custody.Decline() // it can't be polled
	} else {
		resumes = l.custody.TakeOver()
	}
	if err := l.record.Losses(ctx); err != nil {
		return "", err
	}
	if err := l.recordLegacy(ctx, old, resumes); err != nil {
		return "", err
	}
	if !resumes {
		l.tenant.options.Observer.Ended(l.agent.ID)
		l.record.Standing.Forget(ctx)
		return l.signedOut(), l.custody.Save(ctx)
	}
	asked := time.Now()
	if old.left {
		asked = old.at // what has happened since waits in the queue, or is lost
	}
	return l.resume(ctx, asked, old.at)
}

// legacy finds out how the last owner ended: from the entry, and from the last
// message stored, because another system may have written or deleted the entry
// since. An entry that says "polling" may be 70 s old; the message is exact.
func (l *Loop) legacy(ctx context.Context, entry schemas.Session) legacy {
	old := legacy{unclean: entry.Polling, left: !entry.Polling && entry.Epoch > 0 && entry.GUID != ""}
	if entry.Epoch > 0 {
		old.at = entry.UpdatedAt
	}
	last, ok := l.record.Last(ctx)
	if !ok {
		return old
	}
	old.left = !old.unclean && last.Left()
	old.unclean = old.unclean || !last.Final()
	old.pushed = last.Mark != ""
	if last.At.After(old.at) {
		old.at = last.At
	}
	l.record.Follow(last.Position)
	return old
}

// recordLegacy says what may have been lost before we came: all since the last
// owner's sign of life if it did not stop cleanly, or not where we know of; and if it
// did, all since it left, unless its session goes on and with it the queue.
func (l *Loop) recordLegacy(ctx context.Context, old legacy, resumes bool) error {
	now := time.Now()
	from := old.at
	if from.IsZero() || from.After(now) {
		from = now
	}
	switch {
	case old.unclean:
		return l.record.Gap(ctx, schemas.GapUnclean, from, now, "the last owner did not release the agent", 0)
	case old.copied:
		return l.record.Gap(ctx, schemas.GapUnclean, from, now, "the data folder is a copy, or was put back from one: what came since may be in another", 0)
	case old.left && !resumes:
		return l.record.Gap(ctx, schemas.GapSession, from, now, "the session left alive was not resumed in time", 0)
	}
	return nil
}

// signedOut is the phase of an agent without session.
func (l *Loop) signedOut() phase {
	if l.agent.handedOver() {
		return phaseWaiting
	}
	return phaseSigningIn
}

// resume goes on with the session just adopted, whose queue was last asked at the
// given time, and which is known to have been polled until heard (zero: not at all); the
// first poll shows whether it is still alive.
func (l *Loop) resume(ctx context.Context, asked, heard time.Time) (phase, error) {
	l.goLive(asked, time.Time{})
	if !heard.IsZero() && heard.Before(asked) {
		l.contact.at(heard) // the silence goes back beyond our start
	}
	if err := l.custody.Save(ctx); err != nil {
		return "", err
	}
	if l.custody.Withdrawn() { // in the last moment
		return phaseReturning, nil
	}
	l.record.Standing.Doubt() // the state may have changed since
	l.log.Info().Msg("agent's session resumed")
	return phasePolling, l.record.Announce(ctx, schemas.EventResumed, nil)
}

// await looks whether another system handed a GUID over: as soon as it is told so, and now and
// then.
func (l *Loop) await(intake, work context.Context) (phase, error) {
	again := lookAgain
	if l.agent.Entry > 0 {
		again = lookAtLeast
	}
	look := time.Now().Add(again)
	if quiet := l.custody.Quiet(); quiet.After(time.Now()) && quiet.Before(look) {
		look = quiet
	}
	if !l.custody.Offered() && !l.told() && l.rest(intake, look) != nil {
		return phaseLeaving, nil
	}
	l.looked = l.agent.Entry
	switch handed, err := l.custody.HandedOver(work); {
	case err != nil:
		return "", err
	case !handed:
		return phaseWaiting, nil
	}
	return l.resume(work, time.Now(), time.Time{})
}

// told reports that the agent's entry has been changed since the loop has seen it.
func (l *Loop) told() bool {
	return l.agent.Entry > l.looked && !l.custody.Known(l.agent.Entry)
}

// rest waits until a time, or until the loop is told of something. An error means that
// intake has ended.
func (l *Loop) rest(intake context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for intake.Err() == nil {
		select {
		case <-intake.Done():
		case <-timer.C:
			l.takeChange()
			return intake.Err()
		case changed := <-l.changes:
			l.agent = changed
			if l.told() {
				return nil
			}
		}
	}
	return intake.Err()
}

// attend takes what the system that hands the session over has written meanwhile.
func (l *Loop) attend(ctx context.Context) error {
	if l.told() {
		l.looked = l.agent.Entry
		if err := aside.Run(func() error { return l.custody.Look(ctx) }); err != nil {
			return err
		}
	}
	if !l.custody.Adopted() {
		return nil
	}
	l.log.Info().Msg("agent was signed in anew by the other system; the new session is polled")
	l.goLive(time.Now(), time.Time{})
	l.record.Standing.Doubt()
	return l.record.Announce(ctx, schemas.EventResumed, nil)
}

// giveBack leaves a session alive that is wanted back, or whose entry has gone.
func (l *Loop) giveBack(ctx context.Context) (phase, error) {
	l.log.Info().Msg("agent's session is given back")
	return phaseWaiting, l.release(ctx, schemas.EventLeft, nil)
}
