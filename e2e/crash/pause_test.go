package crash_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT127Stop asks the server to stop while it refreshes: what is under way is finished and stored, nothing is begun, and the
// next start finds its connections as they were.
func TestT127Stop(t *testing.T) {
	box := newSandbox(t)
	box.SetLifetimes(8*time.Second, 0)
	s := newSite(t, box, "ada")
	p := s.start().serving()
	ada := s.practitioner("ada")
	ids := []string{ada.connected()}
	box.Slow(sandbox.EndpointRefresh, 2*time.Second, 99)
	eventually(t, "a refresh under way", func() bool { return box.Count(sandbox.EndpointRefresh) > 0 })
	began, begun := time.Now(), box.Count(sandbox.EndpointRefresh)
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d:\n%s", code, p.said())
	}
	took := time.Since(began)
	if n := box.Count(sandbox.EndpointRefresh); took > 30*time.Second || n != begun {
		t.Errorf("stopped after %v, %d refreshes were begun meanwhile", took, n-begun)
	}
	box.Calm()
	s.start().serving()
	for _, id := range ids {
		if a, err := ada.call(id, "GET", "/appointments", ""); err != nil || a.status != http.StatusOK {
			t.Errorf("after the restart: %v, %v", a, err)
		}
	}
	if n := box.SpentPresented(); n != 0 {
		t.Errorf("%d spent refresh tokens were presented", n)
	}
	t.Logf("stopped in %v with a refresh under way", took.Round(time.Millisecond))
}

// TestT127Pause stops the whole process for a while (SIGSTOP), under load and in the middle of a refresh, and lets it go on:
// nothing is refreshed twice, no window of a clinic or of the token endpoint sees more than it allows, and sessions have the
// age that the clock on the wall gives them. A campaign pauses for two minutes; otherwise it is as long as a window.
func TestT127Pause(t *testing.T) {
	pause, perMinute := 4*time.Second, 60
	limits := sandbox.Limits{Endpoint: sandbox.Limit{N: 40, Window: 3 * time.Second}, Clinic: sandbox.Limit{N: 60, Window: 6 * time.Second}}
	if campaigning(t) {
		pause = 120 * time.Second
	}
	box := newSandbox(t)
	box.SetLifetimes(8*time.Second, 0)
	box.SetLimits(limits)
	s := newSite(t, box, "ada", "ben")
	s.limits, s.refresh = limits, "    refresh: {per_minute: 60}\n"
	s.configure()
	text := strings.Replace(s.configuration(), "idle: 1h", "idle: 1m", 1)
	must(t, os.WriteFile(s.path("locum.yaml"), []byte(text), 0o600))
	box.SetTokenLimit(sandbox.Limit{N: perMinute, Window: time.Minute})
	p := s.start().serving()
	ada, ben := s.practitioner("ada"), s.practitioner("ben")
	ids := []string{ada.connected(), ben.connected()}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var callers sync.WaitGroup
	for n, b := range []*browser{ada, ben, ada, ben} {
		callers.Go(func() {
			for ctx.Err() == nil {
				_, _ = b.as(b.session).call(ids[n%2], "GET", []string{"/appointments", "/patients"}[n/2], "")
			}
		})
	}
	before := box.Count(sandbox.EndpointRefresh)
	box.Slow(sandbox.EndpointRefresh, 500*time.Millisecond, 9999)
	eventually(t, "a refresh under way", func() bool { return box.Count(sandbox.EndpointRefresh) > before })
	must(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	began := time.Now()
	stopped := box.Count(sandbox.EndpointRefresh)
	<-time.After(pause)
	if n := box.Count(sandbox.EndpointRefresh); n != stopped {
		t.Errorf("%d refreshes of a process that stands still", n-stopped)
	}
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	paused := time.Since(began)
	if pause > time.Minute { // longer than a session may be idle
		if a, err := ada.get(shared.PathConnections); err == nil && a.status != http.StatusUnauthorized {
			t.Errorf("after %v of silence the session is answered %v", paused, a)
		}
		cancel()
		callers.Wait()
		ada, ben = s.practitioner("ada"), s.practitioner("ben")
	}
	for i, b := range []*browser{ada, ben} {
		eventually(t, "a call after the pause", func() bool {
			a, err := b.as(b.session).call(ids[i], "GET", "/patients", "")
			return err == nil && a.status == http.StatusOK
		})
	}
	eventually(t, "a refresh after the pause", func() bool { return box.Count(sandbox.EndpointRefresh) > stopped })
	cancel()
	callers.Wait()
	if n := box.SpentPresented(); n != 0 {
		t.Errorf("%d spent refresh tokens were presented", n)
	}
	if w := box.TokenWindow(sandbox.RealmSandbox); w.Worst > perMinute || w.Refused > 0 {
		t.Errorf("%d token requests within a minute, %d refused", w.Worst, w.Refused)
	}
	clinic := box.Clinics()[0].URL
	for class, n := range map[string]int{"appointments": limits.Endpoint.N, "patients": limits.Endpoint.N, "": limits.Clinic.N} {
		if worst := box.WorstWindow(clinic, class); worst > n || box.Refused(clinic, class) > 0 {
			t.Errorf("%q: %d requests in one window, %d allowed; %d refused", class, worst, n, box.Refused(clinic, class))
		}
	}
	t.Logf("paused for %v: %d calls, %d refreshes", paused.Round(time.Millisecond), box.Arrivals(clinic, ""), box.Count(sandbox.EndpointRefresh))
}
