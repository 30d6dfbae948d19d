package voice

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// Settings are those of the sound. The zero value: every recording of the index is there
// when its row is.
type Settings struct {
	// Absent is the share of recordings whose sound never comes (0300012), Late of those
	// that have it LateBy after their row is known, and 0300011 until then.
	Absent float64       `yaml:"absent"`
	Late   float64       `yaml:"late"`
	LateBy time.Duration `yaml:"late_by"` // default 10 min
	// Longest is the length of the longest tone; a shorter talk has a shorter one. Default 1 s.
	Longest time.Duration `yaml:"longest"`
	// PlayToken is how long a listening token is good, ObjectURL an address in the object
	// store. Defaults 30 min and 8 h.
	PlayToken time.Duration `yaml:"play_token"`
	ObjectURL time.Duration `yaml:"object_url"`
	// ObjectCode is the code of success of getRecordFileUrlFromObs, "0" (default) or
	// "0100000", and ObjectField the name of its answer, url (default) or obsFileUrl.
	ObjectCode  string `yaml:"object_code"`
	ObjectField string `yaml:"object_field"`
	// ShortCallIDs refuses a call id like 1714525260-1001 there with 0300028, and takes the
	// part behind the dash.
	ShortCallIDs bool `yaml:"short_call_ids"`
}

// Complete fills in the defaults, or says what is wrong.
func (s Settings) Complete() (Settings, error) {
	s.LateBy, s.Longest = cmp.Or(s.LateBy, 10*time.Minute), cmp.Or(s.Longest, time.Second)
	s.PlayToken, s.ObjectURL = cmp.Or(s.PlayToken, 30*time.Minute), cmp.Or(s.ObjectURL, 8*time.Hour)
	s.ObjectCode, s.ObjectField = cmp.Or(s.ObjectCode, "0"), cmp.Or(s.ObjectField, "url")
	switch {
	case s.Absent < 0 || s.Late < 0 || s.Absent+s.Late > 1:
		return s, errors.New("the shares of absent and late audio must be at least 0 and at most 1 together")
	case s.ObjectCode != "0" && s.ObjectCode != "0100000":
		return s, errors.New("the object code must be 0 or 0100000")
	case s.ObjectField != "url" && s.ObjectField != "obsFileUrl":
		return s, errors.New("the object field must be url or obsFileUrl")
	}
	return s, nil
}

// Recording is one recording of the index.
type Recording struct {
	Name     string // column file_name, /10/1/record/39/20240501/101/32460000.wav
	Original string // column original_file_name, with slashes
	CallID   string
	Begin    time.Time
	End      time.Time
	ThereAt  time.Time // from when the sound can be had
	Absent   bool      // it never can

	length time.Duration
}

// WAV is the sound.
func (r Recording) WAV() []byte { return Tone(r.Name, r.length) }

// Base is the last part of the name.
func (r Recording) Base() string { return r.Name[strings.LastIndexByte(r.Name, '/')+1:] }

// Library has the recordings. It is safe for concurrent use.
type Library struct {
	settings Settings
	zone     *time.Location
	seed     uint64
	rows     func() []world.Row
	truth    *truth.Log

	mu         sync.Mutex
	byName     map[string]Recording
	byOriginal map[string]string   // names
	byCall     map[string][]string // names, in the order of their begin
}

// NewLibrary returns a library. rows are those of the recording index that are known now;
// they are asked for when something is looked up that no file had.
func NewLibrary(s Settings, zone *time.Location, seed uint64, rows func() []world.Row, log *truth.Log) *Library {
	return &Library{
		settings: s, zone: zone, seed: seed, rows: rows, truth: log,
		byName: map[string]Recording{}, byOriginal: map[string]string{}, byCall: map[string][]string{},
	}
}

// Add takes the rows of a file. Those of other kinds, and those that are there, are passed by.
func (l *Library) Add(rows []world.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		cell := cells(r)
		name := cell("file_name")
		if _, there := l.byName[name]; r.Kind == world.Record && name != "" && !there {
			l.add(l.recording(name, cell, r.At, r.Known), r.AgentID, cell("account_id"))
		}
	}
}

func cells(r world.Row) func(column string) string {
	return func(column string) string {
		i := slices.Index(world.Columns[r.Kind], column)
		if i < 0 || i >= len(r.Cells) {
			return ""
		}
		return r.Cells[i]
	}
}

