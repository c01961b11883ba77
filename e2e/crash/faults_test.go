package crash_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
	"locum/shared"
)

// journey is a practitioner in the middle of their day: signed in twice, with a connection, on a running server.
type journey struct {
	t       *testing.T
	site    *site
	process *process
	b       *browser
	spare   string // another session
	id      string // of the connection
	state   string // of an authorization that has been allowed
	back    string // its way back
	out     bool   // the spare session was acknowledged as signed out
}

// deed is something that must be stored. done says whether an answer acknowledges it.
type deed struct {
	name string
	do   func(*journey) (answer, error)
	done func(answer) bool
}

func is(status int) func(answer) bool { return func(a answer) bool { return a.status == status } }

// deeds are all the ways to change what Locum keeps. The refresh is first: the others leave its token alone.
func deeds() []deed {
	return []deed{
		{"refresh", (*journey).refresh, is(http.StatusOK)},
		{"sign-in", func(j *journey) (answer, error) { return j.site.browser().signIn("ada") }, is(http.StatusSeeOther)},
		{"connect", func(j *journey) (answer, error) {
			_, a, err := j.b.begin("jane-sandbox", j.site.sandbox.Clinics()[1].URL, newState())
			return a, err
		}, is(http.StatusOK)},
		{"callback", (*journey).comeBack, is(http.StatusSeeOther)},
		{"sign-out", func(j *journey) (answer, error) { return j.b.as(j.spare).signOut() }, is(http.StatusSeeOther)},
		{"disconnect", func(j *journey) (answer, error) { return j.b.disconnect(j.id) }, is(http.StatusOK)},
	}
}

// refresh makes a call with a token that the clinic refuses, so that another must be fetched and stored.
func (j *journey) refresh() (answer, error) {
	j.site.sandbox.RevokeAccess("", "")
	return j.call()
}

// comeBack finishes the authorization. Where the outcome that it is answered with is no connection, it counts as refused.
func (j *journey) comeBack() (answer, error) {
	a, err := j.b.callback(j.back)
	if err != nil || a.status != http.StatusSeeOther {
		return a, err
	}
	outcome, _, err := j.b.outcome(j.state)
	if outcome.Code != shared.OutcomeConnected {
		a.status = http.StatusServiceUnavailable
	}
	return a, err
}

func (j *journey) call() (answer, error) { return j.b.call(j.id, "GET", "/appointments", "") }

// begin starts the server and brings the practitioner to where they are.
func (s *site) begin(t *testing.T) *journey {
	t.Helper()
	here := *s
	here.t = t
	j := &journey{t: t, site: &here, process: here.start().serving(), spare: here.practitioner("ada").session}
	if s.stays == "" {
		s.stays = here.practitioner("ben").session
	}
	j.b = here.browser().as(s.stays)
	j.id = j.b.connected()
	j.state, j.back = j.b.approved()
	return j
}

// changes does every deed but the refresh, and gives the names of those that were acknowledged.
func (j *journey) changes() (done []string) {
	for _, d := range deeds()[1:] {
		a, err := d.do(j)
		if err != nil {
			j.t.Errorf("%s: %v", d.name, err)
		}
		if d.done(a) {
			done = append(done, d.name)
			j.out = j.out || d.name == "sign-out"
		}
	}
	return done
}

// works says that everything does again, without a restart.
func (j *journey) works(when string) {
	j.t.Helper()
	eventually(j.t, "ready "+when, func() bool {
		a, err := j.b.get(shared.PathReady)
		return err == nil && a.status == http.StatusOK
	})
	j.state, j.back = j.b.approved()
	if done := j.changes(); len(done) != len(deeds())-1 {
		j.t.Errorf("%s only %v work", when, done)
	}
}

// fate is what may have become of a connection behind a restart.
type fate int

const (
	kept   fate = iota
	gone        // its disconnection was acknowledged
	either      // its disconnection was refused: nobody was told anything
	spent       // kept, or ended by the platform, where a refresh token had to be presented again
)

