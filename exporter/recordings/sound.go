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
}

// unsound says what is wrong with what came.
type unsound struct{ why string }

func (u *unsound) Error() string { return "the audio is damaged: " + u.why }

// check finds the recording in what an interface gave: a WAV file, or a ZIP of several, of
// which it is the one with one of the names, or the only one.
func check(got []byte, limit int64, names ...string) (sound, error) {
	if bytes.HasPrefix(got, []byte("PK")) {
		wav, err := member(got, limit, names)
		if err != nil {
			return sound{}, err
		}
		got = wav
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
	return sound{wav: got, format: format(w.Codec), length: w.Length()}, nil
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

// member unpacks the one file of a ZIP that is meant.
func member(packed []byte, limit int64, names []string) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, &unsound{"its archive cannot be read: " + err.Error()}
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
	if len(files) != 1 {
		return nil, &unsound{fmt.Sprintf("its archive has %d recordings, and names do not tell which one is meant", len(files))}
	}
	r, err := files[0].Open()
	if err != nil {
		return nil, &unsound{"its archive cannot be read: " + err.Error()}
	}
	defer r.Close()
	wav, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, &unsound{"its archive cannot be read: " + err.Error()}
	}
	if int64(len(wav)) > limit {
		return nil, errTooLong
	}
	return wav, nil
}
