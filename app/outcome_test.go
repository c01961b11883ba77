package app

import (
	"testing"
	"testing/synctest"

	"locum/shared"
)

// TestOutcomeWithoutAnAttempt: a link can make the page say nothing but codes of the closed list, and never "connected".
func TestOutcomeWithoutAnAttempt(t *testing.T) {
	for query, want := range map[string]shared.Code{
		"":                           shared.OutcomeUnknownAttempt,
		"?error=denied":              shared.OutcomeDenied,
		"?error=other_browser":       shared.OutcomeOtherBrowser,
		"?error=connected":           shared.OutcomeUnknownAttempt,
		"?error=pending":             shared.OutcomeUnknownAttempt,
		"?error=<b>your bank</b>":    shared.OutcomeUnknownAttempt,
		"?error=denied&error=mix_up": shared.OutcomeDenied,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := openTab(t, newWire(), shared.PageOutcome)
			b.visit("/connections/outcome" + query)
			b.settle()
			b.shows(`data-code="` + string(want) + `"`)
			b.hides("bank")
		})
	}
}

func TestEveryOutcomeHasANextStep(t *testing.T) {
	for _, code := range shared.OutcomeCodes {
		synctest.Test(t, func(t *testing.T) {
			b := openTab(t, newWire(), shared.PageOutcome)
			b.visit("/connections/outcome")
			p := b.page.(*outcomePage)
			p.ended(shared.Outcome{Code: code, Connection: "c1", Context: shared.Context{Page: shared.PagePatient, Params: map[string]string{"connection": "c1", "patient": "p1"}}})
			b.shows(`data-test="outcome-next"`)
			b.settle()
			if want := "/patients/c1/p1"; p.origin() != want {
				t.Errorf("%s leads back to %s", code, p.origin())
			}
			if code == shared.OutcomeConnected && b.shell.flash == "" {
				t.Error("nothing says that it has worked")
			}
		})
	}
}

// TestAFailedLaunchStartsInTheRecordSystem: nothing here can begin it anew, so nothing here says so.
func TestAFailedLaunchStartsInTheRecordSystem(t *testing.T) {
	for _, code := range shared.OutcomeCodes {
		synctest.Test(t, func(t *testing.T) {
			b := openTab(t, newWire(), shared.PageOutcome)
			b.visit("/connections/outcome")
			p := b.page.(*outcomePage)
			if p.ended(shared.Outcome{Code: code, Platform: "athenahealth", Kind: "ehr"}); !p.overThere() {
				return
			}
			b.shows("Open Locum again from your record system")
			b.shows(`data-test="outcome-next"`)
			b.hides(`data-test="outcome-home"`)
			b.hides(">Start again<")
			b.hides(">Try again<")
		})
	}
}

// TestOriginIsAPage: the context that comes back leads to pages of the app alone.
func TestOriginIsAPage(t *testing.T) {
	p := &outcomePage{}
	for _, c := range []shared.Context{
		{}, {Page: "https://evil.example"}, {Page: shared.PageOutcome}, {Page: shared.PagePatient, Params: map[string]string{"connection": "..", "patient": "x"}},
		{Page: shared.PageSchedule, Params: map[string]string{"connection": "a/b"}},
	} {
		p.outcome.Context = c
		if got := p.origin(); got != "/" {
			t.Errorf("%+v leads to %s", c, got)
		}
	}
}
