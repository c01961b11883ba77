package throttle_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// rude is a caller that does not come back when it was told to.
type rude struct {
	name  string
	pause time.Duration                                                               // about how long between two calls
	next  func(told time.Duration, rnd *rand.Rand) (wait time.Duration, another bool) // another: as somebody else
}

var rudes = []rude{
	{"at once", 2 * time.Second, func(_ time.Duration, rnd *rand.Rand) (time.Duration, bool) {
		return time.Duration(rnd.Int64N(int64(4 * time.Second))), false
	}},
	{"early", 4 * time.Second, func(told time.Duration, rnd *rand.Rand) (time.Duration, bool) {
		return time.Duration(rnd.Int64N(int64(told) + 1)), false
	}},
	{"late", 14 * time.Second, func(told time.Duration, rnd *rand.Rand) (time.Duration, bool) {
		return told + time.Duration(rnd.Int64N(int64(12*time.Second))), false
	}},
	{"never", 2 * time.Second, func(_ time.Duration, rnd *rand.Rand) (time.Duration, bool) {
		return time.Duration(rnd.Int64N(int64(4 * time.Second))), true
	}},
}

// TestT107RudeCallers: whoever comes back too early, too late or never leaves a place that nobody takes up. Those places
// cost less than 3 % of what the rule could pass: N for each window, margin and round trip. Nobody is polite here.
func TestT107RudeCallers(t *testing.T) {
	const rtt = 200 * time.Millisecond
	rules := []struct {
		name   string
		cycles int // 0: left out
		limits throttle.Limits
		scarce func(throttle.Limits) throttle.Limit
	}{
		{"endpoint", whole(2, 5), throttle.Limits{Endpoint: jane.Endpoint}, func(l throttle.Limits) throttle.Limit { return l.Endpoint }},
		{"clinic", whole(0, 2), jane, func(l throttle.Limits) throttle.Limit { return l.Clinic }},
		{"scaled", whole(0, 5), throttle.Limits{Endpoint: throttle.Limit{N: 100, Window: 3 * time.Second}}, func(l throttle.Limits) throttle.Limit { return l.Endpoint }},
		{"small", whole(5, 10), throttle.Limits{Endpoint: throttle.Limit{N: 40, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 45, Window: 11 * time.Second}},
			func(l throttle.Limits) throttle.Limit { return l.Clinic }},
	}
	for _, rule := range rules {
		if rule.cycles == 0 {
			continue
		}
		for _, who := range rudes {
			t.Run(rule.name+" "+who.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					limit := rule.scarce(rule.limits)
					cycle := limit.Window + time.Second + rtt
					classes := 1
					if limit == rule.limits.Clinic {
						classes = 7
					}
					users := int(10 * float64(limit.N) / cycle.Seconds() * who.pause.Seconds()) // ten times what can pass asks
					got := throughput(rule.limits, who, users, classes, rule.cycles, cycle, rtt)
					t.Logf("%.2f %% of the safe bound", 100*got/float64(limit.N))
					if got < 0.97*float64(limit.N) || got > float64(limit.N) {
						t.Errorf("%.1f of %d in each window, margin and round trip", got, limit.N)
					}
				})
			})
		}
	}
}

// throughput is how many calls pass in one cycle. No permit can be taken twice in a cycle, so N is the bound.
func throughput(limits throttle.Limits, who rude, users, classes, cycles int, cycle, rtt time.Duration) float64 {
	l := throttle.New(throttle.Config{})
	begin := time.Now().Add(cycle)
	end := begin.Add(time.Duration(cycles) * cycle)
	var all sync.WaitGroup
	var mu sync.Mutex
	served := 0
	for user := range users {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(user)))
			name := fmt.Sprint(user)
			for time.Now().Before(end) {
				p, err := within(l, 2*time.Second, throttle.Request{Clinic: "a", Class: fmt.Sprint("e", rnd.IntN(classes)),
					Practitioner: name, Limits: limits})
				var refused *throttle.RefusedError
				if errors.As(err, &refused) {
					wait, another := who.next(refused.RetryAfter, rnd)
					if another {
						name = fmt.Sprint(user, " ", rnd.IntN(10))
					}
					time.Sleep(wait)
					continue
				}
				if at := time.Now(); !at.Before(begin) && at.Before(end) {
					mu.Lock()
					served++
					mu.Unlock()
				}
				time.Sleep(rtt)
				p.Done()
			}
		})
	}
	all.Wait()
	return float64(served) / float64(cycles)
}
