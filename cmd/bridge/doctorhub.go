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
func lookAtHub(ctx context.Context, cfg *config.Config, weaker []string, m doctor.Machine) []doctor.Line {
	o, there, err := runningHub(cfg, false)
	if err == nil && !there {
		return append([]doctor.Line{{Check: "nats", About: "nats", Status: doctor.OK, Says: "the server in the bridge starts with it"}}, m.Judge()...)
	}
	if there && !cfg.NATS.External() && err != nil { // it is inside of the bridge alone
		h := doctor.Hub{Unseen: "it cannot be seen from here: " + err.Error(), Cure: "name an address in listen.nats, or see /healthz and bridge status"}
		return append(h.Judge(), m.Judge()...)
	}
	h := doctor.Hub{Err: err, Made: cfg.NATS.ManageStreams, Sweep: sweep(cfg), Replicas: map[string]int{}, Keeps: map[string]time.Duration{}}
	if err == nil {
		if o.Names, err = schemas.NewNames(cfg.NATS.SubjectPrefix); err == nil {
			o.Instance, o.Logger = uuid.NewString(), zerolog.Nop()
			h.Err = see(ctx, cfg, o, weaker, &h, &m)
		}
	}
	if h.Err != nil {
		h.Cure = "see whether a server answers, and whether user and permissions are those of docs/nats"
		if cfg.NATS.Context != "" {
			h.Cure += "; the context is " + cfg.NATS.Context
		}
	}
	return append(h.Judge(), m.Judge()...)
}

// see asks the server.
func see(ctx context.Context, cfg *config.Config, o bus.Options, weaker []string, h *doctor.Hub, m *doctor.Machine) error {
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
	if nc := conn.JetStream().Conn(); nc.ConnectedClusterName() == nc.ConnectedServerName() {
		h.Clustered = false // a server alone that is a leaf calls itself so
	}
	table := assets.NewTable(conn, assets.Options{Replicas: cfg.NATS.Replicas, AcceptWeaker: weaker})
	if cfg.NATS.External() { // the bridge sees to those of its own server
		var lacking *assets.Error
		switch err := table.Check(ctx); {
		case errors.As(err, &lacking):
			for _, d := range lacking.Differences {
				h.Weaker = append(h.Weaker, doctor.Weaker{Name: d.Name(), Have: d.Have, Want: d.Want, Added: d.Added})
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
		if info.Cluster != nil && len(info.Cluster.Replicas) > 0 {
			h.Clustered = true
		}
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
