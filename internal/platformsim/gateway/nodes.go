package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"aiccbridge/internal/platformsim/gateway/wire"
)

// cookieName is what the load balancer in front sets.
const cookieName = "route"

// node is one machine of the gateway, on which sessions live.
type node struct {
	name   string // ends the GUIDs of its sessions
	cookie string // with it the balancer finds the node again, whoever asks
}

// nodes are the machines that the options ask for. Their cookies are always the
// same ones.
func (o Options) nodes() []node {
	out := make([]node, o.Nodes)
	for i := range out {
		name := o.Node
		if o.Nodes > 1 {
			name = strings.TrimRight(o.Node, "0123456789") + strconv.Itoa(i)
		}
		out[i] = node{name, uuid.NewSHA1(uuid.Nil, []byte(name)).String()}
	}
	return out
}

// named returns the node that a request's cookie names, if it does. Cookies that
// make no sense are passed over, as those of some clients do not.
func (g *Gateway) named(r *http.Request) (node, bool) {
	for _, c := range r.CookiesNamed(cookieName) {
		for _, n := range g.nodes {
			if c.Value == n.cookie {
				return n, true
			}
		}
	}
	return node{}, false
}

// welcoming is the node on which a sign-in arrives: the one named, or each in turn.
func (g *Gateway) welcoming(r *http.Request) node {
	if n, ok := g.named(r); ok {
		return n
	}
	return g.nodes[int(g.turn.Add(1)-1)%len(g.nodes)]
}

// reaches reports whether the balancer brings a request to the session's node.
// Without a cookie it goes by the end of the GUID.
func (g *Gateway) reaches(r *http.Request, s *session) bool {
	n, ok := g.named(r)
	if !ok {
		return !g.o.NeedCookie || g.o.NoCookie
	}
	return n == s.node
}

// nowhere answers what is no interface: HTTP 405 where only the method is wrong.
func (g *Gateway) nowhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost, http.MethodPut} {
		other := *r
		other.Method = method
		if _, pattern := g.mux.Handler(&other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		g.answer(w, "000-002", wire.Pair{})
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	page(w, http.StatusMethodNotAllowed)
}
