package check

import (
	"fmt"
	"slices"
	"time"

	"locum/bff/platform"
)

// What the guide's refresh tokens live, and what of it the keeper leaves to itself: a connection that nobody uses is renewed
// every twenty minutes or so ("Jane guide, Step 3": refresh_expires_in 1800).
const (
	janeKept    = 30 * time.Minute
	keptEvery   = 20
	fewKept     = 200              // connections: a budget for fewer is an oversight, or deserves a word
	shortLeeway = 12 * time.Second // five are kept back at each end
	shortLogin  = time.Hour
)

// refresh judges how a platform's connections are kept alive: what is configured can be read, and may still lose some.
func (c *checker) refresh(i int, p *platform.Platform) {
	r, at := p.Refresh, entry(i)+".refresh"
	short := !slices.Contains(p.Scopes, "offline_access")
	switch {
	case r.KeepAlive == platform.KeepHours && short:
		c.setting(Warning, "settings.keep-alive", at+".keep_alive", "outside working hours a connection ends after "+span(janeKept)+
			" without a call: practitioners connect again every morning", "write always, unless the platform's refresh tokens live through the night")
	case r.KeepAlive == platform.KeepSignedIn && short:
		c.setting(Warning, "settings.keep-alive", at+".keep_alive", "a connection ends "+span(janeKept)+" after its practitioner has signed out: "+
			"they connect again every time", "write always, unless the platform's refresh tokens live until the next sign-in")
	}
	if most := keptEvery * r.PerMinute; r.PerMinute > 0 && most < fewKept {
		c.setting(Warning, "settings.refresh-budget", at+".per_minute", fmt.Sprintf("%d requests a minute keep about %d connections alive; more than that are lost",
			r.PerMinute, most), "allow more, if the platform does")
	}
	if r.Kind == platform.KindRotating && r.Leeway < shortLeeway {
		c.setting(Warning, "settings.leeway-short", at+".leeway", "Locum stays five seconds away from both its ends, so nothing is left of it",
			"write rotation: strict, or ask the platform for a longer one")
	}
	if r.SessionMax > 0 && r.SessionMax < shortLogin {
		c.setting(Warning, "settings.session-short", at+".session_max", "every connection ends after "+span(r.SessionMax)+", whatever Locum does",
			"ask the platform for a longer one, or for offline_access")
	}
	if p.Ending == platform.EndingForget {
		c.setting(Warning, "settings.on-disconnect", entry(i)+".on_disconnect", "the tokens of a connection that a practitioner ends work on until they run out",
			"write revoke or end_session, unless the platform cannot do either")
	}
}
