package app

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// launchedPage is the patient whom a connection was launched for. An intent of the launch that is not known shows the record
// like none does.
type launchedPage struct {
	page
	launchedState
}

type launchedState struct {
	connection shared.Connection
	chart      chart
}

// OnNav empties the page, and only then loads the patient of the connection that the address names.
func (p *launchedPage) OnNav(ctx ui.Context) {
	defer p.shell.caught()
	p.launchedState = launchedState{}
	if p.arrive(ctx, p.shell.words.Chart.Title) {
		p.load()
	}
}

func (p *launchedPage) load() {
	id := p.connectionID()
	async(&p.page, func() (shared.Connection, error) { return p.shell.connection(id) }, func(c shared.Connection, err error) {
		if err != nil {
			p.failedWith(err, p.load)
			return
		}
		p.connection = c
		if !forOne(c) {
			return
		}
		if c.Launch.Styled {
			p.wear(c.ID)
		}
		p.openChart(&p.chart, c, c.Launch.Patient, func(err error) {
			if err != nil {
				p.failedWith(err, p.load)
				return
			}
			p.succeeded()
		})
	})
}

// Render draws the page.
func (p *launchedPage) Render() ui.UI { return p.frame(p.shell.words.Chart.Title, p.draw) }

func (p *launchedPage) draw() []part {
	w := p.shell.words.Chart
	switch {
	case p.chart.known:
		return p.drawChart(&p.chart)
	case p.fail != nil:
		return []part{p.drawFailure()}
	case p.connection.ID != "" && !forOne(p.connection):
		return []part{empty("launched-nobody", w.NoPatient, w.NoPatientText,
			tag("a.button.button-main@launched-find").attr("href", "/patients/"+p.connection.ID).text(w.FindPatient))}
	}
	return []part{p.skeletons(3)}
}
