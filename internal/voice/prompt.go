package voice

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// What the platform's IVR plays (cec_07_0826): 8 kHz, 8 bits, 64 kbit/s, mono, by default at
// most 5 MB. PCM, A-law and mu-law can all be that, and the page names none of them.
const (
	promptRate  = 8000
	promptBits  = 8
	MaxPrompt   = 5 << 20 // bytes
	promptNames = "A-law, mu-law or PCM"
)

// Unfit is why the IVR can't play a file.
type Unfit struct {
	Why []string // each about one property
	// TooLong is true when a conversion may not be enough.
	TooLong bool
}

// Error is one sentence.
func (u *Unfit) Error() string { return strings.Join(u.Why, "; ") }

// Remedy says how to make a file that fits of the one with that name.
func (u *Unfit) Remedy(file string) string {
	dir, base := path.Split(strings.ReplaceAll(file, `\`, "/"))
	out := quoted(dir + strings.TrimSuffix(base, path.Ext(base)) + "-ivr.wav")
	in := quoted(file)
	cut := ""
	if u.TooLong {
		cut = fmt.Sprintf(" (it may last %v at most; -t 300 behind the first name keeps five minutes)", longest())
	}
	return fmt.Sprintf("convert it with\n  ffmpeg -i %s -ar 8000 -ac 1 -c:a pcm_alaw %s\nor with\n  sox %s -r 8000 -c 1 -e a-law %s%s", in, out, in, out, cut)
}

func longest() time.Duration { return (MaxPrompt / promptRate * time.Second).Truncate(time.Minute) }

// quoted is a word for a shell.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@", r))
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// CheckPrompt returns an [*Unfit] unless the IVR can play the file.
func CheckPrompt(file []byte) error {
	w, err := Read(file)
	u := &Unfit{TooLong: len(file) > MaxPrompt}
	if u.TooLong {
		u.Why = append(u.Why, fmt.Sprintf("it has %.1f MB, the platform takes 5", float64(len(file))/(1<<20)))
	}
	if err != nil {
		u.Why = append(u.Why, err.Error())
		return u
	}
	if !slices.Contains([]int{PCM, ALaw, MuLaw}, w.Codec) {
		u.Why = append(u.Why, fmt.Sprintf("its codec is %s, the IVR plays %s", codec(w.Codec), promptNames))
	}
	if w.Rate != promptRate {
		u.Why = append(u.Why, fmt.Sprintf("it has %d samples a second, the IVR plays %d", w.Rate, promptRate))
	}
	if w.Bits != promptBits {
		u.Why = append(u.Why, fmt.Sprintf("its samples have %d bits, the IVR plays %d", w.Bits, promptBits))
	}
	if w.Channels != 1 {
		u.Why = append(u.Why, fmt.Sprintf("it has %d channels, the IVR plays mono", w.Channels))
	}
	if len(w.Data) == 0 {
		u.Why = append(u.Why, "it holds no sound")
	}
	if len(u.Why) > 0 {
		return u
	}
	return nil
}

// codec names what sound programs write.
func codec(n int) string {
	names := map[int]string{2: "ADPCM", 3: "floating point", 0x11: "IMA ADPCM", 0x31: "GSM", 0x55: "MP3", 0xfffe: "an extensible format"}
	if name := names[n]; name != "" {
		return name
	}
	return fmt.Sprintf("number %d", n)
}
