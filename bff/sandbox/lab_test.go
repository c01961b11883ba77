package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// press clicks one button of the front page and gives the page that follows.
func (g *rig) press(name string) reply {
	g.Helper()
	origin := strings.TrimSuffix(g.Front(), "/")
	got := g.post(origin+"/lab", url.Values{"do": {name}}, "Origin", origin)
	if got.StatusCode != http.StatusSeeOther {
		g.Fatalf("%s: answer %d, %s", name, got.StatusCode, got.text)
	}
	return g.get(origin + got.Header.Get("Location"))
}

// TestLab presses each button of the front page: the page says what was done, and it was.
func TestLab(t *testing.T) {
	for _, button := range []struct {
		name, says string
		done       func(g *rig, granted map[string]any)
	}{
		{"refuse", "gets a 401", func(g *rig, granted map[string]any) {
			equal(g, "the clinic", g.call(g.clinic, granted["access_token"]), http.StatusUnauthorized)
			g.renew(granted["refresh_token"])
		}},
		{"down", "503", func(g *rig, granted map[string]any) {
			equal(g, "a refresh", g.refresh(granted["refresh_token"]).StatusCode, http.StatusServiceUnavailable)
			g.press("calm")
			g.renew(granted["refresh_token"])
		}},
		{"lose", "answer lost", func(g *rig, granted map[string]any) {
			equal(g, "a refresh", g.attempt(granted["refresh_token"], time.Minute), 0)
			equal(g, "presented", g.Presented().All, 1)
		}},
		{"calm", "forgotten", func(g *rig, granted map[string]any) { g.renew(granted["refresh_token"]) }},
		{"forgive", "leaves its token good", func(g *rig, granted map[string]any) {
			g.renew(granted["refresh_token"])
			g.renew(granted["refresh_token"])
		}},
		{"strict", "spends its token", func(g *rig, granted map[string]any) {
			g.renew(granted["refresh_token"])
			g.denied(granted["refresh_token"], "Maximum allowed refresh token reuse exceeded")
		}},
		{"withdraw", "No refresh token works", func(g *rig, granted map[string]any) { g.denied(granted["refresh_token"], "Session not active") }},
		{"logout", "logged out", func(g *rig, granted map[string]any) { g.denied(granted["refresh_token"], "Session not active") }},
	} {
		t.Run(button.name, func(t *testing.T) {
			g := newRig(t)
			granted := g.tokens()
			page := g.press(button.name)
			if page.StatusCode != http.StatusOK || !strings.Contains(page.text, button.says) {
				t.Errorf("answer %d does not say %q", page.StatusCode, button.says)
			}
			button.done(g, granted)
		})
	}
}

// TestLabIsPressedByItsPageAlone: no other site and nothing that is no button does anything.
func TestLabIsPressedByItsPageAlone(t *testing.T) {
	g := newRig(t)
	origin := strings.TrimSuffix(g.Front(), "/")
	granted := g.tokens()
	for _, c := range []struct {
		name, do string
		headers  []string
		want     int
	}{
		{"another site", "withdraw", []string{"Origin", "http://evil.test"}, http.StatusForbidden},
		{"no origin", "withdraw", nil, http.StatusForbidden},
		{"no button", "everything", []string{"Origin", origin}, http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			equal(t, "answer", g.post(origin+"/lab", url.Values{"do": {c.do}}, c.headers...).StatusCode, c.want)
		})
	}
	g.renew(granted["refresh_token"])
	if page := g.get(origin + "/?done=%3Cscript%3E"); strings.Contains(page.text, "script") {
		t.Error("the front page repeats what it was sent")
	}
}
