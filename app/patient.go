package app

import ui "github.com/maxence-charriere/go-app/v10/pkg/app"

type patientPage struct {
	page
	patientState
}

type patientState struct{}

// OnNav empties the page.
func (p *patientPage) OnNav(ctx ui.Context) { p.arrive(ctx, p.shell.words.Patient.Title) }

// Render draws the page.
func (p *patientPage) Render() ui.UI {
	return p.frame(p.shell.words.Patient.Title, func() []ui.UI { return nil })
}
