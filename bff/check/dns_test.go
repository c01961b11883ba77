package check_test

import (
	"context"
	"encoding/binary"
	"net"
	"testing"

	"locum/bff/check"
)

// answerAll is a name server that gives every name the same IPv4 address (RFC 1035 §4.1).
func answerAll(t *testing.T, addr [4]byte) string {
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
			question := 12
			for question < n && packet[question] != 0 {
				question += 1 + int(packet[question])
			}
			end := question + 5 // the root label, type and class
			if end > n {
				continue
			}
			reply := append([]byte{packet[0], packet[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, packet[12:end]...)
			if binary.BigEndian.Uint16(packet[end-4:]) == 1 { // A
				reply[7] = 1
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4)
				reply = append(reply, addr[:]...)
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-served })
	return conn.LocalAddr().String()
}

// TestT079NamesThatLeadInside: an issuer or a clinic whose name leads to a private address is a finding, and nothing is
// sent there.
func TestT079NamesThatLeadInside(t *testing.T) {
	server := answerAll(t, [4]byte{10, 0, 0, 1})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server)
	}}
	t.Cleanup(func() { net.DefaultResolver = before })
	w := newWorld(t, template(t), nil)
	t.Run("issuer", func(t *testing.T) {
		w := w.again(t)
		w.edit(w.jane.Issuer("jane_partner_sandbox"), "https://login.inside.ca/realms/jane")
		w.expect(w.look(check.Options{Live: true}), "error settings.redirect-http 1", "error live.address 7")
	})
	t.Run("clinic", func(t *testing.T) {
		w := w.again(t)
		w.edit(w.jane.Clinics()[1].URL, "https://south.inside.ca")
		w.expect(w.look(check.Options{Live: true}), "error live.clinic 11", "error live.clinic-address 11")
	})
}
