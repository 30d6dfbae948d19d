package wallboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"aiccbridge/schemas"
)

const (
	firstView   = 5 * time.Second        // that a page waits for something to show
	streamEvery = 500 * time.Millisecond // at most, to one viewer
	beatEvery   = 5 * time.Second        // at least
	writeLimit  = 10 * time.Second       // of a write to a viewer; who is slower has to come again
)

// assetsOf tells the files of this program from another version's.
func assetsOf(files fs.FS) string {
	sum := sha256.New()
	_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error { // they are in the program
		if err == nil && !d.IsDir() {
			data, _ := fs.ReadFile(files, path)
			sum.Write(data)
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// Handler serves the page at /, and what belongs to it below /wallboard/. It asks for the token
// itself: a browser cannot send it as other callers of the listener do.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.viewed(b.page, b.askForToken))
	mux.HandleFunc("GET /wallboard/events", b.viewed(b.events, unknown))
	mux.HandleFunc("GET /wallboard/probe", b.probe)
	mux.HandleFunc("GET /wallboard/filter.css", filterSheet)
	for name, kind := range map[string]string{"wall.css": "text/css", "wall.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		mux.HandleFunc("GET /wallboard/"+name, func(w http.ResponseWriter, _ *http.Request) {
			data, _ := pages.ReadFile("pages/" + name)
			send(w, http.StatusOK, kind, data)
		})
	}
	mux.HandleFunc("POST /wallboard/signin", b.signIn)
	mux.HandleFunc("POST /wallboard/signout", b.signOut)
	return guarded(http.NewCrossOriginProtection().Handler(mux))
}

// viewed is next for who is signed in, unless as many look as may.
func (b *Board) viewed(next, refuse http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !b.signedIn(r) {
			refuse(w, r)
			return
		}
		if !b.look() {
			w.Header().Set("Retry-After", "10")
			http.Error(w, "as many look at the wallboard as may at a time; try again later", http.StatusServiceUnavailable)
			return
		}
		defer b.leave()
		next(w, r)
	}
}

// probe says whether a stream would be given.
func (b *Board) probe(w http.ResponseWriter, r *http.Request) {
	if !b.signedIn(r) {
		unknown(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func unknown(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "sign in again", http.StatusUnauthorized)
}

func send(w http.ResponseWriter, status int, kind string, data []byte) {
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have gone
}

// view is what the page is made of.
type view struct {
	snapshot
	Assets, Clock, Zone string
	Tenant, State       string // what is chosen
	States              []stateCount
	SignedIn            bool // there is something to sign out of
}

type stateCount struct {
	State schemas.State
	Count template.HTML
}

func (b *Board) page(w http.ResponseWriter, r *http.Request) {
	b.sheet.ready(r.Context(), b.ended, firstView)
	now := time.Now().In(b.zone())
	v := view{snapshot: b.sheet.now(), Assets: b.assets, Clock: now.Format(time.TimeOnly), Zone: now.Format("MST"), SignedIn: b.token() != ""}
	v.Tenant, v.State = chosen(r)
	for _, s := range states {
		v.States = append(v.States, stateCount{s, v.Parts["n-"+string(s)]})
	}
	agents := v.Agents
	v.Agents = agentsHere
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, "page", v); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		b.o.Logger.Error().Err(err).Msg("the wallboard cannot be made")
		return
	}
	before, after, _ := bytes.Cut(out.Bytes(), []byte(agentsHere))
	send(w, http.StatusOK, "text/html", before)
	_, _ = io.WriteString(w, string(agents)) // which all share
	_, _ = w.Write(after)
}

// agentsHere is where the agents belong in a page, while it is made: there may be many, of which
// a page that is read slowly needs no copy of its own.
const agentsHere template.HTML = "<!--agents-->"

func (b *Board) zone() *time.Location {
	if z := b.o.Zone(""); z != nil {
		return z
	}
	return time.Local
}

