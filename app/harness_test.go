package app

import (
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// wire is the other side of the client in component tests: what is asked, and what is answered to it. A gate holds back
// every answer to a path until it is opened.
type wire struct {
	mu       sync.Mutex
	asked    []request
	answers  map[string]func(request) response // by method and beginning of the path; the longest wins
	gates    map[string]chan struct{}
	unwanted []string
}

func newWire() *wire {
	w := &wire{answers: map[string]func(request) response{}, gates: map[string]chan struct{}{}}
	w.json("GET "+shared.PathSession, shared.Session{Practitioner: shared.Practitioner{Name: "Robin Sampleworth"}, IdleSeconds: 900, EndsSeconds: 40000})
	w.json("GET "+shared.PathConnections, shared.Connections{Connections: []shared.Connection{clinicOne()}})
	w.json("GET "+api("/company"), company{Name: "Harbour", TimeZone: "America/Vancouver"})
	w.json("GET "+api("/appointments"), listing[appointment]{})
	w.json("GET "+api("/medical-record/observations"), listing[observation]{})
	w.json("GET "+api("/staff_members"), listing[staffMember]{})
	w.json("GET "+api("/treatments"), listing[named]{})
	w.json("GET "+api("/locations"), listing[named]{})
	return w
}

func clinicOne() shared.Connection {
	return shared.Connection{
		ID: "c1", Platform: shared.Platform{ID: "jane", Name: "Jane"}, Clinic: shared.ClinicLink{Name: "Harbour", URL: "https://harbour.example"},
		State: shared.StateConnected, StaffMembers: []string{"s1"},
		Scopes: []string{"appointments:read", "patients:read", "observations:read", "observations:create", "observations:update", "staff_members:read", "treatments:read", "locations:read", "companies:read"},
	}
}

// api is the address of a platform's path through connection c1.
func api(path string) string { return shared.PathProxy + "/c1/api/" + janeVersion + path }

func (w *wire) json(what string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.answer(what, func(request) response {
		return response{status: 200, kind: "application/json", body: body, budgets: [2]string{"", "limit=600, remaining=599, reset=0"}}
	})
}

func (w *wire) problem(what string, p shared.Problem) {
	body, _ := json.Marshal(p)
	w.answer(what, func(request) response {
		return response{status: p.Status, kind: "application/problem+json; charset=utf-8", body: body}
	})
}

func (w *wire) answer(what string, answer func(request) response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[what] = answer
}

// gate holds back the answers to what until the returned function is called.
func (w *wire) gate(what string) (open func()) {
	held := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gates[what] = held
	return func() { close(held) }
}

func (w *wire) send(r request) (response, error) {
	whole := r.method + " " + r.path
	w.mu.Lock()
	w.asked = append(w.asked, r)
	var best string
	for what := range w.answers {
		if strings.HasPrefix(whole, what) && len(what) > len(best) {
			best = what
		}
	}
	answer, held := w.answers[best], w.gates[best]
	if answer == nil {
		w.unwanted = append(w.unwanted, whole)
	}
	w.mu.Unlock()
	if held != nil {
		<-held
	}
	if answer == nil {
		return response{status: 404, kind: "application/json"}, nil
	}
	return answer(r), nil
}

// count says how often what was asked.
func (w *wire) count(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		if strings.HasPrefix(r.method+" "+r.path, what) {
			n++
		}
	}
	return n
}

// last is the body of the last request to what.
func (w *wire) last(what string) (body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		if strings.HasPrefix(r.method+" "+r.path, what) {
			body = string(r.body)
		}
	}
	return body
}

// tab is a page in go-app's test engine, with the wire behind it.
type tab struct {
	t      *testing.T
	wire   *wire
	shell  *shell
	engine ui.TestEngine
	page   ui.Composer
	ctx    ui.Context
}

// probe lends a page the moment at which go-app hands out its context.
type probe struct {
	ui.Compo
	page ui.Composer
	tab  *tab
}

func (p *probe) OnPreRender(ctx ui.Context) { p.tab.ctx = ctx }
func (p *probe) Render() ui.UI              { return ui.Div() }

// openTab puts a page into an engine. It must run in a synctest bubble.
func openTab(t *testing.T, w *wire, name string) *tab {
	t.Helper()
	b := &tab{t: t, wire: w, shell: newShell(words.For("en"), w.send, true), engine: ui.NewTestEngine()}
	b.page = b.shell.component(name)
	if err := b.engine.Load(&probe{page: b.page, tab: b}); err != nil {
		t.Fatal(err)
	}
	b.engine.ConsumeAll()
	return b
}

// visit navigates the same component, as go-app did before every navigation had a component of its own.
func (b *tab) visit(path string) {
	b.t.Helper()
	u, err := url.Parse(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.ctx.Page().ReplaceURL(u)
	b.page.(ui.Navigator).OnNav(b.ctx)
}

// settle delivers every answer that has come.
func (b *tab) settle() { synctest.Wait(); b.engine.ConsumeAll() }

// html is the page as it is drawn now.
func (b *tab) html() string { return ui.HTMLString(b.page.Render()) }

func (b *tab) shows(what string) {
	b.t.Helper()
	if html := b.html(); !strings.Contains(html, what) {
		b.t.Errorf("the page does not show %q:\n%s", what, html)
	}
}

func (b *tab) hides(what string) {
	b.t.Helper()
	if html := b.html(); strings.Contains(html, what) {
		b.t.Errorf("the page shows %q:\n%s", what, html)
	}
}
