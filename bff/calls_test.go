package bff_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/audit"
	"locum/bff/connect"
	"locum/bff/sandbox"
	"locum/bff/vault"
	"locum/shared"
)

const patientsPath = "/api/2026-01-01/patients"

// TestT086ErrorsAreOpaque: what a platform says when it fails reaches neither the caller nor the log.
func TestT086ErrorsAreOpaque(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	for name, canned := range map[string]sandbox.Canned{
		"stack":    {Status: 500, Header: map[string]string{"Content-Type": "text/html"}, Body: "<h1>CANARY at patients.rb:1</h1>"},
		"JSON":     {Status: 502, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"error":"CANARY"}`},
		"redirect": {Status: 302, Header: map[string]string{"Location": "https://evil.test/CANARY"}},
		"HTML":     {Status: 200, Header: map[string]string{"Content-Type": "text/html"}, Body: "<script>CANARY</script>"},
		"cookie":   {Status: 403, Header: map[string]string{"Set-Cookie": "CANARY=1", "Content-Type": "text/plain"}, Body: "CANARY"},
	} {
		b.sandbox.Answer(sandbox.EndpointAPI, canned, 1)
		a := one.read("/proxy/v1/" + id + patientsPath)
		text := string(a.body)
		for field, values := range a.header {
			text += field + strings.Join(values, " ")
		}
		if a.status < 400 || strings.Contains(text, "CANARY") || strings.Contains(text, "evil") {
			t.Errorf("%s: %d %s", name, a.status, text)
		}
		checkCommon(t, name, a, "http")
	}
	if strings.Contains(b.log.String(), "CANARY") {
		t.Error("the log holds what the platform said")
	}
}

// TestT105TheWaitIsPassedOn: after the platform's 429 nothing is sent before its time, and the caller reads when.
func TestT105TheWaitIsPassedOn(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	b.sandbox.SetLimits(sandbox.Limits{Endpoint: sandbox.Limit{N: 2, Window: time.Hour}})
	var last answer
	for range 3 {
		last = one.read("/proxy/v1/" + id + patientsPath)
	}
	wait, err := strconv.Atoi(last.header.Get("Retry-After"))
	if last.status != http.StatusTooManyRequests || last.code(t) != shared.CodeBudgetSpent || err != nil || wait < 1 || wait > 3601 {
		t.Fatalf("%d, Retry-After %q: %s", last.status, last.header.Get("Retry-After"), last.body)
	}
	if wait < 30 {
		t.Skip("the sandbox's hour ends in a moment: a call would wait for it, as it should")
	}
	sent := b.sandbox.Count(sandbox.EndpointAPI)
	again := one.read("/proxy/v1/" + id + patientsPath)
	if again.status != http.StatusTooManyRequests || b.sandbox.Count(sandbox.EndpointAPI) != sent {
		t.Errorf("%d, and the platform was asked %d times more", again.status, b.sandbox.Count(sandbox.EndpointAPI)-sent)
	}
	if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/locations"); a.status != http.StatusOK {
		t.Errorf("another endpoint of the clinic: %d %s", a.status, a.body)
	}
}

// TestT110OneRecordPerCall: what went through the door is in the trail, no more and no less, and the trail verifies.
func TestT110OneRecordPerCall(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	const calls = 7
	for range calls {
		if a := one.read("/proxy/v1/" + id + patientsPath); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	one.read("/proxy/v1/" + id + "/api/2026-01-01/nothing")
	one.read("/proxy/v1/" + strings.Repeat("x", 65) + patientsPath)
	b.stop()
	must(t, b.server.Close())
	master, err := vault.ReadKeyFile(b.cfg.MasterKeyFile)
	must(t, err)
	store, err := vault.Open(b.cfg.DataDir, master)
	must(t, err)
	defer store.Close()
	report, err := audit.Verify(filepath.Join(b.cfg.DataDir, bff.AuditFile), store.DeriveKey(bff.AuditKeyPurpose))
	must(t, err)
	if report.Intents != calls || report.Open != 0 || report.Lines < calls {
		t.Errorf("the trail holds %+v for %d calls", report, calls)
	}
	text, err := os.ReadFile(filepath.Join(b.cfg.DataDir, bff.AuditFile))
	must(t, err)
	if n := bytes.Count(text, []byte(`"kind":"refused"`)); n != 2 {
		t.Errorf("%d refused calls are recorded, want 2", n)
	}
}

// TestBodiesPassUnchanged and are held to the limit.
func TestBodiesPassUnchanged(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	a := one.change("POST", "/proxy/v1/"+id+"/api/2026-01-01/patients/search", map[string]any{"query": "a"})
	if a.status >= 500 || a.status == http.StatusForbidden || a.status == http.StatusNotFound {
		t.Errorf("search: %d %s", a.status, a.body)
	}
	sent := b.sandbox.Requests(sandbox.EndpointAPI)
	if len(sent) != 1 || !bytes.Equal([]byte(sent[0].Body), []byte(`{"query":"a"}`)) {
		t.Errorf("the platform received %+v", sent)
	}
}

// TestOutcomesAgree: connect may not import shared, and writes the same codes.
func TestOutcomesAgree(t *testing.T) {
	for _, pair := range [][2]string{
		{connect.OutcomeConnected, string(shared.OutcomeConnected)}, {connect.OutcomeDenied, string(shared.OutcomeDenied)},
		{connect.OutcomeTryAgain, string(shared.OutcomeTryAgain)}, {connect.OutcomeExpired, string(shared.OutcomeExpired)},
		{connect.OutcomeUnknownAttempt, string(shared.OutcomeUnknownAttempt)}, {connect.OutcomeOtherBrowser, string(shared.OutcomeOtherBrowser)},
		{connect.OutcomeSessionEnded, string(shared.OutcomeSessionEnded)}, {connect.OutcomeMixUp, string(shared.OutcomeMixUp)},
		{connect.OutcomePlatformRefused, string(shared.OutcomePlatformRefused)}, {connect.OutcomeExchangeFailed, string(shared.OutcomeExchangeFailed)},
		{connect.OutcomeWrongClinic, string(shared.OutcomeWrongClinic)}, {connect.OutcomeWrongPerson, string(shared.OutcomeWrongPerson)},
		{connect.OutcomeBadToken, string(shared.OutcomeBadToken)}, {connect.OutcomeMisconfigured, string(shared.OutcomeMisconfigured)},
		{connect.OutcomeUnavailable, string(shared.OutcomeUnavailable)}, {connect.OutcomePending, string(shared.OutcomePending)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("connect says %s, shared %s", pair[0], pair[1])
		}
	}
}
