package app

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"locum/shared"
)

// news hears what Locum tells open tabs. Of the tabs of one browser one leads: it holds the stream, since a browser has
// six connections for each server, and repeats to the others what it hears, ids and codes alone. Where a browser cannot
// choose a leader, each tab has a stream while it is seen. Everything happens on the one goroutine of run; the browser's
// callbacks leave a signal and return.
type news struct {
	shell   *shell
	browser outside
	signals chan signal

	alone    bool   // no leader can be chosen
	leads    bool   // this tab is it
	resign   func() // gives up leading, or waiting to
	repeat   func(string)
	hangUp   func()    // closes the stream; nil while there is none
	stream   int       // counts streams: what an older one still says is dropped
	failures int       // streams that broke off one after the other
	notYet   time.Time // the next stream is opened no sooner
	dead     time.Time // a stream that is still there has been lost without a word
	mark     string    // the practitioner's place in the order of changes, as heard last
}

// outside is what news needs of the browser. open gives one stream, whose last word is lost; refused says that the server
// did not want it. lead waits for its turn to lead; join gives the way to the other tabs. Both answer nil where the browser
// cannot.
type outside struct {
	open    func(heard func(name, id, data string), lost func(refused bool)) (hangUp func())
	lead    func(won func()) (resign func())
	join    func(heard func(text string)) (repeat func(text string), leave func())
	visible func() bool
	online  func() bool
}

// signal is what a callback leaves: an event of a stream or of another tab, the end of a stream, or something to look at.
type signal struct {
	what           int
	stream         int
	name, id, data string
	refused        bool
}

const (
	sigLook  = iota // the tab is seen, or the network is back
	sigWon          // this tab leads
	sigEvent        // of the own stream
	sigLost         // the own stream
	sigTab          // from the leading tab
	sigLeave        // the document goes
)

const (
	firstPause = time.Second // after a stream that broke off; twice as long each time
	lastPause  = time.Minute
	grace      = 10 * time.Second // beyond its own time a stream is not believed
	signalsMax = 256
)

func newNews(s *shell, browser outside) *news {
	return &news{shell: s, browser: browser, signals: make(chan signal, signalsMax)}
}

// leave is told when the document goes, look when it may be time for a stream.
func (n *news) leave() { n.signal(signal{what: sigLeave}) }
func (n *news) look()  { n.signal(signal{what: sigLook}) }

// signal never waits. One that finds no room is no loss: the marks of the next stream tell that something was missed.
func (n *news) signal(s signal) {
	select {
	case n.signals <- s:
	default:
	}
}

// run listens until the document goes.
func (n *news) run() {
	defer n.shell.caught()
	repeat, part := n.browser.join(n.heardTab)
	if n.resign = n.browser.lead(func() { n.signal(signal{what: sigWon}) }); n.resign == nil || repeat == nil {
		n.alone = true
	}
	n.repeat = repeat
	for {
		timer := time.NewTimer(n.step(time.Now()))
		select {
		case s := <-n.signals:
			timer.Stop()
			if s.what == sigLeave {
				n.quit(part)
				return
			}
			n.take(s)
		case <-timer.C:
		}
	}
}

// quit gives back what the browser gave.
func (n *news) quit(part func()) {
	n.drop()
	if n.resign != nil {
		n.resign()
	}
	if part != nil {
		part()
	}
}

// step opens or closes the stream as it should be now, and says when to look again.
func (n *news) step(now time.Time) time.Duration {
	if n.hangUp != nil && now.After(n.dead) {
		n.broken(now, false)
	}
	wanted := (n.leads || n.alone && n.browser.visible()) && n.browser.online() && !n.shell.leaving.Load() && !n.shell.guest.Load()
	switch {
	case !wanted:
		n.drop()
		return time.Hour
	case n.hangUp != nil:
		return n.dead.Sub(now) + time.Second
	case now.Before(n.notYet):
		return n.notYet.Sub(now)
	}
	n.stream++
	stream := n.stream
	n.dead = now.Add(lastPause + grace)
	n.hangUp = n.browser.open(
		func(name, id, data string) {
			n.signal(signal{what: sigEvent, stream: stream, name: name, id: id, data: data})
		},
		func(refused bool) { n.signal(signal{what: sigLost, stream: stream, refused: refused}) })
	return n.dead.Sub(now) + time.Second
}

