package session_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/session"
	"locum/bff/vault"
)

// house is a vault on disk that can be closed and opened again, with a Manager.
type house struct {
	dir    string
	key    vault.MasterKey
	vault  *vault.Vault
	limits session.Limits
	*session.Manager
}

func newHouse(t testing.TB, limits session.Limits) *house {
	t.Helper()
	base := t.TempDir()
	keyFile := filepath.Join(base, "key")
	if err := vault.CreateKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	key, err := vault.ReadKeyFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{dir: filepath.Join(base, "data"), key: key, limits: limits}
	h.start(t)
	t.Cleanup(func() { _ = h.vault.Close() })
	return h
}

func (h *house) start(t testing.TB) {
	t.Helper()
	var err error
	if h.vault, err = vault.Open(h.dir, h.key); err != nil {
		t.Fatal(err)
	}
	if h.Manager, err = session.New(h.vault, h.limits); err != nil {
		t.Fatal(err)
	}
}

func (h *house) restart(t testing.TB) {
	t.Helper()
	if err := h.vault.Close(); err != nil {
		t.Fatal(err)
	}
	h.start(t)
}

func (h *house) stored(t testing.TB) (n int) {
	t.Helper()
	if err := h.vault.View(func(tx *vault.Tx) error { n = vault.Sessions.Count(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func mustStart(t testing.TB, h *house, practitioner string) (string, session.Session) {
	t.Helper()
	cookie, s, err := h.Start(practitioner)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.Reveal(), s
}

func wantIn(t testing.TB, h *house, when, cookie string) {
	t.Helper()
	if _, err := h.Lookup(cookie); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}

func wantOut(t testing.TB, h *house, when, cookie string) {
	t.Helper()
	if s, err := h.Lookup(cookie); !errors.Is(err, session.ErrSignedOut) || s != (session.Session{}) {
		t.Errorf("%s: still %+v (%v)", when, s, err)
	}
}

// in runs a test in a bubble whose time the test moves.
func in(t *testing.T, limits session.Limits, run func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) { run(t, newHouse(t, limits)) })
}

func TestStartAndLookup(t *testing.T) {
	h := newHouse(t, session.Limits{})
	cookie, s := mustStart(t, h, "ana")
	got, err := h.Lookup(cookie)
	if err != nil || got != s || got.Practitioner != "ana" {
		t.Errorf("looked up %+v (%v), started %+v", got, err, s)
	}
	if !h.Alive(s.ID, "ana") || h.Alive(s.ID, "ben") || h.Alive("other", "ana") || h.Alive("", "") {
		t.Error("Alive mixes up sessions or practitioners")
	}
	if _, _, err := h.Start(""); err == nil {
		t.Error("started a session for nobody")
	}
}

func TestT022APlantedCookieIsWorthNothing(t *testing.T) {
	h := newHouse(t, session.Limits{})
	planted := strings.Repeat("A", 43)
	wantOut(t, h, "before sign-in", planted)
	first, s1 := mustStart(t, h, "ana")
	second, s2 := mustStart(t, h, "ana")
	wantOut(t, h, "after sign-in", planted)
	if first == planted || first == second || s1.ID == s2.ID {
		t.Error("a sign-in did not make a new value")
	}
	wantOut(t, h, "the id is not the cookie", s1.ID)
}

func TestT043AJWTIsNoSession(t *testing.T) {
	h := newHouse(t, session.Limits{})
	mustStart(t, h, "ana")
	for _, jwt := range []string{
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.",
		"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2ln",
		"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.AAAA", // of the right length
		"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEi",
	} {
		wantOut(t, h, jwt, jwt)
	}
}

func TestT087ACookieIsWholeOrNothing(t *testing.T) {
	h := newHouse(t, session.Limits{})
	cookie, _ := mustStart(t, h, "ana")
	cases := map[string]string{
		"quoted": `"` + cookie + `"`, "half quoted": `"` + cookie, "space before": " " + cookie, "space after": cookie + " ",
		"longer": cookie + "A", "twice": cookie + cookie, "list": cookie + ", " + cookie, "padded": cookie + "=",
		"huge": strings.Repeat(cookie, 100_000), "NUL": cookie[:42] + "\x00", "dot": cookie[:42] + ".",
		"standard base64": cookie[:42] + "+", "percent": "%" + cookie[1:], "not ASCII": cookie[:41] + "é",
		"other case": swapCase(cookie), "last character": cookie[:42] + string(cookie[42]^1),
	}
	for n := range cookie {
		cases[fmt.Sprintf("cut to %d characters", n)] = cookie[:n]
		cases[fmt.Sprintf("without the first %d characters", n+1)] = cookie[n+1:]
	}
	for name, value := range cases {
		wantOut(t, h, name, value)
	}
	wantIn(t, h, "whole", cookie)
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 32
		} else if r >= 'A' && r <= 'Z' {
			return r + 32
		}
		return r
	}, s)
}

