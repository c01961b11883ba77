package bff_test

import (
	"crypto/sha256"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/proxy"
	"locum/shared"
)

// token-shaped: a JWS or JWE in compact form (RFC 7515 §7.1).
var compactJOSE = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

// TestT004NoRouteReturnsTokenMaterial: every route of the table, as nobody, as the owner and as another practitioner, in
// the middle of a connected day; no answer holds anything the sandbox minted, and no JSON key that is not described.
func TestT004NoRouteReturnsTokenMaterial(t *testing.T) {
	b := open(t, nil)
	one, two := b.typePassword(loginOne), b.typePassword(loginTwo)
	id := one.connect("jane", 0, "robin@example.test")
	keys := describedKeys(t)
	patient := firstPatient(t, one, id)
	for _, who := range []browser{{bench: b}, two, one} { // the owner last: it disconnects
		for _, r := range b.server.Routes() {
			method, path := r[0], strings.NewReplacer("{connection}", id, "{platform}", "jane", "{patient}", patient, "{launch}", clientState(), "{ticket}", clientState(),
				"*", "api/2026-01-01/patients/"+patient).Replace(r[1])
			if path == shared.PathSignOut {
				continue // below
			}
			a := who.change(method, path, nil)
			if method == http.MethodGet {
				a = who.read(path)
			}
			checkNoSecret(t, b, method+" "+path, a)
			if strings.HasPrefix(path, "/api/v1/") || strings.HasPrefix(path, "/healthz") || strings.HasPrefix(path, "/readyz") {
				checkKeys(t, method+" "+path, a, keys)
			}
		}
	}
	checkNoSecret(t, b, "sign-out", b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil))
	log := b.log.String()
	for name, part := range map[string]string{"the session": one.session, "the flow": one.flow, "the patient": patient,
		"the password": password, "a token": "eyJ", "the sandbox's marker": b.sandbox.Marker()} {
		if strings.Contains(log, part) {
			t.Errorf("the log holds %s", name)
		}
	}
}

func checkNoSecret(t *testing.T, b *bench, what string, a answer) {
	t.Helper()
	text := string(a.body)
	for name, values := range a.header {
		text += name + strings.Join(values, "\n")
	}
	if strings.Contains(text, b.sandbox.Marker()) || compactJOSE.MatchString(text) {
		t.Errorf("%s: a secret is in the answer", what)
	}
	for _, minted := range b.sandbox.Minted() {
		if strings.Contains(text, minted) {
			t.Errorf("%s: a secret is in the answer", what)
		}
	}
}

func firstPatient(t *testing.T, one browser, connection string) string {
	t.Helper()
	var list struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	must(t, json.Unmarshal(one.read("/proxy/v1/"+connection+"/api/2026-01-01/patients").body, &list))
	if len(list.Items) == 0 {
		t.Fatal("the clinic has no patients")
	}
	return list.Items[0].ID
}

// describedKeys are the property names of openapi.json.
func describedKeys(t *testing.T) map[string]bool {
	keys := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok {
				for name := range properties {
					keys[name] = true
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(described(t))
	return keys
}

func described(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile("openapi.json")
	must(t, err)
	var document map[string]any
	must(t, json.Unmarshal(data, &document))
	return document
}

func checkKeys(t *testing.T, what string, a answer, keys map[string]bool) {
	t.Helper()
	if len(a.body) == 0 || !strings.Contains(a.header.Get("Content-Type"), "json") {
		return
	}
	var v any
	must(t, json.Unmarshal(a.body, &v))
	var walk func(v any, free bool)
	walk = func(v any, free bool) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if !free && !keys[name] {
					t.Errorf("%s: the key %s is not described", what, name)
				}
				walk(inner, name == "params" || name == "endpoints")
			}
		case []any:
			for _, inner := range v {
				walk(inner, false)
			}
		}
	}
	walk(v, false)
}

