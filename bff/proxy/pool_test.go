package proxy_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// callers starts n calls, one after another so that their order is known, and gives where they leave what came of them.
func callers(r *rig, all *sync.WaitGroup, n int) []error {
	errs := make([]error, n)
	for i := range n {
		all.Go(func() { _, errs[i] = r.do(r.request("GET", patients)) })
		synctest.Wait()
	}
	return errs
}

// TestConnectionsAreShared: a herd makes a bounded number of connections, whose turn it is comes in order, and nobody is
// left out.
func TestConnectionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		var busy, most atomic.Int32
		f.answers(func(string) string {
			now := busy.Add(1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			time.Sleep(time.Second)
			busy.Add(-1)
			return jsonReply(200, ok)
		})
		r := newRig(t, setup{fakes: []*fake{f}})
		var all sync.WaitGroup
		errs := callers(r, &all, 500)
		if n := r.proxy.Lines(); n != 128 {
			t.Errorf("%d connections for 500 calls", n)
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil || most.Load() != 128 || len(f.seen()) != 500 {
			t.Errorf("%d at once, %d requests, %v", most.Load(), len(f.seen()), err)
		}
		at := f.times
		for i, want := range map[int]time.Duration{127: 0, 128: time.Second, 255: time.Second, 256: 2 * time.Second, 499: 3 * time.Second} {
			if got := at[i].Sub(at[0]); got != want {
				t.Errorf("request %d came after %v, want %v", i, got, want)
			}
		}
		if n := r.proxy.Lines(); n != 128 {
			t.Errorf("%d connections afterwards", n)
		}
	})
}

// TestWaitersKeepOrder: who came first is served first, on a connection that came free or on a new one in the place of
// one that broke.
func TestWaitersKeepOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		f.answers(func(request string) string {
			time.Sleep(time.Second)
			if strings.Contains(request, "fr-CA") {
				return ""
			}
			return jsonReply(200, ok)
		})
		r := newRig(t, setup{fakes: []*fake{f}})
		var all sync.WaitGroup
		var mu sync.Mutex
		var order []int
		for i := range 384 {
			all.Go(func() {
				q := r.request("GET", patients)
				if i < 128 && i%2 == 0 {
					q.AcceptLanguage = "fr-CA" // their connections end without an answer
				}
				_, err := r.do(q)
				mu.Lock()
				defer mu.Unlock()
				if order = append(order, i/128); (err != nil) != (i < 128 && i%2 == 0) {
					t.Errorf("call %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		for i, group := range order {
			if group != i/128 {
				t.Fatalf("call %d of the row was one of group %d", i, group)
			}
		}
		if n := r.proxy.Lines(); n != 128 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestWaitersLeave: who waits no longer has sent nothing, has spent no permit and takes nobody's connection; more than
// can wait are told at once; and afterwards every connection can be had again.
func TestWaitersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		silent := make(chan struct{})
		f.answers(func(string) string { <-silent; return jsonReply(200, ok) })
		r := newRig(t, setup{fakes: []*fake{f}})
		var all sync.WaitGroup
		errs := callers(r, &all, 128)
		ctx, leave := context.WithCancel(context.Background())
		gone := make([]error, 384)
		for i := range gone {
			all.Go(func() {
				out := fasthttp.Response{}
				gone[i] = r.proxy.Do(ctx, r.write("POST", observations, "{}"), &out)
			})
		}
		synctest.Wait()
		if _, err := r.do(r.request("GET", patients)); err == nil || !strings.Contains(err.Error(), "too many connections") {
			t.Errorf("one too many: %v", err)
		}
		leave()
		synctest.Wait()
		for _, err := range gone {
			wantCode(t, err, "platform_unavailable")
		}
		late := callers(r, &all, 4)
		close(silent)
		all.Wait()
		if err := errors.Join(append(errs, late...)...); err != nil || len(f.seen()) != 132 {
			t.Errorf("%d requests, %v", len(f.seen()), err)
		}
		again := callers(r, &all, 128)
		all.Wait()
		if err := errors.Join(again...); err != nil {
			t.Error(err)
		}
		if clinic, _ := r.proxy.Budgets("jane", f.origin); clinic.Limit-clinic.Remaining != 260 {
			t.Errorf("%d permits spent", clinic.Limit-clinic.Remaining)
		}
		if n := r.proxy.Lines(); n != 128 {
			t.Errorf("%d connections", n)
		}
	})
}

// TestWaitersOfADeadClinic: where nobody can be reached, those who wait learn so with those who tried.
func TestWaitersOfADeadClinic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		var dialled atomic.Int32
		r := newRig(t, setup{fakes: []*fake{f}, dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialled.Add(1)
			<-ctx.Done()
			return nil, os.ErrDeadlineExceeded
		}})
		var all sync.WaitGroup
		began := time.Now()
		errs := callers(r, &all, 400)
		all.Wait()
		if took := time.Since(began); took != 5*time.Second || dialled.Load() != 128 {
			t.Errorf("%d tried in %v", dialled.Load(), took)
		}
		for _, err := range errs {
			wantCode(t, err, "platform_unavailable")
		}
		if n := r.proxy.Lines(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}
