package throttle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// sentOnce is one request as the trail has it. Its zero end means that its sender was killed first.
type sentOnce struct {
	class, who string
	end        time.Time
	answered   bool
	unsent     bool
	killed     time.Time
}

// lives is a process that is killed again and again, and what a durable trail says of each request.
type lives struct {
	both   throttle.Limits
	orphan time.Duration
	seen   *counter
	mu     sync.Mutex
	trail  []*sentOnce
	rnd    *rand.Rand
}

func (v *lives) note(s *sentOnce, end, answered, unsent bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !end {
		v.trail = append(v.trail, s)
		return
	}
	s.end, s.answered, s.unsent = time.Now(), answered, unsent
}

// past is what the next process is told: never more than is true.
func (v *lives) past() (sent []throttle.Sent) {
	for _, s := range v.trail {
		if s.end.IsZero() && s.killed.IsZero() {
			s.killed = time.Now()
		}
		one := throttle.Sent{Clinic: "a", Class: s.class, Practitioner: s.who, Limits: v.both, Answered: s.answered}
		if one.Ago = time.Since(s.end); s.end.IsZero() {
			one.Ago = time.Since(s.killed)
		}
		if !s.unsent && one.Ago < time.Hour {
			sent = append(sent, one)
		}
	}
	return sent
}

// live saturates the rules for a while and is killed: requests on their way reach the platform, or do so later, or never.
func (v *lives) live(t *testing.T, l *throttle.Limiter, long time.Duration) {
	ctx, kill := context.WithTimeout(t.Context(), long)
	defer kill()
	var all sync.WaitGroup
	for user := range 20 {
		rnd := rand.New(rand.NewPCG(v.rnd.Uint64(), uint64(user)))
		all.Go(func() {
			for ctx.Err() == nil {
				v.call(ctx, l, rnd, fmt.Sprint("e", rnd.IntN(3)), fmt.Sprint(user))
			}
		})
	}
	all.Wait()
}

func (v *lives) call(ctx context.Context, l *throttle.Limiter, rnd *rand.Rand, class, who string) {
	wait, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	p, err := l.Acquire(wait, throttle.Request{Clinic: "a", Class: class, Practitioner: who, Limits: v.both})
	if err != nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rnd.Int64N(int64(time.Second)))):
		}
		return
	}
	s := &sentOnce{class: class, who: who}
	v.note(s, false, false, false)
	killed := func(most time.Duration) bool {
		if rnd.IntN(2) == 0 {
			most = 1
		}
		select {
		case <-ctx.Done():
			return true
		case <-time.After(time.Duration(rnd.Int64N(int64(most)))):
			return ctx.Err() != nil
		}
	}
	later := func() {
		late := time.Duration(rnd.Int64N(int64(v.orphan)))
		v.seen.late.Go(func() {
			time.Sleep(late)
			v.seen.count(class)
		})
	}
	switch kind := rnd.IntN(20); {
	case kind == 0:
		if !killed(time.Second) {
			p.Unsent()
			v.note(s, true, false, true)
		}
		return
	case kind == 1: // given up
		if !killed(time.Second) {
			p.Abandon()
			v.note(s, true, false, false)
		}
		later()
		return
	}
	if killed(300 * time.Millisecond) {
		later()
		return
	}
	v.seen.count(class)
	if killed(300 * time.Millisecond) {
		return
	}
	p.Done()
	v.note(s, true, true, false)
}

// TestT104AcrossRestarts kills the process two hundred times while the rules are saturated. With what the trail says of the
// requests before, no window ever holds more than it may; without it, it does.
func TestT104AcrossRestarts(t *testing.T) {
	both := throttle.Limits{Endpoint: throttle.Limit{N: 10, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 25, Window: 7 * time.Second}}
	const orphan = 4 * time.Second
	for _, c := range []struct {
		name   string
		resume func(*throttle.Limiter, *lives) error
		long   time.Duration // a life at most
		holds  bool
	}{
		{"by the trail", func(l *throttle.Limiter, v *lives) error { return l.Resume(v.past()) }, 9 * time.Second, true},
		{"knowing nothing", func(l *throttle.Limiter, v *lives) error { l.Forget(0); return nil }, 40 * time.Second, true},
		{"by half a trail", func(l *throttle.Limiter, v *lives) error { // what is older than two seconds is not known
			sent := v.past()
			var young []throttle.Sent
			for _, s := range sent {
				if s.Ago < 2*time.Second {
					young = append(young, s)
				}
			}
			l.Forget(2 * time.Second)
			return l.Resume(young)
		}, 40 * time.Second, true},
		{"T104 the test sees it when the past is forgotten", func(*throttle.Limiter, *lives) error { return nil }, 9 * time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &lives{both: both, orphan: orphan, rnd: rand.New(rand.NewPCG(7, 7)),
					seen: &counter{begin: time.Now(), class: map[string][]time.Duration{}}}
				for range whole(20, 200) {
					l := throttle.New(throttle.Config{Margin: 1, Orphan: orphan})
					if err := c.resume(l, v); err != nil {
						t.Fatal(err)
					}
					v.live(t, l, time.Duration(v.rnd.Int64N(int64(c.long))))
					time.Sleep(time.Duration(v.rnd.Int64N(int64(time.Second))))
				}
				took := time.Since(v.seen.begin)
				v.seen.late.Wait()
				over := false
				for class, times := range v.seen.class {
					limit := both.Endpoint
					if class == "clinic" {
						limit = both.Clinic
					}
					if c.holds {
						checkWindows(t, class, times, limit)
					}
					over = over || worst(times, limit.Window) > limit.N
				}
				if over == c.holds {
					t.Errorf("a window overflows: %v", over)
				}
				all := v.seen.class["clinic"]
				t.Logf("%d requests in %s, %.0f %% of what a process that never dies may send; worst window %d of %d", len(all), took,
					100*float64(len(all))/(took.Seconds()/both.Clinic.Window.Seconds()*float64(both.Clinic.N)), worst(all, both.Clinic.Window), both.Clinic.N)
			})
		})
	}
}

