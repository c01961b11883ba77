package shared

// LaunchPath is where an EHR opens Locum for a patient (SMART App Launch 2.2, Launch App: EHR Launch), relative to the
// public URL: the launch URL to register.
func LaunchPath(platform string) string { return "/connect/" + platform + "/launch" }

// KeysPath is where a platform reads the public keys that verify Locum's client assertions (SMART App Launch 2.2,
// client-confidential-asymmetric), relative to the public URL.
func KeysPath(platform string) string { return "/connect/" + platform + "/jwks.json" }

// LaunchRequest is the body of POST /api/v1/launch: go on with what an EHR has asked for. Launch is the handle in the page's
// address, ClientState the tab's own 256 random bits as 43 base64url characters. Nobody needs to be signed in.
type LaunchRequest struct {
	Launch      string `json:"launch"`
	ClientState string `json:"client_state"`
	// Clinic is the address of the practice, where the platform has several and the practitioner chose.
	Clinic string   `json:"clinic,omitempty"`
	Scopes []string `json:"scopes,omitempty"` // on top of what is configured for launches
}

// LinkRequest is the body of POST /api/v1/launch/link: the person who signed in at the platform is the practitioner who is
// signed in here. Decline says the opposite: what the platform gave is given back. Practitioner is whom the page has named as
// signed in: where another tab has signed somebody else in meanwhile, nobody is linked.
type LinkRequest struct {
	ClientState  string `json:"client_state"`
	Practitioner string `json:"practitioner,omitempty"`
	Decline      bool   `json:"decline,omitempty"`
}

// LaunchInfo is the answer of GET /api/v1/launch/{launch}: who asks to open Locum.
type LaunchInfo struct {
	Platform Platform `json:"platform"`
	Framed   bool     `json:"framed"`
}

// Launched is what a connection was launched for (SMART App Launch 2.2, launch context). Patient and Encounter are ids of
// FHIR resources at the connection's clinic.
type Launched struct {
	Kind      string `json:"kind"` // "ehr" or "standalone"
	Patient   string `json:"patient,omitempty"`
	Encounter string `json:"encounter,omitempty"`
	Intent    string `json:"intent,omitempty"`
	Tenant    string `json:"tenant,omitempty"`
	// Banner is "yes" where the app has to show whose record this is, "no" where the EHR does, "" where it was not told.
	Banner string `json:"banner,omitempty"`
	// Styled says that the platform's style can be asked for.
	Styled     bool              `json:"styled,omitempty"`
	References []LaunchReference `json:"references,omitempty"`
}

// LaunchReference is one more resource that the launch is about. An empty Role means "launch".
type LaunchReference struct {
	Reference string `json:"reference,omitempty"`
	Canonical string `json:"canonical,omitempty"`
	Type      string `json:"type,omitempty"`
	Role      string `json:"role,omitempty"`
}

// Style is the answer of GET /api/v1/connections/{connection}/style: safe values of CSS custom properties, by the names that
// SMART App Launch 2.2 gives them (color_background, dim_border_radius and so on).
type Style struct {
	Values map[string]string `json:"values"`
}

// Frame says that this page runs inside an EHR. Ancestors are the only origins whose messages are heeded.
type Frame struct {
	Ancestors []string `json:"ancestors"`
}

// Service is a connection of the application itself (RFC 6749 §4.4), which only administrators see.
type Service struct {
	ID         string   `json:"id"` // "service." and the platform's id: it stands in the place of a connection's
	Platform   Platform `json:"platform"`
	Name       string   `json:"name"`
	State      string   `json:"state"` // StateConnected, StateDegraded, StateMisconfigured
	Cause      string   `json:"cause,omitempty"`
	Next       string   `json:"next"` // what can be done, as in a Diagnosis
	Scopes     []string `json:"scopes"`
	Operations []string `json:"operations"`    // ids of what it may call
	Fresh      int      `json:"fresh_seconds"` // of the current access; 0 when there is none
}

// Services is the answer of GET /api/v1/services.
type Services struct {
	Services []Service `json:"services"`
}
