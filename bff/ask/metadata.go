package ask

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// metadata reads what the server says of itself, and compares it with what Locum goes by. It says whether asking on makes
// sense.
func (q *question) metadata(ctx context.Context) bool {
	where := q.FHIRBase + "/.well-known/smart-configuration"
	document, err := oauth.FetchMetadata(ctx, q.dial, q.FHIRBase, "")
	var refused *oauth.ResponseError
	switch {
	case errors.As(err, &refused) && refused.Status < 500:
		q.find(Error, "live.metadata", q.where(), fmt.Sprintf("there is no SMART server: %s answers with status %d", where, refused.Status), "write the exact FHIR base URL in "+q.where())
		return false
	case errors.As(err, &refused):
		q.find(Error, "live.unreachable", q.where(), fmt.Sprintf("%s answers with status %d", where, refused.Status), "try again later; and see that "+q.where()+" is right")
		return false
	case err != nil:
		q.unreachable(where, err)
		return false
	}
	q.clock(document)
	m, err := oauth.ParseMetadata(q.FHIRBase, []byte(document.Raw))
	if err != nil {
		q.find(Error, "live.metadata", q.where(), "the server's metadata cannot be used: "+err.Error(), "see that "+q.where()+" is right; then ask "+q.Name)
		return false
	}
	q.methods = m.TokenAuthMethods
	good := q.documented
	if q.Discover {
		good = q.discovered
	}
	if !good(m) {
		return false
	}
	q.abilities(m)
	return true
}

// discovered judges the document of a server whose endpoints come from it.
func (q *question) discovered(m oauth.Metadata) bool {
	if refused := q.Accepts(m); refused != nil {
		key, code := "fhir_base", "live.identity"
		fix := "ask " + q.Name + " for OpenID Connect (capability sso-openid-connect); without it Locum cannot connect there"
		if refused.Code == platform.DiscoveryContradicts {
			key, code, fix = "issuer", "live.issuer", "write the issuer exactly as the document has it, once "+q.Name+" has confirmed it"
		}
		q.find(Error, code, key, "the server's metadata is refused: "+refused.Err.Error(), fix)
		return false
	}
	if before, ok := q.Believed(q.Pin); ok {
		if err := oauth.Pinned(before, m); err != nil {
			q.find(Error, "live.moved", "metadata_since", err.Error()+"; Locum goes on with what it knew", "ask "+q.Name+" whether it has moved; if so, write today's date in metadata_since")
		}
	}
	q.server = m.Server()
	q.server.IntrospectionMethod = q.Server.IntrospectionMethod
	return true
}

// documented compares the document with the endpoints that are known: it moves none.
func (q *question) documented(m oauth.Metadata) bool {
	said := m.Server()
	if said.Issuer != q.Server.Issuer {
		q.find(Error, "live.issuer", "issuer", "the server calls itself by another issuer ("+said.Issuer+"), so every id_token would be refused", "write the issuer exactly as it stands there")
	}
	for _, e := range []struct{ name, ours, theirs string }{
		{"authorization", q.Server.Authorization, said.Authorization}, {"token", q.Server.Token, said.Token}, {"key set", q.Server.JWKS, said.JWKS},
		{"revocation", q.Server.Revocation, said.Revocation}, {"introspection", q.Server.Introspection, said.Introspection},
	} {
		if e.theirs != "" && e.ours != e.theirs {
			q.find(Error, "live.endpoint", q.where(), "the server's "+e.name+" endpoint is not "+e.ours, "ask "+q.Name+" whether its endpoints have moved; this version of Locum knows the documented ones")
		}
	}
	return true
}

