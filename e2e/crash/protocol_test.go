package crash_test

import (
	endian "encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// rotation is an identity server, what Locum is told of it, and what a lost answer costs there (refresh-protocol, D2).
type rotation struct {
	name   string
	kind   sandbox.Kind
	leeway time.Duration
	policy string   // lines of the configuration
	human  bool     // whoever lost an answer has to connect again; every doubt takes 15 s, as with K2
	share  int      // of the campaign's cycles, in twentieths
	few    []string // steps of the short version; none: all
}

func rotations() []rotation {
	return []rotation{
		{"K0", sandbox.KindK0, 0, "    refresh: {rotation: none}\n", false, 3, nil},
		{"K1", sandbox.KindK1, 0, "    refresh: {rotation: strict}\n", true, 5, []string{stepSent, stepCommitted, stepStored}},
		{"K2", sandbox.KindK2, 0, "    refresh: {rotation: reuse, reuse: 1}\n", false, 3, []string{stepSent, stepCommitted, stepStored}},
		{"O0", sandbox.KindO0, 0, "    refresh: {rotation: static}\n", false, 3, nil},
		{"O1 inside the leeway", sandbox.KindO1, 30 * time.Second, "    refresh: {rotation: leeway, leeway: 30s}\n", false, 3, nil},
		{"O1 behind the leeway", sandbox.KindO1, 5 * time.Second, "    refresh: {rotation: leeway, leeway: 5s}\n", true, 2, []string{stepCommitted, stepSent}},
		{"K1, not known", sandbox.KindK1, 0, "", true, 1, []string{stepCommitted}},
	}
}

// Steps that are named in more than one place.
const (
	stepSent      = "the request is sent"
	stepCommitted = "the platform has committed"
	stepStored    = "the answer is stored"
)

// take gives the steps that this kind goes through, and how many chains share them.
func (is rotation) take(t testing.TB) (all []step, n, lanes int) {
	all = steps()
	switch {
	case campaigning(t) && (is.human || is.kind == sandbox.KindK2):
		return all, cycles(t) * is.share / 20, 5
	case campaigning(t):
		return all, cycles(t) * is.share / 20, 1
	case is.few == nil:
		return all, len(all), 1
	}
	all = slices.DeleteFunc(all, func(s step) bool { return !slices.Contains(is.few, s.name) })
	return all, len(all), len(all)
}

// step is a moment of a refresh. strike is called when the call that leads to it is on its way, and returns when the moment
// has come or the call has ended.
type step struct {
	name   string
	plan   func(*chain)
	strike func(c *chain, base uint64, ended <-chan answer)
	lost   bool // for certain: the platform has answered, and nobody has read it
	kept   bool // for certain: the answer is in the vault
}

func steps() []step {
	arrived := func(c *chain, ended <-chan answer) {
		until(ended, func() bool { return c.box.Count(sandbox.EndpointRefresh) > c.asked })
	}
	stored := func(n uint64) func(*chain, uint64, <-chan answer) {
		return func(c *chain, base uint64, ended <-chan answer) {
			until(ended, func() bool { return c.site.commits(c.t) >= base+n })
		}
	}
	return []step{
		{name: "before the intent", strike: func(*chain, uint64, <-chan answer) {}},
		{name: "the intent is stored", strike: stored(1)},
		{name: stepSent, plan: func(c *chain) { c.box.Hang(sandbox.EndpointRefresh, 1) },
			strike: func(c *chain, _ uint64, ended <-chan answer) { arrived(c, ended) }},
		{name: stepCommitted, plan: func(c *chain) { c.box.HangAfter(sandbox.EndpointRefresh, 1) },
			strike: func(c *chain, _ uint64, ended <-chan answer) {
				until(ended, func() bool { return c.refreshes() > c.granted })
			}, lost: true},
		{name: "the answer arrives", strike: func(c *chain, _ uint64, ended <-chan answer) {
			until(ended, func() bool { return c.refreshes() > c.granted })
		}},
		{name: stepStored, strike: stored(2), kept: true},
		{name: "it is published", strike: stored(3), kept: true},
		{name: "at any time", plan: func(c *chain) {
			c.box.Slow(sandbox.EndpointRefresh, time.Duration(1+c.dice.IntN(30))*time.Millisecond, 1)
		}, strike: func(c *chain, _ uint64, ended <-chan answer) {
			end := time.Now().Add(time.Duration(c.dice.IntN(60_000)) * time.Microsecond)
			until(ended, func() bool { return time.Now().After(end) })
		}},
	}
}

// until polls for a moment; it returns as well when the call has ended.
func until(ended <-chan answer, holds func() bool) {
	for end := time.Now().Add(20 * time.Second); !holds() && len(ended) == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Microsecond)
	}
}

