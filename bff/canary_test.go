package bff_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/sandbox"
	"locum/shared"
)

// marked are texts that nobody may find in the trail or the log: what people type, what platforms say, and what is known
// of patients. hostile is what would break a line, move a terminal's cursor or turn the text around.
const (
	marked  = "CANARY-Quillfeather"
	counted = "918273645546372819" // a number, as JSON has it
	hostile = "\x1b[31m\r\n{\"kind\":\"forged\"}\n\u2028\u2029\u202e\u0085\x9b"
)

// disguises are the ways in which a careless line could carry a text: as it is, as Go prints a byte slice, encoded, in
// UTF-16.
func disguises(text string) map[string]string {
	var wide []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	all := map[string]string{
		"raw": text, "hex": fmt.Sprintf("%x", text), "HEX": fmt.Sprintf("%X", text), "percent": url.QueryEscape(text),
		"bytes": strings.Trim(fmt.Sprint([]byte(text)), "[]"), "Go bytes": strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(text)), "[]byte{"), "}"),
		"UTF-16": string(wide), "small": strings.ToLower(text),
	}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
		core := encoded[4*min(shift, 1) : len(encoded)/4*4-4]
		all[fmt.Sprint("base64 ", shift)] = core
		all[fmt.Sprint("base64url ", shift)] = strings.NewReplacer("+", "-", "/", "_").Replace(core)
	}
	return all
}

// scanFor reports every disguise of every text that stands in data.
func scanFor(t *testing.T, where string, data []byte, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for form, needle := range disguises(text) {
			if bytes.Contains(data, []byte(needle)) {
				t.Errorf("%s holds %q (%s)", where, text, form)
			}
		}
	}
}

// TestT114TheScanFinds keeps the next test honest.
func TestT114TheScanFinds(t *testing.T) {
	for _, planted := range []string{marked, fmt.Sprint([]byte("x" + marked + "y")), fmt.Sprintf("%#v", []byte(marked)), fmt.Sprintf("%x", marked),
		base64.StdEncoding.EncodeToString([]byte("ab" + marked + " and so on")), base64.RawURLEncoding.EncodeToString([]byte("a" + marked + " and so on"))} {
		found := false
		for _, needle := range disguises(marked) {
			found = found || strings.Contains(planted, needle)
		}
		if !found {
			t.Errorf("%q is not found", planted)
		}
	}
}

