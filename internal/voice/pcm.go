package voice

import (
	"encoding/binary"
	"fmt"
)

// PCM16 is the sound as a WAV file that every program plays: PCM of 16 bits. A-law and
// mu-law of 8 bits are expanded as ITU-T G.711 has it, and PCM of 8 and 16 bits is taken;
// other codecs are an error.
func (w WAV) PCM16() ([]byte, error) {
	expand, err := w.expander()
	if err != nil {
		return nil, err
	}
	var samples []byte
	if expand == nil {
		samples = w.Data[:len(w.Data)&^1]
	} else {
		samples = make([]byte, 0, 2*len(w.Data))
		for _, b := range w.Data {
			samples = binary.LittleEndian.AppendUint16(samples, uint16(expand(b)))
		}
	}
	const bytes = 2
	out := make([]byte, 0, riffHead+2*chunkHead+formatMin+len(samples))
	out = append(out, "RIFF"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(riffHead-chunkHead+2*chunkHead+formatMin+len(samples)))
	out = append(out, "WAVEfmt "...)
	for _, n := range []uint32{
		formatMin, PCM | uint32(w.Channels)<<16, uint32(w.Rate), uint32(w.Rate * w.Channels * bytes), uint32(w.Channels*bytes) | 8*bytes<<16,
	} {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	out = append(out, "data"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(samples)))
	return append(out, samples...), nil
}

// expander makes 16 bits of 8; nil: they are 16 already.
func (w WAV) expander() (func(byte) int16, error) {
	switch {
	case w.Codec == ALaw && w.Bits == 8:
		return expandALaw, nil
	case w.Codec == MuLaw && w.Bits == 8:
		return expandMuLaw, nil
	case w.Codec == PCM && w.Bits == 8:
		return func(b byte) int16 { return (int16(b) - 128) << 8 }, nil
	case w.Codec == PCM && w.Bits == 16:
		return nil, nil
	}
	return nil, fmt.Errorf("%s of %d bits can't be converted here; ffmpeg may know it", name(w.Codec), w.Bits)
}

func name(codecNumber int) string {
	switch codecNumber {
	case PCM:
		return "PCM"
	case ALaw:
		return "A-law"
	case MuLaw:
		return "mu-law"
	}
	return codec(codecNumber)
}

func expandALaw(b byte) int16 {
	b ^= 0x55 // every other bit is sent inverted
	n, segment := int16(b&0x0f)<<4+8, b>>4&7
	if segment > 0 {
		n = (n + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		return -n
	}
	return n
}

func expandMuLaw(b byte) int16 {
	const bias = 0x84
	b = ^b
	n := (int16(b&0x0f)<<3+bias)<<(b>>4&7) - bias
	if b&0x80 != 0 {
		return -n
	}
	return n
}
