package wire_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"locum/shared"
)

// TestT079NoOtherEgress walks from the sign-in to a proxied call in a network of its own, in which there is loopback and no
// route to anywhere: nothing even tries to go elsewhere. A proxy that the environment names is not asked.
func TestT079NoOtherEgress(t *testing.T) {
	const sign = "LOCUM_TEST_ALONE"
	if os.Getenv(sign) == "" {
		if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
			t.Skip("a network namespace needs root and iproute2")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), sign+"=1", "HTTP_PROXY=http://127.0.0.1:3128", "HTTPS_PROXY=http://127.0.0.1:3128", "ALL_PROXY=http://127.0.0.1:3128",
			"http_proxy=http://127.0.0.1:3128", "https_proxy=http://127.0.0.1:3128", "all_proxy=http://127.0.0.1:3128", "NO_PROXY=", "no_proxy=")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		switch {
		case errors.Is(err, syscall.EPERM):
			t.Skip("this machine gives out no network namespaces")
		case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
			t.Errorf("in the namespace: %v\n%s", err, out)
		}
		return
	}
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	asked := proxyOf(t)
	h := open(t)
	if status, body := h.ask(h.people[0], "GET", h.proxyPrefix()+patients, "application/json", ""); status != http.StatusOK {
		t.Errorf("a call: %d %s", status, body)
	}
	h.demo.Sandbox.RevokeAccess("robin@example.test", h.demo.Sandbox.Clinics()[0].URL) // the next call refreshes
	if status, body := h.ask(h.people[0], "GET", h.proxyPrefix()+patients, "application/json", ""); status != http.StatusOK {
		t.Errorf("a call with a new token: %d %s", status, body)
	}
	if status, body := h.ask(h.people[0], "DELETE", shared.PathConnections+"/"+h.connection, "application/json", ""); status >= http.StatusBadRequest {
		t.Errorf("a disconnect: %d %s", status, body)
	}
	must(t, h.demo.Close())
	if tries := unrouted(t); tries != "0 0" {
		t.Errorf("somebody tried to leave: %s", tries)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
	if _, err := net.Dial("tcp", "8.8.8.8:443"); !errors.Is(err, syscall.ENETUNREACH) || unrouted(t) == "0 0" {
		t.Errorf("this test would not see who leaves: %v, %s", err, unrouted(t))
	}
}

// proxyOf opens the port that the environment names as a proxy, and counts who comes.
func proxyOf(t *testing.T) *atomic.Int32 {
	l, err := net.Listen("tcp", "127.0.0.1:3128")
	must(t, err)
	var came atomic.Int32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return &came
}

// unrouted is how often something in this network wanted to go where no route leads, by IPv4 and by IPv6.
func unrouted(t *testing.T) string {
	t.Helper()
	four, err := os.ReadFile("/proc/net/snmp")
	must(t, err)
	counts := []string{"", "0"}
	lines := strings.Split(string(four), "\n")
	for i, name := range strings.Fields(lines[0]) {
		if name == "OutNoRoutes" {
			counts[0] = strings.Fields(lines[1])[i]
		}
	}
	six, _ := os.ReadFile("/proc/net/snmp6") // not there where there is no IPv6
	for line := range strings.Lines(string(six)) {
		if rest, found := strings.CutPrefix(line, "Ip6OutNoRoutes"); found {
			counts[1] = strings.TrimSpace(rest)
		}
	}
	return strings.Join(counts, " ")
}
