package shared

import "time"

// Header names of Locum's own API.
const (
	// HeaderClient must be "app" on every request that changes something: a cross-origin page cannot set it without a
	// preflight, which Locum never grants.
	HeaderClient    = "Locum-Client"
	HeaderRequestID = "Locum-Request-Id"
	// HeaderBudgetEndpoint and HeaderBudgetClinic stand on each proxied answer: "limit=100, remaining=97, reset=34"
	// (reset in seconds until the next permit returns; 0 when one is free).
	HeaderBudgetEndpoint = "Locum-Budget-Endpoint"
	HeaderBudgetClinic   = "Locum-Budget-Clinic"
	// HeaderBuild is the hash of the served app: an open tab that differs asks for a reload.
	HeaderBuild = "Locum-Build"
)

// ClientApp is the value of HeaderClient.
const ClientApp = "app"

// Session is the answer of GET /api/v1/session: who is signed in, and for how long.
type Session struct {
	Practitioner Practitioner `json:"practitioner"`
	IdleSeconds  int          `json:"idle_seconds"` // until the session ends unless there is activity
	EndsSeconds  int          `json:"ends_seconds"` // until it ends in any case
	// Administrator says whether the configuration names this login among its administrators.
	Administrator bool `json:"administrator,omitempty"`
	// Frame is set where the session lives inside an EHR.
	Frame *Frame `json:"frame,omitempty"`
}

// Practitioner is a signed-in person.
type Practitioner struct {
	ID    string `json:"id"`
	Login string `json:"login"`
	Name  string `json:"name"`
}

// Platform is a configured authorization server and API that a practitioner may connect to.
type Platform struct {
	ID      string       `json:"id"`
	Kind    string       `json:"kind"` // "jane", "athenahealth" or "smart"
	Name    string       `json:"name"`
	Clinics []ClinicLink `json:"clinics,omitempty"` // known clinics, offered as suggestions
	// Hint is an example of a clinic address as this platform writes it, e.g. "https://clinic.janeapp.com".
	Hint string `json:"hint,omitempty"`
	// Scopes is what a new connection asks for; the connect page says it in words before the practitioner leaves.
	Scopes []string `json:"scopes,omitempty"`
	// Ending is what disconnecting asks of the platform: "revoke", "end_session" or "forget".
	Ending string `json:"ending,omitempty"`
	// FHIR is the path of the platform's FHIR API, such as "/fhir/r4"; "" where it has none.
	FHIR string `json:"fhir,omitempty"`
	// Standalone is what a practitioner may choose there when connecting: "launch/patient", "launch/encounter".
	Standalone []string `json:"standalone,omitempty"`
	// Launch says that the platform opens Locum by itself (EHR launch).
	Launch bool `json:"launch,omitempty"`
}

// ClinicLink names one clinic of a platform by its address.
type ClinicLink struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Platforms is the answer of GET /api/v1/platforms.
type Platforms struct {
	Platforms []Platform `json:"platforms"`
}

// Context is where the practitioner wants to be after an authorization: a page name from the closed list and opaque
// ids for its {names}. It never holds a name, a date or any other PHI.
type Context struct {
	Page   string            `json:"page"`
	Params map[string]string `json:"params,omitempty"`
}

