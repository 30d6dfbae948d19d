package rawnats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// answerTimeout is how long the server may take over anything.
const answerTimeout = 30 * time.Second

// conn is one connection. It is used by one goroutine at a time, but for reading beside
// writing.
type conn struct {
	net  net.Conn
	in   *bufio.Reader
	out  []byte // not sent yet
	last []byte // payload of the message read last
}

// inbox is where all answers go: the subject behind it is the caller's.
const inbox = "_INBOX.raw."

func open(c net.Conn) (*conn, error) {
	r := &conn{net: c, in: bufio.NewReaderSize(c, 64<<10)}
	if _, err := r.line(); err != nil { // INFO
		return nil, err
	}
	r.out = append(r.out, `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"name":"raw"}`+"\r\nSUB "+inbox+"* 1\r\nPING\r\n"...)
	if err := r.flush(); err != nil {
		return nil, err
	}
	line, err := r.line()
	if err == nil && !bytes.Equal(line, []byte("PONG")) {
		err = fmt.Errorf("the server said %s", line)
	}
	return r, err
}

func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *conn) line() ([]byte, error) {
	if err := c.net.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

// Message is one as it is in a stream.
type Message struct {
	Subject string
	Header  []byte // from NATS/1.0 to the blank line; empty: none
	Data    []byte
}

// append adds a message to what is not sent yet. more are further header lines, each with
// its end; reply may be empty.
func (c *conn) append(m Message, reply string, more []byte) {
	const start, end = "NATS/1.0\r\n", "\r\n"
	header := m.Header
	if len(header) == 0 {
		header = []byte(start + end)
	}
	lines := header[:len(header)-len(end)]
	b := append(append(c.out, "HPUB "...), m.Subject...)
	b = append(b, ' ')
	if reply != "" {
		b = append(append(append(b, inbox...), reply...), ' ')
	}
	size := len(header) + len(more)
	b = append(strconv.AppendInt(b, int64(size), 10), ' ')
	b = append(strconv.AppendInt(b, int64(size+len(m.Data)), 10), end...)
	b = append(append(append(b, lines...), more...), end...)
	c.out = append(append(b, m.Data...), end...)
}

// answer reads the next message that comes: the last token of its subject, and its payload,
// which is good until the next read.
func (c *conn) answer() (to string, payload []byte, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return "", nil, err
		}
		fields := bytes.Fields(line)
		switch {
		case len(fields) == 1 && string(fields[0]) == "PING":
			_, err = c.net.Write([]byte("PONG\r\n"))
		case len(fields) > 3 && (string(fields[0]) == "MSG" || string(fields[0]) == "HMSG"):
			return c.payload(fields)
		case len(fields) == 0 || string(fields[0]) != "INFO":
			err = fmt.Errorf("the server said %s", line)
		}
		if err != nil {
			return "", nil, err
		}
	}
}

func (c *conn) payload(fields [][]byte) (to string, payload []byte, err error) {
	to = string(fields[1][bytes.LastIndexByte(fields[1], '.')+1:])
	size, err := strconv.Atoi(string(fields[len(fields)-1]))
	if err != nil || size < 0 {
		return "", nil, fmt.Errorf("read a message's size: %w", err)
	}
	header := 0
	if string(fields[0]) == "HMSG" {
		if header, err = strconv.Atoi(string(fields[len(fields)-2])); err != nil || header > size {
			return "", nil, errors.New("read a message's header")
		}
	}
	if cap(c.last) < size+2 {
		c.last = make([]byte, size+2)
	}
	c.last = c.last[:size+2]
	if _, err := io.ReadFull(c.in, c.last); err != nil {
		return "", nil, err
	}
	if header > 0 {
		return to, nil, fmt.Errorf("the server answered %q", bytes.TrimSpace(c.last[:header]))
	}
	return to, c.last[:size], nil
}

// stored reports an answer that says that the message is stored.
func stored(payload []byte) error {
	if bytes.HasPrefix(payload, []byte(`{"stream":`)) && !bytes.Contains(payload, []byte(`"error"`)) {
		return nil
	}
	return fmt.Errorf("the stream said %s", payload)
}
