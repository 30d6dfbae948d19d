package platform

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// serve answers on a listener until it is closed. The protocol is written by hand: a
// server of net/http would take more of this machine than the client that is measured.
func (g *gateway) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		conns = map[net.Conn]bool{}
	)
	defer all.Wait()
	defer func() {
		mu.Lock()
		defer mu.Unlock()
		for c := range conns {
			_ = c.Close()
		}
	}()
	defer cancel()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		mu.Lock()
		conns[c] = true
		mu.Unlock()
		all.Go(func() {
			g.converse(ctx, c)
			_ = c.Close()
			mu.Lock()
			delete(conns, c)
			mu.Unlock()
		})
	}
}

// converse answers the requests of one connection until it breaks.
func (g *gateway) converse(ctx context.Context, c net.Conn) {
	in := bufio.NewReaderSize(c, 1<<10)
	var out []byte
	for {
		method, path, err := request(in)
		if err != nil {
			return
		}
		var guid string
		if method == "PUT" {
			guid = "Set-GUID: JSESSIONID=" + strconv.FormatInt(time.Now().UnixNano(), 16) + ".bench\r\n"
		}
		id, polling := strings.CutPrefix(path, "/agentgateway/resource/agentevent/")
		id, _, _ = strings.Cut(id, "?")
		body := `{"message":"","retcode":"0","result":{"loginTime":"1790000000000","mediatype":"TTF","agentState":4,"isWorking":false}}`
		if polling {
			body = g.poll(ctx, id)
		}
		out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"+guid+"Content-Length: "...)
		out = append(append(strconv.AppendInt(out, int64(len(body)), 10), "\r\n\r\n"...), body...)
		if _, err := c.Write(out); err != nil {
			return
		}
		if polling && strings.Contains(body, Stamp) {
			g.answered(id)
		}
	}
}

// request reads one, and passes over its headers and its body.
func request(in *bufio.Reader) (method, path string, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", "", err
	}
	parts := bytes.Fields(line)
	if len(parts) != 3 {
		return "", "", errors.New("no request line")
	}
	method, path = string(parts[0]), string(parts[1])
	length := 0
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return "", "", err
		}
		name, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if len(name) == 0 {
			break
		}
		if ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", "", err
			}
		}
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return method, path, err
}
