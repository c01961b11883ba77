package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"locum/e2e/wire"
	"locum/shared"
)

// everywhere are the headers of every answer (T097); HSTS is not among them, since this Locum is on http.
var everywhere = []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy",
	"Cross-Origin-Resource-Policy", "Cross-Origin-Embedder-Policy", "Permissions-Policy", "Cache-Control", shared.HeaderRequestID}

// opaque checks an answer that no handler made (T086, T097): the header set is whole, and of the request, cookie included,
// there is nothing in it.
func opaque(t *testing.T, name string, a answer) {
	t.Helper()
	for _, header := range everywhere {
		if a.header.Get(header) == "" {
			t.Errorf("%s: the answer has no %s", name, header)
		}
	}
	whole := fmt.Sprint(a.header) + a.body
	if a.header.Get("Server") != "" || strings.Contains(whole, "CANARY") || strings.Contains(whole, "evil") {
		t.Errorf("%s: %s", name, whole)
	}
}

// TestT083T086T097Alone: each probe is answered once, with 4xx, on a connection that ends there, whether its bytes come at once
// or in pieces; the request behind it, a call of the signed-in practitioner's, never happens.
func TestT083T086T097Alone(t *testing.T) {
	h := open(t)
	probes := wire.Probes(h.host, shared.PathActivity)
	before := h.hits()
	for _, probe := range probes {
		probe.Text = strings.Replace(probe.Text, "\r\nHost: ", "\r\nCookie: locum-dev-session=CANARY\r\nHost: ", 1)
		text := probe.Text + h.marker + "\r\n"
		half := len(probe.Text) / 2
		for pieces, parts := range [][]string{{text}, {text[:half], text[half:]}, {text[:1], text[1 : len(probe.Text)-1], text[len(probe.Text)-1:]}} {
			from := len(h.log.since(0))
			answers, ended := exchange(t, h.addr, false, parts...)
			if len(answers) != 1 || !ended || answers[0].status < 400 || answers[0].status > 499 {
				t.Errorf("%s in %d pieces: %d answers, ended %v: %+v", probe.Name, pieces+1, len(answers), ended, answers)
				continue
			}
			opaque(t, probe.Name, answers[0])
			if lines := h.log.since(from); len(lines) != 1 || lines[0].route != "refused" && lines[0].route != "unreadable" {
				t.Errorf("%s: the log has %+v", probe.Name, lines)
			}
		}
	}
	if strings.Contains(h.log.String(), "CANARY") || strings.Contains(h.log.String(), "evil") {
		t.Error("the log repeats a request")
	}
	if n := h.hits() - before; n != 0 {
		t.Errorf("the clinic was asked %d times by requests that nobody sent", n)
	}
	good, _ := exchange(t, h.addr, true, h.marker+"\r\n"+h.marker+"\r\n")
	if len(good) != 2 || good[0].status != 200 || good[1].status != 200 || h.hits() != before+2 {
		t.Errorf("two honest calls: %+v", good)
	}
	t.Logf("%d probes, each in 1, 2 and 3 pieces: every one refused, 0 calls smuggled", len(probes))
}

// TestT083MutantsAlone: of generated requests and the call behind each, the call happens only where net/http, too, reads
// it as a request of its own; and no more requests are answered than it reads.
func TestT083MutantsAlone(t *testing.T) {
	h := open(t)
	posts := []string{shared.PathActivity, shared.PathSignIn}
	n, made, refused := mutants(t, 1000), 0, 0
	for seed := range n {
		text := wire.Mutant(seed, h.host, posts) + h.second + "\r\n"
		from := len(h.log.since(0))
		answers, ended := exchange(t, h.addr, true, text)
		called, own, passed, read := 0, 0, 0, wire.Read([]byte(text))
		for _, line := range h.log.since(from) {
			if line.route == shared.PathSession {
				called++
			}
			if line.route != "refused" && line.route != "unreadable" {
				passed++
			}
		}
		for _, one := range read {
			if one.Target == shared.PathSession {
				own++
			}
		}
		if !ended || called > own || passed > len(read) {
			t.Fatalf("seed %d: %d calls and %d requests passed, net/http reads %d and %d; ended %v: %q", seed, called, passed, own, len(read), ended, text)
		}
		if len(answers) > 0 && (answers[0].status >= 500 || answers[0].status < 200) {
			t.Errorf("seed %d: %+v", seed, answers)
		}
		made += called
		if passed == 0 {
			refused++
		}
	}
	t.Logf("%d connections: %d refused from the first byte, %d honest second calls, 0 smuggled", n, refused, made)
	if made*20 < int(n) || refused*20 < int(n) {
		t.Errorf("the generator does not try both sides: %d calls, %d refused", made, refused)
	}
}
