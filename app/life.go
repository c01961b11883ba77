package app

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// lifePage tells the whole life of one connection: what it shows and why, what Locum did, what helps now, how long it
// lasts, and what has happened so far. It works for a connection that has ended as well.
type lifePage struct {
	page
	lifeState
}

type lifeState struct {
	loaded bool
	life   shared.Life
	at     time.Time // when life was read
	json   string    // shown where the browser does not let it be copied

	asking    bool
	diagnosis *shared.Diagnosis
}

// OnNav empties the page and loads the life.
func (p *lifePage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.lifeState = lifeState{}
	if p.arrive(ctx, p.shell.words.Life.Title) {
		p.changed = p.renew
		p.load()
	}
}

func (p *lifePage) load() {
	async(&p.page, func() (shared.Life, error) { return p.shell.client.life(p.connectionID()) }, func(l shared.Life, err error) {
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.loaded, p.life, p.at = true, l, time.Now()
		p.succeeded()
		p.ctx.Page().SetTitle(p.title() + " · " + p.shell.words.Header.Product)
		if l.RetrySeconds > 0 {
			p.awaitDue(p.until(l.RetrySeconds), p.load)
		}
	})
}

// renew reads again what a connection's change may have changed.
func (p *lifePage) renew() {
	if p.loaded {
		p.load()
	}
}

// until is the moment that was so many seconds ahead when the life was read.
func (p *lifePage) until(seconds int) time.Time {
	return p.at.Add(time.Duration(seconds) * time.Second)
}

// left says how long it is until then.
func (p *lifePage) left(seconds int) string {
	return span(p.shell.words, max(0, time.Until(p.until(seconds))))
}

func (p *lifePage) title() string {
	switch p.life.Connection.State {
	case shared.StateReconnect, shared.StateEnded:
		return p.shell.words.Life.Why
	}
	return p.shell.words.Life.Title
}

// Render draws the page.
func (p *lifePage) Render() ui.UI { return p.frame(p.title(), p.draw) }

func (p *lifePage) draw() []part {
	switch {
	case !p.loaded && p.fail != nil:
		return []part{p.drawFailure()}
	case !p.loaded:
		return []part{p.skeletons(2)}
	}
	back := tag("p").body(tag("a.back[href=/connections]@life-back").body(icon(iconLeft), tag("span").text(p.shell.words.Life.Back)))
	return []part{back, p.drawFailure(), p.drawVerdict(), p.drawLasting(), p.drawDiagnosis(), p.drawStory()}
}

// drawVerdict answers the question: what happened, what Locum did, what to do now.
func (p *lifePage) drawVerdict() part {
	c, w := p.life.Connection, p.shell.words
	state := w.ConnectionState(c.State)
	class := "card verdict"
	if c.State != shared.StateConnected && c.State != shared.StateRefreshing && c.State != shared.StateEnded {
		class += " card-warn"
	}
	var told []part
	if did, _ := w.Life.Did.Find(c.State); c.State != shared.StateConnected || renewed(c) {
		told = append(told, tag("p").text(did))
	}
	if c.FreshSeconds > 0 && c.State != shared.StateConnected {
		told = append(told, tag("p@life-works").text(words.Fill(w.Connections.StillWorks, "time", p.left(c.FreshSeconds))))
	}
	parts := []part{
		tag("header.card-head").body(
			tag("div").body(tag("h2.card-title").text(c.Clinic.Name), tag("p.quiet").text(c.Platform.Name)),
			tag("span").class("chip chip-connection-"+c.State).test("connection-state").attr("data-state", c.State).text(state.Title)),
	}
	cause := tag("p@life-cause").text(joinWords(state.Text, w.Cause(c.Cause)))
	if p.life.Next == "none" { // There is no question to answer.
		parts = append(parts, tag("div.block").body(append([]part{cause, p.drawSince()}, told...)...))
	} else {
		parts = append(parts, block(w.Life.Happened, cause, p.drawSince()), block(w.Life.Told, told...), p.drawNow())
	}
	return tag("section").class(class).test("life-verdict").attr("data-cause", c.Cause).attr("data-next", p.life.Next).body(parts...)
}

func (p *lifePage) drawSince() part {
	if p.life.Since == nil {
		return nil
	}
	at := *p.life.Since
	return tag("p.quiet").body(timeTag(at, words.Fill(p.shell.words.Life.Since, "time", p.shell.zone("").stamp(at))))
}