// TestOpenAPIDescribesTheRoutes, every one of the API and no other.
func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	b := open(t, nil)
	var served, written []string
	for _, r := range b.server.Routes() {
		api := strings.HasPrefix(r[1], "/api/") || strings.HasPrefix(r[1], "/proxy/") || r[1] == shared.PathHealth || r[1] == shared.PathReady
		if api && r[0] != http.MethodHead {
			served = append(served, r[0]+" "+strings.Replace(r[1], "*", "{path}", 1))
		}
	}
	for path, methods := range described(t)["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			written = append(written, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(written)
	if !slices.Equal(served, written) {
		t.Errorf("served:\n%s\ndescribed:\n%s", strings.Join(served, "\n"), strings.Join(written, "\n"))
	}
	var got any
	must(t, json.Unmarshal(b.get(shared.PathOpenAPI).body, &got))
}

// TestT091ReadingChangesNothing: no GET or HEAD writes a byte into the vault.
func TestT091ReadingChangesNothing(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	before := b.vaultSum()
	for _, r := range b.server.Routes() {
		path := strings.NewReplacer("{connection}", id, "{platform}", "jane", "{patient}", "x", "{launch}", clientState(), "{ticket}", clientState(), "*", "api/2026-01-01/patients").Replace(r[1])
		switch r[0] {
		case http.MethodGet:
			one.read(path)
		case http.MethodHead:
			b.do(request{"HEAD", path, [][2]string{one.cookies()}, ""})
		}
	}
	if b.vaultSum() != before {
		t.Error("reading wrote into the vault")
	}
}

func (b *bench) vaultSum() [32]byte {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.cfg.DataDir, "*.db"))
	must(b.t, err)
	if len(files) != 1 {
		b.t.Fatalf("databases: %v", files)
	}
	data, err := os.ReadFile(files[0])
	must(b.t, err)
	return sha256.Sum256(data)
}

// TestEveryCodeHasItsMeaning: whatever code shared knows for a refusal is in the one table, and nothing else is.
func TestEveryCodeHasItsMeaning(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "shared", "problem.go"), nil, 0)
	must(t, err)
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasPrefix(spec.Names[0].Name, "Code") {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			must(t, err)
			codes = append(codes, code)
		}
		return true
	})
	slices.Sort(codes)
	if !slices.Equal(codes, bff.Meanings()) {
		t.Errorf("shared has %v, the table %v", codes, bff.Meanings())
	}
}

// TestHeaderNamesAgree: proxy may not import shared and writes the same names.
func TestHeaderNamesAgree(t *testing.T) {
	if proxy.HeaderBudgetEndpoint != shared.HeaderBudgetEndpoint || proxy.HeaderBudgetClinic != shared.HeaderBudgetClinic || proxy.PathProxy != shared.PathProxy {
		t.Error("proxy and shared name the budget headers differently")
	}
}

// TestT089WhatThePageDoesIsNoActivity: reading and asking for an outcome leave the idle clock alone, what a person does
// sets it back.
func TestT089WhatThePageDoesIsNoActivity(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	active := func() time.Time {
		at, err := b.server.LastActive(one.session)
		must(t, err)
		return at
	}
	for _, r := range b.server.Routes() {
		path := strings.NewReplacer("{connection}", id, "{platform}", "jane", "{patient}", "x", "{launch}", clientState(), "{ticket}", clientState(), "*", "api/2026-01-01/patients").Replace(r[1])
		before := active()
		switch {
		case r[0] == http.MethodGet:
			one.read(path)
		case path == shared.PathOutcome:
			one.change(r[0], path, shared.OutcomeRequest{ClientState: clientState()})
		case strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/proxy/"):
			one.change(r[0], path, nil)
			if !active().After(before) {
				t.Errorf("%s %s does not count", r[0], path)
			}
			continue
		default:
			continue
		}
		if !active().Equal(before) {
			t.Errorf("%s %s counts as activity", r[0], path)
		}
	}
}
