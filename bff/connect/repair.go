package connect

import (
	"errors"
	"strings"

	"locum/bff/platform"
	"locum/bff/tokens"
)

// repairs name to the operator what to change where a platform refuses Locum itself; ID is the platform's name in the
// configuration. The first connection to a platform is where most of them are met.
var repairs = map[string]string{
	tokens.CauseInvalidClient: "seal the secret with `locum secret set ID`, and compare client_id and auth.method of ID with the registration",
	tokens.CausePolicy: "compare scopes, client_id and auth.method of ID with the 3-legged app as it is registered: athenahealth's policy refuses " +
		"a scope, a credential of another environment, or a 2-legged app here",
	tokens.CausePosted:         "write auth.method: client_secret_basic for ID",
	tokens.CauseAssertion:      "compare auth.audience of ID, and the public keys that the platform has with `locum keys list ID`",
	tokens.CauseClock:          "set this machine's clock",
	tokens.CauseNoKey:          "make a key with `locum keys create ID`",
	tokens.CauseMetadata:       "compare fhir_base and issuer of ID with the server's metadata document: see `locum check --live`",
	tokens.CauseInvalidScope:   "scopes of ID names one that the client is not registered for, or launch.scopes, more_scopes or standalone do",
	tokens.CauseUnauthorized:   "compare client_id of ID with the registration, which needs the authorization code and, for offline_access, the refresh grant",
	tokens.CauseInvalidRequest: "compare public_url and auth.method with what is registered for ID",
	tokens.CauseBadToken:       "compare issuer of ID with the server's metadata document, and this machine's clock: see `locum check --live`",
}

// repair is what helps against an error of a redemption, in words for the log.
func repair(live *platform.Live, err error) string {
	var failed *tokens.Error
	if errors.As(err, &failed) {
		if say, known := repairs[failed.Code]; known {
			return named(say, live)
		}
		if failed.Kind != tokens.Misconfigured {
			return ""
		}
	}
	return "see `locum check --live`"
}

func named(say string, live *platform.Live) string { return strings.ReplaceAll(say, "ID", live.ID) }