// restarts kills the server, starts it on a whole disk and looks at what was acknowledged before the fault.
func (j *journey) restarts(f fate) {
	j.t.Helper()
	j.process.kill()
	j.site.verify()
	j.process = j.site.start().serving()
	defer j.process.kill()
	if a, err := j.b.get(shared.PathSession); err != nil || a.status != http.StatusOK {
		j.t.Errorf("LOST: a session: %v %v", a, err)
	}
	if a, err := j.b.as(j.spare).get(shared.PathSession); j.out && (err != nil || a.status != http.StatusUnauthorized) {
		j.t.Errorf("RESURRECTED: a session that was signed out: %v %v", a, err)
	}
	a, err := j.call()
	works, missing := a.status == http.StatusOK, a.status == http.StatusNotFound
	switch {
	case err != nil || f == kept && !works || f == spent && !works && a.code() != shared.CodeReconnectNeeded:
		j.t.Errorf("LOST: the connection: %v %v", a, err)
	case f == gone && !missing:
		j.t.Errorf("RESURRECTED: a connection that was disconnected: %v", a)
	case !works && !missing && f == either:
		j.t.Errorf("half a connection: %v", a)
	}
	if a, err := j.b.disconnect(j.b.connected()); err != nil || a.status != http.StatusOK {
		j.t.Errorf("connected again and disconnected: %v %v", a, err)
	}
}

// alive says that what needs no disk works: the health answer, and a call with a token that is still good.
func (j *journey) alive(calls bool) {
	j.t.Helper()
	if a, err := j.b.get(shared.PathHealth); err != nil || a.status != http.StatusOK {
		j.t.Errorf("/healthz: %v %v", a, err)
	}
	if a, err := j.call(); calls && (err != nil || a.status != http.StatusOK) {
		j.t.Errorf("a call that needs nothing stored: %v %v", a, err)
	}
}

// TestT069FatalErrors: after an error of fdatasync on the vault nobody knows what the disk holds, and after a write that
// failed for no reason that passes it is no better. What was to be stored is refused, and so is every change after it
// although the disk takes writes again; the log names the file, the cause and the next step. What was acknowledged before
// is there after the next start, and nothing else is.
func TestT069FatalErrors(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada", "ben")
	for _, fault := range []struct {
		call, how, cause string
		few              []int // for each deed
	}{
		{"fdatasync", "error=EIO", "input/output error", []int{1, 2, 2, 1, 1, 2}},
		{"pwrite64", "error=EIO", "input/output error", []int{0, 0, 0, 1}},
		{"pwrite64", "retval=0", "unexpected EOF", []int{3}}, // a short write, of nothing
	} {
		tried, hit := 0, 0
		for i, d := range deeds() {
			for _, n := range every(t, 9, append(fault.few, make([]int, 6)...)[i]) {
				t.Run(fmt.Sprintf("%s, %s %s %d", d.name, fault.call, fault.how, n), func(t *testing.T) {
					if fatal(t, s, d, when(fault.call, fault.how, n), fault.cause) {
						hit++
					}
					tried++ // where it was not skipped
				})
			}
		}
		met(t, fault.call+" "+fault.how, hit, tried)
	}
}

// met says how many faults were. Where several were tried and none was met, the call that was to fail is never made, and
// nothing is proved.
func met(t *testing.T, fault string, hit, tried int) {
	t.Helper()
	t.Logf("%s: %d of %d were met", fault, hit, tried)
	if hit == 0 && tried > 1 {
		t.Errorf("%s: none was met, so nothing is proved", fault)
	}
}

