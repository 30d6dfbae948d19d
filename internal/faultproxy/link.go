package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// maxPieceBytes is how much one read takes.
const maxPieceBytes = 32 << 10

// link is one connection of a client and the one made for it to the server.
type link struct {
	p              *Proxy
	client, server *net.TCPConn
}

// pump passes on what src sends, until either end is over. look sees each piece
// first and says whether it goes on, and whether the link is to be cut after it.
func (l *link) pump(dst, src *net.TCPConn, look func([]byte) (pass, cut bool)) {
	piece := make([]byte, maxPieceBytes)
	for {
		n, err := src.Read(piece)
		if n > 0 {
			pass, cut := look(piece[:n])
			if pass && !l.send(dst, piece[:n]) {
				cut = true
			}
			if cut {
				l.cut()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = dst.CloseWrite() // it may have gone
			return
		}
		if err != nil {
			l.cut()
			return
		}
	}
}

// request looks at what a client sends.
func (l *link) request(piece []byte) (pass, cut bool) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left >= 0 {
		p.left -= int64(len(piece))
		cut = p.left <= 0
	}
	if cut {
		p.left = -1
	}
	return true, cut
}

// answer looks at what the server sends.
func (l *link) answer(piece []byte) (pass, cut bool) {
	p := l.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.swallow == 0 || !bytes.Contains(piece, []byte(p.needle)) {
		return true, false
	}
	p.swallow--
	p.swallowed++
	return false, true
}

// send waits as silence, delay and throttle want, and writes.
func (l *link) send(dst *net.TCPConn, piece []byte) bool {
	p := l.p
	p.mu.Lock()
	wait, silence := p.delay, p.silence
	if p.perSecond > 0 {
		wait += time.Duration(len(piece)) * time.Second / time.Duration(p.perSecond)
	}
	p.mu.Unlock()
	if silence != nil {
		select {
		case <-silence:
		case <-p.ctx.Done():
			return false
		}
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			return false
		}
	}
	_, err := dst.Write(piece)
	return err == nil
}

// cut resets both ends.
func (l *link) cut() {
	reset(l.client)
	reset(l.server)
}

// reset closes a connection as a crash does.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // a connection that has gone needs none
	_ = c.Close()
}
