package bff_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// changing are the requests that change something, with bodies that would be accepted.
func changing(b *bench, connection string) []request {
	connect := `{"platform":"jane","clinic":"` + b.sandbox.Clinics()[0].URL + `","client_state":"` + clientState() + `","context":{"page":"home"}}`
	proxied := "/proxy/v1/" + connection + "/api/2026-01-01/medical-record/observations"
	return []request{
		{method: "POST", path: shared.PathActivity},
		{method: "POST", path: shared.PathConnect, body: connect},
		{method: "POST", path: shared.PathOutcome, body: `{"client_state":"` + clientState() + `"}`},
		{method: "POST", path: shared.PathLaunch, body: `{"launch":"` + clientState() + `","client_state":"` + clientState() + `"}`},
		{method: "POST", path: shared.PathLaunch + "/link", body: `{"client_state":"` + clientState() + `"}`},
		{method: "DELETE", path: shared.PathConnections + "/" + connection},
		{method: "POST", path: proxied, body: "{}"},
		{method: "PUT", path: proxied + "/x", body: "{}"},
		{method: "PATCH", path: proxied + "/x", body: "{}"},
		{method: "DELETE", path: proxied + "/x"},
	}
}

// TestT090ChangesNeedProof: every changing route, every way in which a foreign page could ask. Nothing happens.
func TestT090ChangesNeedProof(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	connection := one.connect("jane", 0, "robin@example.test")
	before := b.sandbox.Stats()
	client, site := [2]string{shared.HeaderClient, shared.ClientApp}, [2]string{"Sec-Fetch-Site", "same-origin"}
	origin, media := [2]string{"Origin", b.origin}, [2]string{"Content-Type", "application/json"}
	at := func(name, value string) [2]string { return [2]string{name, value} }
	for name, header := range map[string][][2]string{
		"no header":                 {origin, site, media},
		"wrong header":              {at(shared.HeaderClient, "App"), origin, site, media},
		"empty header":              {at(shared.HeaderClient, ""), origin, site, media},
		"another library's":         {at("X-Requested-With", "XMLHttpRequest"), origin, site, media},
		"text/plain":                {client, origin, site, at("Content-Type", "text/plain")},
		"form":                      {client, origin, site, at("Content-Type", "application/x-www-form-urlencoded")},
		"multipart":                 {client, origin, site, at("Content-Type", "multipart/form-data; boundary=x")},
		"JSON of another kind":      {client, origin, site, at("Content-Type", "application/json-patch+json")},
		"JSON with a parameter":     {client, origin, site, at("Content-Type", "application/json; boundary=x")},
		"Origin null":               {client, at("Origin", "null"), media},
		"Origin null, same-origin":  {client, at("Origin", "null"), site, media},
		"evil":                      {client, at("Origin", "https://evil.test"), media},
		"evil, same-origin":         {client, at("Origin", "https://evil.test"), site, media},
		"sub-domain":                {client, at("Origin", "http://a."+b.cfg.PublicURL.Host), media},
		"longer":                    {client, at("Origin", b.origin+"0"), media},
		"suffix":                    {client, at("Origin", b.origin+".evil.test"), media},
		"other port":                {client, at("Origin", "http://localhost:1"), media},
		"other scheme":              {client, at("Origin", "https://"+b.cfg.PublicURL.Host), media},
		"by number":                 {client, at("Origin", "http://"+b.addr), media},
		"with a slash":              {client, at("Origin", b.origin+"/"), media},
		"neither":                   {client, media},
		"cross-site":                {client, origin, at("Sec-Fetch-Site", "cross-site"), media},
		"same-site":                 {client, origin, at("Sec-Fetch-Site", "same-site"), media},
		"none":                      {client, origin, at("Sec-Fetch-Site", "none"), media},
		"cross-site without Origin": {client, at("Sec-Fetch-Site", "cross-site"), media},
		"Referer alone":             {client, at("Referer", b.origin+"/"), media},
	} {
		for _, r := range changing(b, connection) {
			r.header = append([][2]string{one.cookies()}, header...)
			if a := b.do(r); a.status != http.StatusForbidden || a.code(t) != shared.CodeForbidden {
				t.Errorf("%s: %s %s: %d %s", name, r.method, r.path, a.status, a.body)
			}
		}
	}
	if after := b.sandbox.Stats(); !equalStats(before, after) {
		t.Errorf("the platform was asked: %v, then %v", before, after)
	}
	if a := one.read(shared.PathConnections + "/" + connection); a.status != http.StatusOK {
		t.Errorf("the connection is gone: %d", a.status)
	}
	for name, header := range map[string][][2]string{
		"Origin alone": {client, origin, media}, "Sec-Fetch-Site alone": {client, site, media},
		"both": {client, origin, site, media}, "charset": {client, origin, at("Content-Type", "application/json; charset=UTF-8")},
	} {
		r := request{"POST", shared.PathOutcome, append([][2]string{one.cookies()}, header...), `{"client_state":"` + clientState() + `"}`}
		if a := b.do(r); a.status == http.StatusForbidden {
			t.Errorf("%s is refused: %s", name, a.body)
		}
	}
}

