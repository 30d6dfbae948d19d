package recordings

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"

	"aiccbridge/internal/voice"
)

// sound is one recording as the platform gives it.
type sound struct {
	wav    []byte
	format string
	length time.Duration
	named  bool // a name tells that it is the recording that was asked for
}

// unsound says what is wrong with what came.
type unsound struct{ why string }

func (u *unsound) Error() string { return "the audio is damaged: " + u.why }

// unclear says that nothing tells whether what came is the recording that is meant.
type unclear struct{ why string }

func (u *unclear) Error() string { return "which recording is meant is not told: " + u.why }

// fits reports whether a length is that of a row's recording, give or take what starting and
// stopping it takes.
func fits(r Row, length time.Duration) bool {
	if r.CallBegin.IsZero() || r.CallEnd.IsZero() {
		return false
	}
	want := r.CallEnd.Sub(r.CallBegin)
	return (length - want).Abs() <= 2*time.Second+want/20
}

// check finds the recording in what an interface gave: a WAV file, or a ZIP of several, of
// which it is the one with one of the names, or the only one.
func check(got []byte, limit int64, names ...string) (sound, error) {
	named := false
	if bytes.HasPrefix(got, []byte("PK")) {
		var err error
		if got, named, err = member(got, limit, names); err != nil {
			return sound{}, err
		}
	}
	w, err := voice.Read(got)
	switch {
	case err != nil:
		return sound{}, &unsound{err.Error()}
	case len(w.Data) == 0:
		return sound{}, &unsound{"it holds no sound"}
	case w.Channels < 1 || w.Rate < 1 || w.Bits < 1:
		return sound{}, &unsound{"its format is none"}
	}
	return sound{wav: got, format: format(w.Codec), length: w.Length(), named: named}, nil
}

func format(codec int) string {
	switch codec {
	case voice.PCM:
		return "pcm"
	case voice.ALaw:
		return "alaw"
	case voice.MuLaw:
		return "mulaw"
	}
	return strconv.Itoa(codec)
}

// member unpacks the one file of a ZIP that is meant, by one of the names, or because there is
// no other.
func member(packed []byte, limit int64, names []string) (wav []byte, byName bool, err error) {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, false, &unsound{"its archive cannot be read: " + err.Error()}
	}
	var files, named []*zip.File
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		files = append(files, f)
		for _, n := range names {
			if n != "" && base(f.Name) == n {
				named = append(named, f)
				break
			}
		}
	}
	if len(named) == 1 {
		files = named
	}
	if len(files) == 0 {
		return nil, false, &unsound{"its archive is empty"}
	}
	if len(files) != 1 {
		return nil, false, &unclear{fmt.Sprintf("its archive has %d, and no name is the row's", len(files))}
	}
	r, err := files[0].Open()
	if err != nil {
		return nil, false, &unsound{"its archive cannot be read: " + err.Error()}
	}
	defer r.Close()
	wav, err = io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, false, &unsound{"its archive cannot be read: " + err.Error()}
	}
	if int64(len(wav)) > limit {
		return nil, false, errTooLong
	}
	return wav, len(named) == 1, nil
}
