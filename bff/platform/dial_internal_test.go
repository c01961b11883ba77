package platform

import (
	"net/netip"
	"testing"
)

func TestIsGlobal(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		global     bool
	}{
		{"public", "8.8.8.8", true}, {"public, near a private net", "172.32.0.1", true}, {"public, near carriers", "100.128.0.1", true},
		{"public IPv6", "2606:4700:4700::1111", true},
		{"loopback", "127.0.0.1", false}, {"loopback net", "127.255.255.254", false}, {"loopback IPv6", "::1", false},
		{"unspecified", "0.0.0.0", false}, {"this network", "0.1.2.3", false}, {"unspecified IPv6", "::", false},
		{"private 10", "10.255.255.255", false}, {"private 172", "172.31.255.255", false}, {"private 192", "192.168.0.1", false},
		{"unique local", "fd00::1", false}, {"site-local", "fec0::1", false},
		{"link-local", "169.254.1.1", false}, {"metadata", "169.254.169.254", false}, {"link-local IPv6", "fe80::1", false},
		{"link-local with a zone", "fe80::1%eth0", false}, {"public with a zone", "2606:4700::1%eth0", false},
		{"carrier-grade NAT", "100.64.0.1", false}, {"carrier-grade NAT, end", "100.127.255.255", false},
		{"multicast", "224.0.0.1", false}, {"multicast, end", "239.255.255.255", false}, {"multicast IPv6", "ff02::1", false},
		{"reserved", "240.0.0.1", false}, {"broadcast", "255.255.255.255", false},
		{"benchmarks", "198.19.0.1", false}, {"documentation", "203.0.113.7", false}, {"protocol assignments", "192.0.0.170", false},
		{"v4-mapped loopback", "::ffff:127.0.0.1", false}, {"v4-mapped public", "::ffff:8.8.8.8", false},
		{"v4-compatible", "::7f00:1", false}, {"NAT64 of loopback", "64:ff9b::7f00:1", false}, {"6to4 of loopback", "2002:7f00:1::", false},
		{"Teredo", "2001::1", false}, {"documentation IPv6", "2001:db8::1", false}, {"discard", "100::1", false},
	} {
		if got := isGlobal(netip.MustParseAddr(c.addr)); got != c.global {
			t.Errorf("%s: isGlobal(%s) is %v", c.name, c.addr, got)
		}
	}
	if isGlobal(netip.Addr{}) {
		t.Error("no address at all is global")
	}
}
