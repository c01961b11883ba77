package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/e2e/wire"
	"locum/shared"
)

var requestPasts = []past{
	{ids: "CVE-2026-34457", product: "oauth2-proxy", class: "a health checker's User-Agent skips authentication", again: probesAgents},
	{ids: "CVE-2026-40575", product: "oauth2-proxy", class: "X-Forwarded-Uri believed", again: forgedTargets},
	{ids: "CVE-2026-41059", product: "oauth2-proxy", class: "a fragment confuses the allow-list", again: func(t *testing.T, h *house) {
		h.wantRefused(t, "GET", shared.PathHealth+"#/.."+shared.PathSession, "GET", "/#/.."+shared.PathSession)
	}},
	{ids: "CVE-2025-54576", product: "oauth2-proxy", class: "the pattern of open paths matches the query", again: func(t *testing.T, h *house) {
		for _, query := range []string{"?" + shared.PathHealth, "?a=" + shared.PathHealth, "?" + shared.PathSignIn, "?a=/app.wasm"} {
			h.wantStatus(t, 401, "GET", shared.PathSession+query)
			h.wantStatus(t, 401, "GET", h.proxyPrefix()+patients+query)
		}
	}},
	{ids: "CVE-2025-64484", product: "oauth2-proxy", class: "a header with underscores stands in for another", again: func(t *testing.T, h *house) {
		h.wantCleanHeaders(t, "X_Forwarded_For: 203.0.113.7", "Authorization_: Bearer evil", "X_Forwarded_User: evil")
	}},
	{ids: "CVE-2020-14359", product: "Keycloak Gatekeeper", class: "another letter case passes the filter", again: func(t *testing.T, h *house) {
		h.wantCleanHeaders(t, "authorization: Bearer evil", "AUTHORIZATION: Bearer evil", "aUTHORIZATION: Bearer evil", "Authorization: Bearer evil",
			"x-forwarded-for: 203.0.113.7", "FORWARDED: for=203.0.113.7", "coNNection: keep-alive")
	}},
	{ids: "GHSA text of gogatekeeper", product: "gogatekeeper", class: "a method in lower case is not denied", again: func(t *testing.T, h *house) {
		h.wantRefused(t, "get", shared.PathSession, "GeT", shared.PathSession, "post", shared.PathConnect, "delete", shared.PathConnections+"/"+h.connection)
	}},
	{ids: "CVE-2025-48075, CVE-2025-54801", product: "Fiber", class: "an index in a form makes a huge slice", again: hugeIndexes},
	{ids: "CVE-2026-25882", product: "Fiber", class: "too many route parameters", again: func(t *testing.T, h *house) {
		for _, n := range []int{31, 300, 1500} {
			many := strings.Repeat("/a", n)
			h.wantRefused(t, "GET", many, "GET", "/patients"+many, "GET", "/connect"+many+"/callback", "GET", h.proxyPrefix()+many)
		}
	}},
	{ids: "CVE-2026-42554", product: "Fiber", class: "HTML where the caller asks for it", again: negotiated},
	{ids: "CVE-2026-45045, GHSA-gcfq", product: "Fiber", class: "X-Real-IP added, not replaced", again: func(t *testing.T, h *house) {
		h.wantCleanHeaders(t, "X-Real-IP: 203.0.113.7", "X-Real-Ip: 203.0.113.8", "X-Forwarded-For: 203.0.113.9")
	}},
	{ids: "CVE-2024-25124", product: "Fiber", class: "CORS for everybody with credentials", again: origins},
	{ids: "CVE-2026-30246", product: "Fiber v3", class: "the cache forgets the query", again: queries},
	{ids: "#1719, #1899, #2165, #2164, #2190, #2303", product: "fasthttp", class: "request smuggling", again: func(t *testing.T, h *house) {
		for _, probe := range wire.Probes(h.host, shared.PathActivity) {
			before := h.hits()
			answers, ended := exchange(t, h.addr, false, probe.Text+h.marker+"\r\n")
			if len(answers) != 1 || answers[0].status/100 != 4 || !ended || h.hits() != before {
				t.Errorf("%s: %d answers, ended %v, %d calls", probe.Name, len(answers), ended, h.hits()-before)
			}
		}
	}},
	{ids: "GO-2026-4950", product: "fasthttp", class: "a path decoded twice", again: func(t *testing.T, h *house) {
		h.wantRefused(t, "GET", "/%2561pi/v1/session", "GET", "/%61pi/v1/session", "GET", h.proxyPrefix()+"/%2561pi/2026-01-01/patients")
	}},
	{ids: "CVE-2025-30204", product: "golang-jwt", class: "memory by many dots", again: func(t *testing.T, h *house) {
		dots := strings.Repeat(".", 10<<20)
		h.wantStatus(t, 431, "GET", shared.PathSession+"\nAuthorization: Bearer "+dots, "GET", shared.PathSession+"\nCookie: locum-dev-session="+dots)
		h.wantStatus(t, 401, "GET", shared.PathSession+"\nCookie: locum-dev-session="+dots[:4000])
	}},
	{ids: "GHSA-w9mr-28mw-j8hg, CVE-2026-29054", product: "Oathkeeper, Traefik", class: "Connection names a header to remove", again: func(t *testing.T, h *house) {
		h.wantCleanHeaders(t, "Connection: Authorization", "Connection: x-foo, authorization", "Connection: Cookie")
	}},
	{ids: "CVE-2026-33494, CVE-2026-33495, CVE-2026-33496", product: "Oathkeeper", class: "traversal, forged headers", again: traversal},
	{ids: "CVE-2023-33189", product: "Pomerium", class: "a crafted request passes authorization", again: func(t *testing.T, h *house) {
		spoiled := []string{"", "/", "//", "/.", "/..", "%2f", "%2e", ";", "?", "#", `\`, "%00"}
		for _, end := range spoiled {
			for who, cookie := range map[string]string{"nobody": "", "another": h.people[1].cookies} {
				before := h.hits()
				a := h.send(t, "GET", h.proxyPrefix()+patients+end, "Cookie: "+cookie)
				if a.status/100 != 4 || h.hits() != before {
					t.Errorf("%s with %q: %d, %d calls", who, end, a.status, h.hits()-before)
				}
			}
		}
	}},
	{ids: "CVE-2024-39315", product: "Pomerium", class: "tokens in the user's JSON", again: noTokens},
	{ids: "CVE-2025-52894, CVE-2026-5807", product: "OpenBao, Vault", class: "re-keying without authentication", again: func(t *testing.T, h *house) {
		for _, path := range []string{"/rekey", "/v1/sys/rekey/init", "/api/v1/keys", "/api/v1/rekey", "/admin", "/api/v1/secret", "/api/v1/accounts", "/api/v1/compact"} {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				h.wantStatus(t, 404, method, path)
			}
		}
	}},
	{ids: "CVE-2025-62705, CVE-2025-62513, CVE-2025-52893, CVE-2026-46358", product: "OpenBao", class: "the audit trail keeps what it was to hide", again: nothingKept},
}

// send is one request as bytes on a connection of its own; a body stands behind a line "".
func (h *house) send(t *testing.T, method, target string, lines ...string) answer {
	t.Helper()
	text := wire.Head(method, target, h.host)
	body := ""
	for i, line := range lines {
		if line == "" {
			body = strings.Join(lines[i+1:], "\r\n")
			text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
			break
		}
		text += line + "\r\n"
	}
	answers, _ := exchange(t, h.addr, true, text+"\r\n"+body)
	if len(answers) == 0 {
		return answer{}
	}
	return answers[0]
}

// wantStatus sends pairs of method and target, without a cookie; a target may bring a header behind a line feed.
func (h *house) wantStatus(t *testing.T, status int, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		target, header, _ := strings.Cut(pairs[i+1], "\n")
		lines := []string{"Origin: " + h.demo.URL, shared.HeaderClient + ": " + shared.ClientApp, "Content-Type: application/json"}
		if header != "" {
			lines = append(lines, header)
		}
		if pairs[i] == "POST" || pairs[i] == "PUT" {
			lines = append(lines, "", "{}")
		}
		if a := h.send(t, pairs[i], target, lines...); a.status != status {
			t.Errorf("%s %.80q: %d, want %d", pairs[i], pairs[i+1], a.status, status)
		}
	}
}

// wantRefused: the signed-in practitioner's request is refused, and nothing is asked of the clinic.
func (h *house) wantRefused(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		before := h.hits()
		a := h.send(t, pairs[i], pairs[i+1], "Cookie: "+h.people[0].cookies)
		if a.status/100 != 4 || h.hits() != before {
			t.Errorf("%s %q: %d, %d calls", pairs[i], pairs[i+1], a.status, h.hits()-before)
		}
	}
}

// wantCleanHeaders sends a proxied call with each line. It may be refused; where it is passed on, the clinic sees one
// Authorization, ours, and nothing that anybody forged.
func (h *house) wantCleanHeaders(t *testing.T, lines ...string) {
	t.Helper()
	passed := 0
	for _, line := range lines {
		before := h.hits()
		a := h.send(t, "GET", h.proxyPrefix()+patients, "Cookie: "+h.people[0].cookies, line)
		switch {
		case a.status/100 == 4 && h.hits() == before:
			continue
		case a.status != 200:
			t.Errorf("%q: %d", line, a.status)
			continue
		}
		passed++
		requests := h.demo.Sandbox.Requests(sandbox.EndpointAPI)
		seen := requests[len(requests)-1].Header
		whole := strings.ToLower(fmt.Sprint(seen))
		if values := seen.Values("Authorization"); len(values) != 1 || !strings.HasPrefix(values[0], "Bearer eyJ") {
			t.Errorf("%q: the clinic sees %d Authorization headers", line, len(values))
		}
		for _, never := range []string{"evil", "203.0.113", "cookie", "x-foo", "forwarded"} {
			if strings.Contains(whole, never) {
				t.Errorf("%q: %q reaches the clinic", line, never)
			}
		}
	}
	if passed == 0 {
		t.Log("none was passed on")
	}
}

// guarded are the routes that need a session.
func (h *house) guarded() []string {
	return []string{"GET", shared.PathSession, "GET", shared.PathPlatforms, "GET", shared.PathConnections,
		"GET", shared.PathConnections + "/" + h.connection, "GET", h.proxyPrefix() + patients,
		"POST", shared.PathActivity, "POST", shared.PathConnect, "GET", shared.PathServices, "DELETE", shared.PathConnections + "/" + h.connection}
}

func probesAgents(t *testing.T, h *house) {
	for _, agent := range []string{"kube-probe/1.31", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Consul Health Check", "oauth2-proxy", "Prometheus/3.0",
		"UptimeRobot/2.0", "Amazon-Route53-Health-Check-Service"} {
		pairs := h.guarded()
		for i := 1; i < len(pairs); i += 2 {
			pairs[i] += "\nUser-Agent: " + agent
		}
		h.wantStatus(t, http.StatusUnauthorized, pairs...)
	}
}

func forgedTargets(t *testing.T, h *house) {
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Path"} {
		h.wantStatus(t, 401, "GET", shared.PathSession+"\n"+name+": "+shared.PathHealth, "GET", h.proxyPrefix()+patients+"\n"+name+": /app.wasm")
		if a := h.send(t, "GET", shared.PathHealth, name+": "+shared.PathSession, "Cookie: "+h.people[0].cookies); a.status != 200 || strings.Contains(a.body, "Robin") {
			t.Errorf("%s changes where a request goes: %d %s", name, a.status, a.body)
		}
	}
}

func hugeIndexes(t *testing.T, h *house) {
	for _, field := range []string{"a[999999999]=1", "a[-1]=1", "login[999999999]=1", "card[2147483648][x]=1", strings.Repeat("a[0]", 500) + "=1"} {
		a := h.send(t, "POST", shared.PathSignIn, "Origin: "+h.demo.URL, "Content-Type: application/x-www-form-urlencoded", "", field)
		if a.status/100 != 4 {
			t.Errorf("form %.40q: %d", field, a.status)
		}
		h.wantRefused(t, "GET", h.proxyPrefix()+patients+"?"+field)
	}
}

func negotiated(t *testing.T, h *house) {
	evil := "/%3Cscript%3Ealert(1)%3C/script%3E"
	targets := []string{shared.PathSession, shared.PathPlatforms, shared.PathConnections + "/x", "/api/v1" + evil, h.proxyPrefix() + patients, h.proxyPrefix() + evil, shared.PathHealth, shared.PathOpenAPI}
	for _, accept := range []string{"text/html", "text/html,*/*;q=0.1", "application/xhtml+xml", "image/svg+xml"} {
		for _, cookie := range []string{"", h.people[0].cookies} {
			for _, target := range targets {
				a := h.send(t, "GET", target, "Accept: "+accept, "Cookie: "+cookie)
				if media := a.header.Get("Content-Type"); strings.Contains(media, "html") || strings.Contains(media, "svg") || a.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%s for %s: %q", target, accept, media)
				}
				if strings.Contains(a.body, "<script") {
					t.Errorf("%s repeats what it was asked: %s", target, a.body)
				}
			}
		}
	}
}

func origins(t *testing.T, h *house) {
	for _, origin := range []string{"https://evil.test", "null", h.demo.URL, "http://localhost", "*"} {
		for _, target := range []string{shared.PathSession, h.proxyPrefix() + patients, shared.PathHealth, "/", "/nowhere"} {
			for _, method := range []string{"GET", "OPTIONS"} {
				a := h.send(t, method, target, "Origin: "+origin, "Cookie: "+h.people[0].cookies, "Access-Control-Request-Method: POST")
				for name := range a.header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s %s from %s: %s: %s", method, target, origin, name, a.header.Get(name))
					}
				}
			}
		}
	}
}

func queries(t *testing.T, h *house) {
	seen := map[string]string{}
	for _, query := range []string{"?page[limit]=1", "?page[limit]=2", ""} {
		a := h.send(t, "GET", h.proxyPrefix()+patients+strings.NewReplacer("[", "%5B", "]", "%5D").Replace(query), "Cookie: "+h.people[0].cookies)
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Etag") != "" || a.header.Get("Age") != "" {
			t.Errorf("%q may be kept: %v", query, a.header)
		}
		if a.status == 200 && seen[a.body] != "" {
			t.Errorf("%q is answered as %q was", query, seen[a.body])
		}
		seen[a.body] = "the query " + query
	}
	before := h.hits()
	for range 3 {
		h.send(t, "GET", h.proxyPrefix()+patients, "Cookie: "+h.people[0].cookies)
	}
	if n := h.hits() - before; n != 3 {
		t.Errorf("three calls reached the clinic %d times", n)
	}
}

func traversal(t *testing.T, h *house) {
	for _, path := range []string{"/../../connections", "/api/2026-01-01/../../../v1/session", "/api/2026-01-01/patients/../appointments", "/api/2026-01-01/./patients",
		"/api/2026-01-01//patients", "/api/2026-01-01/patients%2f..%2fappointments", "/api/2026-01-01/..;/patients", `/api/2026-01-01\patients`, "/api/2026-01-01/patients/%2e%2e"} {
		h.wantRefused(t, "GET", h.proxyPrefix()+path)
	}
	h.wantStatus(t, 401, "GET", shared.PathSession+"\nX-Forwarded-User: robin", "GET", shared.PathSession+"\nAuthorization: Bearer "+h.connection,
		"GET", shared.PathSession+"\nX-Forwarded-For: 127.0.0.1")
}

// noTokens looks for JWS, JWE and everything that the sandbox ever minted in every JSON answer.
func noTokens(t *testing.T, h *house) {
	compact := regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}`)
	pairs := append(h.guarded()[:10:10], "GET", shared.PathOpenAPI, "GET", shared.PathHealth, "GET", shared.PathReady)
	for i := 0; i < len(pairs); i += 2 {
		a := h.send(t, pairs[i], pairs[i+1], "Cookie: "+h.people[0].cookies)
		if a.status != 200 || !json.Valid([]byte(a.body)) {
			t.Errorf("%s: %d, no JSON", pairs[i+1], a.status)
		}
		whole := fmt.Sprint(a.header) + a.body
		if compact.MatchString(whole) {
			t.Errorf("%s answers with something that reads as a token", pairs[i+1])
		}
		for _, minted := range h.demo.Sandbox.Minted() {
			if strings.Contains(whole, minted) {
				t.Errorf("%s answers with a secret", pairs[i+1])
			}
		}
	}
}

// nothingKept puts a marker where only a careless record would keep it.
func nothingKept(t *testing.T, h *house) {
	const canary = "CANARY-7f3c"
	p, note := h.people[0], h.proxyPrefix()+"/api/2026-01-01/medical-record/observations"
	for _, body := range []string{`{"note":"` + canary + `"}`, `{"note":["` + canary + `",{"x":"` + canary + `"}]}`, `{"` + canary, canary, `"` + canary + `"`, `[1e999,"` + canary + `"]`, "{\"a\":\"" + canary + "\xff\"}"} {
		h.ask(p, "POST", note, "application/json", body)
		h.ask(p, "POST", shared.PathConnect, "application/json", body)
	}
	h.send(t, "GET", h.proxyPrefix()+patients, "Cookie: "+p.cookies, "User-Agent: "+canary, "Idempotency-Key: "+canary, "X-Request-Id: "+canary, "Referer: "+h.demo.URL+"/"+canary)
	h.send(t, "GET", h.proxyPrefix()+patients+"/"+canary, "Cookie: "+p.cookies)
	h.send(t, "POST", shared.PathSignIn, "Origin: "+h.demo.URL, "Content-Type: application/x-www-form-urlencoded", "", "login="+canary+"&password="+canary)
	if strings.Contains(h.trail(t), canary) {
		t.Error("the audit trail keeps what people wrote")
	}
	if strings.Contains(h.log.String(), canary) {
		t.Error("the log keeps what people wrote")
	}
}
