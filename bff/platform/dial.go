package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrAddress says that an address was refused when it was dialled.
var ErrAddress = errors.New("address refused")

const dialTimeout = 5 * time.Second

// Dial opens a connection for this platform and judges the address that is really dialled, after the name was resolved
// and as late as the system call, so that a name cannot lead into the operator's own network, whatever it resolves to
// and however often it changes. Only global unicast addresses pass. A loopback address passes only when addr itself is
// the literal host and port of a configured http or https origin: the issuer, the FHIR base or a known clinic. It knows no
// proxy.
func (p *Platform) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	local, isLocal := p.loopback(addr)
	dialer := net.Dialer{
		Timeout: dialTimeout,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(resolved)
			switch {
			case err != nil:
				return fmt.Errorf("%w: unreadable", ErrAddress)
			case isLocal && target == local, isGlobal(target.Addr()):
				return nil
			}
			return fmt.Errorf("%w: not a public address", ErrAddress)
		},
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
		return dialer.DialContext(ctx, network, addr)
	}
	return nil, fmt.Errorf("%w: network", ErrAddress)
}

// loopback says whether addr is the literal loopback address of a configured origin.
func (p *Platform) loopback(addr string) (netip.AddrPort, bool) {
	target, err := netip.ParseAddrPort(addr)
	if err != nil || !target.Addr().IsLoopback() || target.Addr().Is4In6() {
		return netip.AddrPort{}, false
	}
	if originAddr(p.Server.Issuer) == target || originAddr(p.FHIRBase) == target {
		return target, true
	}
	for _, clinic := range p.Clinics {
		if originAddr(clinic.URL) == target {
			return target, true
		}
	}
	return netip.AddrPort{}, false
}

// originAddr is the address of a URL whose host is a literal address, with the scheme's port where none is given; the
// zero AddrPort for any other URL.
func originAddr(raw string) netip.AddrPort {
	u, err := url.Parse(raw)
	if err != nil {
		return netip.AddrPort{}
	}
	port := u.Port()
	if port == "" {
		port = schemePorts[u.Scheme]
	}
	target, err := netip.ParseAddrPort(net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return netip.AddrPort{}
	}
	return target
}

// isGlobal says whether an address is global unicast by the IANA special-purpose registries (RFC 6890).
func isGlobal(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
		return false
	}
	if addr.Is6() && !globalUnicast6.Contains(addr) {
		return false
	}
	for _, prefix := range specialPrefixes {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// globalUnicast6 is the only part of IPv6 that is handed out for global unicast; it holds no loopback, link-local,
// unique-local, v4-compatible, NAT64 or multicast address.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

var specialPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, cloud metadata
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relay
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/4"),     // multicast
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}
