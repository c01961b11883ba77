package e2e_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
)

// hostile is what a platform may say instead of a name: each would change window.owned, the title or the page where it is not
// text, or turn a line around.
var hostile = []string{
	`<img src=x onerror="window.owned=1">`, `<svg onload="window.owned=1"></svg>`, `"><script>window.owned=1</script>`,
	`javascript:window.owned=1`, `<a href="javascript:window.owned=1">open</a>`, "\u202etxet desrever\u202c", `{{constructor.constructor('window.owned=1')()}}`,
	`' onmouseover='window.owned=1`, `<iframe srcdoc="<script>parent.owned=1</script>"></iframe>`, `</title><meta http-equiv=refresh content="0;url=/evil">`,
}

// told are the fields of Jane's answers that are words for people. The rest are ids, dates and codes.
var told = []string{"name", "first_name", "middle_name", "last_name", "preferred_name", "prefix", "suffix", "pronouns", "note", "unit",
	"email", "guardian_name", "display", "title", "professional_title", "description", "number", "patient_number", "legal_name", "value_string", "text"}

// poison puts the hostile texts in turn where v has words for people, and counts them.
func poison(v any, n *int) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = poison(v[i], n)
		}
	case map[string]any:
		for key, value := range v {
			if _, is := value.(string); is && slices.Contains(told, key) {
				v[key] = hostile[*n%len(hostile)]
				*n++
			} else {
				v[key] = poison(value, n)
			}
		}
	}
	return v
}

// poisoned opens a page, reads what it asked the clinic for, and opens it again with every word in those answers hostile.
func (b *browser) poisoned(d *demo.Demo, page, address string) (words int) {
	b.t.Helper()
	before := d.Sandbox.Count(sandbox.EndpointAPI)
	b.open(address)
	b.ready(page)
	asked := d.Sandbox.Requests(sandbox.EndpointAPI)
	asked = asked[len(asked)-(d.Sandbox.Count(sandbox.EndpointAPI)-before):]
	if len(asked) == 0 {
		b.t.Fatalf("the page %s asks the clinic for nothing", page)
	}
	for _, request := range asked {
		target := proxied(d, b, request.Path)
		if request.Query != "" {
			target += "?" + request.Query
		}
		body := mustEvaluate[string](b, `fetch(`+strconv.Quote(target)+`).then(r => r.text())`, chromedp.EvalAwaitPromise)
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			b.t.Fatalf("%s: %v", request.Path, err)
		}
		evil, err := json.Marshal(poison(value, &words))
		if err != nil {
			b.t.Fatal(err)
		}
		d.Sandbox.Answer(request.Where, sandbox.Canned{Header: map[string]string{"Content-Type": "application/json"}, Body: string(evil)}, 1)
	}
	b.open(address)
	b.ready(page)
	return words
}

// inert checks that what was said stands on the page as text alone. It touches every element once, as a mouse would.
func (b *browser) inert(page, address string) {
	b.t.Helper()
	mustEvaluate[bool](b, `([...document.querySelectorAll("main *")].forEach(e => e.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))), true)`)
	if mustEvaluate[bool](b, `"owned" in window`) {
		b.t.Errorf("%s: what the platform says has run", page)
	}
	for _, selector := range []string{"main iframe", "main svg[onload]", "main img[onerror]", "main script", `a[href^="javascript" i]`, "[onmouseover]", "body meta"} {
		if n := mustEvaluate[int](b, `document.querySelectorAll(`+strconv.Quote(selector)+`).length`); n != 0 {
			b.t.Errorf("%s: %d elements %s", page, n, selector)
		}
	}
	if at := b.where(); at != address {
		b.t.Errorf("%s: the browser was led to %s", page, at)
	}
	if turned := mustEvaluate[bool](b, `/[\u202a-\u202e\u2066-\u2069]/.test(document.querySelector("main").innerText)`); turned {
		b.t.Errorf("%s: a name may turn the line it stands in around", page)
	}
}

// TestT099DataIsText: names, notes and titles that are markup, links, templates or turn the line around are shown as text.
func TestT099DataIsText(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	connection := b.connections()
	b.open(d.URL + "/patients/" + connection)
	b.ready("patients")
	patient := d.URL + mustEvaluate[string](b, `document.querySelector('`+by("patient-row")+` a, a`+by("patient-row")+`')?.getAttribute("href") || ""`)
	if !strings.Contains(patient, "/patients/"+connection+"/") {
		t.Fatalf("no link to a patient: %s", patient)
	}
	for _, p := range []struct{ page, address string }{
		{"schedule", d.URL + "/schedule/" + connection},
		{"patients", d.URL + "/patients/" + connection},
		{"patient", patient},
	} {
		words := b.poisoned(d, p.page, p.address)
		b.inert(p.page, p.address)
		shown := mustEvaluate[string](b, `document.querySelector("main").innerText + [...document.querySelectorAll("main details")].map(e => e.textContent)`)
		n := 0
		for _, text := range hostile {
			if strings.Contains(shown, strings.Trim(text, "\u202c\u202e")) {
				n++
			}
		}
		t.Logf("%s: %d hostile words, %d kinds of them stand there as text", p.page, words, n)
		if words < 5 || n == 0 {
			t.Errorf("%s: of %d hostile words %d kinds are shown: %s", p.page, words, n, shown)
		}
		d.Sandbox.Calm()
	}
	b.clean()
}

// TestT099ErrorTextIsText: what a platform says about a record that it refuses is shown as text, or not at all.
func TestT099ErrorTextIsText(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	refusals := []any{}
	for _, text := range hostile {
		refusals = append(refusals, map[string]any{"id": "x", "path": "note", "message": text})
	}
	body, err := json.Marshal(map[string]any{"errors": refusals})
	if err != nil {
		t.Fatal(err)
	}
	b.open(d.URL + "/schedule/" + b.connections())
	b.ready("schedule")
	b.see(by("appointment"))
	for _, where := range []sandbox.Endpoint{"api/appointments", "api/patients"} {
		d.Sandbox.Answer(where, sandbox.Canned{Status: 422, Header: map[string]string{"Content-Type": "application/json"}, Body: string(body)}, 3)
	}
	address := b.where()
	b.open(address)
	b.ready("schedule")
	b.see("main [role=alert]")
	b.inert("schedule", address)
	b.clean()
}