// ConnectRequest is the body of POST /api/v1/connect. ClientState is the tab's own 256 random bits as 43 base64url
// characters. Connection, where set, is reconnected or widened in place; Scopes are then added to what it has.
type ConnectRequest struct {
	Platform    string   `json:"platform"`
	Clinic      string   `json:"clinic"`
	ClientState string   `json:"client_state"`
	Context     Context  `json:"context"`
	Connection  string   `json:"connection,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
}

// ConnectAnswer tells the tab where to navigate; or, inside a frame, which address of ours to open in a window of its own,
// within a minute and once.
type ConnectAnswer struct {
	AuthorizationURL string `json:"authorization_url,omitempty"`
	TicketURL        string `json:"ticket_url,omitempty"`
}

// OutcomeRequest is the body of POST /api/v1/connect/outcome. SignIn agrees to be signed in as the practitioner whom the
// answer before named, by their id.
type OutcomeRequest struct {
	ClientState string `json:"client_state"`
	SignIn      string `json:"sign_in,omitempty"`
}

// Outcome is how the attempt that this tab began has ended.
type Outcome struct {
	Code       Code    `json:"code"`
	Connection string  `json:"connection,omitempty"`
	Platform   string  `json:"platform,omitempty"`
	Clinic     string  `json:"clinic,omitempty"`
	Context    Context `json:"context"`
	// Kind is "ehr" or "standalone" where it was launched (SMART App Launch 2.2); "" else.
	Kind string `json:"kind,omitempty"`
	// Person is the person at the platform, as far as it was told: "Practitioner/a-195900.Provider-1". It stands where the
	// page has to ask whether this is the practitioner.
	Person string `json:"person,omitempty"`
	// SignsIn is whom this browser would be signed in as; nobody is, until the page has said so and asks for it.
	SignsIn *Practitioner `json:"signs_in,omitempty"`
	Framed  bool          `json:"framed,omitempty"` // begun inside an EHR's page
}

// States of a connection.
const (
	StateConnected     = "connected"
	StateRefreshing    = "refreshing"      // its access has run out and a new one is on its way
	StateDegraded      = "degraded"        // the platform cannot be reached; the current access still works while it lasts
	StateReconnect     = "needs_reconnect" // the platform ended it; Cause says why
	StateMisconfigured = "misconfigured"   // the platform refuses Locum itself
	StateEnded         = "ended"           // the practitioner disconnected it: only its timeline is left, for a while
)

// Connection is one practitioner's grant at one clinic, as the app shows it.
type Connection struct {
	ID           string     `json:"id"`
	Platform     Platform   `json:"platform"`
	Clinic       ClinicLink `json:"clinic"`
	State        string     `json:"state"`
	Cause        string     `json:"cause,omitempty"`
	Scopes       []string   `json:"scopes"`           // granted
	More         []string   `json:"more,omitempty"`   // configured for the platform and not granted yet
	Excess       []string   `json:"excess,omitempty"` // granted although not asked for
	StaffMembers []string   `json:"staff_members,omitempty"`
	Roles        []string   `json:"roles,omitempty"`
	ConnectedAt  time.Time  `json:"connected_at"`
	RefreshedAt  time.Time  `json:"refreshed_at"`
	FreshSeconds int        `json:"fresh_seconds"` // of the current access; 0 when it has run out
	// KeptSeconds is how long the connection lives without a call, 0 when the platform states no end.
	KeptSeconds int `json:"kept_seconds"`
	// EndsAt is when the platform ends the login behind it, used or not; absent where that is not known.
	EndsAt *time.Time `json:"ends_at,omitempty"`
	// Siblings are the practitioner's other connections that end when this one is disconnected.
	Siblings []string `json:"siblings,omitempty"`
	Budget   Budget   `json:"budget"`
	// Launch is what it was launched for; absent where it was not.
	Launch *Launched `json:"launch,omitempty"`
	// FHIRUser is the person as a FHIR resource, such as "Practitioner/a-195900.Provider-1".
	FHIRUser string `json:"fhir_user,omitempty"`
}

// Connections is the answer of GET /api/v1/connections.
type Connections struct {
	Connections []Connection `json:"connections"`
}

// Disconnected is the answer of DELETE /api/v1/connections/{connection}. Revoked says whether the platform confirmed
// the end (RFC 7009); the connection is gone from Locum either way. Ending says more: one of the Ending constants.
type Disconnected struct {
	Revoked bool   `json:"revoked"`
	Ending  string `json:"ending"`
	// Reason is "spared_siblings" where the platform was not asked because it would have ended other connections of the
	// same sign-in. Until is when what is left there ends by itself; absent where that is not known.
	Reason string     `json:"reason,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
}

// What became of a disconnected connection at its platform.
const (
	EndingRevoked   = "revoked"    // the platform takes its access no more
	EndingSignedOut = "signed_out" // the platform ended the sign-in behind it
	EndingPending   = "pending"    // the platform did not answer; Locum goes on asking
	EndingExpires   = "expires"    // the platform was not asked; what is left there ends by itself, and nobody holds it
)

// Budget is what is left of a clinic's rate limits.
type Budget struct {
	Clinic    Allowance            `json:"clinic"`
	Endpoints map[string]Allowance `json:"endpoints,omitempty"` // by endpoint class, those in use
}

// Allowance is one limit: Remaining of Limit requests are free now, the next one returns in Reset seconds.
type Allowance struct {
	Limit     int `json:"limit"`
	Remaining int `json:"remaining"`
	Reset     int `json:"reset"`
}