func equalStats(a, b map[sandbox.Endpoint]int) bool {
	for endpoint, n := range b {
		if a[endpoint] != n {
			return false
		}
	}
	return len(a) == len(b)
}

// TestT090Forms: the two forms need the exact Origin, whatever else speaks for them.
func TestT090Forms(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	media := [2]string{"Content-Type", "application/x-www-form-urlencoded"}
	body := url.Values{"login": {loginOne}, "password": {password}}.Encode()
	for name, header := range map[string][][2]string{
		"no Origin": {media}, "no Origin, same-origin": {media, {"Sec-Fetch-Site", "same-origin"}},
		"null": {media, {"Origin", "null"}}, "evil": {media, {"Origin", "https://evil.test"}},
		"other port": {media, {"Origin", "http://localhost:1"}}, "same-site": {media, {"Origin", b.origin}, {"Sec-Fetch-Site", "same-site"}},
		"text/plain": {{"Content-Type", "text/plain"}, {"Origin", b.origin}}, "no media type": {{"Origin", b.origin}},
		"JSON":      {{"Content-Type", "application/json"}, {"Origin", b.origin}},
		"multipart": {{"Content-Type", "multipart/form-data; boundary=x"}, {"Origin", b.origin}},
	} {
		for _, path := range []string{shared.PathSignIn, shared.PathSignOut} {
			a := b.do(request{"POST", path, append([][2]string{one.cookies()}, header...), body})
			if a.status != http.StatusForbidden || len(a.header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s: %s: %d %v", name, path, a.status, a.header)
			}
		}
	}
	if a := one.read(shared.PathSession); a.status != http.StatusOK {
		t.Errorf("a refused form ended the session: %d", a.status)
	}
}