// TestT104ReturnTimes: when exactly the permits of an earlier process are back, and what one is told until then.
func TestT104ReturnTimes(t *testing.T) {
	const window, margin, orphan = 10 * time.Second, time.Second, 30 * time.Second
	both := limits(1, window)
	for _, c := range []struct {
		name string
		past func(*throttle.Limiter) error
		want time.Duration
	}{
		{"nothing sent", func(l *throttle.Limiter) error { return l.Resume(nil) }, 0},
		{"answered 4 s ago", func(l *throttle.Limiter) error {
			return l.Resume([]throttle.Sent{{Clinic: "jane https://a", Class: "patients", Limits: both, Ago: 4 * time.Second, Answered: true}})
		}, window + margin - 4*time.Second},
		{"its sender was killed 4 s ago", func(l *throttle.Limiter) error {
			return l.Resume([]throttle.Sent{{Clinic: "jane https://a", Class: "patients", Limits: both, Ago: 4 * time.Second}})
		}, orphan + window + margin - 4*time.Second},
		{"another class", func(l *throttle.Limiter) error {
			return l.Resume([]throttle.Sent{{Clinic: "jane https://a", Class: "company", Limits: both, Ago: 4 * time.Second}})
		}, 0},
		{"another clinic", func(l *throttle.Limiter) error {
			return l.Resume([]throttle.Sent{{Clinic: "jane https://b", Class: "patients", Limits: both, Ago: 4 * time.Second}})
		}, 0},
		{"long ago", func(l *throttle.Limiter) error {
			return l.Resume([]throttle.Sent{{Clinic: "jane https://a", Class: "patients", Limits: both, Ago: time.Minute}})
		}, 0},
		{"frozen 4 s ago", func(l *throttle.Limiter) error {
			return l.Refreeze(request("patients", both), false, 4*time.Second, 20*time.Second)
		}, 16 * time.Second},
		{"the clinic frozen 4 s ago", func(l *throttle.Limiter) error {
			return l.Refreeze(request("company", both), true, 4*time.Second, 20*time.Second)
		}, 16 * time.Second},
		{"another class frozen", func(l *throttle.Limiter) error {
			return l.Refreeze(request("company", both), false, 4*time.Second, 20*time.Second)
		}, 0},
		{"frozen long ago", func(l *throttle.Limiter) error {
			return l.Refreeze(request("patients", both), false, 40*time.Second, 20*time.Second)
		}, 0},
		{"not known", func(l *throttle.Limiter) error { l.Forget(0); return nil }, orphan + window + margin},
		{"not known what was before 4 s", func(l *throttle.Limiter) error { l.Forget(4 * time.Second); return nil }, orphan + window + margin - 4*time.Second},
		{"not known, said late", func(l *throttle.Limiter) error {
			defer l.Forget(0)
			return l.Resume([]throttle.Sent{{Clinic: "jane https://a", Class: "patients", Limits: both, Ago: 9 * time.Second, Answered: true}})
		}, orphan + window + margin},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: margin, Orphan: orphan})
				if err := c.past(l); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				a, whole := l.Budget("jane https://a", "patients", both)
				if whole.Reset > a.Reset {
					a = whole
					a.Limit /= 10
				}
				if a.Reset != c.want || a.Limit != 1 || (a.Remaining == 0) != (c.want > 0) {
					t.Errorf("budget %+v, want %s", a, c.want)
				}
				mustAcquire(t, l, request("patients", both))
				if got := time.Since(begin); got != c.want {
					t.Errorf("a permit after %s, want %s", got, c.want)
				}
			})
		})
	}
}

// TestT104TooManyKeys: what cannot be remembered is refused, so that the caller can be safe another way.
func TestT104TooManyKeys(t *testing.T) {
	l := throttle.New(throttle.Config{MaxKeys: 4})
	var sent []throttle.Sent
	for i := range 3 {
		sent = append(sent, throttle.Sent{Clinic: fmt.Sprint(i), Class: "x", Limits: limits(1, time.Minute)})
	}
	if err := l.Resume(sent); err == nil {
		t.Error("three clinics fit into four keys")
	}
	l.Forget(0)
	for i := range 3 {
		r := throttle.Request{Clinic: fmt.Sprint(i), Class: "x", Practitioner: "p", Limits: limits(1, time.Minute)}
		wantRefused(t, second(within(l, time.Second, r)))
	}
}
