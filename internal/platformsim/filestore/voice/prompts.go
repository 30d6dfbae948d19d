package voice

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Prompts are the voice files that developers put into the IVR. It is safe for concurrent
// use.
type Prompts struct {
	mu    sync.Mutex
	count int
	files map[string][]byte
}

// NewPrompts returns an empty store.
func NewPrompts() *Prompts { return &Prompts{files: map[string][]byte{}} }

// Upload keeps a file and returns its name, Y:/3rdfile/53/thirdvoicebotfile/8fSsBaEb_1631869974029.wav.
func (p *Prompts) Upload(vdn string, wav []byte, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", vdn, now.UnixNano(), p.count))
	random := base32.StdEncoding.EncodeToString(sum[:])[:8]
	name := fmt.Sprintf("Y:/3rdfile/%s/thirdvoicebotfile/%s_%d.wav", vdn, random, now.UnixMilli())
	p.files[name] = bytes.Clone(wav)
	return name
}

// Get returns a file.
func (p *Prompts) Get(name string) ([]byte, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	data, ok := p.files[name]
	return data, ok
}

// Only returns the one file of a folder; false when there is none, or several.
func (p *Prompts) Only(folder string) (data []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	folder = strings.TrimRight(folder, "/") + "/"
	for name, file := range p.files {
		rest, inside := strings.CutPrefix(name, folder)
		if !inside || strings.Contains(rest, "/") {
			continue
		}
		if ok {
			return nil, false
		}
		data, ok = file, true
	}
	return data, ok
}

// Delete removes a file; false when there is none.
func (p *Prompts) Delete(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.files[name]
	delete(p.files, name)
	return ok
}

// Plays reports whether the IVR can play a file: RIFF with 8 bits and 8000 samples a
// second, one channel (PCM, A-law or mu-law).
func Plays(wav []byte) bool {
	if len(wav) < 36 || string(wav[:4]) != "RIFF" || string(wav[8:16]) != "WAVEfmt " {
		return false
	}
	f := wav[20:36]
	known := f[0] == 1 || f[0] == formatALaw || f[0] == 7
	return known && f[1] == 0 && string(f[2:]) == "\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00"
}