// TestT077AnswersAreNoContent: what a browser would load into a page, a frame or the address bar is refused.
func TestT077AnswersAreNoContent(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	connection := one.connect("jane", 0, "robin@example.test")
	before := b.sandbox.Count(sandbox.EndpointAPI)
	for name, header := range map[string][][2]string{
		"address bar":     {{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
		"own link":        {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "document"}},
		"own frame":       {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", "iframe"}},
		"own script":      {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Dest", "script"}},
		"own image":       {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Dest", "image"}},
		"module":          {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "script"}},
		"worker":          {{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Mode", "same-origin"}, {"Sec-Fetch-Dest", "worker"}},
		"object":          {{"Sec-Fetch-Dest", "object"}},
		"navigation":      {{"Sec-Fetch-Mode", "navigate"}},
		"no-cors":         {{"Sec-Fetch-Mode", "no-cors"}},
		"websocket":       {{"Sec-Fetch-Mode", "websocket"}, {"Sec-Fetch-Dest", "empty"}},
		"neighbour":       {{"Sec-Fetch-Site", "same-site"}},
		"foreign script":  {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "no-cors"}, {"Sec-Fetch-Dest", "script"}},
		"foreign fetch":   {{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}},
		"neighbour fetch": {{"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}},
		"foreign Origin":  {{"Origin", "https://evil.test"}},
	} {
		for _, path := range []string{shared.PathSession, shared.PathConnections, "/proxy/v1/" + connection + "/api/2026-01-01/patients"} {
			a := b.get(path, append([][2]string{one.cookies()}, header...)...)
			if a.status != http.StatusForbidden || !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("%s: %s: %d %s", name, path, a.status, a.body)
			}
		}
	}
	if after := b.sandbox.Count(sandbox.EndpointAPI); after != before {
		t.Errorf("the platform was asked %d times", after-before)
	}
}

// TestT012OnlyASignedInPersonBegins, with proof; nothing is stored and nobody asked otherwise.
func TestT012OnlyASignedInPersonBegins(t *testing.T) {
	b := open(t, nil)
	anonymous := browser{bench: b}
	body := shared.ConnectRequest{Platform: "jane", Clinic: b.sandbox.Clinics()[0].URL, ClientState: clientState(), Context: shared.Context{Page: "home"}}
	if a := anonymous.change("POST", shared.PathConnect, body); a.status != http.StatusUnauthorized || a.setCookie("locum-dev-flow") != "" {
		t.Errorf("anonymous: %d %v", a.status, a.header)
	}
	one := b.signIn(loginOne)
	for _, site := range []string{"cross-site", "same-site", "none"} {
		a := b.get(shared.PathConnect, one.cookies(), [2]string{"Sec-Fetch-Site", site})
		if a.status != http.StatusMethodNotAllowed {
			t.Errorf("GET from %s: %d", site, a.status)
		}
	}
	for name, change := range map[string]func(*shared.ConnectRequest){
		"platform":      func(r *shared.ConnectRequest) { r.Platform = "nowhere" },
		"clinic":        func(r *shared.ConnectRequest) { r.Clinic = "https://evil.test" },
		"state short":   func(r *shared.ConnectRequest) { r.ClientState = "1" },
		"state empty":   func(r *shared.ConnectRequest) { r.ClientState = "" },
		"state injects": func(r *shared.ConnectRequest) { r.ClientState = strings.Repeat("a", 40) + "&x=" },
		"page":          func(r *shared.ConnectRequest) { r.Context.Page = "//evil.test" },
		"parameter": func(r *shared.ConnectRequest) {
			r.Context = shared.Context{Page: "schedule", Params: map[string]string{"connection": "../x"}}
		},
		"no parameter": func(r *shared.ConnectRequest) { r.Context.Page = "schedule" },
		"scope":        func(r *shared.ConnectRequest) { r.Scopes = []string{"patients:read&redirect_uri=https://evil.test"} },
	} {
		r := body
		change(&r)
		if a := one.change("POST", shared.PathConnect, r); a.status != http.StatusBadRequest || a.setCookie("locum-dev-flow") != "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	full, err := json.Marshal(body)
	must(t, err)
	for name, text := range map[string]string{"no JSON": "x", "unknown field": strings.Replace(string(full), "{", `{"return_to":"/",`, 1), "two values": `{} {}`, "array": `[]`, "empty": ""} {
		r := request{"POST", shared.PathConnect, [][2]string{one.cookies(), {"Origin", b.origin}, {shared.HeaderClient, "app"},
			{"Content-Type", "application/json"}}, text}
		if a := b.do(r); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if n := b.sandbox.Count(sandbox.EndpointIAM); n != 0 {
		t.Errorf("the platform was asked %d times", n)
	}
}
