// Package dialguard keeps outgoing connections away from addresses at which a
// machine answers to itself: link-local ones, and those where clouds hand out
// credentials. A configured name can lead there by a slip, or because somebody
// else answers for it in DNS.
//
// The rule is held to the address that is dialled, after the name was looked up,
// so that a second answer of DNS cannot get round it.
package dialguard

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// refused is link-local, and the metadata services that are not. Every other
// cloud's is at 169.254.169.254 or thereabouts.
var refused = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
}

// nat64 carries an IPv4 address in its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Refused reports whether a connection to a is refused. IPv4 addresses in the
// form of IPv6 count as what they stand for.
func Refused(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return slices.ContainsFunc(refused, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Error is why a connection was refused. Nothing was sent.
type Error struct{ Address netip.Addr }

// Error names the address and the setting that allows it.
func (e *Error) Error() string {
	return fmt.Sprintf("%s is a link-local or metadata address; correct the host of the URL or its DNS entry, or set allow_link_local: true beside the URL", e.Address)
}

// Control is for [net.Dialer.ControlContext]: it ends a dial to an address that
// is refused before the first packet, with an [*Error].
func Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("check the address to dial: %w", err)
	}
	if Refused(to.Addr()) {
		return &Error{Address: to.Addr()}
	}
	return nil
}

// Dialer returns d with [Control], or as it is when link-local is allowed.
func Dialer(d net.Dialer, allowLinkLocal bool) *net.Dialer {
	if !allowLinkLocal {
		d.ControlContext = Control
	}
	return &d
}
