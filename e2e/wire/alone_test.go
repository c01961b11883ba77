package wire_test

import (
	"strings"
	"testing"

	"locum/e2e/wire"
	"locum/shared"
)

// TestT083Alone: each probe is answered once, with 4xx, on a connection that ends there, whether its bytes come at once
// or in pieces; the request behind it, a call of the signed-in practitioner's, never happens.
func TestT083Alone(t *testing.T) {
	h := open(t)
	probes := wire.Probes(h.host, shared.PathActivity)
	before := h.hits()
	for _, probe := range probes {
		text := probe.Text + h.marker + "\r\n"
		half := len(probe.Text) / 2
		for pieces, parts := range [][]string{{text}, {text[:half], text[half:]}, {text[:1], text[1 : len(probe.Text)-1], text[len(probe.Text)-1:]}} {
			from := len(h.log.since(0))
			answers, ended := exchange(t, h.addr, false, parts...)
			if len(answers) != 1 || !ended || answers[0].status < 400 || answers[0].status > 499 {
				t.Errorf("%s in %d pieces: %d answers, ended %v: %+v", probe.Name, pieces+1, len(answers), ended, answers)
				continue
			}
			if answers[0].header.Get("Content-Security-Policy") == "" || strings.Contains(answers[0].body, "evil") {
				t.Errorf("%s: %v %s", probe.Name, answers[0].header, answers[0].body)
			}
			if lines := h.log.since(from); len(lines) != 1 || lines[0].route != "refused" && lines[0].route != "unreadable" {
				t.Errorf("%s: the log has %+v", probe.Name, lines)
			}
		}
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
