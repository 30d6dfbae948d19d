package push

import (
	"cmp"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// held are the bytes of one body, counted until all who have it let go: who answers its push, and
// who stores it, which may take longer.
type held struct {
	inlet *Inlet
	size  int64
	by    atomic.Int32
}

// hold counts a body that may become as large as that.
func (i *Inlet) hold(size int64) *held {
	h := &held{inlet: i, size: size}
	h.by.Store(1)
	i.count(size)
	return h
}

func (i *Inlet) count(bytes int64) {
	i.bytes.Add(bytes)
	i.counts.bytes.Add(float64(bytes))
}

// is says how large the body is; one alone has it.
func (h *held) is(size int64) {
	h.inlet.count(size - h.size)
	h.size = size
}

// share is for one more who has the body, and must let go.
func (h *held) share() { h.by.Add(1) }

func (h *held) letGo() {
	if h.by.Add(-1) == 0 {
		h.inlet.count(-h.size)
	}
}

// beginBytes is as much of a body as is looked at to see whose it is.
const beginBytes = 4 << 10

// begin reads the beginning of a body for which there is no room.
func begin(body io.Reader) []byte {
	some, _ := io.ReadAll(io.LimitReader(body, beginBytes)) // what broke off may say it all the same
	return some
}

// refuse answers a push that is not taken, and notes whose it was as far as its token, its address
// or the beginning of its body say so: the gateway may give it up.
func (i *Inlet) refuse(desk *Desk, who pass, r *http.Request, begin []byte, asked time.Time, a answer) answer {
	desk.refused(cmp.Or(who.agent, formed(r.URL.Query().Get("agent")), namedIn(begin)), asked)
	return a
}
