package http1

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// aheadWait is how long a connection of which bytes are there already may take to
	// make something of them.
	aheadWait = 10 * time.Millisecond
	// maxInterim is how many answers 1xx may come before the one that counts.
	maxInterim = 5
)

// aLongTimeAgo is a deadline that has passed.
var aLongTimeAgo = time.Unix(1, 0)

// requests are the buffers that requests are written from.
var requests = sync.Pool{New: func() any { return new([]byte) }}

// readers are lent while bytes arrive.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 2<<10) }}

// conn is one connection.
type conn struct {
	net.Conn
	idleSince time.Time
	left      int64 // how many bytes may yet be read

	socket syscall.RawConn       // below TLS; nil: it can't be looked at
	ready  func(fd uintptr) bool // of socket: something is there to be read
	looked bool                  // ready was asked before
}

func newConn(c net.Conn) *conn {
	n := &conn{Conn: c}
	for under := c; under != nil; {
		switch below := under.(type) {
		case interface{ NetConn() net.Conn }:
			under = below.NetConn()
			continue
		case syscall.Conn:
			if canLook {
				n.socket, _ = below.SyscallConn() // without one it is read the ordinary way
			}
		}
		break
	}
	n.ready = func(fd uintptr) bool {
		first := !n.looked
		n.looked = true
		return !first || readable(fd)
	}
	return n
}

// await waits until there is something to be read, or the deadline has passed. It needs
// no buffer, and little of the stack. What came, and errors, the next read finds.
func (c *conn) await() {
	if c.socket != nil {
		c.looked = false
		_ = c.socket.Read(c.ready)
	}
}

// silent reports that nothing came since the last answer: no byte that nobody asked for,
// and no end.
func (c *conn) silent() bool {
	wait := aLongTimeAgo // what was read ahead, by TLS, comes even so
	if c.socket != nil {
		came := false
		err := c.socket.Control(func(fd uintptr) { came = readable(fd) })
		if err != nil {
			return false
		}
		if came {
			wait = time.Now().Add(aheadWait)
		}
		if _, secure := c.Conn.(*tls.Conn); !secure {
			return !came
		}
	}
	var one [1]byte
	if c.SetReadDeadline(wait) != nil {
		return false
	}
	n, err := c.Conn.Read(one[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// Read stops where the limit of the headers is.
func (c *conn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, ErrHeadTooLarge
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

// exchange sends a request and reads the answer. again reports that the connection is
// good for another.
func (c *conn) exchange(ctx context.Context, r Request, maxHead int64, a *Answer) (again bool) {
	cut := context.AfterFunc(ctx, func() { _ = c.SetDeadline(aLongTimeAgo) })
	if a.Err = c.SetDeadline(a.Begun.Add(r.Timeout)); a.Err == nil && ctx.Err() == nil {
		if c.send(r, a); a.Err == nil {
			c.await()
			again = c.receive(r.MaxBody, maxHead, a)
		}
	}
	switch uncut := cut(); {
	case uncut && !errors.Is(a.Err, os.ErrDeadlineExceeded):
		return again
	case uncut:
		a.Err = fmt.Errorf("no answer after %s: %w", r.Timeout, context.DeadlineExceeded)
	case a.Err != nil || a.Status == 0:
		a.Err = context.Cause(ctx)
	}
	return false
}

// send writes the request. Of a TLS record written in part nothing counts: its receiver
// can't decrypt it.
func (c *conn) send(r Request, a *Answer) {
	buffer := requests.Get().(*[]byte)
	*buffer = r.Append((*buffer)[:0])
	n, err := c.Write(*buffer)
	requests.Put(buffer)
	a.Wrote = n > 0
	if err != nil {
		a.Err = fmt.Errorf("send request: %w", err)
	}
	if a.Wrote && r.Written != nil {
		r.Written()
	}
}

// receive reads the answer.
func (c *conn) receive(maxBody, maxHead int64, a *Answer) (again bool) {
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	c.left = maxHead
	answer, err := head(in)
	if err != nil {
		a.Err = fmt.Errorf("read answer: %w", err)
		return false
	}
	c.left = math.MaxInt64
	a.Status, a.Header = answer.StatusCode, answer.Header
	a.Body, a.Err = body(answer, maxBody)
	return a.Err == nil && !answer.Close && a.Status >= http.StatusOK && in.Buffered() == 0
}

// head reads the headers of the answer that counts.
func head(in *bufio.Reader) (*http.Response, error) {
	for range maxInterim + 1 {
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, errors.New("too many answers with a status 1xx")
}

// body reads to the end, but no further than limit. What was read is returned beside an
// error.
func body(answer *http.Response, limit int64) (read []byte, err error) {
	if length := answer.ContentLength; length >= 0 && length <= limit {
		read = make([]byte, length)
		n, err := io.ReadFull(answer.Body, read)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return read[:n], err
	}
	read, err = io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if int64(len(read)) > limit {
		return read[:limit], ErrBodyTooLarge
	}
	return read, err
}
