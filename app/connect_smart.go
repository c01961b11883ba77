package app

import (
	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/shared"
)

// The kinds of platforms whose connections begin otherwise than Jane's.
const (
	kindAthena = "athenahealth"
	kindSMART  = "smart"
)

// listed says whether a platform's clinics are those of the configuration and nothing is typed.
func listed(platform shared.Platform) bool {
	return platform.Kind == kindAthena || platform.Kind == kindSMART
}

// drawWhere asks for what tells a clinic on a platform of this kind: Jane's address, one of athenahealth's practices, and of a
// FHIR server nothing.
func (p *connectPage) drawWhere(platform shared.Platform) part {
	w := p.shell.words.Choose
	switch {
	case platform.Kind == kindSMART:
		name := platform.Name
		if len(platform.Clinics) > 0 {
			name = platform.Clinics[0].Name
		}
		return tag("div.field@connect-server").body(tag("span.label").text(w.Server), tag("strong").text(name), tag("p.hint").text(w.ServerText))
	case platform.Kind == kindAthena:
		return p.drawPractices(platform)
	}
	return p.drawClinic(platform)
}

func (p *connectPage) drawPractices(platform shared.Platform) part {
	options := make([]part, len(platform.Clinics))
	for i, clinic := range platform.Clinics {
		radio := tag("input[type=radio][name=practice]").attr("id", "practice-"+safeID(clinic.URL)).test("practice").attr("value", clinic.URL).
			on("change", p.shell, func(ui.Context, ui.Event) { p.clinic, p.complaint = clinic.URL, "" }, "practice", clinic.URL)
		if clinic.URL == p.clinic {
			radio = radio.attr("checked", "true")
		}
		options[i] = tag("label.option").attr("for", "practice-"+safeID(clinic.URL)).body(radio, tag("span").text(clinic.Name))
	}
	parts := []part{tag("legend.label").text(p.shell.words.Choose.Practice), tag("div.options").body(options...)}
	if p.complaint != "" {
		parts = append(parts, tag("p.complaint[role=alert]@clinic-complaint").attr("id", idClinicComplaint).text(p.complaint))
	}
	return tag("fieldset.field@practices").body(parts...)
}

// idContext is the button of one choice.
func idContext(scope string) string { return "context-" + safeID(scope) }

// drawContext offers what a practitioner may choose at the platform (SMART App Launch 2.2, "Standalone Launch").
func (p *connectPage) drawContext(platform shared.Platform) part {
	w := p.shell.words.Choose
	said := map[string]string{"": w.ContextNone, "launch/patient": w.ContextPatient, "launch/encounter": w.ContextEncounter}
	var options []part
	for _, scope := range append([]string{""}, platform.Standalone...) {
		label, known := said[scope]
		if !known {
			continue
		}
		radio := tag("input[type=radio][name=context]").attr("id", idContext(scope)).test("context").attr("value", scope).
			on("change", p.shell, func(ui.Context, ui.Event) { p.context = scope }, "context", platform.ID, scope)
		if scope == p.context {
			radio = radio.attr("checked", "true")
		}
		options = append(options, tag("label.option").attr("for", idContext(scope)).body(radio, tag("span").text(label)))
	}
	if len(options) < 2 {
		return nil
	}
	hint := part(nil)
	if platform.Launch {
		hint = tag("p.hint").text(w.EHR)
	}
	return tag("fieldset.field@contexts").body(tag("legend.label").text(w.Context), tag("div.options").body(options...), hint)
}
