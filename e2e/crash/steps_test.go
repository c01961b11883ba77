package crash_test

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"locum/shared"
)

// errThrottled says that a sign-in has to wait: those that a kill interrupted count as failed, until one succeeds.
var errThrottled = errors.New("too many sign-ins were interrupted")

const mostSteps = 2000

// live does what a practitioner does, at random, until ctx ends or the server dies.
func (p *person) live(ctx context.Context) {
	for n := 0; n < mostSteps && ctx.Err() == nil; n++ {
		switch err := p.step(); {
		case errors.Is(err, errThrottled):
			return
		case err != nil:
			p.score.add(func(s *score) { s.unsure++ })
			return
		}
	}
}

func (p *person) step() error {
	v := p.living()
	if v == nil {
		return p.signIn(nil)
	}
	b := p.site.browser().as(v.cookie)
	switch n := p.dice.IntN(100); {
	case n < 42:
		return p.read(b)
	case n < 52:
		return p.write(b)
	case n < 76:
		return p.connect(b, v)
	case n < 86:
		return p.disconnect(b)
	case n < 90:
		return p.signIn(nil)
	case n < 93:
		return p.signIn(v)
	case n < 98:
		return p.signOut(v)
	}
	_, a, err := b.list()
	if err == nil && a.status != http.StatusOK {
		p.odd("list", a)
	}
	return err
}

// signIn starts a session; in place of old, where there is one.
func (p *person) signIn(old *visit) error {
	b := p.site.browser()
	if old != nil {
		b = b.as(old.cookie)
	}
	for _, v := range p.visits {
		v.newer++
	}
	before := b.session
	a, err := b.signIn(p.login)
	if old != nil {
		old.state = unsure
	}
	switch {
	case err != nil:
		return err
	case a.status == http.StatusSeeOther && b.session != before && b.session != "":
		if old != nil {
			old.state = absent
		}
		p.visits = append(p.visits, &visit{cookie: b.session, state: present})
		p.acknowledged()
	case a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "":
		if old != nil {
			old.state = present // nothing was tried
		}
		p.score.add(func(s *score) { s.throttled++ })
		return errThrottled
	default:
		p.odd("sign-in", a)
	}
	return nil
}

func (p *person) signOut(v *visit) error {
	v.state = unsure
	a, err := p.site.browser().as(v.cookie).signOut()
	switch {
	case err != nil:
		return err
	case a.status == http.StatusSeeOther:
		v.state = absent
		p.acknowledged()
	default:
		p.odd("sign-out", a)
	}
	return nil
}

// connect goes the whole way to a connection, new or renewed in place.
func (p *person) connect(b *browser, v *visit) error {
	found := p.places(func(l *link) bool { return l.state != unsure && (l.state == absent || l.ended || p.dice.IntN(4) == 0) })
	found = slices.DeleteFunc(found, func(at place) bool { return !p.alone(at) })
	if len(found) == 0 {
		return nil
	}
	at, state := found[0], newState()
	where, a, err := b.begin(at.platform, at.clinic, state)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		if a.code() == shared.CodeTooManyFlows {
			return p.signOut(v)
		}
		p.odd("connect", a)
		return nil
	}
	back, err := p.site.sandbox.Approve(where, at.jane, false)
	if err != nil {
		p.site.t.Errorf("the sandbox does not approve: %v", err)
		return nil
	}
	p.attempt = &attempt{place: at, state: state, visit: v}
	if l := p.links[at]; l.state == absent {
		*l = link{state: unsure}
	}
	p.ledger.renew(p.links[at].id, true)
	if a, err = b.callback(back); err != nil {
		return err
	}
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/connections/outcome" {
		p.attempt = nil
		if !p.faulty {
			p.odd("callback", a)
		}
		return nil
	}
	p.attempt.answered = true
	outcome, a, err := b.outcome(state)
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		p.odd("outcome", a)
	case outcome.Code == shared.OutcomeConnected:
		p.connected(at, outcome.Connection)
	case !p.faulty:
		p.site.t.Errorf("%s: connecting ended with %s", p.login, outcome.Code)
	}
	p.attempt = nil
	return nil
}

func (p *person) disconnect(b *browser) error {
	found := p.places(func(l *link) bool { return l.state == present })
	if len(found) == 0 {
		return nil
	}
	l := p.links[found[0]]
	l.state = unsure
	a, err := b.disconnect(l.id)
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK:
		p.dead[l.id] = true
		*l = link{}
		p.acknowledged()
	case a.status == http.StatusNotFound:
		p.lost("connection %s when it was to be disconnected", l.id)
	default:
		p.odd("disconnect", a)
	}
	return nil
}

// read asks for a record that no other request asks for.
func (p *person) read(b *browser) error {
	return p.touch(b, "GET", "/appointments/", "")
}

// write sends what the clinic refuses: that it was sent is what counts.
func (p *person) write(b *browser) error {
	if p.dice.IntN(2) == 0 {
		return p.touch(b, "PATCH", "/medical-record/observations/", `{"data":{}}`)
	}
	return p.touch(b, "POST", "/medical-record/observations", `{"data":{}}`)
}

func (p *person) touch(b *browser, method, path, body string) error {
	found := p.places(usable)
	if len(found) == 0 {
		return nil
	}
	l := p.links[found[0]]
	if path[len(path)-1] == '/' {
		path += p.ledger.record(l.id)
	}
	a, err := b.call(l.id, method, path, body)
	switch {
	case err != nil:
		return err
	case a.code() == shared.CodeReconnectNeeded:
		p.endedByPlatform(b, found[0])
	case a.code() == shared.CodeNotFound:
		p.lost("connection %s in the middle of work", l.id)
	case a.status == http.StatusServiceUnavailable && a.code() == shared.CodePlatformUnavailable:
		// A refresh whose outcome is not known yet; the check after the start waits for it.
	case a.status == http.StatusNotFound || a.status == http.StatusBadRequest:
		p.called(l)
	default:
		p.odd(method+" "+path, a)
	}
	return nil
}
