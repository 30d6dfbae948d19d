package doctor

import (
	"net"
	"net/url"
	"testing"
)

// TestAnyOf: of servers of which one is enough, those that are away are warnings; where none is
// there, that is a failure.
func TestAnyOf(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	at := func(l net.Listener) Address {
		return Address{About: "nats", Key: "nats.url", URL: &url.URL{Scheme: "nats", Host: l.Addr().String()}}
	}
	if line := worst(t, AnyOf([]Address{at(gone), at(l)})(t.Context())); line.Status != Warning || line.Check != "connect" {
		t.Errorf("one of two: %+v", line)
	}
	if line := worst(t, AnyOf([]Address{at(gone)})(t.Context())); line.Status != Failure {
		t.Errorf("the only one: %+v", line)
	}
}

// TestLinkLocal: what the bridge refuses to dial is not well.
func TestLinkLocal(t *testing.T) {
	a := Address{About: "gateway", Key: "gateway.url", URL: &url.URL{Scheme: "http", Host: "169.254.169.254"}}
	if line := worst(t, a.Look(t.Context())); line.Status != Failure || line.Check != "connect" {
		t.Errorf("%+v", line)
	}
}
