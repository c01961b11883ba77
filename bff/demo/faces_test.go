package demo_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/demo"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// TestDemoFaces: both SMART servers are connected, one by a secret and one by keys, and read through the proxy; then an EHR
// opens Locum for a patient, and after one confirmation the record is there.
func TestDemoFaces(t *testing.T) {
	d, err := demo.Start(t.Context(), demo.Options{Listen: "localhost:0"})
	must(t, err)
	defer func() { must(t, d.Close()) }()
	p := &person{t: t, d: d, client: newClient(t)}
	p.post(shared.PathSignIn, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"card": {d.People[0].Login}}.Encode()), http.StatusSeeOther, nil)
	athena, smart := d.Sandbox.Athena(), d.Sandbox.SMART()
	p.connect(demo.AthenaID, athena.Origin()+"/v1/"+athena.Practice())
	p.connect(demo.SMARTID, smart.FHIRBase())
	var connections shared.Connections
	p.get(shared.PathConnections, &connections)
	if len(connections.Connections) != 2 {
		t.Fatalf("connections are %+v", connections)
	}
	for _, connection := range connections.Connections {
		base := "/fhir/r4"
		if connection.Platform.ID == demo.SMARTID {
			base = strings.TrimPrefix(smart.FHIRBase(), smart.Origin())
		}
		var bundle struct {
			Total int `json:"total"`
		}
		p.get(shared.PathProxy+"/"+connection.ID+base+"/Patient?family=invent", &bundle)
		if bundle.Total != 1 {
			t.Errorf("%s finds %d patients", connection.Platform.ID, bundle.Total)
		}
	}
	p.launch(demo.AthenaID, athena, "locum-demo-athena")
	p.launch(demo.SMARTID, smart, "locum-demo-smart")
	if len(d.EHRs()) != 2 {
		t.Errorf("EHRs are %+v", d.EHRs())
	}
}

// launch does what a person does who opens Locum in an EHR for the second patient.
func (p *person) launch(platform string, face *sandbox.Face, app string) {
	p.t.Helper()
	patient := face.Patients()[1]
	address, err := face.Launch(sandbox.Launch{App: app, Patient: patient.ID})
	must(p.t, err)
	answer, err := p.client.Get(address)
	must(p.t, err)
	must(p.t, answer.Body.Close())
	handle, found := strings.CutPrefix(answer.Header.Get("Location"), "/launch/")
	if !found {
		p.t.Fatalf("%s: launch answers %d to %q", platform, answer.StatusCode, answer.Header.Get("Location"))
	}
	state := secret.Random().Reveal()
	body, err := json.Marshal(shared.LaunchRequest{Launch: handle, ClientState: state})
	must(p.t, err)
	var begun shared.ConnectAnswer
	p.post(shared.PathLaunch, "application/json", strings.NewReader(string(body)), http.StatusOK, &begun)
	back, err := p.d.Sandbox.Approve(begun.AuthorizationURL, "robin@example.test", false)
	must(p.t, err)
	answer, err = p.client.Get(back)
	must(p.t, err)
	must(p.t, answer.Body.Close())
	var outcome shared.Outcome
	asked := `{"client_state":"` + state + `"}`
	p.post(shared.PathOutcome, "application/json", strings.NewReader(asked), http.StatusOK, &outcome)
	if outcome.Code == shared.OutcomeLinkNeeded {
		p.post(shared.PathLaunch+"/link", "application/json", strings.NewReader(asked), http.StatusOK, &outcome)
	}
	if outcome.Code != shared.OutcomeConnected {
		p.t.Fatalf("%s: launch ends as %s", platform, outcome.Code)
	}
	var connection shared.Connection
	p.get(shared.PathConnections+"/"+outcome.Connection, &connection)
	if connection.Launch == nil || connection.Launch.Patient != patient.ID {
		p.t.Errorf("%s: launched for %+v", platform, connection.Launch)
	}
}
