package platform

// Why a chain of tokens has ended, as far as the authorization server says more than invalid_grant. They explain and
// decide nothing: a server may change its words, and a connection ends by the code of RFC 6749 §5.2 alone.
const (
	EndExpired      = "expired"
	EndSession      = "session_ended"
	EndDetached     = "detached"
	EndSuperseded   = "superseded"
	EndUserDisabled = "user_disabled"
	EndConsent      = "consent_withdrawn"
	EndOtherClient  = "other_client"
)

// keycloakEnds are the descriptions that Keycloak's token endpoint gives with the refusal of a refresh token, whole and
// exact.
var keycloakEnds = map[string]string{
	"Token is not active":                                    EndExpired,
	"Session not active":                                     EndSession,
	"Offline session not active":                             EndSession,
	"Session doesn't have required client":                   EndDetached,
	"refresh token issued before the client session started": EndDetached,
	"Maximum allowed refresh token reuse exceeded":           EndSuperseded,
	"Stale token":                                            EndSuperseded,
	"User disabled":                                          EndUserDisabled,
	"Client no longer has requested consent from user":       EndConsent,
	"Invalid refresh token. Token client and authorized client don't match": EndOtherClient,
	"Unmatching clients": EndOtherClient,
}

// EndOf gives the End constant for the error_description of a refused refresh, "" for any other text.
func (p *Platform) EndOf(description string) string { return p.ends[description] }
