package rows

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/process"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// Peer says with whom the bridge is compared: a general-purpose program, on the same file
// and server. All is required.
type Peer struct {
	stage.Stage
	Program string // the built peer
	Rows    int
}

// PeerResult is what was measured.
type PeerResult struct {
	rows int
	m    stage.Measured
}

// Run measures in rounds, with the server in a second process.
func (p Peer) Run(ctx context.Context) (*PeerResult, error) {
	m := stage.Measured{}
	suite := &Suite{Stage: p.Stage, Rows: p.Rows}
	for round := range p.Rounds {
		x, err := suite.extract(ctx, "external", p.Rows, true, 1)
		if err != nil {
			return nil, fmt.Errorf("peer, round %d, the bridge: %w", round+1, err)
		}
		million := float64(p.Rows) / 1e6
		m.Add("bridge: rate", float64(p.Rows)/x.seconds[0])
		m.Add("bridge: CPU", x.cpu[0]/million)
		m.Add("bridge: peak", x.peak)
		if err := p.round(ctx, m, suite.zip(p.Rows, "first")); err != nil {
			return nil, fmt.Errorf("peer, round %d: %w", round+1, err)
		}
		p.Say("peer, round %d: bridge %.0f rows/s, %.1f CPU-s/M, %.0f MB; peer %.0f, %.1f, %.0f", round+1,
			m["bridge: rate"][round], m["bridge: CPU"][round], m["bridge: peak"][round]/1e6, m["peer: rate"][round], m["peer: CPU"][round], m["peer: peak"][round]/1e6)
	}
	return &PeerResult{p.Rows, m}, nil
}

const peerStream = "PEER"

// pipeline is the peer's configuration: unpack, a message for each row, as many
// unacknowledged as there are rows in four batches.
const pipeline = `http: { enabled: false }
input: { file: { paths: [ %q ], scanner: { to_the_end: {} } } }
pipeline: { processors: [ { unarchive: { format: zip } }, { unarchive: { format: csv } } ] }
output: { nats_jetstream: { urls: [ %q ], subject: peer.rows, max_in_flight: 4096 } }
logger: { level: WARN }
`

// round runs the peer on the file until the stream has every row.
func (p Peer) round(ctx context.Context, m stage.Measured, zip string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	dir, err := p.Folder("peer")
	if err != nil {
		return err
	}
	server, err := stage.StartServer(ctx, filepath.Join(dir, "server"))
	if err != nil {
		return err
	}
	defer server.Stop()
	stream, err := rawnats.Connect(server.URL)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Make(ctx, peerStream, "peer.rows"); err != nil {
		return err
	}
	file := filepath.Join(dir, "peer.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, pipeline, zip, server.URL), 0o600); err != nil {
		return err
	}
	start := time.Now()
	c, err := process.Start(ctx, process.Options{Name: "peer", Path: p.Program, Args: []string{"-c", file}})
	if err != nil {
		return err
	}
	defer c.Stop()
	return p.watch(ctx, m, c, stream, start)
}

// watch notes what the peer has used when the stream has every row; it ends by itself then.
func (p Peer) watch(ctx context.Context, m stage.Measured, c *process.Child, stream *rawnats.Stream, start time.Time) error {
	var used process.Usage
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := c.Usage(); err == nil && now.Peak > 0 { // it may have ended just now
			used = now
		}
		count, _, err := stream.Count(ctx, peerStream)
		if err != nil {
			return err
		}
		if int(count) >= p.Rows {
			m.Add("peer: rate", float64(p.Rows)/time.Since(start).Seconds())
			m.Add("peer: CPU", used.CPU/(float64(p.Rows)/1e6))
			m.Add("peer: peak", used.Peak)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d rows came: %w", count, p.Rows, c.Failure("was not done"))
		}
	}
}

// Verdicts is that of P2.
func (r *PeerResult) Verdicts() []figures.Verdict {
	return []figures.Verdict{{Target: 2, Claims: []figures.Claim{
		stage.AtLeast("rows a second, of the peer's", r.m.Ratio("bridge: rate", "peer: rate"), 5),
		stage.AtMost("CPU of a row, of the peer's", r.m.Ratio("bridge: CPU", "peer: CPU"), 1.0/8),
		stage.AtMost("peak memory, of the peer's", r.m.Ratio("bridge: peak", "peer: peak"), 0.1),
	}}}
}

// Tables are for the document.
func (r *PeerResult) Tables() []figures.Table {
	return []figures.Table{{
		Title: "The peer",
		Note: fmt.Sprintf("Bento 1.10.0 (`internal/bench/testdata/peer`) unpacks the same ZIP of %d rows and publishes a message for each, with up to 4,096 unacknowledged, to the same kind of server in a second process. "+
			"It counts from its start, which takes a second or so; the file is on its disk, and it neither verifies it nor names, types or dedupes rows.", r.rows),
		Lines: []figures.Line{
			r.m.Line("bridge", "rows/s", "bridge: rate", "peer", "peer: rate"),
			r.m.Line("bridge's CPU", "CPU-s/M", "bridge: CPU", "peer", "peer: CPU"),
			r.m.Line("bridge's peak memory", "bytes", "bridge: peak", "peer", "peer: peak").In("MB", 1e-6),
		},
	}}
}