func (b *Board) askForToken(w http.ResponseWriter, r *http.Request) {
	var out bytes.Buffer
	_ = templates.ExecuteTemplate(&out, "signin", map[string]any{"Assets": b.assets, "Wrong": r.URL.Query().Has("wrong")})
	w.Header().Set("WWW-Authenticate", "Bearer")
	send(w, http.StatusUnauthorized, "text/html", out.Bytes())
}

// plainToken is a token of subjects and keys, of which a style sheet can hold any.
var plainToken = regexp.MustCompile(`^[a-z0-9_=-]{1,200}$`)

// chosen is the tenant and the state that a request asks for; "": all.
func chosen(r *http.Request) (tenant, state string) {
	tenant, state = r.URL.Query().Get("tenant"), r.URL.Query().Get("state")
	if !plainToken.MatchString(tenant) {
		tenant = ""
	}
	if !slices.Contains(states, schemas.State(state)) {
		state = ""
	}
	return tenant, state
}

// filterSheet hides what is not asked for, without a script.
func filterSheet(w http.ResponseWriter, r *http.Request) {
	tenant, state := chosen(r)
	rules := ""
	if tenant != "" {
		rules += fmt.Sprintf("[data-tenant]:not([data-tenant=%q]){display:none}\n", tenant)
	}
	if state != "" {
		rules += fmt.Sprintf(".tile:not(.s-%s){display:none}\n", state)
	}
	send(w, http.StatusOK, "text/css", []byte(rules))
}

// events streams to one viewer what changes, until it goes or the board ends.
func (b *Board) events(w http.ResponseWriter, r *http.Request) {
	s := stream{Board: b, w: w, conn: http.NewResponseController(w), request: r, boot: r.URL.Query().Get("boot")}
	s.version, _ = strconv.ParseUint(r.URL.Query().Get("version"), 10, 64) // else from the beginning
	_ = s.conn.SetReadDeadline(time.Time{})                                // the server's would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy is to pass on each event
	s.run()
}

// stream is one viewer's.
type stream struct {
	*Board
	w       http.ResponseWriter
	conn    *http.ResponseController
	request *http.Request
	boot    string
	version uint64 // that the viewer has
}

func (s *stream) run() {
	if s.send("hello", []byte(s.assets)) != nil {
		return
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select { // not before its time, however much happens
		case <-s.request.Context().Done():
			return
		case <-s.ended:
			return
		case <-pause.C:
		}
		changed, err := s.update()
		if err != nil {
			return
		}
		select {
		case <-s.request.Context().Done():
			return
		case <-s.ended:
			return
		case <-changed:
		case <-beat.C:
			if !s.signedIn(s.request) || s.time() != nil {
				return
			}
		}
		pause.Reset(streamEvery)
	}
}

// update brings the viewer up to date.
func (s *stream) update() (changed <-chan struct{}, err error) {
	p, changed := s.sheet.since(s.boot, s.version)
	if p.empty() {
		return changed, nil
	}
	err = s.send("patch", p.encode())
	if err == nil {
		err = s.time()
	}
	s.boot, s.version = p.Boot, p.Version
	return changed, err
}

// time says what the time is, and so that there are news.
func (s *stream) time() error {
	now := time.Now()
	return s.send("time", fmt.Appendf(nil, `{"at":%d,"clock":%q}`, now.UnixMilli(), now.In(s.zone()).Format(time.TimeOnly)))
}

// send writes an event; data has no line breaks, may be others' too, and is not copied.
func (s *stream) send(event string, data []byte) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeLimit)) // instead of the server's, of the whole answer
	if err := writeAll(s.w, []byte("event: "+event+"\ndata: "), data, []byte("\n\n")); err != nil {
		return err
	}
	return s.conn.Flush()
}

// writeAll writes one after the other.
func writeAll(w io.Writer, all ...[]byte) error {
	for _, one := range all {
		if _, err := w.Write(one); err != nil {
			return err
		}
	}
	return nil
}
