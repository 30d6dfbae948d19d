package phone

import (
	"errors"
	"slices"
)

// ErrPlay refuses what does not fit the playback of now.
var ErrPlay = errors.New("the playback is not in a state for this")

// playback is a recording that the agent hears.
type playback int

const (
	silent playback = iota
	playing
	paused
)

// playback by the names of the client's calls: the states from which each goes, the
// one to which, and its events.
var plays = map[string]struct {
	from   []playback
	to     playback
	events []string
}{
	"play":       {[]playback{silent}, playing, []string{"AgentMediaEvent_Play", "AgentMediaEvent_Play_Succ"}},
	"stopplay":   {[]playback{playing, paused}, silent, []string{"AgentMediaEvent_StopPlayDone"}},
	"pauseplay":  {[]playback{playing}, paused, []string{"AgentMediaEvent_PausePlayDone"}},
	"resumeplay": {[]playback{paused}, playing, []string{"AgentMediaEvent_ResumePlayDone"}},
	"forefast":   {[]playback{playing, paused}, playing, []string{"AgentMediaEvent_JumpPlayDone"}},
	"backfast":   {[]playback{playing, paused}, playing, []string{"AgentMediaEvent_JumpPlayDone"}},
}

// Play does what a client's call of that name asks for with a playback.
func (p *Phone) Play(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	how, known := plays[name]
	if !known || !slices.Contains(how.from, p.playing) {
		return ErrPlay
	}
	p.playing = how.to
	for _, event := range how.events {
		var what any
		if name == "stopplay" {
			what = map[string]int{"cause": 1}
		}
		p.post(p.sending(event, what))
	}
	return nil
}
