package app

import (
	"net/url"
	"strconv"
	"sync"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// page is the half of every page that does not depend on what it shows: where it is, what it waits for, and how its
// answers come back. A concrete page embeds it beside one state struct, empties that struct first thing in OnNav, and
// loads by async alone, so that no answer of an earlier navigation can ever be shown.
type page struct {
	ui.Compo
	shell  *shell
	serial int
	name   string

	ctx        ui.Context
	mounted    bool
	generation int // counts navigations; answers of an older one are dropped
	params     map[string]string
	query      url.Values
	busy       int // answers still awaited
	fail       *failure
	failedAt   time.Time
	again      func()    // repeats what failed
	changed    func()    // takes up what the shell knows of the connections now; nil where the page shows none
	tried      bool      // the one repetition without being asked has been made
	due        time.Time // when onDue runs, counted down on the page; zero: never
	onDue      func()
	keeps      func() bool // whether the page holds something typed that leaving would lose; nil: never
	aside      aside       // a sign-in in a tab of its own, that this page waits for
	notice     string      // a quiet word that something has worked
	noticeAt   time.Time
}

// CompoID makes every navigation a new component for go-app: nothing of the last one, not even a half-typed note,
// survives in the DOM.
func (p *page) CompoID() string { return strconv.Itoa(p.serial) }

// arrive begins a navigation: it empties what page holds, reads the address and names the document. It answers false
// when there is nothing to load: on the server, and for an address that is no page.
func (p *page) arrive(ctx ui.Context, title string) bool {
	p.ctx, p.mounted = ctx, true
	p.generation++
	p.busy, p.fail, p.again, p.changed, p.tried, p.notice = 0, nil, nil, nil, false, ""
	p.due, p.onDue, p.keeps, p.aside = time.Time{}, nil, nil, aside{}
	p.params, p.query = nil, nil
	ctx.Page().SetTitle(title + " · " + p.shell.words.Header.Product)
	if !p.shell.live {
		return false
	}
	at := ctx.Page().URL()
	found, params, ok := shared.MatchPage(at.Path)
	if !ok || found.Name != p.name {
		return false
	}
	p.params, p.query = params, at.Query()
	first := p.shell.page == nil
	p.shell.page, p.shell.crashed = p, false
	if p.name != shared.PageConnect && !p.open() {
		p.shell.from = p.here()
	}
	if p.name == shared.PageLaunch && p.shell.sessionAt.IsZero() {
		p.shell.guest.Store(true) // until it is known that somebody is signed in
	}
	p.shell.embedded.shown, p.shell.embedded.connection = "", p.params["connection"]
	unstyle()
	p.say(p.shell.flash)
	p.shell.flash = ""
	if p.shell.ending() || time.Since(p.shell.sessionAt) > sessionStale {
		p.background(p.shell.askSession)
	}
	p.shell.watch()
	if !first {
		scrollToTop()
		ctx.Defer(func(ui.Context) { focus(idTitle) })
	}
	ctx.Defer(func(ui.Context) { ready(p.name) })
	return true
}

// open says whether the page needs nobody signed in.
func (p *page) open() bool { return p.name == shared.PageLaunch || p.name == shared.PageOutcome }

// OnDismount marks the page as gone; go-app drops the answers that it still awaits.
func (p *page) OnDismount() { p.mounted = false }

// connectionID is the connection that stands in the address of a clinic's page; "" elsewhere.
func (p *page) connectionID() string { return p.params["connection"] }

// dispatch runs do on the UI goroutine and redraws the page; nothing happens once the page is gone.
func (p *page) dispatch(do func()) {
	if !p.mounted {
		return
	}
	p.ctx.Dispatch(func(ui.Context) {
		defer p.shell.caught()
		do()
	})
}

// update redraws the page.
func (p *page) update() { p.dispatch(func() {}) }

// background runs blocking work whose answer no page waits for.
func (p *page) background(work func()) {
	p.ctx.Async(func() {
		defer p.shell.caught()
		work()
	})
}

// async runs blocking work off the UI goroutine, then done with its answer on it: unless the page has meanwhile been
// navigated elsewhere, when the answer is dropped. A failure is shown by done or handed to failedWith.
func async[T any](p *page, work func() (T, error), done func(T, error)) {
	var value T
	p.await(func() (err error) { value, err = work(); return err }, func(err error) { done(value, err) })
}

// await is async for work that keeps its own answer.
func (p *page) await(work func() error, done func(error)) {
	generation := p.generation
	p.busy++
	p.ctx.Async(func() {
		err := p.shell.guarded(work)
		p.dispatch(func() {
			if p.generation != generation {
				return
			}
			p.busy--
			done(err)
		})
	})
}

// guarded turns a panic of work into an error.
func (s *shell) guarded(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = failWith(words.CodeCrashed)
			s.crash(r)
		}
	}()
	return work()
}

// together runs blocking work side by side, waits for all of it and answers the first error in the order given.
func together(s *shell, works ...func() error) error {
	errs := make([]error, len(works))
	var all sync.WaitGroup
	for i, work := range works {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = s.guarded(work)
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// failedWith shows a failure with its next step; again repeats what failed.
func (p *page) failedWith(err error, again func()) {
	p.fail, p.failedAt, p.again = failed(err), time.Now(), again
}

// noticeFor is how long a quiet word stays.
const noticeFor = 15 * time.Second

// say shows a quiet word for a while; "" takes it away.
func (p *page) say(notice string) { p.notice, p.noticeAt = notice, time.Now() }

// succeeded clears what an earlier failure said.
func (p *page) succeeded() { p.fail, p.again, p.tried = nil, nil, false }

// retry is a click on "try again".
func (p *page) retry(ui.Context, ui.Event) {
	focus(idTitle) // The button goes with the notice.
	p.repeat()
}

func (p *page) repeat() {
	again := p.again
	p.fail, p.again = nil, nil
	if again != nil {
		again()
	}
}

// counting says whether something on the page changes by the second.
func (p *page) counting() bool { return p.notice != "" || p.pausing() || !p.due.IsZero() }

// awaitDue runs do at a time, unless the page is left before; meanwhile it redraws each second.
func (p *page) awaitDue(at time.Time, do func()) { p.due, p.onDue = at, do }

// pausing says whether the page waits for the clinic's budget.
func (p *page) pausing() bool {
	return p.fail != nil && p.fail.Code == shared.CodeBudgetSpent && p.again != nil
}

// wait is how long until the budget allows another try.
func (p *page) wait() time.Duration {
	if p.fail == nil {
		return 0
	}
	return time.Until(p.failedAt.Add(time.Duration(max(1, p.fail.RetryAfter)) * time.Second))
}

// countDown repeats once, without being asked, what the clinic's budget had refused.
func (p *page) countDown() {
	if time.Since(p.noticeAt) > noticeFor {
		p.notice = ""
	}
	if !p.due.IsZero() && !time.Now().Before(p.due) {
		p.due = time.Time{}
		p.onDue()
	}
	if p.pausing() && !p.tried && p.wait() <= 0 {
		p.tried = true
		p.repeat()
	}
}
