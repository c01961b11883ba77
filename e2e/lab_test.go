package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"locum/shared"
)

// TestT088LogoutAtThePlatformCutsAllTabs: somebody ends every login with a button of the identity server's front page. A tab
// that shows a patient shows nothing any more and asks for a sign-in, and whoever signs in again reads why, and reconnects.
func TestT088LogoutAtThePlatformCutsAllTabs(t *testing.T) {
	d, _ := startStreaming(t, 0)
	b := newBrowser(t)
	b.signIn(d, robin)
	b.connectFirst(d)
	id := b.connections()
	b.leading(d, 0)
	b.open(d.URL + "/")
	b.ready("home")
	b.toPatient(0)
	patient := b.where()
	other := b.tab()
	other.open(d.URL + "/connections")
	other.ready("connections")
	b.leading(d, 1)

	platform := b.tab()
	platform.open(d.Sandbox.Front())
	platform.shot("lab")
	platform.click(`button[value="logout"]`)
	platform.see("#done")
	clicked := time.Now()
	b.until("nothing is shown of the patient", `document.body.hidden || location.pathname === "/sign-in"`)
	t.Logf("the patient is gone %v after the platform had answered", time.Since(clicked).Round(time.Millisecond))
	b.at(d.URL + "/sign-in")
	other.at(d.URL + "/sign-in")
	eventually(t, "no stream", func() bool { return d.Server.Streams() == 0 })
	if status := b.ask(d, http.MethodGet, shared.PathConnections+"/"+id); status != http.StatusUnauthorized {
		t.Errorf("the cookie of before answers %d", status)
	}

	b.signIn(d, robin)
	b.open(d.URL + "/connections/" + id + "/life")
	b.ready("life")
	b.says("Why was I disconnected, and what now?")
	b.shot("life")
	b.click(by("life-reconnect"))
	b.again()
	b.at(d.URL + "/connections/" + id + "/life")
	b.until("it works", `document.querySelector('`+by("life-verdict")+`')?.dataset.next === "none"`)
	b.open(patient)
	b.ready("patient")
	b.see(by("identity"))
	b.clean()
	other.clean()
}
