package phone

import (
	"errors"
	"slices"

	"aiccbridge/internal/platformsim/world/content"
)

// ErrPlay refuses what does not fit the playback of now.
var ErrPlay = errors.New("the playback is not in a state for this")

// playback is a recording that the agent hears. The phone is called for it, and the agent is
// busy meanwhile (page cec_05_4050).
type playback int

const (
	silent playback = iota
	playing
	paused
)

// Why a playback ended (page cec_07_1388).
const (
	playedOut, stopped = 0, 1
)

// controls are the playback by the names of the client's calls but the first: the states from
// which each goes, the one to which, and its event.
var controls = map[string]struct {
	from  []playback
	to    playback
	event string
}{
	"pauseplay":  {[]playback{playing}, paused, "AgentMediaEvent_PausePlayDone"},
	"resumeplay": {[]playback{paused}, playing, "AgentMediaEvent_ResumePlayDone"},
	"forefast":   {[]playback{playing, paused}, playing, "AgentMediaEvent_JumpPlayDone"},
	"backfast":   {[]playback{playing, paused}, playing, "AgentMediaEvent_JumpPlayDone"},
}

// Play does what a client's call of that name asks for with a playback.
func (p *Phone) Play(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch name {
	case "play":
		return p.listen()
	case "stopplay":
		if p.phase != listening {
			return ErrPlay
		}
		p.unplay(stopped)
		return nil
	}
	how, known := controls[name]
	if !known || p.phase != listening || !slices.Contains(how.from, p.playing) {
		return ErrPlay
	}
	p.playing = how.to
	p.post(p.sending(how.event, nil))
	return nil
}

// listen calls the phone and plays. The caller holds mu.
func (p *Phone) listen() error {
	if p.phase != idle || !p.line.Seize() {
		return ErrPlay
	}
	p.phase, p.playing = listening, playing
	p.post(p.soon(p.line.Busy), p.sending("AgentOther_PhoneAlerting", nil), p.sending("AgentOther_PhoneOffhook", content.PhoneType{Type: "main"}),
		p.sending("AgentMediaEvent_Play_Succ", nil), p.sending("AgentMediaEvent_Play", nil))
	p.fateAfter(p.pace.Talk, func() {
		p.change(func() {
			if p.phase == listening {
				p.unplay(playedOut)
			}
		})
	})
	return nil
}

// unplay ends the playback. The caller holds mu.
func (p *Phone) unplay(cause int) {
	p.phase, p.playing, p.fate = ending, silent, nil
	p.post(p.sending("AgentOther_PhoneRelease", content.PhoneState{State: 3}), p.soon(p.over),
		p.sending("AgentMediaEvent_StopPlayDone", map[string]int{"cause": cause}))
}