// block is a heading with what stands below it.
func block(title string, parts ...part) part {
	return tag("div.block").body(append([]part{tag("h3.label").text(title)}, parts...)...)
}

// drawNow is the next step, with one main button where there is something to press.
func (p *lifePage) drawNow() part {
	c, w := p.life.Connection, p.shell.words.Life
	next, setting, _ := strings.Cut(p.life.Next, ":")
	say, _ := w.Nexts.Find(next)
	parts := []part{tag("p").text(say)}
	switch next {
	case "reconnect":
		parts = append(parts, p.drawReconnect("button.button.button-main[type=button]@life-reconnect", p.shell.words.Connections.Reconnect))
	case "ask_clinic":
		parts = append(parts, p.drawReconnect("button.button[type=button]@life-reconnect", p.shell.words.Connections.Reconnect))
	case "connect":
		parts = append(parts, tag("p").body(
			tag("a.button.button-main@life-connect").attr("href", "/connections/new?platform="+c.Platform.ID).text(w.Connect)))
	case "tell_operator":
		parts = append(parts, p.drawTell(setting))
	}
	if p.life.RetrySeconds > 0 && time.Until(p.until(p.life.RetrySeconds)) > 0 {
		parts = append(parts, tag("p.quiet[role=timer][aria-live=off]@life-retry").text(words.Fill(w.Retry, "time", p.left(p.life.RetrySeconds))))
	}
	return block(w.Now, parts...)
}

func (p *lifePage) drawReconnect(selector, label string) part {
	id := p.life.Connection.ID
	return tag("p").body(tag(selector).text(label).on("click", p.shell, func(ui.Context, ui.Event) { p.authorize(id, nil) }, "life-reconnect", id))
}

// drawTell is what an operator needs: the setting in words, and what they can search their log for.
func (p *lifePage) drawTell(setting string) part {
	c, w := p.life.Connection, p.shell.words.Life
	text, _ := w.Settings.Find(setting)
	code := c.Platform.ID + " · " + c.Cause
	if p.life.Since != nil {
		code += " · " + p.life.Since.UTC().Format(time.RFC3339)
	}
	return tag("blockquote.tell@life-tell").body(
		tag("p").text(words.Fill(text, "platform", c.Platform.Name)), tag("p.mono.quiet").text(code))
}

// drawLasting is the forecast: until when without the platform, without use, and at all.
func (p *lifePage) drawLasting() part {
	c, w := p.life.Connection, p.shell.words
	if c.State == shared.StateEnded || c.State == shared.StateReconnect {
		return p.drawForgotten()
	}
	var lines []part
	line := func(test, said string) { lines = append(lines, tag("li").test(test).text(said)) }
	ends := c.EndsAt != nil && time.Until(*c.EndsAt) > 0
	switch {
	case ends && byEHR(c):
		z := p.shell.zone("")
		line("life-ends", words.Fill(w.Chart.ByEHREnds, "date", z.stamp(*c.EndsAt)))
	case ends:
		z := p.shell.zone("")
		line("life-ends", words.Fill(w.Life.EndsAt, "date", z.stamp(*c.EndsAt)))
	default:
		line("life-open", w.Life.EndsOpen)
	}
	if !renewed(c) {
		return tag("section.card.lasting@life-lasting").body(
			tag("h2.card-title").text(w.Life.Lasts), tag("ul.lines").body(lines...), p.drawLaunch(c))
	}
	keep, _ := w.Life.KeepAlive.Find(p.life.KeepAlive)
	if c.KeptSeconds > 0 {
		keep = joinWords(keep, words.Fill(w.Connections.Kept, "time", p.left(c.KeptSeconds)))
	}
	line("life-kept", keep)
	rotation, _ := w.Life.Rotations.Find(p.life.Rotation)
	line("life-rotation", rotation)
	if p.life.RotationObserved != "" {
		line("life-contradicts", w.Life.Contradicts)
	}
	var renew part
	if ends && c.State == shared.StateConnected && !byEHR(c) {
		selector := "button.button[type=button]@life-renew"
		if soon(c) {
			selector = "button.button.button-main[type=button]@life-renew"
		}
		renew = p.drawReconnect(selector, w.Connections.Reconnect)
	}
	return tag("section.card.lasting@life-lasting").body(
		tag("h2.card-title").text(w.Life.Lasts), tag("ul.lines").body(lines...), renew)
}

