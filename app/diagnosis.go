package app

import (
	"strings"
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

// drawDiagnosis lets the practitioner have the platform asked about the connection, and shows what it says in a small table.
func (p *lifePage) drawDiagnosis() part {
	w := p.shell.words.Diagnosis
	if state := p.life.Connection.State; state == shared.StateEnded {
		return nil
	}
	button := tag("button.button[type=button]@diagnose").text(w.Ask).on("click", p.shell, p.diagnose, "diagnose")
	if p.asking {
		button = tag("button.button[type=button][disabled=true]@diagnose").text(w.Asking)
	}
	return tag("section.card@life-diagnosis").body(
		tag("h2.card-title").text(w.Title), tag("p.quiet").text(w.Text),
		slot(when(p.diagnosis != nil, func() part { return p.drawFindings(*p.diagnosis) })), tag("p").body(button))
}

func (p *lifePage) diagnose(ui.Context, ui.Event) { p.ask() }

func (p *lifePage) ask() {
	if p.asking {
		return
	}
	p.asking = true
	async(&p.page, func() (shared.Diagnosis, error) { return p.shell.client.diagnose(p.connectionID()) },
		func(d shared.Diagnosis, err error) {
			p.asking = false
			if err != nil {
				p.failedWith(err, p.ask)
				return
			}
			p.diagnosis = &d
			p.load() // The story has one step more.
		})
}

func (p *lifePage) drawFindings(d shared.Diagnosis) part {
	w, z := p.shell.words, p.shell.zone("")
	row := func(test, name, said string) part {
		return tag("tr").body(tag("th[scope=row]").text(name), tag("td").test(test).text(said))
	}
	rows := []part{row("diagnosis-asked", w.Diagnosis.AskedAt, z.stamp(d.AskedAt))}
	if d.Code != "" {
		said := w.Cause(d.Code)
		if named, ok := w.Diagnosis.Founds.Find(d.Code); ok {
			said = named
		}
		rows = append(rows, row("diagnosis-code", w.Diagnosis.Answer, said))
	}
	if d.Reachable {
		rows = append(rows, row("diagnosis-access", w.Diagnosis.Access, p.found(d.Access)), row("diagnosis-renewal", w.Diagnosis.Renewal, p.found(d.Renewal)))
		if d.Renewal.Found == "active" {
			said := w.Diagnosis.OtherSignIn
			if d.SameSignIn {
				said = w.Diagnosis.SameSignIn
			}
			rows = append(rows, row("diagnosis-sign-in", w.Diagnosis.SignIn, said))
		}
	}
	if scopes := p.scopesInWords(d.Renewal.Scopes); scopes != "" {
		rows = append(rows, row("diagnosis-scopes", w.Connections.Granted, scopes))
	}
	rows = append(rows, row("diagnosis-clock", w.Diagnosis.Clock, p.clockInWords(d.ClockSeconds)))
	return tag("table.findings@findings").attr("aria-label", w.Diagnosis.Title).body(tag("tbody").body(rows...))
}

// found says what the platform says of one half, and until when it holds.
func (p *lifePage) found(h shared.DiagnosisHalf) string {
	w := p.shell.words.Diagnosis
	said, _ := w.Founds.Find(h.Found)
	if h.EndsAt != nil && h.Found == "active" {
		said = joinWords(said, words.Fill(w.Until, "time", p.shell.zone("").stamp(*h.EndsAt)))
	}
	return said
}

// scopesInWords leaves out what has no words: a platform adds names of its own.
func (p *lifePage) scopesInWords(scopes []string) string {
	var said []string
	for _, scope := range scopes {
		if text, ok := p.shell.words.Scopes.Find(scope); ok {
			said = append(said, text)
		}
	}
	return strings.Join(said, " · ")
}

func (p *lifePage) clockInWords(ahead int) string {
	w := p.shell.words
	d := time.Duration(ahead) * time.Second
	switch {
	case ahead > 0:
		return words.Fill(w.Diagnosis.Ahead, "time", span(w, d))
	case ahead < 0:
		return words.Fill(w.Diagnosis.Behind, "time", span(w, -d))
	}
	return w.Diagnosis.Even
}
