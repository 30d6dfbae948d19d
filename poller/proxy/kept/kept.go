// Package kept is what is kept of the proxy's clients in the bucket CLIENTS, an entry for each agent,
// so that they can go on at another bridge, or after a restart.
//
//	Entry ── Place.Write ──► its revision, or a lower epoch's entry: written
//	                    └──► a higher epoch's entry: nothing is written, *record.Outgrown
//
// Invariants:
//
//   - An entry is written only over what its writer knows. Of two bridges that write, the one with the
//     higher epoch goes on; the other is told, and writes nothing.
//   - What gives rights is sealed: GUIDs, tokens for pushes, a session just begun.
//
// It imports schemas, poller/proxy/post for what a client wants, and poller/record for [record.Outgrown].
package kept

import (
	"context"
	"encoding/json"
	"time"

	"aiccbridge/poller/proxy/post"
	"aiccbridge/poller/record"
	"aiccbridge/schemas"
)

// Entry is what is kept of the clients of one agent.
type Entry struct {
	Tenant    string    `json:"tenant"`
	Agent     string    `json:"agent"`
	LoginTime string    `json:"login_time,omitempty"` // as the gateway wrote it
	Badges    []Badge   `json:"badges"`
	Ticket    string    `json:"ticket,omitempty"` // sealed; of a session just begun, until it is in the agent's session entry
	Epoch     uint64    `json:"epoch"`            // of the owner that wrote it; 0: a bridge before there were any
	UpdatedAt time.Time `json:"updated_at"`
}

// Badge is a GUID that a client was given, and who uses it.
type Badge struct {
	Sealed  string   `json:"sealed"` // a Secret, sealed
	Clients []Client `json:"clients"`
}

// Secret is what gives rights.
type Secret struct {
	GUID string    `json:"guid"`
	Way  *post.Way `json:"way,omitempty"`
}

// Client is one reader of the agent's events.
type Client struct {
	Who string `json:"who,omitempty"` // a hash
	// Of the last event that the client has confirmed, or where it began: nothing before is owed.
	schemas.Position
	Came time.Time `json:"came"`
}

// Read reads an entry. false: there are no clients in it that could go on.
func Read(value []byte) (e Entry, ok bool) {
	err := json.Unmarshal(value, &e)
	return e, err == nil && e.Agent != "" && len(e.Badges) > 0
}

// Bucket is AICC_CLIENTS: entries by schemas.AgentKey.
type Bucket interface {
	// Get returns revision 0 and no error for a key that does not exist.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Swap writes if the key is still at revision (0: does not exist). ok is false if somebody was
	// faster.
	Swap(ctx context.Context, key string, value []byte, revision uint64) (newRevision uint64, ok bool, err error)
	// DeleteAt removes the key if it is still at revision.
	DeleteAt(ctx context.Context, key string, revision uint64) (ok bool, err error)
}

// Place is where one agent's entry is, for one owner. It is not for concurrent use.
type Place struct {
	bucket   Bucket
	key      string
	epoch    uint64
	revision uint64 // of what this owner has read or written there; 0: nothing
}

// NewPlace returns the place of a key of which nothing is known, for the owner of an epoch.
func NewPlace(b Bucket, key string, epoch uint64) *Place {
	return &Place{bucket: b, key: key, epoch: epoch}
}

// Found says that the entry was read at a revision.
func (p *Place) Found(revision uint64) { p.revision = revision }

// Write writes an entry. The error is a *record.Outgrown if the one there is of a higher epoch.
func (p *Place) Write(ctx context.Context, e Entry) error {
	e.Epoch = p.epoch
	value, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return p.change(ctx, func() (uint64, bool, error) { return p.bucket.Swap(ctx, p.key, value, p.revision) })
}

// Remove removes the entry. The error is as that of [Place.Write].
func (p *Place) Remove(ctx context.Context) error {
	return p.change(ctx, func() (uint64, bool, error) {
		ok, err := p.bucket.DeleteAt(ctx, p.key, p.revision)
		return 0, ok, err
	})
}

// change repeats a change until it is of what is there. Where nothing is any more somebody has deleted
// it by hand, or the bucket was made anew: the owner writes it again.
func (p *Place) change(ctx context.Context, try func() (uint64, bool, error)) error {
	for {
		revision, ok, err := try()
		if err != nil {
			return err
		}
		if ok {
			p.revision = revision
			return nil
		}
		value, revision, err := p.bucket.Get(ctx, p.key)
		if err != nil {
			return err
		}
		var there Entry
		if json.Unmarshal(value, &there) == nil && there.Epoch > p.epoch { // what is no entry is replaced
			return &record.Outgrown{Epoch: there.Epoch}
		}
		p.revision = revision
	}
}
