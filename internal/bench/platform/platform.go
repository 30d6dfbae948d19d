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
	Zips []string // of its extractions; none: it has no file to extract
}

// Ready is what it says first.
type Ready struct {
	FilesURL   string `json:"files_url"`
	GatewayURL string `json:"gateway_url"`
}

// Question is what it can be asked or told. The fields are done in their order.
type Question struct {
	Download int   `json:"download,omitempty"` // wait for the n-th one, from 1
	Reset    bool  `json:"reset,omitempty"`    // count agents and gaps anew
	Load     *Load `json:"load,omitempty"`     // from now on
	Release  bool  `json:"release,omitempty"`  // let go the polls that are held, and hold none until there is another load
	Agents   int   `json:"agents,omitempty"`   // wait until so many are polled
}

// Load is what happens to the agents.
type Load struct {
	Rate  int  `json:"rate"`  // events a second, for all agents together
	Flood bool `json:"flood"` // every poll has an event at once
}

// Answer has what was asked for, and the counts.
type Answer struct {
	At     time.Time `json:"at"`     // when the download began, or the last of the agents was first polled
	Polls  int64     `json:"polls"`  // since the start
	Events int64     `json:"events"` // handed out since the start
	Gaps   []float64 `json:"gaps"`   // seconds from each event to the next poll of its agent, since the last reset; the last ones
}

// mostGaps is how many are told.
const mostGaps = 5_000

// platform is both services.
type platform struct {
	files   *files
	gateway *gateway
	load    context.CancelFunc // ends the load
}

// Run is a platform that answers questions until ctx or in ends.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	pair, roots, err := WriteFiles(o.Dir)
	if err != nil {
		return err
	}
	listen := func() (net.Listener, error) {
		return tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	toFiles, err := listen()
	if err != nil {
		return err
	}
	toGateway, err := listen()
	if err != nil {
		return errors.Join(err, toFiles.Close())
	}
	p := &platform{files: newFiles(o.Zips, roots), gateway: newGateway(), load: func() {}}
	server := &http.Server{Handler: p.files, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	served, polled := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.Serve(toFiles) }()
	go func() { polled <- p.gateway.serve(ctx, toGateway) }()
	ready := Ready{
		FilesURL:   "https://" + toFiles.Addr().String() + "/CCFS/resource/ccfs",
		GatewayURL: "https://" + toGateway.Addr().String() + "/agentgateway/resource",
	}
	err = process.Serve(ctx, in, out, ready, p.answer)
	p.load()
	err = errors.Join(err, toGateway.Close(), <-polled)
	_ = server.Close()
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	p.files.calling.Wait()
	p.files.client.CloseIdleConnections()
	return err
}

func (p *platform) answer(ctx context.Context, q Question) (any, error) {
	g := p.gateway
	var a Answer
	var err error
	if q.Download > 0 {
		a.At, err = p.files.await(ctx, q.Download)
	}
	if q.Reset {
		g.reset()
	}
	if q.Load != nil {
		p.load()
		loading, end := context.WithCancel(ctx)
		p.load = end
		g.setFlood(q.Load.Flood)
		if q.Load.Rate > 0 {
			go g.produce(loading, q.Load.Rate)
		}
	}
	if q.Release {
		p.load()
		g.release()
	}
	if q.Agents > 0 && err == nil {
		a.At, err = g.await(ctx, q.Agents)
	}
	a.Polls, a.Events = g.polls.Load(), g.events.Load()
	g.mu.Lock()
	a.Gaps = g.gaps[max(0, len(g.gaps)-mostGaps):]
	g.mu.Unlock()
	return a, err
}
