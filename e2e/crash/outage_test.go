package crash_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT052IdentityServerDown takes the identity servers of 60 connections away for a while, in the middle of their tokens'
// lives, with the released binary. Calls with a live token go on; the platforms are asked now and then and not by everybody;
// when they are back, every connection is renewed, and none was lost, although they rotate strictly.
func TestT052IdentityServerDown(t *testing.T) {
	if !campaigning(t) {
		t.Skip("it takes minutes: make crash")
	}
	for _, down := range []struct {
		name string
		plan func(*sandbox.Sandbox)
	}{
		{"it answers 503", func(box *sandbox.Sandbox) { box.Fail(sandbox.EndpointIAM, 503, 1_000_000) }},
		{"it hangs", func(box *sandbox.Sandbox) { box.Hang(sandbox.EndpointIAM, 1_000_000) }},
		{"it closes each connection", func(box *sandbox.Sandbox) { box.Cut(sandbox.EndpointIAM, 1_000_000) }},
	} {
		t.Run(down.name, func(t *testing.T) { outage(t, down.plan) })
	}
}

func outage(t *testing.T, plan func(*sandbox.Sandbox)) {
	// Tokens are due half a minute before their end; nobody's ends before the platform is back.
	const life, due, long = 90 * time.Second, 60 * time.Second, 25 * time.Second
	box := newSandbox(t)
	box.SetLifetimes(life, 0)
	var logins []string
	for i := range 10 { // each with six connections
		logins = append(logins, fmt.Sprintf("p%d", i))
	}
	s := newSite(t, box, logins...)
	s.refresh = "    refresh: {rotation: strict}\n"
	s.configure()
	s.start().serving()
	clinics := box.Clinics()
	var people []*browser
	var ids [][]string
	first := time.Now()
	for _, login := range logins {
		b := s.practitioner(login)
		people, ids = append(people, b), append(ids, nil)
		for platform := range platforms {
			for _, at := range []place{{platform, clinics[0].URL, "robin@example.test"}, {platform, clinics[1].URL, "robin@example.test"},
				{platform, clinics[0].URL, "alex@example.test"}} {
				ids[len(ids)-1] = append(ids[len(ids)-1], b.connect(t, at))
			}
		}
	}
	round := func(end time.Time) (took []time.Duration) { // each connection is called once
		var all sync.WaitGroup
		var mu sync.Mutex
		for i, b := range people {
			all.Go(func() {
				for _, id := range ids[i] {
					began := time.Now()
					if began.After(end) {
						return
					}
					a, err := b.as(b.session).call(id, "GET", "/appointments", "")
					mu.Lock()
					if took = append(took, time.Since(began)); err != nil || a.status != http.StatusOK {
						t.Errorf("a call was answered %v, %v", a, err)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		slices.Sort(took)
		return took
	}
	var before, during []time.Duration
	for range 5 {
		before = append(before, round(first.Add(life))...)
	}
	time.Sleep(time.Until(first.Add(due - 5*time.Second)))
	plan(box)
	asked, began := box.Count(sandbox.EndpointToken), time.Now()
	for time.Since(began) < long {
		during = append(during, round(began.Add(long))...)
		time.Sleep(time.Second)
	}
	rate := float64(box.Count(sandbox.EndpointToken)-asked) / time.Since(began).Seconds()
	box.Calm()
	back := time.Now()
	fresh := func() (n int) {
		for _, b := range people {
			all, _, err := b.list()
			must(t, err)
			for _, c := range all {
				if c.State == shared.StateConnected && c.RefreshedAt.After(began) {
					n++
				}
			}
		}
		return n
	}
	for fresh() < 60 && time.Since(back) < 2*time.Minute {
		round(back.Add(time.Hour))
		time.Sleep(time.Second)
	}
	if n := fresh(); n < 60 || ends(t, people) > 0 {
		t.Errorf("%d of 60 connections are fresh, %d have ended", n, ends(t, people))
	}
	if rate > 2*1.5 || rate == 0 {
		t.Errorf("%.1f token requests a second at two platforms that are down", rate)
	}
	if spent := box.SpentPresented(); spent > 0 {
		t.Errorf("%d spent refresh tokens were presented", spent)
	}
	p99 := func(took []time.Duration) time.Duration {
		slices.Sort(took)
		return took[len(took)*99/100].Round(100 * time.Microsecond)
	}
	t.Logf("down for %s: %d calls with live tokens, all answered, p99 %s before, %s meanwhile; %.2f token requests a second at two platforms; all 60 fresh %s after they were back; none lost",
		long, len(during), p99(before), p99(during), rate, time.Since(back).Round(time.Second))
}
