package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"aiccbridge/schemas"
)

// Accept stores a callback's notice. nil: it is on the disk, and goes to
// Options.Notice in the order of its tenant. A repeat while the first one
// waits may be stored and handed over again.
func (s *Spool) Accept(ctx context.Context, n schemas.FileNotice) error {
	body, err := json.Marshal(n)
	if err == nil {
		err = n.Validate()
	}
	if err != nil {
		return fmt.Errorf("spool: %w", &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err})
	}
	m := &nats.Msg{Subject: s.hub.Names().Notice(n.Tenant, n.ResponseID), Data: body, Header: nats.Header{}}
	m.Header.Set(schemas.HeaderMsgID, m.Subject)
	line, _ := s.line(m.Subject)
	if err := s.add(ctx, line, m); err != nil {
		return fmt.Errorf("spool notice %s: %w", n.ResponseID, err)
	}
	return nil
}

// notice hands a callback's notice over, until it is taken.
func (f *forwarder) notice(ctx context.Context, _ string, m schemas.Stored) error {
	n, err := decodeNotice(m.Body)
	if err != nil {
		return f.deadLetter(ctx, m, &schemas.Permanent{Reason: schemas.ReasonInvalid, Err: err})
	}
	log := f.spool.hub.NewTrouble(f.spool.log.With().Str("tenant", n.Tenant).Logger())
	return f.spool.hubBack.Retry(ctx, func() error {
		err := f.spool.opts.Notice(ctx, n)
		if refusal := (*schemas.Permanent)(nil); errors.As(err, &refusal) {
			err = f.deadLetter(ctx, m, refusal)
		}
		switch {
		case err == nil:
			log.Over()
		case ctx.Err() == nil:
			log.Failed(err)
		}
		return err
	})
}

func decodeNotice(body []byte) (n schemas.FileNotice, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if err = d.Decode(&n); err == nil {
		err = n.Validate()
	}
	return n, err
}