func fatal(t *testing.T, s *site, d deed, rule, cause string) (hit bool) {
	j := s.begin(t)
	defer j.process.kill()
	refreshes := s.sandbox.Count(sandbox.EndpointRefresh)
	tr := j.site.inject(j.process, s.database(), rule)
	a, err := d.do(j)
	must(t, err)
	hits := tr.end()
	asked := s.sandbox.Count(sandbox.EndpointRefresh) - refreshes
	if len(hits) == 0 {
		if !d.done(a) {
			t.Errorf("nothing failed and the answer is %v", a)
		}
		return false
	}
	if d.done(a) {
		t.Errorf("acknowledged: %v\n%v", a, hits)
	}
	if a.status != http.StatusServiceUnavailable && d.name != "callback" { // whose answer is a page that says to begin again
		t.Errorf("%v instead of 503", a)
	}
	j.alive(d.name != "refresh")
	for _, done := range j.changes() {
		if done != "sign-out" || d.name != done { // which may have been stored before the fault: the restart will tell
			t.Errorf("acknowledged after the fault: %s", done)
		}
	}
	if a, err := j.b.get(shared.PathReady); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %v %v", a, err)
	}
	j.names(s.database(), cause, "start Locum again")
	switch {
	case d.name == "disconnect":
		j.restarts(either)
	case asked > 0:
		j.restarts(spent)
	default:
		j.restarts(kept)
	}
	return true
}

// names says that one line of the log has all the words.
func (j *journey) names(words ...string) {
	j.t.Helper()
	for line := range strings.Lines(j.process.said()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return
		}
	}
	j.t.Errorf("no line of the log has %q:\n%s", words, j.process.said())
}

// TestT068FullDisk: a write to the vault that finds no room is refused, and nothing else happens to it: the next one that
// finds room is taken, without a restart. No refresh is sent whose intent could not be stored.
func TestT068FullDisk(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada", "ben")
	tried, hit := 0, 0
	for i, d := range deeds() {
		for _, n := range every(t, 12, []int{1, 2, 0, 0, 2, 0}[i]) {
			t.Run(fmt.Sprintf("%s, write %d", d.name, n), func(t *testing.T) {
				if noRoom(t, s, d, n) {
					hit++
				}
				tried++
			})
		}
	}
	met(t, "pwrite64 error=ENOSPC", hit, tried)
}

func noRoom(t *testing.T, s *site, d deed, n int) (hit bool) {
	j := s.begin(t)
	defer j.process.kill()
	refreshes := s.sandbox.Count(sandbox.EndpointRefresh)
	tr := j.site.inject(j.process, s.database(), when("pwrite64", "error=ENOSPC", n))
	a, err := d.do(j)
	must(t, err)
	hits := tr.end()
	asked := s.sandbox.Count(sandbox.EndpointRefresh) - refreshes
	if len(hits) == 0 {
		return false
	}
	if d.done(a) {
		t.Errorf("acknowledged: %v\n%v", a, hits)
	}
	if a.code() != shared.CodeStorage && d.name != "callback" && d.name != "sign-in" { // whose answers are pages
		t.Errorf("%v instead of 503", a)
	}
	if n <= 2 && asked != 0 {
		t.Error("a refresh was sent although its intent was not stored")
	}
	j.alive(d.name != "refresh")
	if d.name == "refresh" {
		j.id = j.b.connected()
	}
	j.works("after " + hits[0])
	j.names("no space left on device")
	j.restarts(gone)
	return true
}

// TestT068AnswerWithoutRoom: the disk is full exactly when the platform has answered a refresh. The answer is kept until
// there is room; the platform is not asked for what Locum already has.
func TestT068AnswerWithoutRoom(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada", "ben")
	box.SetLifetimes(time.Second, 0)
	j := s.begin(t)
	defer j.process.kill()
	before := box.Count(sandbox.EndpointRefresh)
	box.Slow(sandbox.EndpointRefresh, time.Second, 1)
	eventually(t, "the token is due", func() bool {
		go func() { _, _ = j.call() }()
		return box.Count(sandbox.EndpointRefresh) > before
	})
	box.SetLifetimes(0, 0)
	tr := j.site.inject(j.process, s.database(), "pwrite64:error=ENOSPC")
	eventually(t, "the answer finds no room", func() bool {
		a, err := j.call()
		return err == nil && a.code() == shared.CodeStorage
	})
	if hits := tr.end(); len(hits) == 0 {
		t.Error("nothing failed")
	}
	eventually(t, "the answer is used", func() bool {
		a, err := j.call()
		return err == nil && a.status == http.StatusOK
	})
	if asked := box.Count(sandbox.EndpointRefresh) - before; asked != 1 {
		t.Errorf("the platform was asked %d times", asked)
	}
	j.restarts(kept)
}