// abilities compares what is configured with what the server claims to be able to (SMART App Launch 2.2, "Conformance"). Servers
// leave things out that they can do, so that most of it is for the operator to decide.
func (q *question) abilities(m oauth.Metadata) {
	lacks := func(needed bool, capability, key, cause, fix string) {
		if needed && !m.Can(capability) {
			q.find(Warning, "live.capability", key, cause+" (capability "+capability+")", fix)
		}
	}
	scopes := slices.Concat(q.Scopes, q.MoreScopes, q.LaunchScopes)
	some := func(is func(string) bool) bool { return slices.ContainsFunc(scopes, is) }
	v1 := func(s string) bool {
		return strings.HasSuffix(s, ".read") || strings.HasSuffix(s, ".write") || strings.HasSuffix(s, ".*")
	}
	v2 := func(s string) bool { return strings.Contains(s, "/") && strings.Contains(s, ".") && !v1(s) }
	level := func(name string) func(string) bool {
		return func(s string) bool { return strings.HasPrefix(platform.PlainScope(s), name+"/") }
	}
	lacks(q.Launch, "launch-ehr", "launch", "the server does not claim to launch applications", "write launch: {enabled: false}, or ask "+q.Name)
	lacks(slices.Contains(q.Standalone, "launch/patient"), "context-standalone-patient", "standalone", "the server does not claim to let practitioners choose a patient", "leave launch/patient out, or ask "+q.Name)
	lacks(slices.Contains(q.Standalone, "launch/encounter"), "context-standalone-encounter", "standalone", "the server does not claim to let practitioners choose an encounter", "leave launch/encounter out, or ask "+q.Name)
	lacks(slices.Contains(scopes, "offline_access"), "permission-offline", "scopes", "the server does not claim to give refresh tokens", "leave offline_access out, or ask "+q.Name)
	lacks(some(level("user")), "permission-user", "scopes", "the server does not claim to know scopes of level user", "ask "+q.Name)
	lacks(some(level("patient")), "permission-patient", "launch.scopes", "the server does not claim to know scopes of level patient", "ask "+q.Name)
	lacks(some(v1), "permission-v1", "scopes", "the server does not claim to know scopes of version 1 (.read)", "write them in version 2: .rs for .read, .cud for .write")
	lacks(some(v2), "permission-v2", "scopes", "the server does not claim to know scopes of version 2 (.rs)", "write them in version 1: .read for .rs, .write for .cud")
	q.method(q.Auth, "auth.method")
	if q.Service != nil {
		q.method(q.Service.Auth, "service.auth.method")
	}
}

// method compares a way to authenticate with those that the server names; servers may know none by name.
func (q *question) method(a oauth.Auth, key string) {
	if len(q.methods) > 0 && !slices.Contains(q.methods, a.Method) {
		q.find(Error, "live.auth-method", key, "the server does not take "+a.Method+"; it takes "+strings.Join(known(q.methods), ", "), "write the method that the client is registered for")
	}
}

// known are the methods of a document that Locum has, so that nothing of it is printed as it came.
func known(methods []string) []string {
	ours := slices.DeleteFunc([]string{oauth.AuthBasic, oauth.AuthPost, oauth.AuthKey, oauth.AuthNone}, func(m string) bool { return !slices.Contains(methods, m) })
	if len(ours) == 0 {
		return []string{"none that this version of Locum has"}
	}
	return ours
}

// How far two clocks may be apart: dates are judged with a minute's grace, and beyond a quarter of an hour the difference is
// not corrected (oauth.Client.ClockOffset).
const (
	clockOff  = 30 * time.Second
	clockLost = 15 * time.Minute
)

// Clock judges a clock that is ahead of this machine's by so much, or behind it; ok where nothing has to be said. whose names
// it, as in "the issuer's".
func Clock(ahead time.Duration, whose string) (f Finding, ok bool) {
	if ahead.Abs() <= clockOff {
		return f, true
	}
	severity, says := Warning, "behind"
	if ahead.Abs() > clockLost {
		severity = Error
	}
	if ahead < 0 {
		says = "ahead of"
	}
	return Finding{severity, "live.clock", "", fmt.Sprintf("this machine's clock is %s %s %s", ahead.Abs(), says, whose),
		"let a time service set the clock (chrony, systemd-timesyncd)"}, false
}

func (q *question) clock(d oauth.Document) {
	if f, ok := Clock(d.ClockAhead, "the platform's"); d.ClockSaid && !ok {
		q.answers.Findings = append(q.answers.Findings, f)
	}
}
