package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// cycles is how many times to kill: LOCUM_CRASH, or a few.
func cycles(t testing.TB) int {
	text := os.Getenv("LOCUM_CRASH")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// campaigning is whether every call is to fail once, and not a sample of them.
func campaigning(t testing.TB) bool { return cycles(t) >= 100 }

// TestT066KillNine kills the server in the middle of everything that practitioners do, over and over. What was
// acknowledged is there after each start, what was ended stays ended, every request that a clinic saw has its intent in
// the audit trail (T112), and no code is sent twice (T017).
func TestT066KillNine(t *testing.T) {
	logins := []string{"ada", "ben", "cleo", "dan"}
	box := newSandbox(t)
	c := &campaign{site: newSite(t, box, logins...), box: box, ledger: newLedger(t, box), score: &score{}, seed: rand.Uint64()}
	for i, login := range logins {
		c.people = append(c.people, newPerson(c.site, login, c.seed+uint64(i), c.score, c.ledger))
	}
	c.dice = rand.New(rand.NewPCG(c.seed, 0))
	box.SetLifetimes(3*time.Second, 10*time.Minute) // by the clinic's whole seconds it may be one less; idle is never the reason
	for id, realm := range platforms {
		box.SetKindOf(realm, map[bool]sandbox.Kind{true: sandbox.KindK1, false: sandbox.KindK0}[strict[id]])
	}
	start, n := time.Now(), cycles(t)
	t.Logf("seed %d", c.seed)
	for i := range n {
		c.cycle(i)
		if t.Failed() {
			t.Logf("stopped behind cycle %d", i)
			break
		}
	}
	took := time.Since(start)
	c.finish(t)
	t.Logf("%v", c.score)
	if c.score.acknowledged == 0 || c.score.calls == 0 || c.ledger.requests == 0 {
		t.Error("nothing was acknowledged or called, so nothing is proved")
	}
	t.Logf("%d refreshes, %d refresh tokens presented again, %d of those spent, %d codes, %d requests at the clinics, %d torn tails",
		c.ledger.refreshes, c.ledger.replays, box.SpentPresented(), c.ledger.codes, c.ledger.requests, c.ledger.torn)
	t.Logf("%d operator's commands, %d of them killed; %.1f cycles/s", c.commands, c.cut, float64(n)/took.Seconds())
}

type campaign struct {
	site   *site
	box    *sandbox.Sandbox
	people []*person
	ledger *ledger
	score  *score
	dice   *rand.Rand
	seed   uint64

	commands, cut int
	added         []string // accounts whose adding was acknowledged
}

// cycle is one life of the server: it starts, is held against the model, works, and is killed 5 to 500 ms later; one in
// eight is killed while it starts.
func (c *campaign) cycle(i int) {
	p := c.site.start()
	defer func() {
		if c.site.t.Failed() {
			said := p.said()
			c.site.t.Logf("the server said:\n%s", said[max(0, len(said)-8000):])
		}
	}()
	if c.dice.IntN(8) == 0 {
		select {
		case <-time.After(time.Duration(c.dice.IntN(60)) * time.Millisecond):
		case <-p.exited:
		}
		p.kill()
	} else {
		p.serving()
		c.each((*person).check)
		if c.dice.IntN(3) == 0 { // so that the kill finds token requests on their way
			c.box.Slow(sandbox.EndpointToken, time.Duration(50+c.dice.IntN(250))*time.Millisecond, 3)
		}
		after := time.Duration(5+c.dice.IntN(496)) * time.Millisecond
		ctx, cancel := context.WithTimeout(context.Background(), after)
		timer := time.AfterFunc(after, p.kill)
		c.each(func(p *person) { p.live(ctx) })
		cancel()
		timer.Stop()
		p.kill()
		c.box.Calm()
	}
	c.score.add(func(s *score) { s.cycles++ })
	c.ledger.read(c.site, c.site.auditKey())
	if i%10 == 0 || !campaigning(c.site.t) {
		c.site.verify()
	}
	if c.dice.IntN(4) == 0 {
		c.operate()
	}
}

func (c *campaign) each(do func(*person)) {
	var all sync.WaitGroup
	for _, p := range c.people {
		all.Go(func() { do(p) })
	}
	all.Wait()
}

// operate runs one of the operator's commands, and kills most of them: what they say is done is done.
func (c *campaign) operate() {
	kill := time.Duration(0)
	if c.dice.IntN(4) != 0 {
		kill = time.Duration(1+c.dice.IntN(100)) * time.Millisecond
	}
	c.commands++
	var e ended
	switch c.dice.IntN(3) {
	case 0:
		e = c.site.do(kill, "", "compact")
	case 1:
		e = c.site.do(kill, clientSecret, "secret", "set", "jane")
	default:
		login := fmt.Sprintf("new%d", c.commands)
		if e = c.site.do(kill, password, "account", "add", login, "--name", "New"); e.code == 0 {
			c.added = append(c.added, login)
			c.score.add(func(s *score) { s.acknowledged++ })
		}
	}
	switch {
	case e.code == -1:
		c.cut++
	case e.code != 0:
		c.site.t.Errorf("an operator's command ended with %d: %s", e.code, e.err)
	}
}

// finish starts once more, holds everything against the model, stops in order and lets the operator verify.
func (c *campaign) finish(t *testing.T) {
	p := c.site.start().serving()
	c.each((*person).check)
	c.each((*person).settled)
	if code := p.stop(); code != 0 {
		t.Errorf("the server stopped with %d:\n%s", code, p.said())
	}
	c.ledger.read(c.site, c.site.auditKey())
	t.Log(c.site.must("", "audit", "verify"))
	list := c.site.must("", "account", "list")
	for _, login := range c.added {
		if !containsLine(list, login+"\t") {
			t.Errorf("LOST: the account of %s", login)
		}
	}
}