// commits is the number of the last transaction of the vault, read from the file of a running server: the two meta pages
// of bbolt stand at its beginning, each with its number 64 bytes behind that.
func (s *site) commits(t testing.TB) uint64 {
	f, err := os.Open(s.database())
	must(t, err)
	defer f.Close()
	newest := uint64(0)
	for _, at := range []int64{64, 4096 + 64} {
		var b [8]byte
		_, err := f.ReadAt(b[:], at)
		must(t, err)
		newest = max(newest, endian.LittleEndian.Uint64(b[:]))
	}
	return newest
}

// chain is one connection of one installation to a sandbox of its own.
type chain struct {
	t       *testing.T
	box     *sandbox.Sandbox
	site    *site
	process *process
	b       *browser
	id      string
	dice    *rand.Rand
	is      rotation

	asked, granted int    // refreshes that arrived, and that were granted, before the kill
	newest         string // refresh token that Locum has shown to hold
	tally          *tally
}

// tally is what the campaign prints for one kind.
type tally struct {
	mu sync.Mutex

	cycles, committed, acknowledged, human int
	lost, spent, presented                 int
	slowest                                time.Duration
}

func newChain(t *testing.T, is rotation, seed uint64, sum *tally) *chain {
	box := newSandbox(t)
	box.SetKind(is.kind)
	box.SetLeeway(is.leeway)
	c := &chain{t: t, box: box, site: newSite(t, box, "ada"), dice: rand.New(rand.NewPCG(seed, 0)), is: is, tally: sum}
	for _, realm := range platforms { // it makes its key when it is first asked, which takes long where many do at once
		keys, err := http.Get(box.Issuer(realm) + "/protocol/openid-connect/certs")
		must(t, err)
		must(t, keys.Body.Close())
	}
	c.site.refresh = is.policy
	c.site.configure()
	c.process = c.site.start().serving()
	c.b = c.site.practitioner("ada")
	c.id = c.b.connected()
	c.newest = c.lastMinted()
	c.process.kill()
	return c
}

// refreshes counts what the identity server has granted.
func (c *chain) refreshes() (n int) {
	for _, one := range c.box.Chains() {
		n += one.Refreshes
	}
	return n
}

// lastMinted is the newest refresh token of the sandbox.
func (c *chain) lastMinted() string {
	all := c.box.Minted()
	for _, token := range slices.Backward(all) {
		if kind := readClaims(token).Type; kind == "Refresh" || kind == "" && !strings.Contains(token, ".") {
			return token
		}
	}
	return ""
}

// cycle kills the server at one step of a refresh, starts it again and looks at what has become of the connection.
func (c *chain) cycle(s step) {
	c.t.Helper()
	c.process = c.site.start().serving() // one process fetches no second token within 30 s for want of a good one
	c.box.RevokeAccess("", "")           // the clinic refuses the token, so that another is fetched
	c.asked, c.granted = c.box.Count(sandbox.EndpointRefresh), c.refreshes()
	base := c.site.commits(c.t)
	if s.plan != nil {
		s.plan(c)
	}
	ended := make(chan answer, 1)
	go func() {
		a, _ := c.b.call(c.id, "GET", "/appointments", "")
		ended <- a
	}()
	s.strike(c, base, ended)
	if c.dice.IntN(2) == 0 && !s.lost {
		time.Sleep(time.Duration(c.dice.IntN(800)) * time.Microsecond)
	}
	c.process.kill()
	first := <-ended
	c.box.Calm()
	committed := c.refreshes() > c.granted
	c.firstPresented(s)
	began := time.Now()
	c.process = c.site.start().serving()
	settled := c.settle()
	took := time.Since(began)

	human := settled.code() == shared.CodeReconnectNeeded
	if human { // a request that was on its way when the server died is processed after it
		committed = c.refreshes() > c.granted
	}
	lost := committed && first.status != http.StatusOK
	switch {
	case settled.status != http.StatusOK && !human:
		c.t.Errorf("%s, %s: the connection does not work: %v", c.is.name, s.name, settled)
	case human && !(c.is.human && lost && !s.kept):
		c.t.Errorf("%s, %s: the practitioner has to connect again: committed %v, first answer %v, cause %s\n%s",
			c.is.name, s.name, committed, first, c.cause(), c.history())
	case !human && c.is.human && s.lost && committed:
		c.t.Errorf("%s, %s: the answer was lost for certain, and the connection goes on", c.is.name, s.name)
	case human && c.cause() != "lost_answer":
		c.t.Errorf("%s, %s: the cause is %q", c.is.name, s.name, c.cause())
	}
	p := c.box.Presented()
	c.tally.mu.Lock()
	c.tally.cycles++
	c.tally.slowest = max(c.tally.slowest, took)
	count := func(n *int, yes bool) {
		if yes {
			*n++
		}
	}
	count(&c.tally.committed, committed)
	count(&c.tally.acknowledged, first.status == http.StatusOK)
	count(&c.tally.human, human)
	c.tally.mu.Unlock()
	if p.Inactive > 0 {
		c.t.Errorf("%s, %s: a refresh token was presented that introspection calls inactive: %v\n%s", c.is.name, s.name, p.Why, c.history())
	}
	if human {
		c.id = c.b.connected()
	}
	c.newest = c.lastMinted()
	if c.dice.IntN(2) == 0 {
		if code := c.process.stop(); code != 0 {
			c.t.Errorf("stopped with %d:\n%s", code, c.process.said())
		}
	}
	c.process.kill()
}

