package main

import (
	"bytes"
	"io"
	"testing"
	"time"
)

// TestMeter: a terminal has one line that says how far it is, and nothing in the end; other
// writers have nothing.
func TestMeter(t *testing.T) {
	var out bytes.Buffer
	m := &meter{out: &out}
	m.move()
	m.move() // too soon for another line
	m.next, m.stored = time.Time{}, 3000
	m.move()
	m.end()
	m.end()
	if got, want := out.String(), "\r\x1b[Kreading\r\x1b[K3000 stored\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	none := newMeter(io.Discard)
	none.move()
	none.end()
	if none.out != nil || none.moved {
		t.Error("something was written to what is no terminal")
	}
}
