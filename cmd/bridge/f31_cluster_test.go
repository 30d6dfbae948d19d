//go:build faults

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"aiccbridge/internal/faultproxy"
	"aiccbridge/poller/partition"
	"aiccbridge/schemas"
)

// cluster is three nats-servers as processes. Routes between them run through proxies,
// one for each direction, and so do bridges' connections: what is cut with these falls
// silent at both ends, as with a cut network, on every machine and without rights.
type cluster struct {
	t     *testing.T
	nodes []*node
	links map[[2]int]*faultproxy.Proxy // from, to
	js    jetstream.JetStream          // an administrator's, directly
}

// node is one server, and its folder.
type node struct {
	name                   string
	client, route, monitor string // addresses
	dir, config            string
	process                *child // the last one
}

const clusterSize = 3

// requestTime is how long one question to the cluster may take.
const requestTime = 3 * time.Second

// newCluster starts a cluster, which ends with the test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, links: map[[2]int]*faultproxy.Proxy{}}
	dir := t.TempDir()
	for i := range clusterSize {
		name := fmt.Sprint("n", i+1)
		c.nodes = append(c.nodes, &node{
			name: name, client: freePort(t), route: freePort(t), monitor: freePort(t),
			dir: filepath.Join(dir, name), config: filepath.Join(dir, name+".conf"),
		})
	}
	for i, n := range c.nodes {
		var routes []string
		for j, other := range c.nodes {
			if i != j {
				c.links[[2]int{i, j}] = proxyTo(t, other.route)
				routes = append(routes, "nats://"+c.links[[2]int{i, j}].Addr())
			}
		}
		// Nobody is told an address: whoever knew one could go past the proxies.
		text := fmt.Sprintf(`server_name: %s
listen: %q
http: %q
log_file: %q
jetstream { store_dir: %q }
cluster { name: hub, listen: %q, advertise: "127.0.0.1:1", no_advertise: true, routes: [%s] }
`, n.name, n.client, n.monitor, n.dir+".log", n.dir, n.route, `"`+strings.Join(routes, `", "`)+`"`)
		if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.start(i)
	}
	conn, err := nats.Connect(c.direct(), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if c.js, err = jetstream.New(conn); err != nil {
		t.Fatal(err)
	}
	c.until("the cluster is there", func(ctx context.Context) bool {
		_, err := c.js.AccountInfo(ctx)
		return err == nil
	})
	return c
}

func proxyTo(t *testing.T, address string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// until waits for what must become true, each look for a moment at most.
func (c *cluster) until(what string, condition func(ctx context.Context) bool) {
	c.t.Helper()
	s := scene{t: c.t, journal: &journal{}}
	s.until(what, func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), requestTime)
		defer cancel()
		return condition(ctx)
	})
}

func (c *cluster) start(i int) {
	c.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{asNATS + "=" + c.nodes[i].config}
	c.nodes[i].process = launch(c.t, cmd, io.Discard)
}

// restart stops a server as its operator does, and starts it.
func (c *cluster) restart(i int) {
	c.t.Helper()
	c.nodes[i].process.signal(syscall.SIGTERM)
	<-c.nodes[i].process.done
	c.start(i)
}

// wipe kills a server and takes its disk away.
func (c *cluster) wipe(i int) {
	c.t.Helper()
	c.nodes[i].process.kill()
	if err := os.RemoveAll(c.nodes[i].dir); err != nil {
		c.t.Fatal(err)
	}
}

// cutOff silences a server's routes, or lets them through again. Its clients are not cut.
func (c *cluster) cutOff(i int, cut bool) {
	for link, p := range c.links {
		if link[0] == i || link[1] == i {
			p.Silence(cut)
		}
	}
}

// leader is the server that leads a stream.
func (c *cluster) leader(stream string) (at int) {
	c.t.Helper()
	at = -1
	c.until(stream+" has a leader", func(ctx context.Context) bool {
		s, err := c.js.Stream(ctx, stream)
		if err != nil || s.CachedInfo().Cluster == nil {
			return false
		}
		for i, n := range c.nodes {
			if n.name == s.CachedInfo().Cluster.Leader {
				at = i
			}
		}
		return at >= 0
	})
	return at
}

// more waits until a stream has more than it has now.
func (c *cluster) more(stream string) {
	c.t.Helper()
	from := uint64(0)
	c.until(stream+" grows", func(ctx context.Context) bool {
		s, err := c.js.Stream(ctx, stream)
		if err != nil {
			return false
		}
		last := s.CachedInfo().State.LastSeq
		if from == 0 {
			from = last
		}
		return last > from
	})
}

// whole waits until every stream has its replicas, all of them current.
func (c *cluster) whole() {
	c.t.Helper()
	c.until("all replicas are current", func(ctx context.Context) bool {
		streams, n := c.js.ListStreams(ctx), 0
		for info := range streams.Info() {
			n++
			if info.Cluster == nil || info.Cluster.Leader == "" || info.Config.Replicas != clusterSize || len(info.Cluster.Replicas) != clusterSize-1 {
				return false
			}
			for _, r := range info.Cluster.Replicas {
				if !r.Current || r.Offline {
					return false
				}
			}
		}
		return streams.Err() == nil && n >= 12
	})
}

// of finds the server that a scene's bridge is connected to.
func (c *cluster) of(s *scene) (at int) {
	c.t.Helper()
	name := []byte("bridge " + s.instance())
	at = -1
	c.until("the bridge is connected", func(ctx context.Context) bool {
		for i, n := range c.nodes {
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.monitor+"/connz", nil)
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				continue
			}
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if bytes.Contains(text, name) {
				at = i
			}
		}
		return at >= 0
	})
	return at
}

// instance is a scene's bridge's own id.
func (s *scene) instance() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "instance"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// direct is where consumers connect.
func (c *cluster) direct() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.client)
	}
	return strings.Join(all, ",")
}

// door is a bridge's way to each server.
type door []*faultproxy.Proxy

func (c *cluster) door() (d door) {
	for _, n := range c.nodes {
		d = append(d, proxyTo(c.t, n.client))
	}
	return d
}

func (d door) url() string {
	var all []string
	for _, p := range d {
		all = append(all, "nats://"+p.Addr())
	}
	return strings.Join(all, ",")
}

func (d door) swallowed() (n int) {
	for _, p := range d {
		n += p.Swallowed()
	}
	return n
}

func (d door) silence(silent bool) {
	for _, p := range d {
		p.Silence(silent)
	}
}

// taken waits until a bridge has the leases of all of the tenant's agents.
func (c *cluster) taken(s *scene) {
	c.t.Helper()
	instance := s.instance()
	c.until("the leases are taken over", func(ctx context.Context) bool {
		leases, err := c.js.KeyValue(ctx, "AICC_LEASES")
		if err != nil {
			return false
		}
		for _, a := range s.sim.Settings().Agents {
			entry, err := leases.Get(ctx, schemas.LeaseKey(tenantName, strconv.Itoa(partition.Of(a.ID))))
			var v struct{ Instance string }
			if err != nil || json.Unmarshal(entry.Value(), &v) != nil || v.Instance != instance {
				return false
			}
		}
		return true
	})
}

func (s *scene) hasID() bool {
	_, err := os.Stat(filepath.Join(s.dir, "data", "instance"))
	return err == nil
}
