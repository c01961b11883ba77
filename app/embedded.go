package app

import (
	"slices"
	"strconv"
	"strings"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// An EHR that shows Locum within its own page tells it when its user turns to another patient (athenahealth, embedded apps:
// patientContextChanged). From then on the old patient's record must not be in sight: whoever writes something down beside it
// believes that it is the new one's.

// eventContext is the one event that is heeded.
const eventContext = "patientContextChanged"

// lockedKey is the entry of sessionStorage that keeps a locked view locked when the frame is loaded again: the connection.
const lockedKey = "locum.locked"

// openKey is the entry that keeps the connection which the EHR has opened in this frame last. No other of its launches is shown
// there: by the way back through the frame's history an older one would come with another patient than the EHR's page has.
const openKey = "locum.open"

// toldMost bounds what is remembered before it is known whom to believe.
const toldMost = 8

// embedded is what the page around this one has said. It is used on the UI goroutine only.
type embedded struct {
	ancestors  []string // the only origins that are believed; nil while the session has not said
	early      []told   // said before that
	known      bool     // the EHR has told which patient is open there
	patient    string   // that patient's id; "" is nobody
	shown      string   // the patient whom this page shows or is loading; "" is nobody
	connection string   // the connection in the page's address
	locked     bool     // for as long as the document lives
}

// told is one word of the page around this one.
type told struct{ origin, patient string }

// parentSaid takes a message of the page around this one. It is kept until somebody has heard it: the page that is shown may
// be gone by the time its turn comes, and the next one hears it before it shows anybody.
func (s *shell) parentSaid(origin, event, patient string) {
	if event != eventContext {
		return
	}
	s.mu.Lock()
	s.unheard = append(s.unheard[max(0, len(s.unheard)+1-toldMost):], told{origin, patient})
	s.mu.Unlock()
	if p := s.page; p != nil {
		p.dispatch(s.hear)
	}
}

// hear takes up what the page around this one has said since.
func (s *shell) hear() {
	s.mu.Lock()
	unheard := s.unheard
	s.unheard = nil
	s.mu.Unlock()
	for _, t := range unheard {
		s.embedded.hear(s, t)
	}
}

// framed takes up who may be believed, and hears what was said before.
func (e *embedded) framed(s *shell, frame *shared.Frame) {
	if frame == nil || e.ancestors != nil {
		return
	}
	e.ancestors = slices.Clone(frame.Ancestors)
	early := e.early
	e.early = nil
	for _, t := range early {
		e.hear(s, t)
	}
}

func (e *embedded) hear(s *shell, t told) {
	switch {
	case e.ancestors == nil: // the newest counts
		e.early = append(e.early[max(0, len(e.early)+1-toldMost):], t)
	case slices.Contains(e.ancestors, t.origin):
		e.known, e.patient = true, t.patient
		e.check(s)
	}
}

// show says whose record a page is about to show, by which connection. It answers false where that must not be.
func (s *shell) show(patient string, c shared.Connection) bool {
	s.embedded.shown = patient
	s.hear()
	old := framed() && byEHR(c) && kept(openKey) != c.ID
	if old || s.embedded.connection != "" && kept(lockedKey) == s.embedded.connection {
		s.embedded.lock(s)
	}
	s.embedded.check(s)
	return !s.embedded.locked
}

// opened takes it that the EHR shows the patient whom it has just opened Locum for, unless it has said something since. Only
// that unlocks a view which was locked: a launch that nobody agreed to shows nobody.
func (e *embedded) opened(c shared.Connection) {
	if kept(lockedKey) == c.ID {
		forget(lockedKey)
	}
	keep(openKey, c.ID)
	if !e.known {
		e.known, e.patient = true, c.Launch.Patient
	}
}

// check locks the view where the EHR shows another patient than this page.
func (e *embedded) check(s *shell) {
	if e.known && e.shown != "" && !samePatient(e.patient, e.shown) {
		e.lock(s)
	}
}

// samePatient compares what the EHR tells with a FHIR id: the id itself, a reference to it, or athenaOne's number, which is
// the end of the id ("60178" of "a-195900.E-60178").
func samePatient(told, id string) bool {
	number := told != "" && strings.Trim(told, "0123456789") == ""
	return told == id || told == "Patient/"+id || number && strings.HasSuffix(id, ".E-"+told)
}

// lock empties the view and covers it. Nothing unlocks it but a new launch: only that gives a key for the new patient.
func (e *embedded) lock(s *shell) {
	if e.locked {
		return
	}
	e.locked = true
	blank()
	unstyle()
	if e.connection != "" {
		keep(lockedKey, e.connection)
	}
	s.mu.Lock()
	clear(s.clinics)
	s.mu.Unlock()
	s.place = place{}
	if p := s.page; p != nil {
		p.ctx.Page().SetTitle(s.words.Locked.Title + " · " + s.words.Header.Product)
		p.dispatch(func() {
			p.ctx.Defer(func(ui.Context) {
				unhide()
				focus(idTitle)
			})
		})
	}
}

// drawLocked is all that a locked page shows.
func (p *page) drawLocked() part {
	w := p.shell.words.Locked
	return tag("div.shell").body(tag("main.main.locked@locked").attr("id", idMain).attr("aria-busy", "false").body(
		icon(iconShield), tag("h1.page-title[tabindex=-1]").attr("id", idTitle).text(w.Title),
		tag("p.lead[role=alert]").text(w.Text), tag("p").text(w.Next)))
}

// styled are the custom properties that a platform's style may set, and what each is checked to be (SMART App Launch 2.2,
// "styling"). The sheet uses them where no reading of ours depends on the contrast that they make.
var styled = []struct{ name, property, kind string }{
	{"color_background", "--ehr-background", "color"}, {"color_text", "--ehr-text", "color"},
	{"color_highlight", "--ehr-highlight", "color"}, {"dim_border_radius", "--ehr-radius", "length"},
	{"dim_spacing_size", "--ehr-spacing", "length"},
}

// wear asks for the platform's style and puts it on; without one the page looks as ever.
func (p *page) wear(connection string) {
	async(p, func() (shared.Style, error) { return p.shell.client.style(connection) }, func(s shared.Style, err error) {
		if err == nil && !p.shell.embedded.locked {
			style(properties(s.Values))
		}
	})
}

// properties are the values that are what they should be, by custom property. A background comes with its text or not at all.
func properties(values map[string]string) map[string]string {
	safe := map[string]string{}
	for _, one := range styled {
		v := values[one.name]
		if one.kind == "color" && isColor(v) || one.kind == "length" && isLength(v) {
			safe[one.property] = v
		}
	}
	if safe["--ehr-background"] == "" || safe["--ehr-text"] == "" {
		delete(safe, "--ehr-background")
		delete(safe, "--ehr-text")
	}
	return safe
}

// isColor accepts #rrggbb.
func isColor(v string) bool {
	return len(v) == 7 && v[0] == '#' && strings.Trim(v[1:], "0123456789abcdefABCDEF") == ""
}

// isLength accepts up to 32 pixels.
func isLength(v string) bool {
	number, px := strings.CutSuffix(v, "px")
	n, err := strconv.ParseFloat(number, 64)
	return px && err == nil && n >= 0 && n <= 32
}
