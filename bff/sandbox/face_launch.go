package sandbox

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Launch is what an EHR launches an app with.
type Launch struct {
	App       string // id of a registered app with a LaunchURL
	Login     string // who works in the EHR; "" is robin@example.test
	Patient   string // id; "" is the first patient that Login may see, and "-" launches without one
	Encounter string // id; "" is the patient's latest, and "-" launches without one
	Intent    string
	NoBanner  bool // the EHR shows the patient itself
}

// launch is one launch value that was handed out.
type launch struct {
	Launch
	value string
	made  time.Time
	used  bool
}

// Launch does what the EHR's page does: it makes a launch value for an app, good once and for ten minutes, and answers with
// the address that it would open: the app's LaunchURL with iss and launch (SMART App Launch 2.2, EHR launch).
func (f *Face) Launch(l Launch) (launchURL string, err error) {
	app, known := f.app(l.App)
	if !known || app.LaunchURL == "" {
		return "", fmt.Errorf("the sandbox has no app %q with a launch URL", l.App)
	}
	if l.Login == "" {
		l.Login = f.people[0].Login
	}
	who, known := f.person(l.Login)
	charts := f.records.chartsFor(who)
	if !known || len(charts) == 0 {
		return "", fmt.Errorf("%q cannot open a record", l.Login)
	}
	l.Login = who.Login
	switch l.Patient {
	case "":
		l.Patient = charts[0]
	case "-":
		l.Patient = ""
	}
	switch {
	case l.Encounter == "-" || l.Patient == "":
		l.Encounter = ""
	case l.Encounter == "":
		l.Encounter = f.records.latest("Encounter", l.Patient)
	}
	held := &launch{Launch: l, value: f.s.mint(""), made: f.s.now()}
	f.s.mu.Lock()
	full := f.full()
	if !full {
		f.launches[held.value] = held
	}
	f.s.mu.Unlock()
	if full {
		return "", fmt.Errorf("the sandbox has too many sessions")
	}
	joint := "?"
	if strings.Contains(app.LaunchURL, "?") {
		joint = "&"
	}
	return app.LaunchURL + joint + url.Values{"iss": {f.FHIRBase()}, "launch": {held.value}}.Encode(), nil
}

// Choice is what a person does at a face's pages.
type Choice struct {
	Login     string // "" is robin@example.test; not looked at in a browser that is logged in
	Patient   string // id, where one is asked for; "" is the first
	Encounter string
	Deny      bool
	Untick    []string // scopes
}

// Approve does what a person does at the authorization URL: log in, choose the record where one is asked for, then allow or
// deny. It answers with the callback URL that the browser would be sent to, of a refusal too.
func (f *Face) Approve(authorizationURL string, c Choice) (callbackURL string, err error) {
	b, err := f.s.NewBrowser()
	if err != nil {
		return "", err
	}
	return b.ApproveAs(authorizationURL, nil, c)
}

// ApproveForm is Approve for an authorization request that is posted as a form (authorize-post).
func (f *Face) ApproveForm(endpoint string, fields url.Values, c Choice) (callbackURL string, err error) {
	b, err := f.s.NewBrowser()
	if err != nil {
		return "", err
	}
	return b.ApproveAs(endpoint, fields, c)
}