func (p *lifePage) drawForgotten() part {
	if p.life.ToldTo == nil {
		return nil
	}
	z := p.shell.zone("")
	return tag("p.quiet@life-forgotten").text(words.Fill(p.shell.words.Life.Forgotten, "date", z.say(z.day(*p.life.ToldTo), shapeDate)))
}

// forecastAhead is how long before an absolute end the cards speak of it.
const forecastAhead = 2 * time.Hour

// soon says whether a connection's absolute end is near.
func soon(c shared.Connection) bool {
	if c.EndsAt == nil || c.State == shared.StateReconnect {
		return false
	}
	left := time.Until(*c.EndsAt)
	return left > 0 && left < forecastAhead
}

// drawStory lists what has happened, the newest first.
func (p *lifePage) drawStory() part {
	w := p.shell.words.Life
	section := tag("section.part@life-story").attr("aria-label", w.Story)
	head := tag("div.part-head").body(tag("h2.part-title").text(w.Story),
		tag("button.button.button-quiet[type=button]@life-copy").text(w.Copy).on("click", p.shell, p.copy, "life-copy"))
	if len(p.life.Steps) == 0 {
		return section.body(head, tag("p.quiet").text(w.NoStory))
	}
	steps := make([]part, len(p.life.Steps))
	for i, s := range p.life.Steps {
		steps[len(steps)-1-i] = p.drawStep(s)
	}
	return section.body(head, p.drawJSON(), tag("p.quiet").text(w.StoryText), tag("ol.story").body(steps...))
}

func (p *lifePage) drawStep(s shared.LifeStep) part {
	w, z := p.shell.words, p.shell.zone("")
	what, ok := w.Life.Steps.Find(s.What)
	if !ok {
		what = s.What
	}
	trigger, _ := w.Life.Triggers.Find(s.Trigger)
	if s.What == "learned" || s.What == "forecast" { // It was nobody's doing.
		trigger = ""
	}
	lines := []part{
		tag("p.quiet").body(timeTag(s.At, z.stamp(s.At))),
		tag("p").body(tag("strong").text(what), text(" "), tag("span.quiet").text(trigger)),
	}
	code := w.Cause(s.Code)
	for _, key := range []string{s.Code, s.What + "/" + s.Code} {
		if named, ok := w.Life.Codes.Find(key); ok {
			code = named
		}
	}
	if code != "" {
		lines = append(lines, tag("p").text(code))
	}
	if s.Until != nil {
		last := z.stamp(*s.Until)
		if s.Count > 1 {
			last = words.Fill(w.Life.Times, "n", strconv.Itoa(s.Count), "time", last)
		}
		lines = append(lines, tag("p.quiet").text(last))
	}
	if s.Parent+s.Child != "" {
		lines = append(lines, tag("p.mono.quiet").text(strings.Trim(s.Parent+" → "+s.Child, " →")))
	}
	return tag("li.step").class("step-"+tint(s.What)).attr("data-step", s.What).attr("data-code", s.Code).body(lines...)
}

// tint is how a step looks: what went well, what is in doubt, what has ended.
func tint(what string) string {
	switch what {
	case "connected", "reconnected", "refreshed", "recovered":
		return "good"
	case "ended", "damaged", "disconnected", "sibling_ended":
		return "bad"
	case "failed", "no_answer", "refused", "not_revoked", "restored":
		return "warn"
	}
	return "plain"
}

// copy puts the life as JSON where the practitioner can paste it into a mail; where the browser does not allow that, the
// page shows it.
func (p *lifePage) copy(ui.Context, ui.Event) {
	body, err := json.MarshalIndent(p.life, "", " ")
	if err != nil {
		return
	}
	async(&p.page, func() (struct{}, error) { return struct{}{}, copyText(string(body)) }, func(_ struct{}, err error) {
		if err != nil {
			p.json = string(body)
			return
		}
		p.say(p.shell.words.Life.Copied)
	})
}

func (p *lifePage) drawJSON() part {
	return slot(when(p.json != "", func() part {
		return tag("div.part").body(tag("p.quiet").text(p.shell.words.Life.CopyFailed), tag("pre.tell.mono[tabindex=0]@life-json").text(p.json))
	}))
}
