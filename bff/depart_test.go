package bff_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/shared"
)

// hiddenField is one input of the page that posts a form.
var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// TestLongRequestsArePosted: what would be too long for a URL goes as a form, over an address of ours, where the server takes
// forms; the page does nothing but send it.
func TestLongRequestsArePosted(t *testing.T) {
	var many []string
	for _, kind := range []string{"Patient", "Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter", "Appointment", "Practitioner"} {
		for _, level := range []string{"patient/", "user/"} {
			for _, letters := range []string{".r", ".s", ".rs", ".read", ".c", ".u", ".cu", ".write", ".cr", ".ru", ".cru", ".crus"} {
				many = append(many, level+kind+letters)
			}
		}
	}
	b := openEHR(t, ehrOptions{app: func(c *platform.AppConfig) { c.LaunchScopes = many }})
	one := b.signIn(loginOne)
	state, handle := clientState(), b.launch(&one, "athena", sandbox.Launch{})
	begun := decoded[shared.ConnectAnswer](t, one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: state}))
	if begun.TicketURL == "" || begun.AuthorizationURL != "" {
		t.Fatalf("%+v", begun)
	}
	page := b.get(begun.TicketURL, popup([2]string{"Cookie", b.name("flow") + "=" + one.flow})...)
	csp := page.header.Get("Content-Security-Policy")
	if page.status != http.StatusOK || !strings.Contains(csp, "default-src 'none'; script-src 'self';") || !strings.Contains(csp, "frame-ancestors 'none'") ||
		strings.Contains(csp, "unsafe") || page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v", page.status, page.header)
	}
	text := string(page.body)
	if strings.Count(text, "<script") != 1 || !strings.Contains(text, `<script src="/leave.js" defer></script>`) ||
		!strings.Contains(text, `method="post" action="`+b.athena.Endpoints().Authorize+`"`) {
		t.Errorf("the page is %s", short(text))
	}
	fields := url.Values{}
	for _, found := range hiddenField.FindAllStringSubmatch(text, -1) {
		fields.Add(html.UnescapeString(found[1]), html.UnescapeString(found[2]))
	}
	back, err := b.athena.ApproveForm(b.athena.Endpoints().Authorize, fields, sandbox.Choice{})
	must(t, err)
	one.callback(back)
	if got := one.outcome(state); got.Code != shared.OutcomeLinkNeeded {
		t.Errorf("%+v", got)
	}
	if a := b.get(begun.TicketURL, popup()...); a.status != http.StatusBadRequest {
		t.Errorf("a second time: %d", a.status)
	}
}

// TestLongRequestsElsewhere: where the server takes no forms, a long request is a URL all the same.
func TestLongRequestsElsewhere(t *testing.T) {
	var many []string
	for _, kind := range []string{"Patient", "Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter"} {
		for _, letters := range strings.Fields(".c .r .u .d .s .cr .cu .cd .cs .ru .rd .rs .ud .us .ds .cru .crd .crs .cud .cus .cds .rud .rus .rds .uds .read .write") {
			many = append(many, "patient/"+kind+letters)
		}
	}
	b := openEHR(t, ehrOptions{app: func(c *platform.AppConfig) { c.LaunchScopes = many }})
	b.smart.SetCapabilities("authorize-post")
	one := b.signIn(loginOne)
	to := b.agree(&one, b.launch(&one, "smart", sandbox.Launch{}), clientState())
	if len(to) < 4000 {
		t.Errorf("the request is %d bytes", len(to))
	}
}

// TestT015DiscoveryOnTheWay: a server that is not known yet is looked for when somebody wants to go there; what fails is said,
// spends nothing, and works when the server is back.
func TestT015DiscoveryOnTheWay(t *testing.T) {
	b := openEHR(t, ehrOptions{})
	one := b.signIn(loginOne)
	handle := b.launch(&one, "smart", sandbox.Launch{})
	begin := func() answer {
		return one.change("POST", shared.PathLaunch, shared.LaunchRequest{Launch: handle, ClientState: clientState()})
	}
	b.smart.AlterMetadata(func(document map[string]any) { document["capabilities"] = []string{"launch-ehr"} })
	a := begin()
	var problem shared.Problem
	must(t, json.Unmarshal(a.body, &problem))
	if a.status != http.StatusServiceUnavailable || problem.Code != shared.CodePlatformConfig || problem.Params["reason"] == "" {
		t.Errorf("a server that does not say who signs in: %d %s", a.status, a.body)
	}
	if a := one.change("POST", shared.PathConnect, shared.ConnectRequest{Platform: "smart", ClientState: clientState(),
		Context: shared.Context{Page: shared.PageHome}}); a.code(t) != shared.CodePlatformConfig {
		t.Errorf("connecting: %d %s", a.status, a.body)
	}
	b.smart.AlterMetadata(nil)
	eventually(t, "the server is found", func() bool { return begin().status == http.StatusOK })
	if a := begin(); a.code(t) != shared.CodeLaunchUnknown {
		t.Errorf("and the launch is spent once: %d", a.status)
	}
}
