package proxy_test

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"locum/bff/platform"
)

// inNamespace runs the calling test in a process of its own with a network of its own, in which there is loopback and no
// route to anywhere, and answers true there. Outside it answers false, when that process has ended; its failure is the test's.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const sign = "LOCUM_TEST_ALONE"
	if os.Getenv(sign) == t.Name() {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		t.Skip("a network namespace needs root and iproute2")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), sign+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM):
		t.Skip("this machine gives out no network namespaces")
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("in the namespace: %v\n%s", err, out)
	}
	return false
}

// unrouted is how often something in this network namespace wanted to go where no route leads.
func unrouted(t *testing.T) (n int) {
	t.Helper()
	four, err := os.ReadFile("/proc/net/snmp")
	must(t, err)
	lines := strings.Split(string(four), "\n")
	for i, name := range strings.Fields(lines[0]) {
		if name == "OutNoRoutes" {
			more, err := strconv.Atoi(strings.Fields(lines[1])[i])
			must(t, err)
			n += more
		}
	}
	six, _ := os.ReadFile("/proc/net/snmp6") // not there where there is no IPv6
	for line := range strings.Lines(string(six)) {
		if rest, found := strings.CutPrefix(line, "Ip6OutNoRoutes"); found {
			more, err := strconv.Atoi(strings.TrimSpace(rest))
			must(t, err)
			n += more
		}
	}
	return n
}

// TestT079Flips: a name with public addresses and others, and a name whose addresses change from question to question. The
// public one is all that is ever dialled (and cannot be reached from here); a proxy of the environment hears of nothing.
func TestT079Flips(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := newDoor(t)
	d.proxyVariables(t)
	const public, public6 = "8.8.8.8", "2606:4700:4700::1111"
	inside := addrs("127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1", "169.254.169.254")
	for name, answer := range map[string]func(n int32) []netip.Addr{
		"public first": func(int32) []netip.Addr { return append(addrs(public, public6), inside...) },
		"public last":  func(int32) []netip.Addr { return append(append([]netip.Addr{}, inside...), addrs(public, public6)...) },
		"public, then loopback": func(n int32) []netip.Addr {
			return [][]netip.Addr{addrs(public, public6), addrs("127.0.0.1", "::1")}[min(n/2, 1)]
		},
		"now public and now not":  func(n int32) []netip.Addr { return [][]netip.Addr{addrs(public, public6), inside}[n%2] },
		"public in one family":    func(int32) []netip.Addr { return addrs(public, "::1") },
		"public in another":       func(int32) []netip.Addr { return addrs("127.0.0.1", public6) },
		"public for the first of": func(n int32) []netip.Addr { return [][]netip.Addr{inside, addrs(public, public6)}[min(n/2, 1)] },
	} {
		t.Run("T079 "+name, func(t *testing.T) {
			var asked atomic.Int32
			nameServer(t, func(string, bool) []netip.Addr { return answer(asked.Add(1) - 1) })
			before, refused := unrouted(t), 0
			for range 3 { // a rig of its own each time: a clinic that cannot be reached is left alone for a second
				r := outside(t, d)
				_, err := r.do(r.request("GET", patients))
				wantCode(t, err, "platform_unavailable")
				again := r.refresh(t)
				for _, err := range []error{err, again} {
					switch {
					case errors.Is(err, platform.ErrAddress):
						refused++
					case !errors.Is(err, syscall.ENETUNREACH):
						t.Errorf("%v", err)
					}
				}
			}
			if n := unrouted(t) - before; n == 0 {
				t.Error("the public address was not dialled: this test sees less than it says")
			}
			t.Logf("%d of 6 refused, %d questions", refused, asked.Load())
		})
	}
	d.mustBeAlone(t)
}
