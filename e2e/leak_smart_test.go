package e2e_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
	"locum/shared"
)

// TestT001NothingLeaksOfLaunches is TestT001NothingLeaks for the other platforms: a patient chosen at athenahealth, a launch
// from each EHR, the application's own calls, a refresh. What is looked for holds the private keys as well, every assertion
// that they signed, and the tokens of the application itself.
func TestT001NothingLeaksOfLaunches(t *testing.T) {
	log := &journal{}
	d, b := startDemo(t, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))), newBrowser(t)
	received := b.record(d.URL)
	athena, smart := d.Sandbox.Athena(), d.Sandbox.SMART()
	b.signIn(d, robin)
	b.startConnect(d, demo.AthenaID)
	b.click("#context-launch_patient")
	b.click(by("connect-start"))
	b.faceLogIn(robinAtFace)
	b.choose(athena.Patients()[0].ID)
	b.permit()
	b.at(d.URL + "/launched/")
	b.ready("launched")
	b.chart(athena, athena.Patients()[0])
	record := b.where()

	for face, app := range map[*sandbox.Face]string{smart: smartApp, athena: athenaApp} {
		b.openChart(face, face.Patients()[1])
		b.click("#launch-" + app)
		b.at(d.URL + "/launch/")
		b.ready("launch")
		b.click(by("launch-continue"))
		b.permit()
		b.at(d.URL + "/connections/outcome")
		b.outcome("link_needed")
		b.click(by("outcome-next"))
		b.at(d.URL + "/launched/")
		b.ready("launched")
		b.chart(face, face.Patients()[1])
	}

	called := mustEvaluate[string](b, `(async () => {
		const statuses = [];
		for (const path of ["service.athenahealth/v1/195900/ping", "service.smart`+strings.TrimPrefix(smart.FHIRBase(), smart.Origin())+`/Patient/`+smart.Patients()[0].ID+`"])
			statuses.push((await fetch("`+shared.PathProxy+`/" + path)).status);
		return statuses.join(" ");
	})()`, chromedp.EvalAwaitPromise)
	if called != "200 200" {
		t.Errorf("the application's own calls answer %s", called)
	}
	b.open(d.URL + "/services")
	b.ready("services")
	b.see(by("service-card"))
	b.wholeShot("services")
	if athena.RevokeAccess(robinAtFace) == 0 {
		t.Error("no access was revoked")
	}
	b.open(record)
	b.ready("launched")
	b.chart(athena, athena.Patients()[0])
	if d.Sandbox.Count(athena.At("token/refresh_token")) == 0 {
		t.Error("the journey did not refresh: it proves less than it says")
	}
	secrets := append(d.Sandbox.Minted(), d.Sandbox.Marker())
	for _, face := range []*sandbox.Face{athena, smart} {
		secrets = append(append(secrets, face.Assertions()...), faceVerifiers(t, d, face)...)
		for _, grant := range face.Grants() {
			secrets = append(secrets, grant.Token)
		}
	}
	if len(smart.Assertions()) < 2 || len(athena.Grants()) == 0 || len(smart.Grants()) == 0 {
		t.Errorf("%d assertions, %d and %d tokens of services were seen", len(smart.Assertions()), len(athena.Grants()), len(smart.Grants()))
	}
	t.Run("T001 app memory", func(t *testing.T) {
		if found, size := b.wasmMemory(long(secrets)); len(found) > 0 || size < 1<<20 {
			t.Errorf("%d secrets in %d bytes of the app's memory", len(found), size)
		}
	})
	t.Run("T002 storage and page", func(t *testing.T) { absent(t, hide(t, long(secrets)...), "storage", []byte(b.storage())) })
	t.Run("T002 cookies", func(t *testing.T) {
		absent(t, hide(t, long(secrets)...), "cookies", []byte(onlyOf(b.cookieJar(), "localhost")))
	})
	inside := hide(t, append(cookieValues(b.cookieJar()), athena.Patients()[0].Name, smart.Patients()[1].Name)...)
	texts, numbers := privateKeys(t, d)
	private := append(texts, numbers...)
	b.signOut(d)
	received.end()

	look := hide(t, long(append(secrets, private...))...)
	t.Run("T001 received bytes", func(t *testing.T) {
		answers, missed := received.all()
		for _, what := range missed {
			t.Errorf("an answer could not be read: %s", what)
		}
		proxied := 0
		for _, answer := range answers {
			if strings.HasPrefix(answer.url, d.URL+"/web/") {
				continue // The same for everybody, and read by TestT001NothingLeaks.
			}
			absent(t, look, "the headers of "+answer.url, []byte(answer.headers))
			absent(t, look, "the body of "+answer.url, withoutLaunch(answer))
			if strings.Contains(answer.url, "/proxy/v1/") {
				proxied++
			}
		}
		if proxied < 12 {
			t.Errorf("only %d proxied answers were recorded", proxied)
		}
		t.Logf("%d answers, %d of them proxied; %d secrets", len(answers), proxied, len(secrets)+len(private))
	})
	t.Run("T116 logs", func(t *testing.T) {
		absent(t, append(look, inside...), "the log", log.bytes())
	})
	t.Run("T059 files", func(t *testing.T) { checkFiles(t, append(look, inside...), d.Dir) })
	b.clean()
}

// withoutLaunch is the body of an answer; of the one that leads from a launch to the platform without the EHR's launch value,
// which the browser brought and has to bring back (SMART App Launch 2.2, "Obtain authorization code").
func withoutLaunch(answer received) []byte {
	var to shared.ConnectAnswer
	if !strings.HasSuffix(answer.url, shared.PathLaunch) || json.Unmarshal(answer.body, &to) != nil {
		return answer.body
	}
	u, err := url.Parse(to.AuthorizationURL)
	if err != nil || u.Query().Get("launch") == "" {
		return answer.body
	}
	return bytes.ReplaceAll(answer.body, []byte("launch="+url.QueryEscape(u.Query().Get("launch"))), nil)
}

// faceVerifiers are the PKCE secrets that Locum sent to a SMART server.
func faceVerifiers(t *testing.T, d *demo.Demo, face *sandbox.Face) []string {
	t.Helper()
	var all []string
	for _, request := range d.Sandbox.Requests(face.At("token/authorization_code")) {
		form, err := url.ParseQuery(request.Body)
		must(t, err)
		all = append(all, form.Get("code_verifier"))
	}
	if len(all) == 0 || len(all[0]) < 43 {
		t.Fatalf("no verifier was seen in %d exchanges with %s", len(all), face.Name())
	}
	return all
}
