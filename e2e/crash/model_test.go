package crash_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"locum/shared"
)

// certainty is what the model knows of a session or a connection.
type certainty int

const (
	absent  certainty = iota // never there, or acknowledged as ended
	present                  // acknowledged
	unsure                   // asked for, and the answer was lost or refused
)

// person is one practitioner and the outside model of what Locum has acknowledged to them. One goroutine uses it at a time.
type person struct {
	site    *site
	login   string
	dice    *rand.Rand
	score   *score
	ledger  *ledger
	faulty  bool // a disk that fails: 503 is an honest answer
	visits  []*visit
	links   map[place]*link
	dead    map[string]bool // connections that were acknowledged as gone, or seen gone
	attempt *attempt        // begun, and its end not known
}

// visit is a session. newer counts the sign-ins sent after it: ten of them may displace it.
type visit struct {
	cookie string
	state  certainty
	newer  int
}

// place is what a connection is to: there is at most one per practitioner.
type place struct{ platform, clinic, jane string }

type link struct {
	id    string
	state certainty
	ended bool      // the platform ended it; the practitioner may connect again
	doubt time.Time // since when it says that an answer was lost; the platform is asked 15 s later
}

// attempt is an authorization that the practitioner came back from. answered: Locum has told the browser where to go.
type attempt struct {
	place    place
	state    string
	visit    *visit
	answered bool
}

const displacedBy = 10

func newPerson(s *site, login string, seed uint64, sc *score, led *ledger) *person {
	p := &person{site: s, login: login, dice: rand.New(rand.NewPCG(seed, 1)), score: sc, ledger: led,
		links: map[place]*link{}, dead: map[string]bool{}}
	clinics := s.sandbox.Clinics()
	for platform := range platforms {
		for _, at := range []place{{platform, clinics[0].URL, "robin@example.test"}, {platform, clinics[1].URL, "robin@example.test"},
			{platform, clinics[0].URL, "alex@example.test"}} {
			p.links[at] = &link{}
		}
	}
	return p
}

