package shared

import "time"

// Diagnosis is the answer of POST /api/v1/connections/{connection}/diagnosis: what the platform says of a connection when it
// is asked just now. It changes nothing there. Within ten seconds the same answer is given again.
type Diagnosis struct {
	AskedAt   time.Time `json:"asked_at"`
	Reachable bool      `json:"reachable"`      // the platform answered
	Code      string    `json:"code,omitempty"` // a cause, where it could not be asked or would not say; "unsupported" where it cannot be asked
	// Access is what calls use now, Renewal what renews it.
	Access  DiagnosisHalf `json:"access"`
	Renewal DiagnosisHalf `json:"renewal"`
	// SameSignIn says whether the renewal still belongs to the sign-in that the connection came of.
	SameSignIn bool `json:"same_sign_in"`
	// ClockSeconds is how far the platform's clock is ahead of Locum's; negative when it is behind, 0 within half a minute.
	ClockSeconds int `json:"clock_seconds"`
	// Rotation is what a renewal does at the platform: "K0", "K1", "K2", "O0", "O1", or "" while that is not known.
	Rotation string `json:"rotation"`
}

// DiagnosisHalf is what the platform says of one half. Found is "active", "inactive", "unusable" (it does not say, or what it
// says is no evidence) or "none" (there is no such half).
type DiagnosisHalf struct {
	Found  string     `json:"found"`
	EndsAt *time.Time `json:"ends_at,omitempty"`
	Scopes []string   `json:"scopes,omitempty"`
}
