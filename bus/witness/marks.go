package witness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"aiccbridge/schemas"
)

// A mark has a place of its own in the file, which never crosses a page: a checksum, the
// key's length, four numbers, the key.
const (
	markSize = 256
	keyAt    = 40
	maxKey   = markSize - keyAt
)

// mark is what was last acknowledged of an agent in a stream.
type mark struct {
	schemas.Position
	sequence uint64 // in the stream
	at       time.Time
}

// markKey is the key of an agent's mark. filter is the agent's, see [schemas.Names.Agent].
func markKey(stream, filter string) string { return stream + " " + filter }

// marks is a file of marks. Writing one costs no sync: it outlives a kill, and after a
// power cut an older one may be there, which says less.
type marks struct {
	mu   sync.Mutex
	file *os.File
	all  map[string]mark
	slot map[string]int64
}

// openMarks reads what is there; a place that can't be read counts as empty.
func openMarks(path string) (*marks, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	m := &marks{file: file, all: map[string]mark{}, slot: map[string]int64{}}
	place := make([]byte, markSize)
	for n := int64(0); ; n++ {
		_, err := file.ReadAt(place, n*markSize)
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			_ = file.Close()
			return nil, err
		}
		key, value, ok := decodeMark(place)
		if !ok {
			key = fmt.Sprint("unreadable ", n) // the place stays taken, for nobody
		}
		m.slot[key] = n
		if ok && value.sequence > 0 {
			m.all[key] = value
		}
	}
}

func decodeMark(place []byte) (key string, m mark, ok bool) {
	n := int(binary.LittleEndian.Uint16(place[4:]))
	if n == 0 || n > maxKey || binary.LittleEndian.Uint32(place) != crc32.ChecksumIEEE(place[4:]) {
		return "", m, false
	}
	m.Epoch, m.Seq = binary.LittleEndian.Uint64(place[8:]), binary.LittleEndian.Uint64(place[16:])
	m.sequence = binary.LittleEndian.Uint64(place[24:])
	m.at = time.Unix(0, int64(binary.LittleEndian.Uint64(place[32:])))
	return string(place[keyAt : keyAt+n]), m, true
}

func encodeMark(key string, m mark) []byte {
	place := make([]byte, markSize)
	binary.LittleEndian.PutUint16(place[4:], uint16(len(key)))
	binary.LittleEndian.PutUint64(place[8:], m.Epoch)
	binary.LittleEndian.PutUint64(place[16:], m.Seq)
	binary.LittleEndian.PutUint64(place[24:], m.sequence)
	binary.LittleEndian.PutUint64(place[32:], uint64(m.at.UnixNano()))
	copy(place[keyAt:], key)
	binary.LittleEndian.PutUint32(place, crc32.ChecksumIEEE(place[4:]))
	return place
}

// set writes a mark. One whose key is too long is left out.
func (m *marks) set(key string, value mark) error {
	if len(key) > maxKey {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if value.sequence == 0 {
		delete(m.all, key)
	} else {
		m.all[key] = value
	}
	slot, known := m.slot[key]
	if !known {
		slot = int64(len(m.slot))
		m.slot[key] = slot
	}
	_, err := m.file.WriteAt(encodeMark(key, value), slot*markSize)
	return err
}

func (m *marks) get(key string) (mark, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.all[key]
	return value, ok
}

// of are the marks of a stream, by the agents' filters.
func (m *marks) of(stream string) map[string]mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := map[string]mark{}
	for key, value := range m.all {
		if filter, ok := strings.CutPrefix(key, stream+" "); ok {
			list[filter] = value
		}
	}
	return list
}

// drop takes a mark away, unless it has changed.
func (m *marks) drop(key string, value mark) error {
	if now, _ := m.get(key); now != value {
		return nil
	}
	return m.set(key, mark{})
}

func (m *marks) sync() error  { return m.file.Sync() }
func (m *marks) close() error { return errors.Join(m.file.Sync(), m.file.Close()) }

// positionOf reads the number of an agent's message from its id: epoch.agent.seq, with
// more behind it for a heartbeat.
func positionOf(id string) (p schemas.Position, ok bool) {
	parts := strings.Split(id, ".")
	if len(parts) < 3 {
		return p, false
	}
	epoch, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return p, false
	}
	seq, err := strconv.ParseUint(parts[2], 10, 64)
	return schemas.Position{Epoch: epoch, Seq: seq}, err == nil && epoch > 0 && seq > 0
}

func before(a, b schemas.Position) bool {
	return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Seq < b.Seq
}
