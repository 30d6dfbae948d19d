package scalar

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Network reads an address or a network (CIDR). An address is the network
// of itself alone.
func Network(text string) (netip.Prefix, *Fault) {
	remedy := "write an address or a network, for example 192.0.2.7 or 192.0.2.0/24"
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, Faultf(remedy, "%q is neither an IP address nor a network", text)
	case p.Addr().Is4In6():
		return netip.Prefix{}, Faultf("write the network in the form of IPv4", "%q is an IPv4 network in the form of IPv6", text)
	case p != p.Masked():
		return netip.Prefix{}, Faultf(fmt.Sprintf("write %s for the network, or %s for the address", p.Masked(), p.Addr()), "%s is an address within a network", text)
	}
	return p, nil
}

// URL accepts an absolute URL that other paths can be appended to. Its
// faults do not repeat the text, which may hold a password.
func URL(text string) (*url.URL, *Fault) {
	example := "write it like https://host.example.com:8043/path"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, Faultf(example, "the value is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, Faultf(example, "the URL does not begin with https://")
	case u.Hostname() == "":
		return nil, Faultf(example, "the URL names no host")
	case u.User != nil:
		return nil, Faultf("remove the part up to the @", "the URL holds a user name or password")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, Faultf("end the URL before the ?", "the URL has a query")
	case strings.Contains(text, "#"):
		return nil, Faultf("end the URL before the #", "the URL has a fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, Faultf("write a port from 1 to 65535", "the URL's port %s is out of range", port)
		}
	}
	return u, nil
}

// Listen reads host:port, where host is an IP address, localhost or
// nothing (all addresses).
func Listen(text string) (netip.AddrPort, *Fault) {
	remedy := "write address:port, for example 127.0.0.1:8080 or 0.0.0.0:8443"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return netip.AddrPort{}, Faultf(remedy, "%q is not an address with a port", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, Faultf("write a port from 1 to 65535, or 0 for any free one", "%q is not a port", port)
	}
	switch host {
	case "":
		host = "0.0.0.0"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, Faultf(remedy, "%q is not an IP address of this machine", host)
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

func Overlap(a, b netip.AddrPort) bool {
	sameHost := a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified()
	return a.Port() == b.Port() && a.Port() != 0 && sameHost
}
