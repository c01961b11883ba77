package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/secret"
	"locum/bff/throttle"
)

// TestT105Frozen: after a 429 no request for its key arrives before the time is up, other keys flow, and the caller is
// told when to come back. The clock is virtual; the platform, the vault and the audit trail are real.
func TestT105Frozen(t *testing.T) {
	window, clinicWindow := time.Minute, 5*time.Minute
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	cases := []struct {
		name, match string
		retryAfter  func() string // nil: absent
		frozen      time.Duration
		clinic      bool
	}{
		{"seconds", "jdp_api/endpoint/clinic", func() string { return "30" }, 31 * time.Second, false},
		{"date", "", func() string { return date(30 * time.Second) }, 31 * time.Second, false},
		{"date, the platform's clock is slow", "", func() string { return date(30*time.Second-time.Hour) + "\r\nDate: " + date(-time.Hour) }, 31 * time.Second, false},
		{"absent", "", nil, window + time.Second, false},
		{"zero", "", func() string { return "0" }, 2 * time.Second, false},
		{"negative", "", func() string { return "-7" }, 2 * time.Second, false},
		{"10^9", "", func() string { return "1000000000" }, time.Hour + time.Second, false},
		{"garbage", "", func() string { return "soon" }, window + time.Second, false},
		{"clinic", "jdp_api/clinic", func() string { return "30" }, 31 * time.Second, true},
		{"clinic, absent", "jdp_api/clinic", nil, clinicWindow + time.Second, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newFake(t, "127.0.0.1:7001"), newFake(t, "127.0.0.1:7002")
				r := newRig(t, setup{fakes: []*fake{a, b}, limits: throttle.Limits{
					Endpoint: throttle.Limit{N: 100, Window: window}, Clinic: throttle.Limit{N: 600, Window: clinicWindow}}})
				header := "Content-Type: application/json"
				if c.retryAfter != nil {
					header += "\r\nRetry-After: " + c.retryAfter()
				}
				if c.match != "" {
					header += "\r\nX-Throttle-Match: " + c.match
				}
				a.always(reply(429, header, `{"object":"error","message":"CANARY"}`))
				_, err := r.do(r.request("GET", patients))
				own := wantCode(t, err, "budget_spent")
				if own.RetryAfter != c.frozen {
					t.Errorf("told to wait %s, want %s", own.RetryAfter, c.frozen)
				}
				a.always(jsonReply(200, ok))

				other := r.request("GET", patients)
				other.Connection = "c1"
				r.mustDo(other) // another clinic flows
				if _, err := r.do(r.request("GET", company)); (err != nil) != c.clinic {
					t.Errorf("another endpoint: %v", err)
				}
				arrived := len(a.seen())
				q := r.request("GET", patients+"/p1") // the same endpoint, whatever the path
				if c.frozen > 10*time.Second {
					var refused *throttle.RefusedError
					if _, err := r.do(q); !errors.As(err, &refused) || refused.RetryAfter != c.frozen {
						t.Errorf("got %v", err)
					}
					time.Sleep(c.frozen - 9*time.Second)
				}
				if len(a.seen()) != arrived {
					t.Error("sent while frozen")
				}
				began := a.times[0]
				r.mustDo(q) // waits for the rest
				if got := a.times[len(a.times)-1].Sub(began); got < c.frozen || got > c.frozen+time.Second {
					t.Errorf("the next request came after %s, want %s", got, c.frozen)
				}
				if strings.Contains(r.logged.String(), "CANARY") {
					t.Error("the platform's text is in the log")
				}
				freezes := 0
				for _, m := range r.records() {
					if m["kind"] == "freeze" {
						freezes++
					}
				}
				if freezes != 1 {
					t.Errorf("%d freezes recorded", freezes)
				}
			})
		})
	}
}

// TestT103CountedPerRequest: every request on the wire takes a permit of its own, and calls wait for their turn: the
// platform never sees more than its limit in any window, and nobody is turned away who has the time to wait.
func TestT103CountedPerRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5
		window := 3 * time.Second
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}, limits: throttle.Limits{
			Endpoint: throttle.Limit{N: n, Window: window}, Clinic: throttle.Limit{N: 100, Window: time.Minute}}})
		answered := make(chan error)
		for i := range 12 {
			path := patients
			if i%2 == 1 {
				path = fmt.Sprint(patients, "/p", i)
			}
			go func() {
				_, err := r.do(r.request("GET", path))
				answered <- err
			}()
		}
		for range 12 {
			must(t, <-answered)
		}
		for i := n; i < len(f.times); i++ {
			if f.times[i].Sub(f.times[i-n]) < window {
				t.Errorf("requests %d to %d came within %s", i-n, i, f.times[i].Sub(f.times[i-n]))
			}
		}
	})
}

