package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/throttle"
)

// jane is what Jane's guide says: 100 a minute per endpoint and clinic, 600 in five minutes per clinic.
var jane = throttle.Limits{
	Endpoint: throttle.Limit{N: 100, Window: time.Minute},
	Clinic:   throttle.Limit{N: 600, Window: 5 * time.Minute},
}

func limits(n int, window time.Duration) throttle.Limits {
	return throttle.Limits{Endpoint: throttle.Limit{N: n, Window: window}, Clinic: throttle.Limit{N: 10 * n, Window: window}}
}

func request(class string, l throttle.Limits) throttle.Request {
	return throttle.Request{Clinic: "jane https://a", Class: class, Practitioner: "p", Limits: l}
}

func mustAcquire(t *testing.T, l *throttle.Limiter, r throttle.Request) *throttle.Permit {
	t.Helper()
	p, err := l.Acquire(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// within asks for a permit that can start within d.
func within(l *throttle.Limiter, d time.Duration, r throttle.Request) (*throttle.Permit, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return l.Acquire(ctx, r)
}

func wantRefused(t *testing.T, err error) *throttle.RefusedError {
	t.Helper()
	var refused *throttle.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a RefusedError", err)
	}
	return refused
}

func TestReturnTimes(t *testing.T) {
	const window, margin, orphan = 10 * time.Second, time.Second, 30 * time.Second
	cases := []struct {
		name   string
		report func(*throttle.Permit)
		back   time.Duration
	}{
		{"done", (*throttle.Permit).Done, window + margin},
		{"abandoned", (*throttle.Permit).Abandon, orphan + window + margin},
		{"unsent", (*throttle.Permit).Unsent, 0},
		{"reported twice", func(p *throttle.Permit) { p.Done(); p.Unsent(); p.Abandon() }, window + margin},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: margin, Orphan: orphan})
				r := request("patients", limits(1, window))
				p := mustAcquire(t, l, r)
				time.Sleep(3 * time.Second) // the answer takes its time: the window begins at its end
				c.report(p)
				if c.back > 0 {
					wantRefused(t, second(within(l, c.back-1, r)))
					time.Sleep(c.back - 1)
					if a, _ := l.Budget(r.Clinic, r.Class, r.Limits); a.Remaining != 0 || a.Reset != 1 {
						t.Fatalf("budget one nanosecond before: %+v", a)
					}
					time.Sleep(time.Nanosecond)
				}
				if a, _ := l.Budget(r.Clinic, r.Class, r.Limits); a.Remaining != 1 {
					t.Fatalf("budget: %+v", a)
				}
				mustAcquire(t, l, r)
			})
		})
		t.Run(c.name+", waited for", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := throttle.New(throttle.Config{Margin: margin, Orphan: orphan})
				r := request("patients", limits(1, window))
				c.report(mustAcquire(t, l, r))
				begin := time.Now()
				mustAcquire(t, l, r)
				if got := time.Since(begin); got != c.back {
					t.Fatalf("served after %s, want exactly %s", got, c.back)
				}
			})
		})
	}
}

// TestBothOrNone: a call that finds its class free and its clinic full takes neither.
func TestBothOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		both := throttle.Limits{Endpoint: throttle.Limit{N: 5, Window: time.Minute}, Clinic: throttle.Limit{N: 2, Window: 5 * time.Minute}}
		mustAcquire(t, l, request("a", both)).Done()
		mustAcquire(t, l, request("b", both)).Done()
		refused := wantRefused(t, second(within(l, time.Second, request("c", both))))
		if refused.Key != "jane https://a" || refused.RetryAfter != 5*time.Minute+time.Second {
			t.Fatalf("got %+v", refused)
		}
		if a, clinic := l.Budget("jane https://a", "c", both); a.Remaining != 5 || clinic.Remaining != 0 {
			t.Fatalf("class %+v, clinic %+v", a, clinic)
		}
		if _, err := within(l, time.Second, throttle.Request{Clinic: "other", Class: "c", Limits: both}); err != nil {
			t.Fatalf("another clinic: %v", err)
		}
	})
}

func second[A, B any](_ A, b B) B { return b }

func TestWaitingOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{Margin: 1})
		one := limits(1, time.Second)
		mustAcquire(t, l, request("x", one)).Done()
		var mu sync.Mutex
		var got []string
		start := func(name string, background bool) {
			r := request("x", one)
			r.Background = background
			go func() {
				p, err := l.Acquire(context.Background(), r)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				got = append(got, name)
				mu.Unlock()
				p.Done()
			}()
			synctest.Wait()
		}
		start("b1", true)
		start("b2", true)
		for i := range 9 {
			start(fmt.Sprintf("i%d", i+1), false)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"i1", "i2", "i3", "i4", "b1", "i5", "i6", "i7", "i8", "b2", "i9"}
		if !slices.Equal(got, want) {
			t.Fatalf("order %v, want %v", got, want)
		}
	})
}

