package voice

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// rate is samples, and in A-law bytes, a second.
const rate = 8000

// Tone is a WAV file of G.711 A-law, 8 kHz, mono: a tone whose pitch, and some noise at
// its begin, are made of the name. Two names never give the same bytes.
func Tone(name string, length time.Duration) []byte {
	sum := sha256.Sum256([]byte(name))
	data := make([]byte, int(length*rate/time.Second))
	wave := period(8 + int(sum[0])%19) // 300 to 1000 Hz
	for i := range data {
		data[i] = wave[i%len(wave)]
	}
	copy(data, sum[:])
	return container(data)
}

// period is one wave of so many samples.
func period(samples int) []byte {
	out := make([]byte, samples)
	for i := range out {
		out[i] = alaw(int16(8000 * math.Sin(2*math.Pi*float64(i)/float64(samples))))
	}
	return out
}

// alaw compresses a sample (ITU-T G.711).
func alaw(sample int16) byte {
	mask, n := byte(0xd5), int(sample)>>3 // 13 bits
	if n < 0 {
		mask, n = 0x55, -n-1
	}
	segment := 0
	for n>>(segment+5) > 0 {
		segment++
	}
	step := n >> 1
	if segment > 0 {
		step = n >> segment
	}
	return (byte(segment<<4) | byte(step&0x0f)) ^ mask
}

const formatALaw = 6

// container puts A-law samples into RIFF. A format that is not PCM has the chunk fact.
func container(data []byte) []byte {
	odd := len(data) % 2 // chunks begin at even places
	var b bytes.Buffer
	b.Grow(58 + len(data) + odd)
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // memory does not fail to be written
		}
	}
	put([]byte("RIFF"), uint32(50+len(data)+odd), []byte("WAVE"))
	put([]byte("fmt "), uint32(18), uint16(formatALaw), uint16(1), uint32(rate), uint32(rate), uint16(1), uint16(8), uint16(0))
	put([]byte("fact"), uint32(4), uint32(len(data)))
	put([]byte("data"), uint32(len(data)), data, make([]byte, odd))
	return b.Bytes()
}