// end looks at the trail, and counts what the identity server saw.
func (c *chain) end() {
	p := c.box.Presented()
	c.tally.mu.Lock()
	c.tally.presented += p.All
	c.tally.spent += p.Spent
	c.tally.mu.Unlock()
	c.site.verify()
}

// firstPresented holds what the killed refresh presented against what was acknowledged before: the newest token (T048).
func (c *chain) firstPresented(s step) {
	all := c.box.Requests(sandbox.EndpointRefresh)
	if fresh := c.box.Count(sandbox.EndpointRefresh) - c.asked; fresh > 0 {
		if token := all[len(all)-fresh].Form().Get("refresh_token"); token != c.newest {
			c.tally.mu.Lock()
			c.tally.lost++
			c.tally.mu.Unlock()
			c.t.Errorf("%s, %s: LOST: the refresh token presented is not the newest that was acknowledged\n%s", c.is.name, s.name, c.history())
		}
	}
}

// settle calls until the connection works or has ended.
func (c *chain) settle() (a answer) {
	c.t.Helper()
	for end := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var err error
		a, err = c.b.call(c.id, "GET", "/appointments", "")
		must(c.t, err)
		if a.status != http.StatusServiceUnavailable || time.Now().After(end) {
			return a
		}
	}
}

// cause is what the practitioner is shown.
func (c *chain) cause() string {
	a, err := c.b.get(shared.PathConnections + "/" + c.id)
	must(c.t, err)
	var shown shared.Connection
	_ = json.Unmarshal(a.body, &shown)
	return shown.Cause
}

// history is the last token requests, and how they were answered.
func (c *chain) history() string {
	var b strings.Builder
	all := c.box.Requests(sandbox.EndpointToken, sandbox.EndpointIntrospect)
	for _, r := range all[max(0, len(all)-8):] {
		token := r.Form().Get("refresh_token") + r.Form().Get("token")
		fmt.Fprintf(&b, "%s %s …%s: %d %s\n", r.Time.Format("15:04:05.000"), r.Where, token[max(0, len(token)-6):], r.Status, r.Inactive)
	}
	said := c.process.said()
	return b.String() + said[max(0, len(said)-2000):]
}

// TestT049KilledAtEachStep kills the server at each step of a refresh, at identity servers of each kind. No token that was
// acknowledged is lost (T048), none is presented that introspection calls inactive, and a practitioner has to connect again
// only where a lost answer cannot be made up for: with strict one-use rotation, and behind the leeway.
func TestT049KilledAtEachStep(t *testing.T) {
	t.Parallel() // it mostly waits
	var workers sync.WaitGroup
	sums := map[string]*tally{}
	start := time.Now()
	for _, is := range rotations() {
		sum := &tally{}
		sums[is.name] = sum
		all, n, lanes := is.take(t)
		for lane := range lanes {
			workers.Go(func() {
				t.Run(is.name, func(t *testing.T) {
					c := newChain(t, is, uint64(lane), sum)
					for i := lane; i < n && !t.Failed(); i += lanes {
						c.cycle(all[(i+i/len(all))%len(all)]) // so that each lane meets each step
					}
					c.end()
				})
			})
		}
	}
	workers.Wait()
	total := tally{}
	for _, is := range rotations() {
		s := sums[is.name]
		t.Logf("%-22s %4d kills: %4d refreshes committed, %4d acknowledged; %d tokens lost, %d spent ones presented of %d; %3d people had to connect again; slowest recovery %s",
			is.name, s.cycles, s.committed, s.acknowledged, s.lost, s.spent, s.presented, s.human, s.slowest.Round(time.Millisecond))
		total.cycles += s.cycles
		total.committed += s.committed
	}
	t.Logf("%d kills in %s", total.cycles, time.Since(start).Round(time.Second))
	if total.committed == 0 {
		t.Error("no refresh was committed, so nothing is proved")
	}
}
