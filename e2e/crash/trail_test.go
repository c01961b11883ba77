package crash_test

import (
	"net/http"
	"os"
	"testing"

	"locum/bff/sandbox"
	"locum/shared"
)

// TestT111NoTrailNoCall: while the audit trail cannot be written, no call reaches a clinic and nobody new is let in;
// signing out and the health answer work. When the trail can be written again, everything does, without a restart, and
// the trail holds.
func TestT111NoTrailNoCall(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada", "ben")
	strace := func(rules ...string) func(*journey) func() {
		return func(j *journey) func() {
			tr := j.site.inject(j.process, s.trail(), rules...)
			return func() {
				if len(tr.end()) == 0 {
					j.t.Error("nothing failed")
				}
			}
		}
	}
	for _, c := range []struct {
		name   string
		always bool // not in the campaign alone
		harm   func(*journey) (mend func())
	}{
		{"the volume is full", true, strace("write:error=ENOSPC")},
		{"EIO at a write", false, strace("write:error=EIO")},
		{"EIO at a sync", true, strace("fsync:error=EIO")},
		{"short writes", false, strace("write:retval=0")},
		{"permission lost", true, strace("write:error=EACCES", "openat:error=EACCES")},
		{"read-only volume", false, strace("write:error=EROFS", "openat:error=EROFS")},
		{"the directory is gone", true, func(j *journey) func() {
			must(j.t, os.Rename(s.path("data"), s.path("gone")))
			return func() { must(j.t, os.Rename(s.path("gone"), s.path("data"))) }
		}},
		{"another file in its place", false, func(j *journey) func() {
			must(j.t, os.Rename(s.trail(), s.path("kept")))
			must(j.t, os.WriteFile(s.trail(), []byte("not a trail\n"), 0o600))
			return func() { must(j.t, os.Rename(s.path("kept"), s.trail())) }
		}},
	} {
		if !c.always && !campaigning(t) {
			continue
		}
		t.Run(c.name, func(t *testing.T) { noTrail(t, s, c.harm) })
	}
	book := newLedger(t, box)
	book.read(s, s.auditKey())
	t.Logf("%d requests at the clinics, all with an intent", book.requests)
}

func noTrail(t *testing.T, s *site, harm func(*journey) (mend func())) {
	j := s.begin(t)
	defer j.process.kill()
	if a, err := j.call(); err != nil || a.status != http.StatusOK {
		t.Fatalf("before: %v %v", a, err)
	}
	before := s.sandbox.Count(sandbox.EndpointAPI)
	mend := harm(j)
	for _, method := range []string{"GET", "POST"} {
		a, err := j.b.call(j.id, method, "/medical-record/observations", map[string]string{"POST": `{"data":{}}`}[method])
		if err != nil || a.status != http.StatusServiceUnavailable || a.code() != shared.CodeAudit {
			t.Errorf("%s without a trail: %v %v", method, a, err)
		}
	}
	if a, err := s.browser().signIn("ada"); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("sign-in without a trail: %v %v", a, err)
	}
	if a, err := j.comeBack(); err != nil || a.status == http.StatusSeeOther {
		t.Errorf("connected without a trail: %v %v", a, err)
	}
	if a, err := j.b.get(shared.PathReady); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %v %v", a, err)
	}
	j.alive(false)
	if a, err := j.b.as(j.spare).signOut(); err != nil || a.status != http.StatusSeeOther {
		t.Errorf("sign-out without a trail: %v %v", a, err)
	}
	if a, err := j.b.as(j.spare).get(shared.PathSession); err != nil || a.status != http.StatusUnauthorized {
		t.Errorf("after the sign-out: %v %v", a, err)
	}
	if now := s.sandbox.Count(sandbox.EndpointAPI); now != before {
		t.Errorf("%d calls reached the clinic", now-before)
	}
	j.names("audit", s.trail())
	mend()
	j.works("when the trail is back")
	j.process.kill()
	j.site.verify()
}
