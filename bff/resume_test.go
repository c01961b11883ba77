package bff_test

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"locum/bff/audit"
	"locum/bff/sandbox"
	"locum/shared"
)

// TestT104Resume: a restart counts what was sent before it, and calls nobody where the trail does not tell what that was.
func TestT104Resume(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(b *bench) error
		left string // of the endpoint's hundred, after one more call; "" where none is made
		says string
	}{
		{"the trail is whole", func(*bench) error { return nil }, "96", "requests=3"},
		{"its head file is gone", func(b *bench) error { return os.Remove(audit.HeadFile(b.trail())) }, "", "head file was missing"},
		{"it was moved away", func(b *bench) error {
			return errors.Join(os.Remove(audit.HeadFile(b.trail())), os.Rename(b.trail(), b.trail()+".old"))
		}, "", "the trail begins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, nil)
			one := b.signIn(loginOne)
			id := one.connect("jane", 0, "robin@example.test")
			for range 3 {
				if a := one.patients(id); a.status != http.StatusOK {
					t.Fatalf("before: %d %s", a.status, a.body)
				}
			}
			one.begin("jane", b.sandbox.Clinics()[1].URL, clientState()) // a connection that is only begun
			b.restart(func(*bbolt.Tx) error { return c.harm(b) })
			a := one.patients(id)
			wait, _ := strconv.Atoi(a.header.Get("Retry-After"))
			switch {
			case c.left == "" && (a.status != http.StatusTooManyRequests || a.code(t) != shared.CodeBudgetSpent || wait < 350 || wait > 361):
				t.Errorf("%d %v, Retry-After %d: %s", a.status, a.header, wait, a.body)
			case c.left != "" && (a.status != http.StatusOK || !strings.Contains(a.header.Get(shared.HeaderBudgetEndpoint), "remaining="+c.left+",")):
				t.Errorf("%d %v: %s", a.status, a.header, a.body)
			}
			if !strings.Contains(b.log.String(), c.says) {
				t.Errorf("the log does not say %q:\n%s", c.says, b.log.String())
			}
		})
	}
}

// TestT104FrozenOverARestart: what a platform has frozen by a 429 stays frozen, and other endpoints flow.
func TestT104FrozenOverARestart(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	id := one.connect("jane", 0, "robin@example.test")
	b.sandbox.Fail(sandbox.EndpointAPI, http.StatusTooManyRequests, 1)
	if a := one.patients(id); a.status != http.StatusTooManyRequests {
		t.Fatalf("%d %s", a.status, a.body)
	}
	b.restart(func(*bbolt.Tx) error { return nil })
	arrived := b.sandbox.Count(sandbox.EndpointAPI)
	a := one.patients(id)
	wait, _ := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || wait < 30 || wait > 61 || b.sandbox.Count(sandbox.EndpointAPI) != arrived {
		t.Errorf("%d, Retry-After %d: %s", a.status, wait, a.body)
	}
	if a := one.read("/proxy/v1/" + id + "/api/2026-01-01/appointments"); a.status != http.StatusOK {
		t.Errorf("another endpoint: %d %s", a.status, a.body)
	}
}
