package rows

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"aiccbridge/internal/bench/bridge"
	"aiccbridge/internal/bench/figures"
	"aiccbridge/internal/bench/rawnats"
	"aiccbridge/internal/bench/stage"
)

// Start says how full a bridge is whose start is measured. All is required.
type Start struct {
	stage.Stage
	Rows, Windows int
}

// sampleRows are extracted by the bridge itself; the others are copies.
const sampleRows = 2000

// StartResult is what was measured.
type StartResult struct {
	start Start
	m     stage.Measured
}

// Run measures how long a bridge takes to start, with its server in it, that has next to
// nothing, and once it has the rows and the windows, written just before.
func (s Start) Run(ctx context.Context) (*StartResult, error) {
	s.Say("start: with %d rows and %d windows", s.Rows, s.Windows)
	m := stage.Measured{}
	suite := &Suite{Stage: s.Stage}
	dir, err := s.Folder("start")
	if err != nil {
		return nil, err
	}
	to := bridge.Yesterday()
	if err := WriteZIP(suite.zip(sampleRows, "first"), to.Format("20060102150405")+"001_call.csv", sampleRows, to); err != nil {
		return nil, err
	}
	r, err := suite.begin(ctx, dir, sampleRows, to, false, 1)
	if err != nil {
		return nil, err
	}
	defer r.end()
	filling, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if _, err := r.bridge.FileDone(filling); err != nil {
		return nil, err
	}
	for range s.Rounds {
		if err := r.restart(ctx, m, "empty"); err != nil {
			return nil, err
		}
	}
	if err := s.fill(filling, r.bridge.NATS); err != nil {
		return nil, fmt.Errorf("fill a bridge: %w", err)
	}
	for range s.Rounds {
		if err := r.restart(ctx, m, "full"); err != nil {
			return nil, err
		}
	}
	s.Say("  it runs after %.2f s, empty %.2f s", m["full"].Median(), m["empty"].Median())
	return &StartResult{s, m}, nil
}

// restart ends the bridge, and measures from the start of the next one until it says that
// it runs.
func (r *running) restart(ctx context.Context, m stage.Measured, name string) (err error) {
	r.bridge.Stop()
	start := time.Now()
	if r.bridge, err = bridge.Start(ctx, r.options); err == nil {
		m.Add(name, time.Since(start).Seconds())
	}
	return err
}

// fill copies rows and the entry of their window into the bridge's own streams.
func (s Start) fill(ctx context.Context, url string) error {
	stream, err := rawnats.Connect(url)
	if err != nil {
		return err
	}
	defer stream.Close()
	rows, err := stream.Keep(ctx, Stream, sampleRows)
	if err != nil {
		return err
	}
	entries, err := stream.Keep(ctx, "KV_AICC_WINDOWS", 1<<20)
	if err != nil {
		return err
	}
	windows, err := copies(entries.Messages, s.Windows)
	if err != nil {
		return err
	}
	c, err := rawnats.Dial(url)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := rawnats.Batches(ctx, c, rows.Messages, s.Rows, batch); err != nil {
		return err
	}
	also, err := rawnats.Dial(url)
	if err != nil {
		return err
	}
	defer also.Close()
	return rawnats.Window(ctx, also, windows, len(windows), 1000)
}

// copies are the entries of n windows of an hour, each before the other, made of the entry
// of a window that is complete.
func copies(entries []rawnats.Message, n int) (all []rawnats.Message, err error) {
	for _, m := range entries {
		if !bytes.Contains(m.Data, []byte(`"state":"complete"`)) {
			continue
		}
		key := m.Subject[len("$KV.AICC_WINDOWS."):]
		window := key[len(key)-len("20060102t150405z-20060102t150405z"):]
		const layout = "20060102t150405z"
		from, err := time.Parse(layout, window[:len(layout)])
		if err != nil {
			return nil, fmt.Errorf("copy a window: %w", err)
		}
		_, rest, _ := bytes.Cut(m.Data, []byte(`"response_id":"`))
		response, _, _ := bytes.Cut(rest, []byte(`"`))
		for i := 1; i <= n; i++ {
			begin := from.Add(-time.Duration(i) * time.Hour)
			other := begin.Format(layout) + "-" + begin.Add(time.Hour).Format(layout)
			data := bytes.ReplaceAll(m.Data, []byte(window), []byte(other))
			if len(response) > 0 {
				data = bytes.ReplaceAll(data, response, fmt.Appendf(nil, "%032x", i))
			}
			all = append(all, rawnats.Message{Subject: m.Subject[:len(m.Subject)-len(window)] + other, Data: data})
		}
		return all, nil
	}
	return nil, errors.New("copy a window: none is complete")
}

// Verdicts is that of P10.
func (r *StartResult) Verdicts() []figures.Verdict {
	return []figures.Verdict{{Target: 10, Claims: []figures.Claim{
		stage.AtMost("seconds longer than with none", r.m["full"].Minus(r.m["empty"]).Median(), 1),
	}}}
}

// Tables are for the document.
func (r *StartResult) Tables() []figures.Table {
	return []figures.Table{{
		Title: "Start",
		Note:  fmt.Sprintf("From the start of the process until the bridge says that it runs, with the server in it: with %d rows in one window, and with %d rows and %d windows, the first time written just before.", sampleRows, r.start.Rows, r.start.Windows),
		Lines: []figures.Line{r.m.Line("start of a full bridge", "s", "full", "of an empty one", "empty")},
	}}
}