// TestT114NoSecretNoPatientNoInjection: a day on which everything that people and platforms can say is marked and hostile.
// Neither the trail nor the log, at its most talkative, holds any of it, in any form; each record and each line is one
// line of JSON that no terminal obeys, and the trail holds together.
func TestT114NoSecretNoPatientNoInjection(t *testing.T) {
	log := &syncBuffer{}
	b := open(t, func(_ *config.Config, o *bff.Options) {
		o.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	one := b.typePassword(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	phi := b.patients(one, id)
	b.typeHostile()
	b.callHostile(one, id)
	b.answerHostile(one, id)
	b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil)
	b.stop()
	must(t, b.server.Close())
	trail, err := os.ReadFile(b.trail())
	must(t, err)
	texts := append(phi, marked, counted, password, b.sandbox.Marker(), one.session, one.flow)
	texts = append(texts, b.sandbox.Minted()...)
	scanFor(t, "the trail", trail, texts...)
	scanFor(t, "the log", []byte(log.String()), texts...)
	oneLineEach(t, "the trail", trail)
	oneLineEach(t, "the log", []byte(log.String()))
	r, err := b.verify()
	if err != nil || r.Intents < 5 || bytes.Count(trail, []byte(`"kind":"refused"`)) < 3 || bytes.Contains(trail, []byte("forged")) {
		t.Errorf("%+v, %v", r, err)
	}
	t.Logf("%d records, %d lines of log, %d texts in %d forms", r.Lines, strings.Count(log.String(), "\n"), len(texts), len(disguises(marked)))
}

// patients reads a clinic's patients and gives all that is said of them.
func (b *bench) patients(one browser, id string) (phi []string) {
	b.t.Helper()
	var list struct {
		Items []map[string]any `json:"items"`
	}
	a := one.read("/proxy/v1/" + id + patientsPath)
	must(b.t, json.Unmarshal(a.body, &list))
	for _, item := range list.Items[:min(5, len(list.Items))] {
		one.read("/proxy/v1/" + id + patientsPath + "/" + fmt.Sprint(item["id"]))
		for key, value := range item {
			if text, ok := value.(string); ok && len(text) >= 6 && key != "status" && key != "sex" {
				phi = append(phi, text)
			}
		}
	}
	if len(phi) < 10 {
		b.t.Fatalf("only %d texts about patients: %s", len(phi), short(string(a.body)))
	}
	return phi
}

// typeHostile fills every form and every edge that is open to anybody.
func (b *bench) typeHostile() {
	b.t.Helper()
	for _, text := range []string{marked, hostile + marked, counted} {
		b.form(shared.PathSignIn, [][2]string{{"User-Agent", strings.ToValidUTF8(strings.NewReplacer("\r", "", "\n", "", "\x1b", "").Replace(text), "")}},
			url.Values{"login": {text}, "password": {text}, "card": {""}})
		b.form(shared.PathSignIn, [][2]string{{"Accept-Language", "fr;q=" + marked}}, url.Values{"card": {text}})
		b.get(shared.CallbackPath("jane") + "?" + url.Values{"code": {text}, "state": {text}, "error": {text}, "error_description": {text}}.Encode())
		b.get("/"+marked, [2]string{"Referer", "https://evil.test/" + marked}, [2]string{"Cookie", b.name("session") + "=" + marked})
		b.do(request{"POST", "/csp-reports", [][2]string{{"Origin", b.origin}, {"Content-Type", "application/reports+json"}},
			`[{"type":"csp-violation","body":{"effectiveDirective":"` + marked + `","blockedURL":"https://evil.test/` + marked + `"}}]`})
	}
	for _, line := range []string{"X-Name: a\x1b[31m" + marked, "User-Agent: " + marked + "\x00", "X-Forwarded-For: " + marked, "Cookie: a=" + marked + "\r\nCookie: b=" + marked} {
		b.raw("GET / HTTP/1.1\r\nHost: " + b.cfg.PublicURL.Host + "\r\nConnection: close\r\n" + line + "\r\n\r\n")
	}
}

// callHostile asks the door for what it refuses, and for what it lets through.
func (b *bench) callHostile(one browser, id string) {
	b.t.Helper()
	door := "/proxy/v1/" + id
	one.change("POST", door+patientsPath+"/search", map[string]any{"query": marked, "number": json.Number(counted)})
	one.change("POST", door+patientsPath+"/search", map[string]any{"query": hostile + marked})
	one.read(door + patientsPath + "?search=" + url.QueryEscape(marked+hostile))
	one.read(door + patientsPath + "/" + marked)
	one.read(door + patientsPath + "/" + counted)
	one.read(door + "/api/2026-01-01/" + marked)
	one.read("/proxy/v1/" + marked + patientsPath)
	one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: marked, Clinic: "https://" + marked + ".example", ClientState: clientState()})
	one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "jane", Clinic: "https://" + marked + ".example/" + hostile, ClientState: marked})
}

// answerHostile lets the platform say it.
func (b *bench) answerHostile(one browser, id string) {
	b.t.Helper()
	for _, canned := range []sandbox.Canned{
		{Status: 500, Header: map[string]string{"Content-Type": "text/plain", "X-Error": marked}, Body: marked + hostile},
		{Status: 422, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"error":"` + marked + `","value":` + counted + `}`},
		{Status: 200, Header: map[string]string{"Content-Type": "application/json"}, Body: `{"` + marked + `":` + counted},
		{Status: 302, Header: map[string]string{"Location": "https://evil.test/" + marked}},
		{Status: 429, Header: map[string]string{"Retry-After": marked, "X-Throttle-Match": marked}},
	} {
		b.sandbox.Answer(sandbox.EndpointAPI, canned, 1)
		if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/locations"); a.status < http.StatusOK {
			b.t.Errorf("%d", a.status)
		}
	}
}

// oneLineEach: every line is one JSON object and holds nothing that ends a line, steers a terminal or turns text around.
func oneLineEach(t *testing.T, where string, data []byte) {
	t.Helper()
	for line := range bytes.Lines(data) {
		var object map[string]any
		if err := json.Unmarshal(line, &object); err != nil || len(object) == 0 {
			t.Errorf("%s: %v: %q", where, err, line)
		}
		for _, r := range string(bytes.TrimSuffix(line, []byte("\n"))) {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffd {
				t.Errorf("%s: %U in %q", where, r, line)
			}
		}
	}
}
