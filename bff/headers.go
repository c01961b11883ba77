package bff

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"locum/shared"
)

// policy is the header set of one kind of answer.
type policy struct {
	headers []header
	// cache is the Cache-Control; where it is not no-store, an answer may have set its own.
	cache string
}

// header is one line, its name in canonical form: apply runs on every answer and has nothing to normalise.
type header struct{ name, value []byte }

// policies are all there are. Every answer carries exactly one, whichever way it was made.
type policies struct {
	api      *policy // JSON, problems and redirects: nothing in it may run or be framed
	page     *policy // pages of the app
	form     *policy // html/template pages without script: sign-in, messages
	callback *policy // what a platform's redirect leads to: as api, and no referrer
	message  *policy // as form, and no referrer
	asset    *policy // static files
	keys     *policy // public keys, which anybody may keep for a while
	leaving  *policy // the page that sends its form to a platform by itself
	rehearse *policy // the same for a platform on loopback
}

// Content-Security-Policy of each kind (CSP3). The pages hold no inline script or style; go-app's WASM needs
// 'wasm-unsafe-eval'; no policy allows an escape hatch, and Trusted Types are off limits altogether.
const (
	cspNothing = "default-src 'none'; frame-ancestors 'none'; sandbox"
	// A worker whose file comes with sandbox may not start (CSP3 §6.3.2), and the one that we serve has to: to end itself.
	cspAsset = "default-src 'none'; frame-ancestors 'none'"
	cspForm  = "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'" + cspReport
	cspPage = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
		"font-src 'self'; connect-src 'self'; worker-src 'none'; manifest-src 'self'; form-action 'self'; base-uri 'none'; " +
		"object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'" + cspReport
	cspReport = "; report-to csp"
	noStore   = "no-store"
)

// features that no page of Locum uses and no injected one shall.
var features = []string{"accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen",
	"geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "usb",
	"xr-spatial-tracking"}

// leavingTo is the policy of a page that does nothing but post its form. The form may go wherever Chromium lets it be
// redirected to, which it decides by form-action too: from an authorization server to the sign-in of another host.
func leavingTo(targets string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action " + targets +
		"; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'" + cspReport
}

// newPolicies decides everything from the public URL and the configuration and never from a request, so that a proxy that
// ends TLS, or an answer that no handler made, changes nothing. ancestors are the origins whose pages may show ours in a
// frame; nothing but pages can be shown so. build is the hash of the served app.
func newPolicies(public *url.URL, ancestors []string, build string) policies {
	common := [][2]string{
		{fiber.HeaderXContentTypeOptions, "nosniff"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cross-Origin-Embedder-Policy", "require-corp"},
		{fiber.HeaderPermissionsPolicy, strings.Join(features, "=(), ") + "=()"},
	}
	if public.Scheme == "https" {
		common = append(common, [2]string{fiber.HeaderStrictTransportSecurity, "max-age=63072000; includeSubDomains"})
	}
	newPolicy := func(csp, referrer, cache string, more ...[2]string) *policy {
		p := &policy{cache: cache}
		lines := append([][2]string{{fiber.HeaderContentSecurityPolicy, csp}, {fiber.HeaderReferrerPolicy, referrer}}, common...)
		for _, line := range append(lines, more...) {
			p.headers = append(p.headers, header{[]byte(line[0]), []byte(line[1])})
		}
		return p
	}
	reports := [2]string{"Reporting-Endpoints", `csp="` + pathReports + `"`}
	page, form, shown := cspPage, cspForm, [][2]string{reports}
	if len(ancestors) > 0 {
		within := strings.NewReplacer("frame-ancestors 'none'", "frame-ancestors "+strings.Join(ancestors, " "))
		page, form = within.Replace(page), within.Replace(form)
		shown = append(shown, [2]string{"Cross-Origin-Resource-Policy", "cross-origin"}) // an EHR's page may ask for it (COEP)
	}
	return policies{
		api:      newPolicy(cspNothing, "same-origin", noStore, [2]string{shared.HeaderBuild, build}),
		page:     newPolicy(page, "same-origin", "no-cache", shown...),
		form:     newPolicy(form, "same-origin", noStore, shown...),
		callback: newPolicy(cspNothing, "no-referrer", noStore),
		message:  newPolicy(form, "no-referrer", noStore, shown...),
		leaving:  newPolicy(leavingTo("https:"), "no-referrer", noStore, reports),
		rehearse: newPolicy(leavingTo("https: http://127.0.0.1:* http://localhost:*"), "no-referrer", noStore, reports),
		asset:    newPolicy(cspAsset, "same-origin", "no-cache"),
		keys:     newPolicy(cspNothing, "no-referrer", "no-cache"),
	}
}

// apply sets the policy's headers over whatever the answer held, and removes what no answer may hold.
func (p *policy) apply(header *fasthttp.ResponseHeader) {
	for _, line := range p.headers {
		header.SetCanonical(line.name, line.value)
	}
	if p.cache == noStore || len(header.Peek(fiber.HeaderCacheControl)) == 0 {
		header.Set(fiber.HeaderCacheControl, p.cache)
	}
	header.Del(fiber.HeaderServer)
}
