package voice

import (
	"encoding/binary"
	"testing"
)

// TestG711 holds the ends of both scales, and their middles, against the tables of ITU-T
// G.711.
func TestG711(t *testing.T) {
	for b, want := range map[byte]int16{0xd5: 8, 0x55: -8, 0xaa: 32256, 0x2a: -32256, 0xd4: 24, 0x80: 5504, 0xc5: 264} {
		if got := expandALaw(b); got != want {
			t.Errorf("A-law %#x is %d, want %d", b, got, want)
		}
	}
	for b, want := range map[byte]int16{0xff: 0, 0x7f: 0, 0x80: 32124, 0x00: -32124, 0xfe: 8, 0x7e: -8, 0xef: 132} {
		if got := expandMuLaw(b); got != want {
			t.Errorf("mu-law %#x is %d, want %d", b, got, want)
		}
	}
	for b := range 256 { // each value once, but for the two zeroes of mu-law
		if expandALaw(byte(b)) != -expandALaw(byte(b)^0x80) || expandMuLaw(byte(b)) != -expandMuLaw(byte(b)^0x80) {
			t.Errorf("%#x is not as loud with the other sign", b)
		}
	}
}

func TestPCM16(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		want []int16
	}{
		"A-law":  {riff(format(ALaw, 1, 8000, 8), chunk("data", []byte{0xd5, 0x2a})), []int16{8, -32256}},
		"mu-law": {riff(format(MuLaw, 2, 8000, 8), chunk("data", []byte{0xff, 0x80})), []int16{0, 32124}},
		"PCM 8":  {riff(format(PCM, 1, 8000, 8), chunk("data", []byte{0, 128})), []int16{-32768, 0}},
		"PCM 16": {riff(format(PCM, 1, 16000, 16), chunk("data", []byte{1, 2, 3, 4})), []int16{0x201, 0x403}},
	} {
		w, err := Read(c.file)
		if err != nil {
			t.Fatal(err)
		}
		file, err := w.PCM16()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(file)
		if err != nil || got.Codec != PCM || got.Bits != 16 || got.Channels != w.Channels || got.Rate != w.Rate || got.Length() != w.Length() {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		for i, want := range c.want {
			if have := int16(binary.LittleEndian.Uint16(got.Data[2*i:])); have != want {
				t.Errorf("%s: sample %d is %d, want %d", name, i, have, want)
			}
		}
	}
	for _, odd := range []WAV{{Codec: 3, Bits: 32}, {Codec: ALaw, Bits: 16}, {Codec: PCM, Bits: 24}, {}} {
		if _, err := odd.PCM16(); err == nil {
			t.Errorf("%+v is converted", odd)
		}
	}
}
