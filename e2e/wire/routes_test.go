package wire_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/shared"
)

// declared is one operation of the catalogue: its method, and what its path looks like with ids in it.
type declared struct {
	method, path string
	form         *regexp.Regexp
}

func catalogue(t *testing.T) (list []declared) {
	t.Helper()
	jane, err := platform.Jane(platform.JaneConfig{ID: "jane", Name: "Jane", Issuer: "https://iam.test/realms/jane", ClientID: "x", PublicURL: "https://locum.test",
		ClinicDomains: []string{"janeapp.com"}})
	must(t, err)
	hole := regexp.MustCompile(`\\\{\w+\\\}`)
	for _, o := range jane.Operations {
		form := hole.ReplaceAllString(regexp.QuoteMeta(o.FullPath()), "[A-Za-z0-9._~-]{1,128}")
		list = append(list, declared{o.Method, strings.NewReplacer("{", "", "}", "").Replace(o.FullPath()), regexp.MustCompile("^" + form + "$")})
	}
	return list
}

// spoils are what a path is changed by; %s is the rest of it.
var spoils = []string{"/../%s", "/./%s", "//%s", "/%%2e%%2e/%s", "/%%2e/%s", "%%2f%s", "%%252f%s", "%%5c%s", `\%s`, "/..;/%s", ";a=b/%s", "%%00%s", "%%0d%%0a%s", "#%s", "\xc0\xae%s",
	"/x/../%s", "?/%s", "/%s/", "/%s/..", "/%s%%20", "/%s.json", "/%s#", "/%s?x=1", "/%s?limit=1&limit=2", "/..%%c0%%af%s", "/%%61%s", "/%s;", "/%s:", "/%s~", "/%s\u202e", "/%s$metadata"}

// TestT072T073WhatReachesThePlatform: of generated targets and methods on a signed-in practitioner's own connection, the
// platform sees declared operations alone, each with the very path that was sent, and nobody is answered with a page.
func TestT072T073WhatReachesThePlatform(t *testing.T) {
	h := open(t)
	operations := catalogue(t)
	prefix := h.proxyPrefix()
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "Post"}
	sent := map[string]bool{}
	counts := map[int]int{}
	r := rand.New(rand.NewPCG(72, 73))
	n := mutants(t, 1500)
	for range n {
		o := operations[r.IntN(len(operations))]
		path, method := o.path, methods[r.IntN(len(methods))]
		if r.IntN(3) == 0 {
			method = o.method
		}
		for range r.IntN(3) {
			parts := strings.Split(path, "/")
			at := 1 + r.IntN(len(parts)-1)
			path = strings.Join(parts[:at], "/") + fmt.Sprintf(spoils[r.IntN(len(spoils))], strings.Join(parts[at:], "/"))
		}
		override := []string{"", "X-HTTP-Method-Override: " + o.method + "\r\n", "X-Original-URL: " + o.path + "\r\n"}[r.IntN(3)]
		text := method + " " + prefix + path + " HTTP/1.1\r\nHost: " + h.host + "\r\nCookie: " + h.people[0].cookies + "\r\nOrigin: " + h.demo.URL + "\r\n" +
			shared.HeaderClient + ": " + shared.ClientApp + "\r\n" + override
		if method != "GET" && method != "HEAD" {
			text += "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
		} else {
			text += "\r\n"
		}
		sent[method+" "+path] = true
		answers, ended := exchange(t, h.addr, true, text)
		if len(answers) != 1 || !ended || answers[0].status < 200 || strings.Contains(answers[0].header.Get("Content-Type"), "html") {
			t.Fatalf("%q: %+v", text, answers)
		}
		counts[answers[0].status]++
	}
	reached := 0
	for _, request := range h.demo.Sandbox.Requests(sandbox.EndpointAPI) {
		target := request.Path
		if request.Query != "" {
			target += "?" + request.Query
		}
		known := false
		for _, o := range operations {
			known = known || o.method == request.Method && o.form.MatchString(request.Path)
		}
		if !known || !sent[request.Method+" "+target] && !sent[request.Method+" "+target+"?"] {
			t.Errorf("the platform saw %s %q", request.Method, target)
		}
		reached++
	}
	t.Logf("%d targets: the platform saw %d, all declared and as sent; answers by status: %v", n, reached, counts)
	if reached < 20 || counts[400] < int(n)/10 {
		t.Error("the generator does not try both sides")
	}
}
