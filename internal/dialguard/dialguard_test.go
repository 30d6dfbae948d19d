package dialguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestRefused(t *testing.T) {
	for text, want := range map[string]bool{
		"169.254.169.254":                  true,
		"169.254.0.1":                      true,
		"::ffff:169.254.169.254":           true,
		"64:ff9b::169.254.169.254":         true,
		"fe80::1":                          true,
		"fe80::1%eth0":                     true,
		"febf::1":                          true,
		"fd00:ec2::254":                    true,
		"fd20:ce::254":                     true,
		"100.100.100.200":                  true,
		"::ffff:100.100.100.200":           true,
		"169.253.255.255":                  false,
		"169.255.0.0":                      false,
		"127.0.0.1":                        false,
		"::1":                              false,
		"10.0.0.1":                         false,
		"fd00:ec2::253":                    false,
		"fec0::1":                          false,
		"64:ff9b::10.0.0.1":                false,
		"2001:db8::a9fe:a9fe":              false,
		"::ffff:10.0.0.1":                  false,
		"100.100.100.201":                  false,
		"64:ff9b:1::169.254.169.254":       false, // somebody's own prefix: not known here
		"2001:db8:0:1:169:254:169:254":     false,
		"::ffff:0:169.254.169.254":         false, // not the mapped form
		"fd00:ec2:0:0:0:0:0:254":           true,
		"FE80::abcd":                       true,
		"::ffff:a9fe:a9fe":                 true,
		"0:0:0:0:0:ffff:169.254.169.254":   true,
		"0064:ff9b:0:0:0:0:169.254.10.254": true,
	} {
		if got := Refused(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: refused %v, want %v", text, got, want)
		}
	}
}

// The dial ends before anything goes out: nobody is at these addresses, and a
// dial that was let through would wait, or fail in another way.
func TestDialerRefusesTheAddressItself(t *testing.T) {
	for _, address := range []string{"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80"} {
		conn, err := Dialer(net.Dialer{}, false).DialContext(t.Context(), "tcp", address)
		var refused *Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "allow_link_local: true") {
			t.Errorf("%s: %v", address, err)
		}
		if conn != nil {
			conn.Close()
		}
	}
}

func TestDialerLetsOthersPass(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := Dialer(net.Dialer{}, false).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestAllowed: with the setting a refused address is dialled like any other; the
// ended context keeps the test from really doing so.
func TestAllowed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Dialer(net.Dialer{}, true).DialContext(ctx, "tcp", "169.254.169.254:80")
	var refused *Error
	if err == nil || errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
	if Dialer(net.Dialer{}, true).ControlContext != nil {
		t.Error("the dialer is guarded")
	}
}

func TestControlRefusesWhatItCannotRead(t *testing.T) {
	if err := Control(t.Context(), "unix", "/run/socket", nil); err == nil {
		t.Error("accepted")
	}
}

func FuzzControl(f *testing.F) {
	for _, s := range []string{"169.254.169.254:80", "[fe80::1%eth0]:443", "127.0.0.1:1", "", "x", "[::ffff:169.254.1.1]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		err := Control(t.Context(), "tcp", address, nil)
		to, parsed := netip.ParseAddrPort(address)
		if err == nil && (parsed != nil || to.Addr().Unmap().IsLinkLocalUnicast()) {
			t.Errorf("%q passes", address)
		}
	})
}
