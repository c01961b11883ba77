package bff_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

// ehrBench is a bench with an athenahealth and a SMART server beside Jane, and the EHRs that launch Locum.
type ehrBench struct {
	*bench
	athena, smart *sandbox.Face
}

// ehrOptions change the two platforms, and what opens them.
type ehrOptions struct {
	app      func(*platform.AppConfig)
	practice []platform.Practice // nil: the one practice
	embedded bool                // EHR pages may show Locum
	change   func(*config.Config, *bff.Options)
}

// openEHR starts one.
func openEHR(t *testing.T, o ehrOptions) *ehrBench {
	t.Helper()
	b := &ehrBench{}
	options := sandbox.Options{Athena: &sandbox.FaceOptions{}, SMART: &sandbox.FaceOptions{}}
	b.bench = openWith(t, options, func(inner *bench) {
		b.bench, b.athena, b.smart = inner, inner.sandbox.Athena(), inner.sandbox.SMART()
		if o.embedded {
			inner.cfg.Embedded = &config.Embedded{FrameAncestors: []string{b.athena.EHROrigin(), b.smart.EHROrigin()}}
		}
		b.configure(o)
	}, o.change)
	for id, face := range map[string]*sandbox.Face{"athena": b.athena, "smart": b.smart} {
		app, err := face.Register(sandbox.App{ID: "locum", RedirectURIs: []string{b.origin + shared.CallbackPath(id)},
			LaunchURL: b.origin + shared.LaunchPath(id)})
		must(t, err)
		must(t, b.server.SetClientSecret(id, secret.New(app.Secret)))
	}
	return b
}

func (b *ehrBench) configure(o ehrOptions) {
	b.t.Helper()
	app := func(id string) platform.AppConfig {
		c := platform.AppConfig{ID: id, Name: id, ClientID: "locum", PublicURL: b.origin}
		if o.app != nil {
			o.app(&c)
		}
		return c
	}
	if o.practice == nil {
		o.practice = []platform.Practice{{ID: sandbox.Practice, Name: "Seven Springs"}}
	}
	athena, err := platform.Athena(platform.AthenaConfig{AppConfig: app("athena"), Base: b.athena.Origin(), Issuer: b.athena.Issuer(),
		Practices: o.practice})
	must(b.t, err)
	smart, err := platform.SMART(platform.SMARTConfig{AppConfig: app("smart"), FHIRBase: b.smart.FHIRBase()})
	must(b.t, err)
	b.cfg.Platforms = append(b.cfg.Platforms, athena, smart)
}

// face is the platform of an id.
func (b *ehrBench) face(id string) *sandbox.Face {
	if id == "smart" {
		return b.smart
	}
	return b.athena
}

// navigated are the headers of a navigation from another site.
func navigated(dest string) [][2]string {
	return [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-Dest", dest}}
}

// launch is what a browser does when the EHR opens Locum at the top: it keeps the flow cookie. It gives the handle.
func (b *ehrBench) launch(one *browser, id string, l sandbox.Launch) string {
	b.t.Helper()
	a := b.called(one, id, l)
	handle, ours := strings.CutPrefix(a.header.Get("Location"), "/launch/")
	if a.status != http.StatusSeeOther || !ours || len(handle) != 43 || len(a.body) != 0 {
		b.t.Fatalf("launch: %d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	one.flow = a.cookie(b.name("flow"))
	return handle
}

// called is the answer to the EHR's call.
func (b *ehrBench) called(one *browser, id string, l sandbox.Launch) answer {
	b.t.Helper()
	l.App = "locum"
	address, err := b.face(id).Launch(l)
	must(b.t, err)
	at, err := url.Parse(address)
	must(b.t, err)
	header := navigated("document")
	if one.flow != "" {
		header = append(header, [2]string{"Cookie", b.name("flow") + "=" + one.flow})
	}
	return b.get(at.RequestURI(), header...)
}

// agree is the click on the launch page: where the browser goes next.
func (b *ehrBench) agree(one *browser, handle, clientState string) string {
	b.t.Helper()
	a := one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: clientState})
	if a.status != http.StatusOK {
		b.t.Fatalf("begin of a launch: %d %s", a.status, a.body)
	}
	if value := a.cookie(b.name("flow")); value != "" {
		one.flow = value
	}
	var begun shared.ConnectAnswer
	must(b.t, json.Unmarshal(a.body, &begun))
	return begun.AuthorizationURL
}

// launched walks a launch to the platform and back, and gives its outcome.
func (b *ehrBench) launched(one *browser, id string, l sandbox.Launch) (state string, outcome shared.Outcome) {
	b.t.Helper()
	state = clientState()
	back, err := b.face(id).Approve(b.agree(one, b.launch(one, id, l), state), sandbox.Choice{Login: l.Login})
	must(b.t, err)
	if a := one.callback(back); a.status != http.StatusSeeOther || a.header.Get("Location") != "/connections/outcome" {
		b.t.Fatalf("callback: %d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	return state, one.outcome(state)
}

// link says that the person at the platform is who is signed in.
func (b *ehrBench) link(one browser, state string) shared.Outcome {
	b.t.Helper()
	return decoded[shared.Outcome](b.t, one.change("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: state}))
}

// linked has a practitioner linked to their account at a platform, and gives the browser they are signed in with.
func (b *ehrBench) linked(login, id, there string) browser {
	b.t.Helper()
	one := b.signIn(login)
	state, outcome := b.launched(&one, id, sandbox.Launch{Login: there})
	if outcome.Code != shared.OutcomeLinkNeeded {
		b.t.Fatalf("outcome is %+v", outcome)
	}
	if outcome = b.link(one, state); outcome.Code != shared.OutcomeConnected {
		b.t.Fatalf("link: %+v", outcome)
	}
	return one
}

// decoded is the body of a good answer.
func decoded[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	must(t, json.Unmarshal(a.body, &v))
	return v
}

// events counts the lines of the audit trail that have this kind and code.
func (b *bench) events(kind, code string) (n int) {
	b.t.Helper()
	trail, err := os.ReadFile(filepath.Join(b.cfg.DataDir, bff.AuditFile))
	must(b.t, err)
	for line := range strings.Lines(string(trail)) {
		var event struct{ Kind, Code string }
		must(b.t, json.Unmarshal([]byte(line), &event))
		if event.Kind == kind && event.Code == code {
			n++
		}
	}
	return n
}

// living are the chains at a face that nobody has ended.
func living(face *sandbox.Face) (n int) {
	for _, chain := range face.Chains() {
		if chain.Ended == "" {
			n++
		}
	}
	return n
}

// eventually waits until what is said holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
