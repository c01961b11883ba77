package app

import (
	"strings"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// Register gives go-app a component for every entry of shared.Pages, in the language asked for. The renderer calls it
// once per language of words.Languages and renders all pages in between; cmd/wasm calls it once. Pages of one Register
// share one shell: what a tab knows about its session and its clinics.
func Register(lang string) {
	s := newShell(words.For(lang), fetch, ui.IsClient)
	for _, p := range shared.Pages {
		make := func() ui.Composer { return s.component(p.Name) }
		switch {
		case ui.IsServer: // An exact path of the last Register wins; of regular expressions the first would.
			ui.Route(p.Sample, make)
		case len(p.Names()) > 0:
			ui.RouteWithRegexp(pagePattern(p.Pattern), make)
		default:
			ui.Route(p.Pattern, make)
		}
	}
}

// pagePattern is the regular expression of a page's pattern: a {name} is what shared.ValidID accepts.
func pagePattern(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = `[A-Za-z0-9._~-]{1,64}`
		}
	}
	return "^" + strings.Join(segments, "/") + "$"
}

// component makes a fresh page for one navigation. Two navigations never share an instance (see page.CompoID), so no
// field, input or handler of one patient's page can live on in the next.
func (s *shell) component(name string) ui.Composer {
	s.serial++
	base := page{shell: s, serial: s.serial, name: name}
	switch name {
	case shared.PageSchedule:
		return &schedulePage{page: base}
	case shared.PagePatients:
		return &patientsPage{page: base}
	case shared.PagePatient:
		return &patientPage{page: base}
	case shared.PageConnections:
		return &connectionsPage{page: base}
	case shared.PageConnect:
		return &connectPage{page: base}
	case shared.PageLife:
		return &lifePage{page: base}
	case shared.PageOutcome:
		return &outcomePage{page: base}
	case shared.PageLaunch:
		return &launchPage{page: base}
	case shared.PageLaunched:
		return &launchedPage{page: base}
	case shared.PageServices:
		return &servicesPage{page: base}
	default:
		return &homePage{page: base}
	}
}