// places lists those whose link is wanted, in an order that the seed decides.
func (p *person) places(want func(*link) bool) []place {
	var found []place
	for at, l := range p.links {
		if want(l) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, func(a, b place) int {
		return slices.Compare([]string{a.platform, a.clinic, a.jane}, []string{b.platform, b.clinic, b.jane})
	})
	p.dice.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// alone says that no other connection of theirs to the clinic is unsure: what is listed does not tell the two apart.
func (p *person) alone(at place) bool {
	for other, l := range p.links {
		if other != at && other.platform == at.platform && other.clinic == at.clinic && l.state == unsure {
			return false
		}
	}
	return true
}

func usable(l *link) bool { return l.state == present && !l.ended }

// living is a session that Locum has acknowledged and that nothing can have displaced; nil when there is none.
func (p *person) living() *visit {
	var found []*visit
	for _, v := range p.visits {
		if v.state == present && v.newer < displacedBy-1 {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found[p.dice.IntN(len(found))]
}

// odd is an answer that the campaign gives no reason for.
func (p *person) odd(what string, a answer) {
	if p.faulty && a.status == http.StatusServiceUnavailable {
		p.score.add(func(s *score) { s.refused++ })
		return
	}
	p.site.t.Errorf("%s: %s answered %v\n%.300s", p.login, what, a, a.body)
}

func (p *person) lost(format string, args ...any) {
	p.score.add(func(s *score) { s.lost++ })
	p.site.t.Errorf("LOST, %s: %s", p.login, fmt.Sprintf(format, args...))
}

func (p *person) resurrected(format string, args ...any) {
	p.score.add(func(s *score) { s.resurrected++ })
	p.site.t.Errorf("RESURRECTED, %s: %s", p.login, fmt.Sprintf(format, args...))
}

// score is what a campaign prints.
type score struct {
	mu sync.Mutex

	cycles, acknowledged, lost, resurrected int
	unsure, refused, calls, reconnects      int
	throttled, doubts                       int
}

func (s *score) add(change func(*score)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *score) String() string {
	return fmt.Sprintf("%d cycles, %d changes acknowledged, %d lost, %d resurrected; %d answers lost, %d refused with 503, %d proxied calls answered, %d connections ended by a lost answer, %d times in doubt, %d sign-ins throttled",
		s.cycles, s.acknowledged, s.lost, s.resurrected, s.unsure, s.refused, s.calls, s.reconnects, s.doubts, s.throttled)
}

func (p *person) acknowledged() { p.score.add(func(s *score) { s.acknowledged++ }) }

// check holds what Locum says after a start against the model, and settles what the model was unsure of.
func (p *person) check() {
	p.checkVisits()
	if p.living() == nil {
		if err := p.signIn(nil); err != nil && !errors.Is(err, errThrottled) {
			p.site.t.Errorf("%s: sign in after the start: %v", p.login, err)
		}
	}
	v := p.living()
	if v == nil {
		return
	}
	p.checkAttempt()
	p.checkLinks(v)
}

func (p *person) checkVisits() {
	kept := p.visits[:0]
	ended := 0
	for i := len(p.visits) - 1; i >= 0; i-- { // the newest first; of the ended ones a dozen
		if v := p.visits[i]; v.state != absent || ended < 12 {
			kept = append(kept, v)
			if v.state == absent {
				ended++
			}
		}
	}
	slices.Reverse(kept)
	p.visits = kept
	for _, v := range p.visits {
		a, err := p.site.browser().as(v.cookie).get(shared.PathSession)
		alive := a.status == http.StatusOK
		switch {
		case err != nil || !alive && a.status != http.StatusUnauthorized:
			p.site.t.Errorf("%s: session after the start: %v %v", p.login, a, err)
		case v.state == present && !alive && v.newer < displacedBy-1:
			p.lost("a session, %d sign-ins old", v.newer)
		case v.state == absent && alive:
			p.resurrected("a session that was signed out")
		}
		if v.state = absent; alive {
			v.state = present
		}
	}
}

// checkAttempt asks how an authorization ended whose callback was answered before the kill: the answer says that its
// outcome is stored.
func (p *person) checkAttempt() {
	open := p.attempt
	p.attempt = nil
	if open == nil || open.visit.state != present {
		return
	}
	outcome, a, err := p.site.browser().as(open.visit.cookie).outcome(open.state)
	switch {
	case err != nil:
		p.site.t.Errorf("%s: outcome after the start: %v", p.login, err)
	case open.answered && a.status != http.StatusOK:
		p.lost("the outcome of a callback that was answered: %v", a)
	case a.status == http.StatusOK && outcome.Code == shared.OutcomeConnected:
		p.connected(open.place, outcome.Connection)
	case open.answered && !p.faulty:
		p.site.t.Errorf("%s: the callback was answered and the outcome is %s", p.login, outcome.Code)
	}
}

// connected notes an acknowledged connection. One that was there is renewed in place.
func (p *person) connected(at place, id string) {
	l := p.links[at]
	if l.state == present && l.id != id {
		p.lost("connection %s gave way to %s", l.id, id)
	}
	if p.dead[id] {
		p.resurrected("connection %s", id)
	}
	*l = link{id: id, state: present}
	p.ledger.renew(id, true)
	p.acknowledged()
}

func (p *person) checkLinks(v *visit) {
	b := p.site.browser().as(v.cookie)
	all, a, err := b.list()
	if err != nil || a.status != http.StatusOK {
		p.site.t.Errorf("%s: list after the start: %v %v", p.login, a, err)
		return
	}
	listed := map[string]shared.Connection{}
	for _, c := range all {
		listed[c.ID] = c
		if p.dead[c.ID] {
			p.resurrected("connection %s, %s", c.ID, c.State)
		}
	}
	for at, l := range p.links {
		if l.state == present {
			if _, there := listed[l.id]; !there {
				p.lost("connection %s to %v", l.id, at)
				*l = link{}
			}
			delete(listed, l.id)
		}
	}
	p.settle(listed)
	for _, at := range p.places(usable) {
		p.use(b, at)
	}
}

// settle explains what is listed and was not acknowledged: each must be something that was asked for. Those whose id is known
// come first; of the others there is one at a clinic at most.
func (p *person) settle(listed map[string]shared.Connection) {
	unsettled := p.places(func(l *link) bool { return l.state == unsure })
	slices.SortStableFunc(unsettled, func(a, b place) int { return strings.Compare(p.links[b].id, p.links[a].id) })
	for _, at := range unsettled {
		l := p.links[at]
		was := l.id
		*l = link{}
		for id, c := range listed {
			if c.Platform.ID == at.platform && c.Clinic.URL == at.clinic && (was == "" || was == id) {
				*l = link{id: id, state: present}
				delete(listed, id)
				break
			}
		}
		if l.state == absent && was != "" {
			p.dead[was] = true
		}
	}
	for id, c := range listed {
		p.resurrected("connection %s to %s at %s, which nobody asked for", id, c.Clinic.URL, c.Platform.ID)
	}
}

// doubtFor is how long a connection may say that an answer was lost: 15 s, and what a busy machine adds.
const doubtFor = 45 * time.Second

// use makes one call through a connection, which works, or has ended for a reason that the ledger must know, or is in doubt.
func (p *person) use(b *browser, at place) {
	l := p.links[at]
	record := p.ledger.record(l.id)
	a, err := b.call(l.id, "GET", "/appointments?patient_id%5Beq%5D="+record, "")
	switch {
	case err == nil && a.status == http.StatusOK && json.Valid(a.body):
		p.called(l)
	case err == nil && a.code() == shared.CodeReconnectNeeded:
		p.endedByPlatform(b, at)
	case err == nil && a.status == http.StatusServiceUnavailable && a.code() == shared.CodePlatformUnavailable && l.doubt.IsZero():
		l.doubt = time.Now()
		p.score.add(func(s *score) { s.doubts++ })
	case err != nil || a.status != http.StatusServiceUnavailable || time.Since(l.doubt) > doubtFor:
		p.lost("connection %s does not work: %v %v", l.id, a, err)
	}
}

// settled waits until no connection is in doubt any more.
func (p *person) settled() {
	v := p.living()
	if v == nil {
		return
	}
	b := p.site.browser().as(v.cookie)
	inDoubt := func(l *link) bool { return usable(l) && !l.doubt.IsZero() }
	for found := p.places(inDoubt); len(found) > 0 && !p.site.t.Failed(); found = p.places(inDoubt) {
		for _, at := range found {
			p.use(b, at)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// called notes that a call through a connection was answered by the clinic.
func (p *person) called(l *link) {
	l.doubt = time.Time{}
	p.ledger.renew(l.id, false)
	p.score.add(func(s *score) { s.calls++ })
}

// endedByPlatform notes a connection that says it needs the practitioner; the ledger is asked whether that is true.
func (p *person) endedByPlatform(b *browser, at place) {
	l := p.links[at]
	var shown shared.Connection
	a, err := b.get(shared.PathConnections + "/" + l.id)
	if err != nil {
		return // the server is dead; the next call through it asks again
	}
	l.ended = true
	if _ = json.Unmarshal(a.body, &shown); shown.Cause != "lost_answer" || !strict[at.platform] {
		p.lost("connection %s to %s has ended for another cause: %v %.300s", l.id, at.platform, a, a.body)
	}
	p.ledger.ended(l.id)
	p.score.add(func(s *score) { s.reconnects++ })
}
