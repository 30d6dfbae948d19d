package platform

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"aiccbridge/internal/bench/process"
)

// Options say what the platform has.
type Options struct {
	Dir  string   // where it leaves its files
	Zips []string // of its extractions; none: there is no file store
}

// Ready is what it says first.
type Ready struct {
	FilesURL   string `json:"files_url"`
	GatewayURL string `json:"gateway_url"`
}

// Question is what it can be asked. One of the fields is set.
type Question struct {
	Download int `json:"download,omitempty"` // wait for the n-th one, from 1
}

// Answer has what was asked for.
type Answer struct {
	At time.Time `json:"at"` // when the download began
}

// Run is a platform that answers questions until ctx or in ends.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	pair, roots, err := WriteFiles(o.Dir)
	if err != nil {
		return err
	}
	f := newFiles(o.Zips, roots)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	base := "https://" + listener.Addr().(*net.TCPAddr).String()
	ready := Ready{FilesURL: base + "/CCFS/resource/ccfs"}
	err = process.Serve(ctx, in, out, ready, func(ctx context.Context, q Question) (any, error) {
		at, err := f.await(ctx, q.Download)
		return Answer{At: at}, err
	})
	_ = server.Close()
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	f.calling.Wait()
	f.client.CloseIdleConnections()
	return err
}
