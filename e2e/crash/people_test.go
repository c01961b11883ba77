package crash_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// connect makes a connection for one of the sandbox's people.
func (b *browser) connect(t testing.TB, at place) string {
	t.Helper()
	state := newState()
	where, a, err := b.begin(at.platform, at.clinic, state)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("connect: %v %v", a, err)
	}
	back, err := b.site.sandbox.Approve(where, at.jane, false)
	must(t, err)
	_, err = b.callback(back)
	must(t, err)
	outcome, _, err := b.outcome(state)
	if err != nil || outcome.Code != shared.OutcomeConnected {
		t.Fatalf("outcome: %+v %v", outcome, err)
	}
	return outcome.Connection
}

// ends counts the connections that need their practitioner, each for the one reason that there may be.
func ends(t testing.TB, people []*browser) (n int) {
	t.Helper()
	for _, b := range people {
		all, a, err := b.list()
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("list: %v %v", a, err)
		}
		for _, c := range all {
			if c.State == shared.StateReconnect {
				if n++; c.Cause != "lost_answer" {
					t.Errorf("a connection has ended because of %q", c.Cause)
				}
			}
		}
	}
	return n
}

// TestT049PeoplePerCrash counts how many people a hard crash costs a click, at the one kind of platform where it can: strict
// one-use rotation, an answer in 50 ms, and as many refreshes a second as the background ever makes. What is lost follows
// from that rate and not from the number of connections. Being stopped in order costs nobody anything.
func TestT049PeoplePerCrash(t *testing.T) {
	if !campaigning(t) {
		t.Skip("it waits for dozens of crashes: make crash")
	}
	const kills, stops, practitioners = 40, 10, 6
	box := newSandbox(t)
	box.SetLifetimes(10*time.Second, 0) // always due
	var logins []string
	for i := range practitioners { // each with six connections
		logins = append(logins, fmt.Sprintf("p%d", i))
	}
	s := newSite(t, box, logins...)
	s.refresh = "    refresh: {rotation: strict}\n"
	s.configure()
	p := s.start().serving()
	clinics := box.Clinics()
	var people []*browser
	connections := 0
	for _, login := range logins {
		b := s.practitioner(login)
		people = append(people, b)
		for platform := range platforms {
			for _, at := range []place{{platform, clinics[0].URL, "robin@example.test"}, {platform, clinics[1].URL, "robin@example.test"},
				{platform, clinics[0].URL, "alex@example.test"}} {
				b.connect(t, at)
				connections++
			}
		}
	}
	box.Slow(sandbox.EndpointRefresh, 50*time.Millisecond, 1_000_000)
	dice := rand.New(rand.NewPCG(3, uint64(kills)))
	before, began := box.Count(sandbox.EndpointRefresh), time.Now()
	for range kills {
		time.Sleep(time.Duration(1000+dice.IntN(2000)) * time.Millisecond)
		p.kill()
		p = s.start().serving()
	}
	rate := float64(box.Count(sandbox.EndpointRefresh)-before) / time.Since(began).Seconds()
	time.Sleep(17 * time.Second) // every doubt is settled
	ended := ends(t, people)
	for range stops {
		time.Sleep(time.Duration(500+dice.IntN(1000)) * time.Millisecond)
		if code := p.stop(); code != 0 {
			t.Errorf("stopped with %d:\n%s", code, p.said())
		}
		p = s.start().serving()
	}
	time.Sleep(2 * time.Second)
	if more := ends(t, people) - ended; more > 0 {
		t.Errorf("%d connections have ended because Locum was stopped in order", more)
	}
	if spent := box.SpentPresented(); spent > 0 {
		t.Errorf("%d spent refresh tokens were presented: %v", spent, box.Presented().Why)
	}
	if rate < 1 {
		t.Errorf("%.1f refreshes a second: nothing is proved", rate)
	}
	t.Logf("%d connections, %.1f refreshes a second: %d hard crashes cost %d people a click, %.2f each; %d stops in order cost nobody",
		connections, rate, kills, ended, float64(ended)/float64(kills), stops)
}
