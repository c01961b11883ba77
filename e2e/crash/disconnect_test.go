package crash_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT055KilledWhileDisconnecting kills the server while a practitioner disconnects, at moments from before anything to
// behind the platform's answer, and while a refresh is under way whose answer comes later. What is gone stays gone over
// another start, and its tokens are given back after it (T057); what is not gone works.
func TestT055KilledWhileDisconnecting(t *testing.T) {
	t.Parallel()
	sums := map[string]*ending{}
	var workers sync.WaitGroup
	for _, is := range rotations() {
		if is.name != "K0" && is.name != "K1" && (is.name != "O0" || !campaigning(t)) {
			continue
		}
		sum := &ending{}
		sums[is.name] = sum
		workers.Go(func() {
			t.Run(is.name, func(t *testing.T) {
				all := partings()
				n := len(all)
				if campaigning(t) {
					n = max(n, cycles(t)/15)
				}
				c := newChain(t, is, 1, &tally{})
				for i := 0; i < n && !t.Failed(); i++ {
					c.part(all[i%len(all)], sum)
				}
				if spent := c.box.SpentPresented(); spent > 0 {
					t.Errorf("%d spent refresh tokens were presented", spent)
				}
				c.site.verify()
			})
		})
	}
	workers.Wait()
	for name, s := range sums {
		t.Logf("%s: %d kills, %d acknowledged, %d gone, %d of those given back after the start, the slowest within %s",
			name, s.cycles, s.acknowledged, s.gone, s.late, s.slowest.Round(time.Millisecond))
		if s.gone == 0 {
			t.Errorf("%s: nothing was disconnected, so nothing is proved", name)
		}
	}
}

// ending is what is printed for a kind.
type ending struct {
	cycles, acknowledged, gone, late int
	slowest                          time.Duration
}

// parting is a moment of a disconnection.
type parting struct {
	name    string
	refresh bool // while a refresh is under way
	plan    func(*chain)
	strike  func(c *chain, base uint64, revocations int, ended <-chan answer)
}

func partings() []parting {
	deleted := func(c *chain, base uint64, _ int, ended <-chan answer) {
		until(ended, func() bool { return c.site.commits(c.t) > base })
	}
	told := func(c *chain, _ uint64, revocations int, ended <-chan answer) {
		until(ended, func() bool { return c.box.Count(sandbox.EndpointRevoke) > revocations })
	}
	return []parting{
		{name: "before anything", strike: func(*chain, uint64, int, <-chan answer) {}},
		{name: "the record is gone", strike: deleted},
		{name: "the revocation is sent", plan: func(c *chain) { c.box.Hang(sandbox.EndpointRevoke, 1) }, strike: told},
		{name: "the platform has revoked", plan: func(c *chain) { c.box.HangAfter(sandbox.EndpointRevoke, 1) },
			strike: func(c *chain, _ uint64, _ int, ended <-chan answer) { until(ended, c.givenBack) }},
		{name: "the platform is down", plan: func(c *chain) { c.box.Fail(sandbox.EndpointRevoke, 503, 1) }, strike: told},
		{name: "during a refresh", refresh: true, strike: deleted},
		{name: "at any time", strike: func(c *chain, _ uint64, _ int, ended <-chan answer) {
			end := time.Now().Add(time.Duration(c.dice.IntN(40_000)) * time.Microsecond)
			until(ended, func() bool { return time.Now().After(end) })
		}},
	}
}

// givenBack says whether the platform honours no refresh token any more.
func (c *chain) givenBack() bool {
	for _, one := range c.box.Chains() {
		if one.Ended == "" {
			return false
		}
	}
	return true
}

// part kills the server while the connection is disconnected.
func (c *chain) part(m parting, sum *ending) {
	c.t.Helper()
	c.process = c.site.start().serving()
	var called chan struct{}
	if m.refresh {
		called = c.refreshing()
	}
	if m.plan != nil {
		m.plan(c)
	}
	base, revocations := c.site.commits(c.t), c.box.Count(sandbox.EndpointRevoke)
	ended := make(chan answer, 1)
	go func() {
		a, _ := c.b.disconnect(c.id)
		ended <- a
	}()
	m.strike(c, base, revocations, ended)
	c.process.kill()
	first := <-ended
	if called != nil {
		<-called
	}
	c.box.Calm()
	given, began := c.givenBack(), time.Now()
	sum.cycles++
	c.process = c.site.start().serving()
	all, a, err := c.b.list()
	if err != nil || a.status != http.StatusOK {
		c.t.Fatalf("%s: list: %v %v", m.name, a, err)
	}
	if first.status == http.StatusOK {
		sum.acknowledged++
	}
	if len(all) > 0 {
		if first.status == http.StatusOK {
			c.t.Errorf("%s, %s: RESURRECTED: the disconnection was acknowledged", c.is.name, m.name)
		}
		switch a := c.settle(); {
		case a.code() == shared.CodeReconnectNeeded && m.refresh && c.is.human && c.cause() == "lost_answer":
			c.id = c.b.connected() // the refresh was lost with the server, before anything was disconnected
		case a.status != http.StatusOK:
			c.t.Errorf("%s, %s: half a connection: %v", c.is.name, m.name, a)
		}
		c.process.kill()
		return
	}
	sum.gone++
	if !given {
		sum.late++
		eventually(c.t, c.is.name+", "+m.name+": the tokens are given back", c.givenBack)
		sum.slowest = max(sum.slowest, time.Since(began))
	}
	c.process.kill()
	c.process = c.site.start().serving()
	if all, _, err := c.b.list(); err != nil || len(all) > 0 {
		c.t.Errorf("%s, %s: RESURRECTED at the second start: %v %v", c.is.name, m.name, all, err)
	}
	c.id = c.b.connected()
	c.process.kill()
}

// refreshing has a refresh on its way to a slow platform; the channel is closed when the call behind it has ended.
func (c *chain) refreshing() chan struct{} {
	c.box.RevokeAccess("", "")
	before := c.box.Count(sandbox.EndpointRefresh)
	c.box.Slow(sandbox.EndpointRefresh, 300*time.Millisecond, 1)
	called := make(chan struct{})
	go func() {
		defer close(called)
		_, _ = c.b.call(c.id, "GET", "/appointments", "")
	}()
	eventually(c.t, "a refresh under way", func() bool { return c.box.Count(sandbox.EndpointRefresh) > before })
	return called
}
