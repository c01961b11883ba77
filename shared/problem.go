package shared

// Problem is the body of every error answer: RFC 9457 application/problem+json. Code is stable and names the cause;
// the words a practitioner reads live in app/words, keyed by code. Title is plain English for logs and developers.
type Problem struct {
	Type      string            `json:"type"` // always "about:blank"
	Title     string            `json:"title"`
	Status    int               `json:"status"`
	Code      Code              `json:"code"`
	Params    map[string]string `json:"params,omitempty"`
	RequestID string            `json:"request_id"`
	// RetryAfter is in whole seconds, as in the Retry-After header; 0 when waiting does not help.
	RetryAfter int `json:"retry_after,omitempty"`
}

// Code is a stable error or outcome code.
type Code string

// Codes of refused requests.
const (
	CodeBadRequest          Code = "bad_request"            // 400: the request itself is malformed
	CodeUnsafePath          Code = "unsafe_path"            // 400: the path holds something the router refuses
	CodeSignedOut           Code = "signed_out"             // 401: no session, or it has ended
	CodeForbidden           Code = "forbidden"              // 403: cross-site, or without the proof of same origin
	CodeScopeMissing        Code = "scope_missing"          // 403: params.scope was not granted
	CodeClinicMismatch      Code = "clinic_mismatch"        // 403: the connection belongs to another clinic
	CodeNotFound            Code = "not_found"              // 404: unknown, or not yours
	CodeMethodNotAllowed    Code = "method_not_allowed"     // 405
	CodeConflict            Code = "conflict"               // 409
	CodeTooLarge            Code = "too_large"              // 413
	CodeUnsupportedMedia    Code = "unsupported_media"      // 415
	CodeBudgetSpent         Code = "budget_spent"           // 429: the clinic's rate budget, with Retry-After
	CodeTooManyAttempts     Code = "too_many_attempts"      // 429: sign-in throttle, with Retry-After
	CodeInternal            Code = "internal"               // 500
	CodePlatformBadAnswer   Code = "platform_bad_answer"    // 502: the platform's answer could not be used
	CodeOutcomeUnknown      Code = "outcome_unknown"        // 502: a write was sent and its answer never came
	CodePlatformUnavailable Code = "platform_unavailable"   // 503/504: the platform is down or slow
	CodeReconnectNeeded     Code = "reconnect_needed"       // 409: the platform ended this connection
	CodePlatformConfig      Code = "platform_misconfigured" // 503: the platform refused Locum itself; the operator must repair it
	CodeStorage             Code = "storage_unavailable"    // 503
	CodeAudit               Code = "audit_unavailable"      // 503: no audit, no data
	CodeInvalidClinic       Code = "invalid_clinic"         // 400: params.reason
	CodeUnknownPlatform     Code = "unknown_platform"       // 400
	CodeInvalidState        Code = "invalid_client_state"   // 400: not 43 base64url characters
	CodeTooManyFlows        Code = "too_many_flows"         // 429: too many connection attempts pending
	CodeCredentials         Code = "bad_credentials"        // 401, sign-in only
	CodeLaunchUnknown       Code = "launch_unknown"         // 404: an EHR's launch that is unknown, used, too old or another browser's
	CodeCallRefused         Code = "call_refused"           // 400-422: the platform understood and refused; params.reason
	CodeWrongPatient        Code = "wrong_patient"          // 403: the connection was launched for another patient
)

// Outcome codes of an authorization: what the outcome page explains.
const (
	OutcomeConnected       Code = "connected"
	OutcomeDenied          Code = "denied"           // access_denied: the practitioner refused
	OutcomeTryAgain        Code = "try_again"        // temporarily_unavailable, server_error
	OutcomeExpired         Code = "attempt_expired"  // older than 10 minutes
	OutcomeUnknownAttempt  Code = "attempt_unknown"  // unknown or already used state
	OutcomeOtherBrowser    Code = "other_browser"    // the flow cookie is missing or another browser's
	OutcomeSessionEnded    Code = "session_ended"    // signed out, or another practitioner, meanwhile
	OutcomeMixUp           Code = "mix_up"           // iss missing or wrong (RFC 9207)
	OutcomePlatformRefused Code = "platform_refused" // any other error of the authorization response
	OutcomeExchangeFailed  Code = "exchange_failed"  // the code could not be redeemed
	OutcomeWrongClinic     Code = "wrong_clinic"     // the token is for another clinic
	OutcomeWrongPerson     Code = "wrong_person"     // reconnect by another subject
	OutcomeBadToken        Code = "bad_token"        // the token did not verify
	OutcomeMisconfigured   Code = "platform_misconfigured"
	OutcomeUnavailable     Code = "platform_unavailable"
	OutcomePending         Code = "pending"          // the attempt is still open: nothing came back yet
	OutcomeLinkNeeded      Code = "link_needed"      // the person at the platform is not known here yet: to be confirmed
	OutcomeLinkedElsewhere Code = "linked_elsewhere" // the person at the platform is another practitioner here
	OutcomeSignInReady     Code = "sign_in_ready"    // the person at the platform is known here: to be confirmed before signing in
	OutcomeLaunchRefused   Code = "launch_refused"   // an EHR's launch that no platform of ours can have made
)

// OutcomeCodes is the closed list of codes that the outcome page may be asked to explain.
var OutcomeCodes = []Code{
	OutcomeConnected, OutcomeDenied, OutcomeTryAgain, OutcomeExpired, OutcomeUnknownAttempt, OutcomeOtherBrowser,
	OutcomeSessionEnded, OutcomeMixUp, OutcomePlatformRefused, OutcomeExchangeFailed, OutcomeWrongClinic,
	OutcomeWrongPerson, OutcomeBadToken, OutcomeMisconfigured, OutcomeUnavailable, OutcomePending,
	OutcomeLinkNeeded, OutcomeLinkedElsewhere, OutcomeSignInReady, OutcomeLaunchRefused,
}