func TestT088EndsAreFinal(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(h *house, s session.Session) error
	}{
		{"sign-out", func(h *house, s session.Session) error { return h.End(s.ID) }},
		{"all of a practitioner", func(h *house, s session.Session) error {
			n, err := h.EndAll(s.Practitioner)
			if n != 1 {
				err = errors.Join(err, fmt.Errorf("%d ended", n))
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, session.Limits{})
			cookie, s := mustStart(t, h, "ana")
			other, _ := mustStart(t, h, "ben")
			if err := c.end(h, s); err != nil {
				t.Fatal(err)
			}
			wantOut(t, h, "old cookie", cookie)
			if err := h.Touch(s.ID); !errors.Is(err, session.ErrSignedOut) {
				t.Errorf("activity of an ended session: %v", err)
			}
			if err := h.End(s.ID); err != nil {
				t.Errorf("ending twice: %v", err)
			}
			wantIn(t, h, "another practitioner", other)
			h.restart(t)
			wantOut(t, h, "old cookie after a restart", cookie)
			wantIn(t, h, "another practitioner after a restart", other)
		})
	}
}

// TestT088CallsRacingASignOut lets many callers look up and touch while the session ends: none that begins after End has
// returned succeeds, and the disk agrees.
func TestT088CallsRacingASignOut(t *testing.T) {
	h := newHouse(t, session.Limits{})
	for range 10 {
		cookie, s := mustStart(t, h, "ana")
		ended := make(chan struct{})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 5 {
					var after bool
					select {
					case <-ended:
						after = true
					default:
					}
					_, err := h.Lookup(cookie)
					touched := h.Touch(s.ID)
					if after && (err == nil || touched == nil) {
						t.Error("a call that began after the sign-out succeeded")
					}
				}
			})
		}
		if err := h.End(s.ID); err != nil {
			t.Error(err)
		}
		close(ended)
		wg.Wait()
		wantOut(t, h, "after all", cookie)
	}
	if n := h.stored(t); n != 0 {
		t.Errorf("%d ended sessions are stored", n)
	}
}

// TestT088EndAllRacingStart: whatever the order, a session that lives is stored, and one that is stored lives.
func TestT088EndAllRacingStart(t *testing.T) {
	for range 20 {
		endAllRacingStart(t)
	}
}

func endAllRacingStart(t *testing.T) {
	h := newHouse(t, session.Limits{})
	var mu sync.Mutex
	var cookies []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cookie, _, err := h.Start("ana")
			if err != nil && !errors.Is(err, session.ErrSignedOut) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				cookies = append(cookies, cookie.Reveal())
			}
		})
		wg.Go(func() {
			if _, err := h.EndAll("ana"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	alive := 0
	for _, c := range cookies {
		if _, err := h.Lookup(c); err == nil {
			alive++
		}
	}
	if n := h.stored(t); n != alive {
		t.Errorf("%d sessions alive and %d stored", alive, n)
	}
}

func TestTheFileTellsNoCookie(t *testing.T) {
	h := newHouse(t, session.Limits{})
	cookie, s := mustStart(t, h, "practitioner-ana")
	content, err := os.ReadFile(filepath.Join(h.dir, vault.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{cookie, s.ID, "practitioner-ana"} {
		if bytes.Contains(content, []byte(hidden)) {
			t.Errorf("the database holds %q", hidden)
		}
	}
}

func TestTooManySessions(t *testing.T) {
	t.Run("of one practitioner: the oldest ends", func(t *testing.T) {
		in(t, session.Limits{}, func(t *testing.T, h *house) {
			other, _ := mustStart(t, h, "ben")
			var cookies []string
			for range 12 {
				cookie, _ := mustStart(t, h, "ana")
				cookies = append(cookies, cookie)
				time.Sleep(time.Second)
			}
			check := func(when string) {
				for i, cookie := range cookies {
					if _, err := h.Lookup(cookie); (err == nil) != (i >= 2) {
						t.Errorf("%s: session %d of 12: %v", when, i, err)
					}
				}
				wantIn(t, h, when+": another practitioner", other)
			}
			check("at once")
			h.restart(t)
			check("after a restart")
		})
	})
	t.Run("in all: nobody is signed out for a newcomer", func(t *testing.T) {
		h := newHouse(t, session.Limits{})
		now := time.Now()
		err := h.vault.Update(func(tx *vault.Tx) error {
			for i := range 10_000 {
				id := fmt.Sprint(i)
				r := vault.Session{ID: id, Practitioner: id, CreatedAt: now, LastActive: now}
				if err := vault.Sessions.Put(tx, id, &r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.restart(t)
		if _, _, err := h.Start("ana"); !errors.Is(err, session.ErrFull) {
			t.Errorf("one more: %v", err)
		}
		if err := h.End("17"); err != nil {
			t.Fatal(err)
		}
		mustStart(t, h, "ana")
	})
}
