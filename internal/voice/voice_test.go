package voice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// riff puts chunks into a container.
func riff(chunks ...[]byte) []byte {
	body := append([]byte("WAVE"), bytes.Join(chunks, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func chunk(name string, content []byte) []byte {
	out := append(binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content))), content...)
	return append(out, make([]byte, len(content)%2)...)
}

func format(codec, channels, rate, bits int) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint16(b, uint16(codec))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(rate*channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(channels*bits/8))
	return chunk("fmt ", binary.LittleEndian.AppendUint16(b, uint16(bits)))
}

func TestGoodPrompts(t *testing.T) {
	for _, codec := range []int{PCM, ALaw, MuLaw} {
		for name, file := range map[string][]byte{
			"plain":           riff(format(codec, 1, 8000, 8), chunk("data", make([]byte, 800))),
			"with other data": riff(chunk("LIST", make([]byte, 7)), format(codec, 1, 8000, 8), chunk("fact", make([]byte, 4)), chunk("data", make([]byte, 801))),
			"the longest":     riff(format(codec, 1, 8000, 8), chunk("data", make([]byte, MaxPrompt-44))),
		} {
			if err := CheckPrompt(file); err != nil {
				t.Errorf("codec %d, %s: %v", codec, name, err)
			}
		}
	}
}

func TestUnfitPrompts(t *testing.T) {
	sound := chunk("data", make([]byte, 800))
	good := riff(format(ALaw, 1, 8000, 8), sound)
	for want, file := range map[string][]byte{
		"it has 16000 samples a second, the IVR plays 8000":            riff(format(ALaw, 1, 16000, 8), sound),
		"its samples have 16 bits, the IVR plays 8":                    riff(format(PCM, 1, 8000, 16), sound),
		"it has 2 channels, the IVR plays mono":                        riff(format(ALaw, 2, 8000, 8), sound),
		"its codec is floating point, the IVR plays A-law":             riff(format(3, 1, 8000, 8), sound),
		"its codec is number 4660":                                     riff(format(0x1234, 1, 8000, 8), sound),
		"it has 44100 samples a second, the IVR plays 8000; its sampl": riff(format(PCM, 2, 44100, 16), sound),
		"it has 5.0 MB, the platform takes 5":                          riff(format(ALaw, 1, 8000, 8), chunk("data", make([]byte, MaxPrompt-43))),
		"it holds no sound":                                            riff(format(ALaw, 1, 8000, 8), chunk("data", nil)),
		"it holds no sound ":                                           riff(format(ALaw, 1, 8000, 8)),
		"its sound comes before its format":                            riff(sound, format(ALaw, 1, 8000, 8)),
		"its format is cut short":                                      riff(chunk("fmt ", make([]byte, 14)), sound),
		`it ends early: of the 800 bytes of its part "data" there are`: good[:len(good)-1],
		"it is no WAV file: it is empty":                               {},
		"it is no WAV file: it looks like MP3":                         []byte("ID3\x04"),
		"it is no WAV file: it looks like Ogg":                         []byte("OggS"),
		"it is no WAV file: it does not begin with RIFF and WAVE":      []byte("RIFF"),
	} {
		var u *Unfit
		if err := CheckPrompt(file); !errors.As(err, &u) || !strings.HasPrefix(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestRemedy(t *testing.T) {
	for file, want := range map[string]string{
		"welcome.wav":   "convert it with\n  ffmpeg -i welcome.wav -ar 8000 -ac 1 -c:a pcm_alaw welcome-ivr.wav\nor with\n  sox welcome.wav -r 8000 -c 1 -e a-law welcome-ivr.wav",
		"a/it's me.mp3": `ffmpeg -i 'a/it'\''s me.mp3' -ar 8000 -ac 1 -c:a pcm_alaw 'a/it'\''s me-ivr.wav'`,
	} {
		if got := (&Unfit{}).Remedy(file); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := (&Unfit{TooLong: true}).Remedy("a.wav"); !strings.Contains(got, "10m0s at most") {
		t.Error(got)
	}
}

func TestLength(t *testing.T) {
	w, err := Read(riff(format(PCM, 2, 8000, 16), chunk("data", make([]byte, 48000))))
	if err != nil || w.Length() != 1500*time.Millisecond || len(w.Data) != 48000 {
		t.Errorf("%v %v", w.Length(), err)
	}
	if (WAV{}).Length() != 0 {
		t.Error("a sound without format lasts")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(riff(format(ALaw, 1, 8000, 8), chunk("data", make([]byte, 10))))
	f.Add(riff(chunk("LIST", []byte("a")), format(PCM, 2, 44100, 16), chunk("data", nil)))
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff"))
	f.Add([]byte("RIFF\x04\x00\x00\x00WAVEabcd\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, file []byte) {
		w, err := Read(file)
		if err != nil && (w.Data != nil || w.Codec != 0) {
			t.Error("an error, and a sound")
		}
		if err == nil && (len(w.Data) > len(file) || w.Length() < 0) {
			t.Errorf("%d bytes of sound in %d, %v", len(w.Data), len(file), w.Length())
		}
		if bad := CheckPrompt(file); bad == nil && (w.Rate != 8000 || w.Bits != 8 || w.Channels != 1 || len(w.Data) == 0) {
			t.Errorf("%+v would be sent", w)
		}
	})
}
