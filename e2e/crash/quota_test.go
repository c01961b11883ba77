package crash_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// orphan is how long Locum reckons with a request that it gave up: what a start would wait that knew nothing.
const orphan = time.Minute

// TestT104KilledWhileSaturated kills the server again and again while its practitioners ask for far more than a clinic
// allows; some of the times it is stopped in order. The clinic's own count never sees more in any window than it allows,
// and after each start calls go on where permits are free.
func TestT104KilledWhileSaturated(t *testing.T) {
	kills, limits := 8, sandbox.Limits{Endpoint: sandbox.Limit{N: 40, Window: 2 * time.Second}, Clinic: sandbox.Limit{N: 100, Window: 5 * time.Second}}
	if campaigning(t) { // what a kill leaves open counts for a minute
		kills, limits.Endpoint.N, limits.Clinic.N = 200, 300, 800
	}
	box := newSandbox(t)
	box.SetLimits(limits)
	s := newSite(t, box, "ada", "ben")
	s.limits = limits
	s.configure()
	clinic := box.Clinics()[0].URL
	p := s.start().serving()
	callers := []*browser{s.practitioner("ada"), s.practitioner("ben")}
	ids := []string{callers[0].connected(), callers[1].connected()}
	dice := rand.New(rand.NewPCG(1, uint64(kills)))
	var firsts []time.Duration
	answered, told, stopped := 0, 0, 0
	for i := range kills {
		began := time.Now()
		if i > 0 {
			p = s.start().serving()
		}
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		var mu sync.Mutex
		first := time.Duration(0)
		for n := range 6 {
			all.Go(func() {
				for path := n; ctx.Err() == nil; path++ {
					a, err := callers[n%2].as(callers[n%2].session).call(ids[n%2], "GET", []string{"/appointments", "/patients"}[path%2], "")
					mu.Lock()
					switch {
					case err != nil:
					case a.status == http.StatusOK:
						if answered++; first == 0 {
							first = time.Since(began)
						}
					case a.code() == shared.CodeBudgetSpent:
						told++
					case a.status == http.StatusServiceUnavailable && ctx.Err() != nil: // it stops
					default:
						t.Errorf("a call was answered %v", a)
					}
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		if i == 0 { // the first life lasts until there is nothing left to take
			eventually(t, "a full window", func() bool { return box.Arrivals(clinic, "appointments") >= limits.Endpoint.N })
		} else {
			time.Sleep(time.Duration(100+dice.IntN(1700)) * time.Millisecond)
		}
		cancel()
		if i%8 == 7 {
			stopped++
			if code := p.stop(); code != 0 {
				t.Errorf("stopped with %d", code)
			}
		}
		p.kill()
		all.Wait()
		if i > 0 && first > 0 {
			firsts = append(firsts, first)
		}
	}
	full := false
	for class, n := range map[string]int{"appointments": limits.Endpoint.N, "patients": limits.Endpoint.N, "": limits.Clinic.N} {
		worst := box.WorstWindow(clinic, class)
		if worst > n || box.Refused(clinic, class) > 0 {
			t.Errorf("%q: %d requests in one window, %d allowed; %d refused by the clinic", class, worst, n, box.Refused(clinic, class))
		}
		full = full || worst*10 >= n*9
		t.Logf("%q: worst window %d of %d, %d requests", class, worst, n, box.Arrivals(clinic, class))
	}
	slices.Sort(firsts)
	if !full || len(firsts) == 0 {
		t.Fatalf("no window was nearly full, or no call was answered after a start: nothing is proved")
	}
	t.Logf("%d kills, %d of them in order: %d calls answered, %d refused by Locum; from the start of the process to its first answered call %s (median of the %d lives with one), instead of %s",
		kills, stopped, answered, told, firsts[len(firsts)/2].Round(time.Millisecond), len(firsts), orphan+limits.Endpoint.Window+time.Second)
}