// recording reads a row. Whatever zone its times are written in, they give the length.
func (l *Library) recording(name string, cell func(string) string, at, known time.Time) Recording {
	r := Recording{Name: name, Original: strings.ReplaceAll(cell("original_file_name"), `\`, "/"), CallID: cell("call_id"), Begin: at, End: at, ThereAt: known}
	begin, err := time.ParseInLocation(world.TimeLayout, cell("call_begin"), l.zone)
	if end, bad := time.ParseInLocation(world.TimeLayout, cell("call_end"), l.zone); err == nil && bad == nil {
		r.End = at.Add(end.Sub(begin))
	}
	r.length = min(max(r.End.Sub(r.Begin), time.Second/5), l.settings.Longest)
	switch share := l.share(name); {
	case share < l.settings.Absent:
		r.Absent = true
	case share < l.settings.Absent+l.settings.Late:
		r.ThereAt = known.Add(l.settings.LateBy)
	}
	return r
}

// share is a number from 0 to 1 that belongs to a name.
func (l *Library) share(name string) float64 {
	sum := sha256.Sum256(append([]byte(name), binary.LittleEndian.AppendUint64(nil, l.seed)...))
	return float64(binary.LittleEndian.Uint32(sum[:])) / (1 << 32)
}

// add shelves a recording and tells the truth log. The caller holds mu.
func (l *Library) add(r Recording, agent, account string) {
	l.byName[r.Name] = r
	if r.Original != "" {
		l.byOriginal[r.Original] = r.Name
	}
	calls := append(l.byCall[r.CallID], r.Name)
	slices.SortStableFunc(calls, func(a, b string) int {
		return cmp.Or(l.byName[a].Begin.Compare(l.byName[b].Begin), l.byName[a].End.Compare(l.byName[b].End))
	})
	l.byCall[r.CallID] = calls
	said := truth.Recording{
		CallID: r.CallID, Agent: agent, AccountID: account, FileName: r.Name, Original: r.Original,
		Begin: r.Begin, End: r.End, Absent: r.Absent, ThereAt: r.ThereAt,
	}
	if !r.Absent {
		said.Format, said.Bytes, said.SHA256 = digest(r.WAV())
	}
	l.truth.Recording(said)
}

// digest is how the truth log names a sound.
func digest(wav []byte) (format string, bytes int, sum string) {
	s := sha256.Sum256(wav)
	return "wav/alaw", len(wav), hex.EncodeToString(s[:])
}

// Flow is the recording of an IVR flow of that day. The index has none of them: every name
// of a day that has begun has one, but for the shares of Settings.
func (l *Library) Flow(name string, day time.Time) Recording {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.byName[name]; ok {
		return r
	}
	r := l.recording(name, func(string) string { return "" }, day, day)
	l.add(r, "", "")
	return r
}

// ByName finds the recording of a file_name, ByOriginal of an original_file_name with
// slashes.
func (l *Library) ByName(name string) (Recording, bool) {
	return l.find(func() (Recording, bool) { r, ok := l.byName[name]; return r, ok })
}

// ByOriginal is said at ByName.
func (l *Library) ByOriginal(name string) (Recording, bool) {
	return l.find(func() (Recording, bool) { r, ok := l.byName[l.byOriginal[name]]; return r, ok })
}

// find looks among what was in files, then among what could be in one now.
func (l *Library) find(look func() (Recording, bool)) (Recording, bool) {
	l.mu.Lock()
	r, ok := look()
	l.mu.Unlock()
	if ok {
		return r, true
	}
	l.Add(l.rows())
	l.mu.Lock()
	defer l.mu.Unlock()
	return look()
}

// ByCall finds the recordings of a call, or of the part of its id behind the dash, in the
// order of their begin.
func (l *Library) ByCall(id string) (all []Recording) {
	l.Add(l.rows()) // further ones of a call may have come
	l.mu.Lock()
	defer l.mu.Unlock()
	names := l.byCall[id]
	if len(names) == 0 && !strings.Contains(id, "-") {
		for call, of := range l.byCall {
			if _, short, ok := strings.Cut(call, "-"); ok && short == id {
				names = append(names, of...)
			}
		}
		slices.Sort(names)
	}
	for _, n := range names {
		all = append(all, l.byName[n])
	}
	return all
}
