package bustest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// Cluster starts so many servers with JetStream as one cluster, and returns where clients
// connect, separated by commas, once the cluster knows all of them.
func Cluster(t testing.TB, size int) (urls string) {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range size {
		port := freePort(t) // all have to be known before a server starts
		ports = append(ports, port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	var all []*natsd.Server
	for i, port := range ports {
		o := &natsd.Options{
			ServerName: fmt.Sprint("n", i+1), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(),
			NoLog: true, NoSigs: true, Routes: routes,
			Cluster: natsd.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		}
		s, err := natsd.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		all = append(all, s)
	}
	var clients []string
	for _, s := range all {
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatal("a server of the cluster is not ready")
		}
		clients = append(clients, s.ClientURL())
	}
	Await(t, func() bool {
		for _, s := range all {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == size
			}
		}
		return false
	})
	return strings.Join(clients, ",")
}

// freePort is below those that the system gives away by itself: it stays free while the other tests
// of the machine open ports and connections.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 12_000 + rand.IntN(18_000)
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
