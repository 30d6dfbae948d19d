package voice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Codecs of telephony, as a WAV file names them.
const (
	PCM   = 1
	ALaw  = 6
	MuLaw = 7
)

// WAV is a sound in a RIFF container.
type WAV struct {
	Codec    int // PCM, ALaw, MuLaw or another one of the registered numbers
	Channels int
	Rate     int    // samples a second
	Bits     int    // of a sample
	Data     []byte // the samples; part of what was read
}

// Length is how long the sound lasts; 0 when that can't be known.
func (w WAV) Length() time.Duration {
	second := w.Rate * w.Channels * w.Bits / 8
	if second <= 0 {
		return 0
	}
	return time.Duration(float64(len(w.Data)) / float64(second) * float64(time.Second))
}

// The chunks of a RIFF container: four letters, the length, that many bytes, and one more
// after an odd number of them.
const (
	riffHead  = 12
	chunkHead = 8
	formatMin = 16
)

// Read reads a whole file. The error says what is wrong with the container: it is none, it
// ends early, or a part is missing.
func Read(file []byte) (WAV, error) {
	if len(file) < riffHead || string(file[:4]) != "RIFF" || string(file[8:riffHead]) != "WAVE" {
		return WAV{}, errors.New("it is no WAV file: " + kind(file))
	}
	var w WAV
	known := false
	for rest := file[riffHead:]; len(rest) >= chunkHead; {
		name, length := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[chunkHead:]
		switch {
		case name == "data" && !known:
			return WAV{}, errors.New("its sound comes before its format")
		case length > uint64(len(rest)):
			return WAV{}, fmt.Errorf("it ends early: of the %d bytes of its part %q there are %d", length, name, len(rest))
		case name == "data":
			w.Data = rest[:length]
			return w, nil
		case name == "fmt " && length < formatMin:
			return WAV{}, errors.New("its format is cut short")
		case name == "fmt ":
			w.Codec, w.Channels = int(binary.LittleEndian.Uint16(rest)), int(binary.LittleEndian.Uint16(rest[2:]))
			w.Rate, w.Bits = int(binary.LittleEndian.Uint32(rest[4:])), int(binary.LittleEndian.Uint16(rest[14:]))
			known = true
		}
		rest = rest[min(length+length%2, uint64(len(rest))):]
	}
	return WAV{}, errors.New("it holds no sound")
}

// kind names what is often taken for a WAV file.
func kind(file []byte) string {
	for _, k := range []struct{ head, name string }{
		{"", "it is empty"}, {"ID3", "it looks like MP3"}, {"\xff\xfb", "it looks like MP3"}, {"OggS", "it looks like Ogg"},
		{"fLaC", "it looks like FLAC"}, {"RIFX", "it is in big endian"}, {"RF64", "it is RF64"}, {"FORM", "it looks like AIFF"},
		{".snd", "it looks like AU"}, {"{", "it looks like JSON"}, {"<", "it looks like a web page"},
	} {
		if k.head == "" && len(file) == 0 || k.head != "" && len(file) >= len(k.head) && string(file[:len(k.head)]) == k.head {
			return k.name
		}
	}
	return "it does not begin with RIFF and WAVE"
}
