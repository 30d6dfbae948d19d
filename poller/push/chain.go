package push

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"aiccbridge/internal/ccgateway"
)

// sameFor is for how long a list of events without the platform's time counts as the one
// stored last if it begins with all of it. The gateway repeats for 120 s and then signs the
// agent out (EVENT_PUSH_FAIL_TOTALTIME); it may be configured to go on for longer.
const sameFor = 10 * time.Minute

// chain is how far a pushed list was stored: of how many items, when, and a keyed hash over
// all of them from the list's first on. It stands on each message of the agent
// (schemas.HeaderPushed). Keyed, because items hold personal data that a hash alone would
// let be guessed. The zero value: nothing was stored.
type chain struct {
	items int
	at    time.Time
	sum   [sumBytes]byte
}

const sumBytes = 16

var sumText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// then is the chain with one more item.
func (c chain) then(key []byte, item ccgateway.Item, at time.Time) chain {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("pushed\x00"))
	h.Write(c.sum[:])
	part := func(b []byte) { h.Write(append(binary.BigEndian.AppendUint64(nil, uint64(len(b))), b...)) }
	if item.Bad != nil {
		part(item.Bad)
	} else {
		part([]byte(item.Event.Type))
		part([]byte(item.Event.WorkNo))
		part(canonical(item.Event.Content))
		if t := item.Event.GeneratedAt; !t.IsZero() {
			part(strconv.AppendInt(nil, t.UnixMilli(), 10))
		}
	}
	next := chain{items: c.items + 1, at: at}
	copy(next.sum[:], h.Sum(nil))
	return next
}

// canonical is JSON in which the order of members and blanks do not count.
func canonical(raw json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return raw
	}
	text, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return text
}

// known is how many items of a list are stored already: those of the chain, if the list
// begins with all of them. last says that the list's session had none after those of the chain.
func (c chain) known(key []byte, list []ccgateway.Item, now time.Time, last bool) int {
	if c.items == 0 || c.items > len(list) {
		return 0
	}
	same, timed := chainOf(key, list[:c.items], now)
	if same.sum != c.sum || !timed && (!last || now.Sub(c.at) > sameFor) {
		return 0
	}
	return c.items
}

// chainOf is the chain of a list, and whether all of it has the platform's time.
func chainOf(key []byte, list []ccgateway.Item, now time.Time) (c chain, timed bool) {
	timed = true
	for _, item := range list {
		c = c.then(key, item, now)
		timed = timed && !item.Event.GeneratedAt.IsZero()
	}
	return c, timed
}

// passed is a list that was stored, by its beginnings: the hash over its first item, over its
// first two, and so on. A body may be slow on its way while the gateway repeats its list,
// longer by then; what comes last is shorter than what is stored.
type passed struct {
	sums [][sumBytes]byte
	at   time.Time // when the last item was stored
}

// first is the beginning of so many items. Of those that another owner stored nothing is known.
func (p passed) first(items int) passed {
	if items > len(p.sums) {
		p.sums = make([][sumBytes]byte, items)
	}
	return passed{p.sums[:items:items], p.at}
}

// then is the list with one more item, up to which it has the chain c.
func (p passed) then(c chain, at time.Time) passed { return passed{append(p.sums, c.sum), at} }

// has reports whether the list was stored as the beginning of this one. Without the platform's
// time it is another one, unless it began to come in before that was stored.
func (p passed) has(key []byte, list []ccgateway.Item, asked time.Time) bool {
	if len(list) == 0 || len(list) > len(p.sums) {
		return false
	}
	c, timed := chainOf(key, list, asked)
	return c.sum == p.sums[len(list)-1] && (timed || asked.Before(p.at))
}

// String is the chain as it stands on a message.
func (c chain) String() string {
	return fmt.Sprintf("%d.%d.%s", c.items, c.at.Unix(), sumText.EncodeToString(c.sum[:]))
}

// parseChain reads what String wrote; anything else is the zero value.
func parseChain(text string) (c chain) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return chain{}
	}
	items, err := strconv.Atoi(parts[0])
	at, errAt := strconv.ParseInt(parts[1], 10, 64)
	sum, errSum := sumText.DecodeString(parts[2])
	if err != nil || errAt != nil || errSum != nil || items < 0 || len(sum) != sumBytes {
		return chain{}
	}
	c = chain{items: items, at: time.Unix(at, 0)}
	copy(c.sum[:], sum)
	return c
}