// TestBlockedClassLetsOthersPass: a queue for one endpoint is none for another.
func TestBlockedClassLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		one := limits(1, time.Minute)
		mustAcquire(t, l, request("x", one)).Done()
		go l.Acquire(t.Context(), request("x", one))
		synctest.Wait()
		begin := time.Now()
		mustAcquire(t, l, request("y", one))
		if time.Since(begin) != 0 {
			t.Fatal("y waited for x")
		}
	})
}

func TestCancelFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{MaxQueue: 2})
		one := limits(1, 10*time.Second)
		held := mustAcquire(t, l, request("x", one))
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- second(l.Acquire(ctx, request("x", one))) }()
		synctest.Wait()
		served := make(chan time.Time, 1)
		go func() {
			if _, err := l.Acquire(context.Background(), request("x", one)); err == nil {
				served <- time.Now()
			}
		}()
		synctest.Wait()
		wantRefused(t, second(within(l, time.Hour, request("x", one)))) // the queue is full
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		held.Done()
		begin := time.Now()
		if at := <-served; at.Sub(begin) != 11*time.Second {
			t.Fatalf("the second waited %s", at.Sub(begin))
		}
	})
}

// TestServedInTheMomentOfCancel: whatever the race says, the permit is not lost.
func TestServedInTheMomentOfCancel(t *testing.T) {
	for range 200 {
		l := throttle.New(throttle.Config{})
		one := limits(1, time.Hour)
		held := mustAcquire(t, l, request("x", one))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan *throttle.Permit)
		go func() { p, _ := l.Acquire(ctx, request("x", one)); result <- p }()
		go cancel()
		held.Unsent()
		if p := <-result; p != nil {
			p.Unsent()
		}
		if a, _ := l.Budget("jane https://a", "x", one); a.Remaining != 1 {
			t.Fatalf("a permit is lost: %+v", a)
		}
	}
}

func TestT108KeysCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{MaxKeys: 20})
		one := limits(1, time.Minute)
		for i := range 10 {
			mustAcquire(t, l, throttle.Request{Clinic: fmt.Sprint(i), Class: "x", Limits: one}).Done()
		}
		r := throttle.Request{Clinic: "late", Class: "x", Limits: one}
		refused := wantRefused(t, second(l.Acquire(t.Context(), r)))
		if refused.Key != "keys" {
			t.Fatalf("got %+v", refused)
		}
		if _, err := l.Acquire(t.Context(), throttle.Request{Clinic: "0", Class: "y", Limits: one}); err == nil {
			t.Fatal("a class too many was taken")
		}
		time.Sleep(refused.RetryAfter + time.Second)
		mustAcquire(t, l, r)
		held := mustAcquire(t, l, throttle.Request{Clinic: "busy", Class: "x", Limits: one}) // never swept while out
		for i := range 100 {
			mustAcquire(t, l, throttle.Request{Clinic: fmt.Sprint("n", i), Class: "x", Limits: one}).Unsent()
			time.Sleep(time.Second)
		}
		if a, _ := l.Budget("busy", "x", one); a.Remaining != 0 {
			t.Fatal("a key with a permit out was forgotten")
		}
		held.Done()
	})
}

func TestBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := throttle.New(throttle.Config{})
		clinic, classes := l.Budgets("jane https://a", jane)
		if clinic != (throttle.Allowance{Limit: 600, Remaining: 600}) || len(classes) != 0 {
			t.Fatalf("untouched: %+v %v", clinic, classes)
		}
		for range 3 {
			mustAcquire(t, l, request("patients", jane)).Done()
		}
		mustAcquire(t, l, request("company", jane))
		clinic, classes = l.Budgets("jane https://a", jane)
		if clinic.Remaining != 596 || classes["patients"].Remaining != 97 || classes["company"].Remaining != 99 {
			t.Fatalf("%+v %v", clinic, classes)
		}
		time.Sleep(61 * time.Second)
		clinic, classes = l.Budgets("jane https://a", jane)
		if _, listed := classes["patients"]; listed || clinic.Remaining != 596 {
			t.Fatalf("%+v %v", clinic, classes)
		}
	})
}

func TestNoLimit(t *testing.T) {
	l := throttle.New(throttle.Config{})
	for range 1000 {
		p := mustAcquire(t, l, request("x", throttle.Limits{}))
		p.Done()
	}
}

func BenchmarkAcquireDone(b *testing.B) {
	l := throttle.New(throttle.Config{})
	r := request("patients", limits(1<<20, time.Second))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, err := l.Acquire(ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		p.Unsent()
	}
}

func BenchmarkAcquireReturn(b *testing.B) {
	l := throttle.New(throttle.Config{Margin: 1})
	r := request("patients", limits(600, time.Microsecond))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, err := l.Acquire(ctx, r)
		if err != nil {
			b.Fatal(err)
		}
		p.Done()
	}
}

func BenchmarkRefused(b *testing.B) {
	l := throttle.New(throttle.Config{})
	r := request("patients", limits(1, time.Hour))
	if _, err := l.Acquire(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	ctx, cancel := context.WithDeadline(b.Context(), time.Now().Add(10*time.Minute))
	defer cancel()
	for b.Loop() {
		r.Practitioner = fmt.Sprint(rnd.IntN(1000))
		if _, err := l.Acquire(ctx, r); err == nil {
			b.Fatal("served")
		}
	}
}
