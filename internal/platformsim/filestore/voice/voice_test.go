package voice

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// TestALaw: known samples of ITU-T G.711, as encoders print them.
func TestALaw(t *testing.T) {
	for sample, want := range map[int16]byte{
		0: 0xd5, 8: 0xd5, 16: 0xd4, -1: 0x55, -8: 0x55, -16: 0x55, -17: 0x54, 1000: 0xfa, -1000: 0x7a,
		8000: 0x8a, -8000: 0x0a, 32767: 0xaa, -32768: 0x2a,
	} {
		if got := alaw(sample); got != want {
			t.Errorf("%d: %#x, want %#x", sample, got, want)
		}
	}
}

func TestTone(t *testing.T) {
	a, b := Tone("a", time.Second), Tone("b", time.Second)
	if bytes.Equal(a, b) || !bytes.Equal(a, Tone("a", time.Second)) {
		t.Error("the bytes do not follow the name")
	}
	for _, d := range []time.Duration{time.Second, time.Second + time.Second/8000} { // the second is odd
		wav := Tone("a", d)
		if got := int(binary.LittleEndian.Uint32(wav[4:])) + 8; got != len(wav) || len(wav)%2 != 0 {
			t.Errorf("RIFF says %d bytes, there are %d", got, len(wav))
		}
		if got, want := binary.LittleEndian.Uint32(wav[54:]), uint32(d*8000/time.Second); got != want || string(wav[50:54]) != "data" {
			t.Errorf("%d bytes of data, want %d", got, want)
		}
		if !Plays(wav) {
			t.Error("the IVR would not play it")
		}
	}
}

func TestPlays(t *testing.T) {
	good := Tone("a", time.Second)
	for at, name := range map[int]string{0: "no RIFF", 8: "no WAVE", 20: "an odd format", 22: "two channels", 24: "another rate", 34: "16 bits"} {
		bad := bytes.Clone(good)
		bad[at] = 0x02
		if Plays(bad) {
			t.Error(name)
		}
	}
	if Plays(good[:30]) {
		t.Error("a cut head")
	}
}

func TestShares(t *testing.T) {
	for _, s := range []Settings{{Absent: -0.1}, {Late: -1}, {Absent: 0.6, Late: 0.6}, {ObjectCode: "1"}, {ObjectField: "link"}} {
		if _, err := s.Complete(); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	s, err := Settings{Absent: 0.2, Late: 0.3}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	log, known := truth.New(), time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC)
	l := NewLibrary(s, time.UTC, 1, func() []world.Row { return nil }, log)
	for i := range 1000 {
		cells := make([]string, len(world.Columns[world.Record]))
		cells[9] = "/record/" + time.Duration(i).String() + ".wav"
		l.Add([]world.Row{{Kind: world.Record, Cells: cells, Known: known}, {Kind: world.Call, Cells: cells}})
	}
	absent, late := 0, 0
	for _, r := range log.Snapshot().Recordings {
		switch {
		case r.Absent:
			absent++
		case r.ThereAt.Equal(known.Add(10 * time.Minute)):
			late++
		}
	}
	if absent < 150 || absent > 250 || late < 250 || late > 350 {
		t.Errorf("of 1000, %d are absent and %d late", absent, late)
	}
}
