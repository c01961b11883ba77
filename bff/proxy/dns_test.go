package proxy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/secret"
)

// nameServer makes this process ask a name server of the test's own (RFC 1035 §4.1), which knows no more of any name than
// answer says: of the addresses given, those of the family that is asked for.
func nameServer(t *testing.T, answer func(name string, v6 bool) []netip.Addr) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for packet := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(packet)
			if err != nil {
				return
			}
			if reply := resolve(packet[:n], answer); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; _ = conn.Close(); <-served })
}

func resolve(packet []byte, answer func(name string, v6 bool) []netip.Addr) []byte {
	var labels []string
	at := 12
	for at < len(packet) && packet[at] != 0 && at+1+int(packet[at]) <= len(packet) {
		labels = append(labels, string(packet[at+1:at+1+int(packet[at])]))
		at += 1 + int(packet[at])
	}
	end := at + 5 // the root label, type and class
	if end > len(packet) {
		return nil
	}
	kind := binary.BigEndian.Uint16(packet[at+1:])
	reply := append([]byte{packet[0], packet[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, packet[12:end]...)
	if kind != 1 && kind != 28 { // A, AAAA
		return reply
	}
	for _, addr := range answer(strings.Join(labels, "."), kind == 28) {
		if addr.Is4() == (kind == 1) {
			reply[7]++
			reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(addr.BitLen()/8))
			reply = append(reply, addr.AsSlice()...)
		}
	}
	return reply
}

// door is a port that is open on every address of this machine, and counts who comes in.
type door struct {
	port  string
	came  atomic.Int32
	knock chan struct{} // the first one
}

func newDoor(t *testing.T) *door {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	d := &door{port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port), knock: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			if d.came.Add(1) == 1 {
				close(d.knock)
			}
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	conn, err := net.Dial("tcp", "127.0.0.1:"+d.port)
	must(t, err)
	must(t, conn.Close())
	<-d.knock // it does count
	return d
}

// mustBeAlone: nobody has come but the door's own first visitor.
func (d *door) mustBeAlone(t *testing.T) {
	t.Helper()
	if n := d.came.Load() - 1; n != 0 {
		t.Errorf("%d connections came inside", n)
	}
}

// proxyVariables name d as everybody's proxy.
func (d *door) proxyVariables(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:"+d.port)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
}

// outside is a rig whose clinic and whose issuer have names that only a name server knows, at the door's port.
func outside(t *testing.T, d *door) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // so that the rig takes the platform's own dialler; nobody goes there
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	f := &fake{listener: l, origin: "https://south.inside.ca:" + d.port}
	return newRig(t, setup{fakes: []*fake{f}, issuer: "https://login.inside.ca:" + d.port + "/realms/jane",
		secretOf: func(string) (secret.String, error) { return secret.New("SBX-client-CANARY"), nil }})
}

// refresh asks the token endpoint for new tokens, by the rig's own client.
func (r *rig) refresh(t *testing.T) error {
	t.Helper()
	live, err := r.registry.Get("jane")
	must(t, err)
	_, err = live.OAuth.Refresh(t.Context(), secret.New("SBX-refresh"), nil)
	return err
}

func addrs(all ...string) (list []netip.Addr) {
	for _, one := range all {
		list = append(list, netip.MustParseAddr(one))
	}
	return list
}

// TestT079Names: a clinic's name, and the issuer's, that lead inside: the connection is refused as late as the system call,
// after the name was resolved, for calls and for the token endpoint. Nothing knocks at the door, which is open on each of
// this machine's addresses, nor does a proxy of the environment get to hear of it.
func TestT079Names(t *testing.T) {
	d := newDoor(t)
	d.proxyVariables(t)
	for name, list := range map[string][]netip.Addr{
		"loopback": addrs("127.0.0.1"), "another loopback": addrs("127.8.8.8"), "unspecified": addrs("0.0.0.0"), "this network": addrs("0.0.0.1"),
		"10/8": addrs("10.0.0.1"), "172.16/12": addrs("172.31.255.254"), "192.168/16": addrs("192.168.1.1"), "100.64/10": addrs("100.64.0.1"),
		"metadata": addrs("169.254.169.254"), "multicast": addrs("224.0.0.1"), "broadcast": addrs("255.255.255.255"),
		"IPv6 loopback": addrs("::1"), "IPv6 unspecified": addrs("::"), "mapped loopback": addrs("::ffff:127.0.0.1"), "mapped private": addrs("::ffff:10.0.0.1"),
		"compatible loopback": addrs("::127.0.0.1"), "link-local": addrs("fe80::1"), "unique local": addrs("fc00::1", "fd12:3456::1"), "site-local": addrs("fec0::1"),
		"NAT64 of loopback": addrs("64:ff9b::7f00:1"), "NAT64 of the metadata": addrs("64:ff9b::a9fe:a9fe"), "local NAT64": addrs("64:ff9b:1::7f00:1"),
		"6to4 of loopback": addrs("2002:7f00:1::"), "Teredo": addrs("2001:0:7f00:1::"), "metadata in IPv6": addrs("fd00:ec2::254"), "multicast in IPv6": addrs("ff02::1"),
		"several": addrs("10.0.0.1", "127.0.0.1", "192.168.0.1", "::1", "::ffff:127.0.0.1", "fe80::1"),
	} {
		t.Run("T079 "+name, func(t *testing.T) {
			nameServer(t, func(string, bool) []netip.Addr { return list })
			r := outside(t, d)
			_, err := r.do(r.write("POST", observations, "{}"))
			wantCode(t, err, "platform_unavailable")
			if !errors.Is(err, platform.ErrAddress) {
				t.Errorf("a call: %v", err)
			}
			if err := r.refresh(t); !errors.Is(err, platform.ErrAddress) {
				t.Errorf("a refresh: %v", err)
			}
			if clinic, _ := r.proxy.Budgets("jane", r.fakes[0].origin); clinic.Remaining != clinic.Limit {
				t.Errorf("budget %+v", clinic)
			}
			if records := r.records(); len(records) != 2 || records[1]["result"] != audit.ResultUnsent {
				t.Errorf("audit: %v", records)
			}
		})
	}
	t.Run("T079 no address", func(t *testing.T) {
		nameServer(t, func(string, bool) []netip.Addr { return nil })
		r := outside(t, d)
		_, err := r.do(r.request("GET", patients))
		wantCode(t, err, "platform_unavailable")
		if r.refresh(t) == nil {
			t.Error("refreshed")
		}
	})
	d.mustBeAlone(t)
}
