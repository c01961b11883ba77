package crash_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// practitioner is one signed-in browser of a site with one account.
func (s *site) practitioner(login string) *browser {
	s.t.Helper()
	b := s.browser()
	a, err := b.signIn(login)
	if err != nil || a.status != http.StatusSeeOther {
		s.t.Fatalf("sign-in: %v %v", a, err)
	}
	return b
}

// approved begins an authorization and has it allowed at the platform.
func (b *browser) approved() (state, back string) {
	t := b.site.t
	t.Helper()
	state = newState()
	where, a, err := b.begin("jane", b.site.sandbox.Clinics()[0].URL, state)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("connect: %v %v", a, err)
	}
	back, err = b.site.sandbox.Approve(where, "robin@example.test", false)
	must(t, err)
	return state, back
}

// connected makes a connection.
func (b *browser) connected() (id string) {
	t := b.site.t
	t.Helper()
	state, back := b.approved()
	if a, err := b.callback(back); err != nil || a.status != http.StatusSeeOther {
		t.Fatalf("callback: %v %v", a, err)
	}
	outcome, _, err := b.outcome(state)
	if err != nil || outcome.Code != shared.OutcomeConnected {
		t.Fatalf("outcome: %+v %v", outcome, err)
	}
	return outcome.Connection
}

// sent is how often a code was presented to the token endpoint.
func sent(box *sandbox.Sandbox, back string) (n int) {
	u, _ := url.Parse(back)
	for _, r := range box.Requests(sandbox.EndpointExchange) {
		if r.Form().Get("code") == u.Query().Get("code") {
			n++
		}
	}
	return n
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestT017KilledDuringTheCallback kills the server at one moment of a callback, starts it again and repeats the callback,
// as a browser does that is opened again. The code is sent at most once, ever; and either the practitioner is connected,
// or is told to begin again, which works.
func TestT017KilledDuringTheCallback(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada")
	while := func(held sandbox.Endpoint) func(*process) func(<-chan answer) {
		return func(p *process) func(<-chan answer) {
			before := box.Count(held)
			box.Slow(held, 400*time.Millisecond, 1)
			return func(<-chan answer) {
				eventually(t, "the request arrives", func() bool { return box.Count(held) > before })
				p.kill()
			}
		}
	}
	at := func(file, rule string) func(*process) func(<-chan answer) {
		return func(p *process) func(<-chan answer) {
			tr := s.inject(p, file, rule)
			return func(answered <-chan answer) {
				for len(answered) == 0 { // it comes, for lack of so many calls, or fails with the server
					select {
					case <-p.exited:
					case <-time.After(time.Millisecond):
						continue
					}
					break
				}
				p.kill()
				tr.end()
			}
		}
	}
	type moment struct {
		name string
		arm  func(*process) (strike func(answered <-chan answer))
	}
	moments := []moment{
		{"the token request is held by the platform", while(sandbox.EndpointExchange)},
		{"the state is spent and nothing is sent", at("", "connect:signal=KILL:when=1")},
		{"the keys are fetched to check the answer", while(sandbox.EndpointCerts)},
	}
	for _, n := range every(t, 9, 1, 2, 3, 5) {
		moments = append(moments, moment{fmt.Sprintf("sync %d of the vault", n), at(s.database(), when("fdatasync", "signal=KILL", n))})
	}
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) { killedDuring(t, s, m.arm) })
	}
}

func killedDuring(t *testing.T, s *site, arm func(*process) (strike func(<-chan answer))) {
	p := s.start().serving()
	b := s.practitioner("ada")
	state, back := b.approved()
	strike := arm(p)
	answered := make(chan answer, 1)
	go func() {
		a, _ := b.callback(back)
		answered <- a
	}()
	strike(answered)
	first := <-answered
	s.sandbox.Calm()
	p = s.start().serving()
	defer p.kill()
	again, err := b.callback(back)
	if err != nil {
		t.Fatalf("the callback repeated: %v", err)
	}
	if n := sent(s.sandbox, back); n > 1 {
		t.Errorf("the code was sent %d times", n)
	}
	all, _, err := b.list()
	must(t, err)
	told := again.status == http.StatusBadRequest && strings.Contains(string(again.body), "error=attempt_unknown")
	outcome, _, err := b.outcome(state)
	must(t, err)
	switch {
	case len(all) == 1: // whole, or not at all
		if a, err := b.call(all[0].ID, "GET", "/appointments", ""); err != nil || a.status != http.StatusOK {
			t.Errorf("half a connection: %v %v", a, err)
		}
	case len(all) == 0 && told && outcome.Code == "" && first.status == 0:
	default:
		t.Errorf("%d connections, first %v, then %v, outcome %q\n%s", len(all), first, again, outcome.Code, again.body)
	}
	t.Logf("%d connections, callback %v, repeated %v, outcome %q, code sent %d times", len(all), first, again, outcome.Code, sent(s.sandbox, back))
	id := b.connected()
	if a, err := b.disconnect(id); err != nil || a.status != http.StatusOK {
		t.Errorf("begun again and disconnected: %v %v", a, err)
	}
}

// TestT017FiftyCallbacksAtOnce: one of them connects, and the code is sent once.
func TestT017FiftyCallbacksAtOnce(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada")
	p := s.start().serving()
	b := s.practitioner("ada")
	_, back := b.approved()
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			a, err := b.as(b.session).callback(back)
			mu.Lock()
			defer mu.Unlock()
			if statuses[a.status]++; err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, _, err := b.list()
	must(t, err)
	if n := sent(box, back); n != 1 || statuses[http.StatusSeeOther] != 1 || statuses[http.StatusBadRequest] != 49 || len(list) != 1 {
		t.Errorf("the code was sent %d times, %v, %d connections", n, statuses, len(list))
	}
	if code := p.stop(); code != 0 {
		t.Errorf("stopped with %d", code)
	}
}
