package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"aiccbridge/bus"
	"aiccbridge/bus/assets"
	"aiccbridge/config"
	"aiccbridge/internal/doctor"
	"aiccbridge/schemas"
)

// lookAtHub looks at NATS, and at the machine, whose disk is filled as fast as the streams.
func lookAtHub(ctx context.Context, cfg *config.Config, agents int) []doctor.Line {
	m := doctor.Limits(cfg.DataDir)
	m.Agents = agents
	o, there, err := runningHub(cfg, false)
	if err == nil && !there {
		return append([]doctor.Line{{Check: "nats", About: "nats", Status: doctor.OK, Says: "the server in the bridge starts with it"}}, m.Judge()...)
	}
	h := doctor.Hub{Err: err, Made: cfg.NATS.ManageStreams, Sweep: sweep(cfg), Replicas: map[string]int{}, Keeps: map[string]time.Duration{}}
	if err == nil {
		if o.Names, err = schemas.NewNames(cfg.NATS.SubjectPrefix); err == nil {
			o.Instance, o.Logger = uuid.NewString(), zerolog.Nop()
			h.Err = see(ctx, cfg, o, &h, &m)
		}
	}
	if h.Err != nil {
		h.Cure = "see the lines above about nats, and whether user and permissions are those of docs/nats"
	}
	return append(h.Judge(), m.Judge()...)
}

// see asks the server.
func see(ctx context.Context, cfg *config.Config, o bus.Options, h *doctor.Hub, m *doctor.Machine) error {
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return err
	}
	defer b.Close()
	conn := b.Conn()
	h.Version, h.MaxPayload = conn.JetStream().Conn().ConnectedServerVersion(), conn.MaxPayload()
	if h.Clustered, err = conn.Clustered(ctx); err != nil {
		return err
	}
	table := assets.NewTable(conn, assets.Options{Replicas: cfg.NATS.Replicas})
	if cfg.NATS.External() { // the bridge sees to those of its own server
		var weaker *assets.Error
		switch err := table.Check(ctx); {
		case errors.As(err, &weaker):
			for _, d := range weaker.Differences {
				h.Weaker = append(h.Weaker, doctor.Weaker{Name: d.Name(), Have: d.Have, Want: d.Want})
			}
		case err != nil:
			return err
		}
		h.Crowded = table.Crowded(ctx)
	}
	for _, s := range schemas.Streams() {
		info, err := conn.StreamInfo(ctx, conn.Names().Stream(s))
		if err != nil {
			continue // the table says what is missing
		}
		h.Replicas[info.Config.Name] = info.Config.Replicas
		switch s {
		case schemas.StreamRows:
			h.Keeps["rows"] = info.Config.MaxAge
		case schemas.StreamFiles:
			h.Keeps["files"] = info.Config.MaxAge
		case schemas.StreamEvents:
			m.For = info.State.LastTime.Sub(info.State.FirstTime)
			m.Rate = float64(info.State.Bytes) / max(m.For.Hours(), 1e-9)
		}
	}
	return nil
}

// sweep is after how long windows are extracted for the last time.
func sweep(cfg *config.Config) (last time.Duration) {
	for _, t := range cfg.Tenants {
		if t.Files == nil {
			continue
		}
		for _, x := range t.Files.Extracts.Each() {
			for _, age := range x.SweepAgain {
				last = max(last, age+x.Window)
			}
		}
	}
	return last
}
