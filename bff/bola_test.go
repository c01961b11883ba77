package bff_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/sandbox"
	"locum/shared"
)

// TestT080NotYoursIsNotFound: another practitioner's connection answers exactly like one that never was, on every route
// that takes one, wherever its id stands; nobody is asked upstream.
func TestT080NotYoursIsNotFound(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	mine := one.connect("jane", 0, "robin@example.test")
	two.connect("jane", 0, "alex@example.test") // at the same clinic
	random := strings.Map(func(r rune) rune {
		if r == rune(mine[0]) {
			return 'Q'
		}
		return r
	}, mine)
	before := b.sandbox.Stats()
	for name, who := range map[string]browser{"anonymous": {bench: b}, "the other": two} {
		for route, call := range map[string]func(id string) answer{
			"show":       func(id string) answer { return who.read(shared.PathConnections + "/" + id) },
			"disconnect": func(id string) answer { return who.change("DELETE", shared.PathConnections+"/"+id, nil) },
			"list":       func(id string) answer { return who.read("/proxy/v1/" + id + "/api/2026-01-01/patients") },
			"one":        func(id string) answer { return who.read("/proxy/v1/" + id + "/api/2026-01-01/patients/1") },
			"create": func(id string) answer {
				return who.change("POST", "/proxy/v1/"+id+"/api/2026-01-01/medical-record/observations", map[string]string{"a": "b"})
			},
			"no such operation": func(id string) answer { return who.read("/proxy/v1/" + id + "/api/2026-01-01/nothing") },
			"reconnect": func(id string) answer {
				return who.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "jane", Clinic: b.sandbox.Clinics()[0].URL,
					ClientState: clientState(), Context: shared.Context{Page: "home"}, Connection: id})
			},
		} {
			theirs, never := call(mine), call(random)
			want := http.StatusNotFound
			if name == "anonymous" {
				want = http.StatusUnauthorized
			}
			if theirs.status != want || never.status != want {
				t.Errorf("%s, %s: %d for another's, %d for a random id, want %d: %s", name, route, theirs.status, never.status, want, theirs.body)
			}
			if !bytes.Equal(withoutID(theirs), withoutID(never)) {
				t.Errorf("%s, %s: %s differs from %s", name, route, theirs.body, never.body)
			}
		}
	}
	if after := b.sandbox.Stats(); !equalStats(before, after) {
		t.Errorf("the platform was asked: %v, then %v", before, after)
	}
	trail, err := os.ReadFile(filepath.Join(b.cfg.DataDir, bff.AuditFile))
	must(t, err)
	if n := strings.Count(string(trail), `"kind":"refused"`); n != 14 { // seven routes, two ids; the anonymous are in the log
		t.Errorf("%d refusals are recorded, want 14", n)
	}
	var list shared.Connections
	must(t, json.Unmarshal(two.read(shared.PathConnections).body, &list))
	if len(list.Connections) != 1 || list.Connections[0].ID == mine {
		t.Errorf("the other's list is %+v", list)
	}
	if a := one.read(shared.PathConnections + "/" + mine); a.status != http.StatusOK {
		t.Errorf("the owner: %d %s", a.status, a.body)
	}
}

// withoutID is a problem without its request id.
func withoutID(a answer) []byte {
	var problem shared.Problem
	if json.Unmarshal(a.body, &problem) != nil {
		return a.body
	}
	problem.RequestID = ""
	out, _ := json.Marshal(problem)
	return out
}

// TestT081OneClinicPerConnection: a reconnect cannot move a connection to another clinic, and a call goes to the
// connection's own clinic alone.
func TestT081OneClinicPerConnection(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	a := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "jane", Clinic: b.sandbox.Clinics()[1].URL,
		ClientState: clientState(), Context: shared.Context{Page: "home"}, Connection: id})
	if a.status != http.StatusForbidden && a.status != http.StatusNotFound {
		t.Errorf("another clinic for the same connection: %d %s", a.status, a.body)
	}
	if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/patients"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, r := range b.sandbox.Requests(sandbox.EndpointAPI) {
		if "http://"+r.Host != b.sandbox.Clinics()[0].URL {
			t.Errorf("a call went to %s", r.Host)
		}
	}
}

// TestProxiedCall is the main job: the platform's answer under its own path, the budget beside it, and nothing of the
// platform's own headers.
func TestProxiedCall(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	a := one.read("/proxy/v1/" + id + "/api/2026-01-01/patients?page[limit]=2")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	checkCommon(t, "proxied", a, "http")
	for _, name := range []string{shared.HeaderBudgetEndpoint, shared.HeaderBudgetClinic} {
		if !strings.HasPrefix(a.header.Get(name), "limit=") {
			t.Errorf("%s is %q", name, a.header.Get(name))
		}
	}
	known := map[string]bool{"Content-Type": true, "Content-Length": true, "Date": true, "Cache-Control": true, "Connection": true,
		"Content-Security-Policy": true, "Referrer-Policy": true, "X-Content-Type-Options": true, "Permissions-Policy": true,
		"Cross-Origin-Opener-Policy": true, "Cross-Origin-Resource-Policy": true, "Cross-Origin-Embedder-Policy": true,
		shared.HeaderBudgetEndpoint: true, shared.HeaderBudgetClinic: true, shared.HeaderRequestID: true, shared.HeaderBuild: true}
	for name := range a.header {
		if !known[name] {
			t.Errorf("the answer has %s: %s", name, a.header.Get(name))
		}
	}
	var connection shared.Connection
	must(t, json.Unmarshal(one.read(shared.PathConnections+"/"+id).body, &connection))
	if connection.Budget.Clinic.Remaining != connection.Budget.Clinic.Limit-1 || connection.State != shared.StateConnected ||
		connection.FreshSeconds < 1 || len(connection.Scopes) == 0 || connection.Clinic.URL != b.sandbox.Clinics()[0].URL {
		t.Errorf("the connection is %+v", connection)
	}
	for path, code := range map[string]shared.Code{
		"/api/2026-01-01/nothing": shared.CodeNotFound, "/api/2026-01-01/patients?other=1": shared.CodeBadRequest, "/realms/jane": shared.CodeNotFound,
	} {
		if a := one.read("/proxy/v1/" + id + path); a.code(t) != code {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	gone := one.change("DELETE", shared.PathConnections+"/"+id, nil)
	var disconnected shared.Disconnected
	must(t, json.Unmarshal(gone.body, &disconnected))
	if gone.status != http.StatusOK || !disconnected.Revoked {
		t.Errorf("disconnect: %d %s", gone.status, gone.body)
	}
	if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/patients"); a.status != http.StatusNotFound {
		t.Errorf("after disconnecting: %d %s", a.status, a.body)
	}
}
