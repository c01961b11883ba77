package wire_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"locum/bff/secret"
	"locum/shared"
)

// begin starts a connection as the app does.
func (h *house) begin(t *testing.T, p person, platform, clinic string) (state, at string, status int) {
	t.Helper()
	return h.beginFrom(t, p, platform, clinic, shared.Context{Page: shared.PageHome})
}

func (h *house) beginFrom(t *testing.T, p person, platform, clinic string, from shared.Context) (state, at string, status int) {
	t.Helper()
	state = secret.Random().Reveal()
	status, body := h.ask(p, "POST", shared.PathConnect, "application/json", h.json(shared.ConnectRequest{Platform: platform, Clinic: clinic, ClientState: state, Context: from}))
	var begun shared.ConnectAnswer
	if status == http.StatusOK {
		must(t, json.Unmarshal(body, &begun))
	}
	return state, begun.AuthorizationURL, status
}

func (h *house) approve(t *testing.T, at string) *url.URL {
	t.Helper()
	back, err := h.demo.Sandbox.Approve(at, "robin@example.test", false)
	must(t, err)
	u, err := url.Parse(back)
	must(t, err)
	return u
}

// flow is the whole of it, by a person who may do what they are asked.
func (h *house) flow(t *testing.T, p person, platform, clinic, login string) shared.Outcome {
	t.Helper()
	state, at, status := h.begin(t, p, platform, clinic)
	if status != http.StatusOK {
		t.Fatalf("begin: %d", status)
	}
	back, err := h.demo.Sandbox.Approve(at, login, false)
	must(t, err)
	response, err := p.client.Get(back)
	must(t, err)
	must(t, response.Body.Close())
	return h.outcome(t, p, state)
}

func (h *house) outcome(t *testing.T, p person, state string) (o shared.Outcome) {
	t.Helper()
	_, body := h.ask(p, "POST", shared.PathOutcome, "application/json", h.json(shared.OutcomeRequest{ClientState: state}))
	must(t, json.Unmarshal(body, &o))
	return o
}

func (h *house) connectAs(t *testing.T, p person, login string) shared.Outcome {
	t.Helper()
	return h.flow(t, p, "jane", h.demo.Sandbox.Clinics()[0].URL, login)
}

func (h *house) connected(t *testing.T, p person, platform, clinic, login string) string {
	t.Helper()
	o := h.flow(t, p, platform, clinic, login)
	if o.Code != shared.OutcomeConnected {
		t.Fatalf("the outcome is %s", o.Code)
	}
	return o.Connection
}
