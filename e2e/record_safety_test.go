package e2e_test

import (
	"testing"

	"locum/bff/demo"
)

// TestT099ARecordIsText: whatever a FHIR server writes into a record stands there as text, and the part that it answers with
// another patient's is not shown, while the others are.
func TestT099ARecordIsText(t *testing.T) {
	d, b := startDemo(t, quiet()), newBrowser(t)
	athena := d.Sandbox.Athena()
	one, other := athena.Patients()[0], athena.Patients()[1]
	const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	b.signIn(d, robin)
	b.startConnect(d, demo.AthenaID)
	b.click("#context-launch_patient")
	b.click(by("connect-start"))
	b.faceLogIn(robinAtFace)
	b.choose(one.ID)
	athena.AlterFHIR(func(answer map[string]any) {
		entries, _ := answer["entry"].([]any)
		for _, entry := range entries {
			resource, _ := entry.(map[string]any)["resource"].(map[string]any)
			switch resource["resourceType"] {
			case "MedicationRequest":
				resource["medicationCodeableConcept"] = map[string]any{"text": hostile}
				resource["dosageInstruction"] = []any{map[string]any{"text": hostile}}
			case "Condition":
				resource["subject"] = map[string]any{"reference": "Patient/" + other.ID, "display": other.Name}
			}
		}
	}, 20)
	b.permit()
	b.at(d.URL + "/launched/")
	b.ready("launched")
	b.see(by("section-MedicationRequest") + " " + by("resource"))
	b.says(`<script>document.title='owned'</script>`)
	b.see(by("section-Condition") + " " + by("section-problem"))
	b.says("another patient’s record, so none of it is shown")
	b.see(by("section-AllergyIntolerance") + " " + by("resource"))
	b.nobodyElse(athena, one.ID)
	if mustEvaluate[bool](b, `document.title === "owned" || !!document.querySelector("main img, main script")`) {
		t.Error("a record's text became part of the page")
	}
	b.wholeShot("hostile")
	b.clean()
}