// TestT108QueuePatience: a person's call waits for its turn no longer than somebody looks at a page, and is told at once
// when its turn is further off, whatever time its caller has. Work in the background waits as long as its caller says.
func TestT108QueuePatience(t *testing.T) {
	cases := []struct {
		name       string
		window     time.Duration
		background bool
		waits      time.Duration
		refused    bool
	}{
		{"soon", 13 * time.Second, false, 14 * time.Second, false},
		{"far", 20 * time.Second, false, 0, true},
		{"far, in the background", 20 * time.Second, true, 21 * time.Second, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, "127.0.0.1:7001")
				one := throttle.Limit{N: 1, Window: c.window}
				r := newRig(t, setup{fakes: []*fake{f}, limits: throttle.Limits{Endpoint: one, Clinic: plenty.Clinic}})
				r.mustDo(r.request("GET", patients))
				q := r.request("GET", patients)
				q.Background = c.background
				ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
				defer cancel()
				began := time.Now()
				err := r.proxy.Do(ctx, q, &fasthttp.Response{})
				var refused *throttle.RefusedError
				if got := time.Since(began); got != c.waits || errors.As(err, &refused) != c.refused {
					t.Errorf("%v after %s", err, got)
				}
			})
		})
	}
}

// TestCloseWaits: Close returns when the calls under way have ended, and refuses new ones.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}})
		f.answers(func(string) string {
			time.Sleep(5 * time.Second)
			return jsonReply(200, ok)
		})
		ended := make(chan error, 1)
		go func() { _, err := r.do(r.request("GET", patients)); ended <- err }()
		synctest.Wait()
		began := time.Now()
		r.proxy.Close()
		if time.Since(began) != 5*time.Second {
			t.Errorf("Close took %s", time.Since(began))
		}
		must(t, <-ended)
		_, err := r.do(r.request("GET", patients))
		wantCode(t, err, "platform_unavailable")
		if records := r.records(); len(records) != 3 || records[2]["kind"] != "refused" {
			t.Errorf("audit: %v", records)
		}
	})
}

// TestT127NothingBegins: when the context of a call ends, which is what stopping does to all of them, it does not wait for a
// turn, is not sent a second time after a 401, and is not begun even where its turn has come; what is sent ends by the
// platform's deadline. So Close waits for twenty seconds at the very most.
func TestT127NothingBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		one := throttle.Limit{N: 2, Window: 13 * time.Second}
		known := func(string) (secret.String, error) { return secret.New("SBX-client-secret"), nil }
		r := newRig(t, setup{fakes: []*fake{f}, secretOf: known, limits: throttle.Limits{Endpoint: one, Clinic: plenty.Clinic}})
		f.streams(hang)
		ctx, stop := context.WithCancel(t.Context())
		call := func() chan error {
			ended := make(chan error, 1)
			go func() { ended <- r.proxy.Do(ctx, r.request("GET", patients), &fasthttp.Response{}) }()
			synctest.Wait()
			return ended
		}
		black := call()
		f.answers(func(string) string { time.Sleep(5 * time.Second); return reply(401, "", "") })
		refused, waits := call(), call()
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		synctest.Wait()
		wantCode(t, <-waits, "platform_unavailable")
		other := r.request("GET", company)
		wantCode(t, r.proxy.Do(ctx, other, &fasthttp.Response{}), "platform_unavailable")
		r.proxy.Close()
		if took := time.Since(began); took != 19*time.Second {
			t.Errorf("Close took %s", took)
		}
		if err := <-refused; err == nil {
			t.Error("answered")
		}
		wantCode(t, <-black, "platform_unavailable")
		if n := len(f.seen()); n != 2 {
			t.Errorf("%d requests", n)
		}
		stale := newRig(t, setup{fakes: []*fake{f}, secretOf: known, stale: true})
		wantCode(t, stale.proxy.Do(ctx, stale.request("GET", patients), &fasthttp.Response{}), "platform_unavailable")
		for _, r := range []*rig{r, stale} {
			synctest.Wait()
			r.strangers.Range(func(addr, _ any) bool { t.Errorf("a refresh was begun: %v was dialled", addr); return true })
		}
		if _, err := stale.do(stale.request("GET", patients)); err == nil {
			t.Error("answered without a token")
		}
		if _, asked := stale.strangers.Load("127.0.0.1:9"); !asked {
			t.Error("this test would not see a refresh")
		}
	})
}

// TestSlowPlatform: a call ends by the platform's own deadline, and the end of the caller's patience does not shorten it.
func TestSlowPlatform(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}})
		f.answers(func(string) string {
			time.Sleep(15 * time.Second) // longer than the caller's ten
			return jsonReply(201, ok)
		})
		r.mustDo(r.write("POST", observations, "{}"))
		f.answers(func(string) string {
			time.Sleep(time.Minute)
			return jsonReply(201, ok)
		})
		began := time.Now()
		_, err := r.do(r.write("POST", observations, "{}"))
		wantCode(t, err, "outcome_unknown")
		if got := time.Since(began); got != 20*time.Second {
			t.Errorf("given up after %s", got)
		}
	})
}