// drop closes the stream, if there is one.
func (n *news) drop() {
	if n.hangUp != nil {
		n.hangUp()
		n.hangUp = nil
	}
}

func (n *news) take(s signal) {
	now := time.Now()
	switch {
	case s.what == sigWon:
		n.leads = true
	case s.what == sigLook && n.browser.visible():
		n.notYet = earlier(n.notYet, now.Add(spread(firstPause))) // somebody waits for it, or the network is back
	case s.what == sigTab:
		n.hear(s, false)
	case s.stream != n.stream || n.hangUp == nil:
	case s.what == sigLost:
		n.broken(now, s.refused)
	case s.what == sigEvent:
		if n.repeat != nil && s.name != shared.EventBye {
			n.repeat(s.name + " " + s.id + " " + s.data)
		}
		n.hear(s, true)
	}
}

// broken pauses, longer each time, never as long as the other tabs of the world. A server that refused the stream may say
// that nobody is signed in any more.
func (n *news) broken(now time.Time, refused bool) {
	n.drop()
	n.notYet = now.Add(spread(min(lastPause, firstPause<<min(n.failures, 10))))
	n.failures++
	if refused && n.shell.page != nil {
		n.shell.page.background(n.shell.askSession)
	}
}

// spread is between half of a pause and the whole.
func spread(pause time.Duration) time.Duration {
	return pause/2 + time.Duration(rand.Int64N(int64(pause/2)+1))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// heardTab takes what the leading tab repeats: name, id and data.
func (n *news) heardTab(text string) {
	name, rest, _ := strings.Cut(text, " ")
	id, data, _ := strings.Cut(rest, " ")
	n.signal(signal{what: sigTab, name: name, id: id, data: data})
}

// hear acts upon one event. What does not read as one of ours is left alone.
func (n *news) hear(s signal, own bool) {
	switch s.name {
	case shared.EventHello:
		var hello shared.Hello
		if json.Unmarshal([]byte(s.data), &hello) == nil {
			n.greeted(hello, s.id, own)
		}
	case shared.EventConnection:
		var e shared.ConnectionEvent
		if json.Unmarshal([]byte(s.data), &e) == nil {
			n.mark = s.id
			n.shell.connectionChanged(e)
		}
	case shared.EventBudget:
		var e shared.BudgetEvent
		if json.Unmarshal([]byte(s.data), &e) == nil {
			n.shell.budgetChanged(e.Connection)
		}
	case shared.EventSession:
		var e shared.SessionEvent
		if json.Unmarshal([]byte(s.data), &e) == nil && e.Ended {
			n.shell.signedOut()
		}
	case shared.EventBye:
		var bye shared.Bye
		if own && json.Unmarshal([]byte(s.data), &bye) == nil {
			n.drop()
			n.notYet = time.Now()
			if bye.Wait > 0 {
				n.notYet = n.notYet.Add(spread(2 * time.Duration(bye.Wait) * time.Second))
			}
		}
	}
}

// greeted begins a stream. Where the marks differ something has changed that nobody told; the first stream of a tab may
// have begun after the page had asked.
func (n *news) greeted(hello shared.Hello, mark string, own bool) {
	missed := mark != n.mark && (own || n.mark != "")
	n.mark = mark
	if own {
		n.failures = 0
		n.dead = time.Now().Add(time.Duration(hello.Lasts)*time.Second + grace)
	}
	if hello.Build != "" {
		n.shell.built(hello.Build)
	}
	if missed {
		n.shell.connectionChanged(shared.ConnectionEvent{})
	}
}

// tellTabs has the other tabs know that the session has ended: this one was told by an answer.
func (n *news) tellTabs() {
	if n != nil && n.repeat != nil {
		n.repeat(shared.EventSession + `  {"ended":true}`)
	}
}
