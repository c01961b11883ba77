package vault

import (
	"time"

	"locum/bff/secret"
)

// The collections: all that Locum persists.
var (
	Accounts      = Collection[Account]{"accounts", 1, (*Account).fields, (*Account).generation}
	Sessions      = Collection[Session]{"sessions", 1, (*Session).fields, (*Session).generation}
	Attempts      = Collection[Attempt]{"attempts", 2, (*Attempt).fields, (*Attempt).generation}
	Outcomes      = Collection[Outcome]{"outcomes", 2, (*Outcome).fields, (*Outcome).generation}
	Connections   = Collection[Connection]{"connections", 3, (*Connection).fields, (*Connection).generation}
	ClientSecrets = Collection[ClientSecret]{"client_secrets", 1, (*ClientSecret).fields, (*ClientSecret).generation}
	Timelines     = Collection[Timeline]{"timelines", 1, (*Timeline).fields, (*Timeline).generation}
	Revocations   = Collection[Revocation]{"revocations", 1, (*Revocation).fields, (*Revocation).generation}
	LogoutTokens  = Collection[LogoutToken]{"logout_tokens", 1, (*LogoutToken).fields, (*LogoutToken).generation}
	Authorities   = Collection[Authority]{"authorities", 1, (*Authority).fields, (*Authority).generation}
	Launches      = Collection[Launch]{"launches", 1, (*Launch).fields, (*Launch).generation}
	Tickets       = Collection[Ticket]{"tickets", 1, (*Ticket).fields, (*Ticket).generation}
	Links         = Collection[Link]{"links", 1, (*Link).fields, (*Link).generation}
	SigningKeys   = Collection[SigningKey]{"signing_keys", 1, (*SigningKey).fields, (*SigningKey).generation}
	ServerPins    = Collection[ServerPin]{"server_pins", 1, (*ServerPin).fields, (*ServerPin).generation}
)

// collections names them all for what looks at sealed values without reading them.
var collections = []string{
	Accounts.name, Sessions.name, Attempts.name, Outcomes.name, Connections.name, ClientSecrets.name, Timelines.name,
	Revocations.name, LogoutTokens.name, Authorities.name, Launches.name, Tickets.name, Links.name, SigningKeys.name,
	ServerPins.name,
}

// Account is a practitioner who may sign in. Its key is the normalised login.
type Account struct {
	ID, Login, Name string
	PasswordHash    secret.String // PHC string of argon2id
	CreatedAt       time.Time
	Disabled        bool
	Failures        int // consecutive, since the last success
	LastFailure     time.Time
	Generation      uint64
}

// Session is a browser that has signed in. Its key is ID, which is the MAC of the cookie's value.
type Session struct {
	ID, Practitioner      string
	CreatedAt, LastActive time.Time
	Generation            uint64
}

// Attempt is one authorization in flight. Its key is State, the state on the wire.
type Attempt struct {
	State, Platform, Clinic, Practitioner, Session string
	Flow, ClientState                              string // MACs of what the browser holds
	Verifier, Nonce                                secret.String
	Scopes                                         []string
	Connection                                     string // reconnect or widen this one; "" for a new connection
	Context                                        Context
	CreatedAt, ExpiresAt                           time.Time
	// Since schema 2.
	Kind       string        // "" no launch, "ehr" or "standalone" (SMART App Launch 2.2, Launch App)
	Launch     secret.String // the EHR's launch value, to be echoed
	Framed     bool          // begun in a frame: the authorization runs in a window of its own
	Browser    string        // of an attempt without a session: MAC of the browser's flow value
	Generation uint64
}

// Context is where the practitioner wants to be after an authorization: a page of the closed list and opaque ids.
type Context struct {
	Page   string
	Params map[string]string
}

// Outcome is how an attempt ended. Its key is Key, the MAC of the browser's value (Attempt.ClientState).
type Outcome struct {
	Key, Practitioner, Session, Code, Platform, Clinic, Connection string
	Context                                                        Context
	ExpiresAt                                                      time.Time
	// Since schema 2.
	Browser    string // as Attempt.Browser
	SignsIn    string // the practitioner whom this browser may be signed in as when it asks, once
	Pending    string // the pending connection that waits for its link to be confirmed
	Framed     bool
	Generation uint64
}

// Connection is one practitioner's grant at one clinic: one token chain. Its key is ID.
type Connection struct {
	ID, Practitioner, Platform, Clinic, ClinicName, Subject, SID string
	Scopes, Requested, Roles, StaffMembers                       []string
	State, Cause                                                 string // a state of shared.State*, and a code
	Access, Refresh                                              secret.String
	ReceivedAt                                                   time.Time
	ExpiresIn, RefreshExpiresIn                                  time.Duration
	Kind                                                         string // unused: the kind is the platform's, see Authority
	Phase                                                        string // "", "inflight", "answered", "restored"
	Attempt                                                      RefreshAttempt
	Raw                                                          secret.String // a token answer stored before it is parsed
	RawStatus                                                    int           // its HTTP status
	ConnectedAt, RefreshedAt                                     time.Time
	// Since schema 2.
	WindowMax  time.Duration // the longest RefreshExpiresIn seen: a shorter one means that an absolute end is near
	Reuses     int           // how often Refresh was presented without a settled answer
	EndsAt     time.Time     // the absolute end of the login behind it, once it is known
	DoubtSince time.Time     // when Refresh was first presented without a settled answer; zero when nothing is in doubt
	// Since schema 3.
	Issuer        string        // of the id_token that named Subject; "" where the access token did
	FHIRUser      string        // the person as a FHIR resource (SMART App Launch 2.2, fhirUser)
	Launch        LaunchContext // what the chain was launched for
	RefreshScopes []string      // what is asked for at a refresh; nil: what was granted
	Generation    uint64
}

// LaunchContext is what an authorization was launched for, as the token answer told it beside its tokens (SMART App Launch
// 2.2, Launch context arrives with your access_token). A chain keeps it for life: a refresh answer may leave it out.
type LaunchContext struct {
	Kind                                         string // as Attempt.Kind
	Patient, Encounter, Intent, StyleURL, Tenant string
	Banner                                       string // need_patient_banner: "yes", "no", or "" where it was not told
	References                                   []LaunchReference
}

// LaunchReference is one entry of fhirContext. An empty Role means "launch".
type LaunchReference struct{ Reference, Canonical, Identifier, Type, Role string }

// RefreshAttempt is the durable intent of one refresh, written before the request leaves.
type RefreshAttempt struct {
	ID     string
	SentAt time.Time
	Node   string
	Fence  uint64
}

// ClientSecret is what authenticates Locum to a platform. Its key is Platform.
type ClientSecret struct {
	Platform   string
	Value      secret.String
	SetAt      time.Time
	Generation uint64
}

// Timeline is what has happened to one connection, the oldest step first. Its key is Connection. It outlives the
// connection for a while (EndedAt is set then), so that its end can be explained, and holds no token: Parent and Child are
// keyed fingerprints.
type Timeline struct {
	Connection, Practitioner, Platform, Clinic string
	EndedAt                                    time.Time
	Steps                                      []Step
	Generation                                 uint64
}

// Step is one thing that happened: what, by whose doing, what the platform or Locum said about it, and which refresh token
// was followed by which. Equal steps in a row are one, counted, from At to Until.
type Step struct {
	At                                         time.Time
	What, Trigger, Code, Detail, Parent, Child string
	Count                                      int
	Until                                      time.Time
}

// Revocation is what is to be given back to a platform, written in the transaction that deletes its connection. Its key is
// ID. SID and Subject say which login the tokens belong to, and whose.
type Revocation struct {
	ID, Platform, Connection, Practitioner, Clinic string
	SID, Subject                                   string
	Way                                            string // as platform.Ending
	Access, Refresh, IDToken                       secret.String
	CreatedAt, NotBefore, GiveUpAt                 time.Time
	Tries                                          int
	Generation                                     uint64
}

// LogoutToken is a logout token that was obeyed, so that it is obeyed once. Its key is Key, the MAC of issuer and jti.
type LogoutToken struct {
	Key        string
	ExpiresAt  time.Time
	Generation uint64
}

// Authority is what was learned about a platform's authorization server. Its key is Platform.
type Authority struct {
	Platform, Kind       string        // Kind: K0, K1, K2, O0, O1; "" unknown
	Reuse                int           // K2: how often a refresh token may be presented again
	Leeway               time.Duration // O1: how long
	LearnedAt, CheckedAt time.Time
	Evidence             string // a code that says what it was learned from
	Generation           uint64
}

// Launch is an EHR's request to open Locum, before anybody has agreed to it. Its key is Key, the MAC of the handle in the
// page's address; Issuer is the FHIR base that launched, Browser the MAC of the browser's flow value.
type Launch struct {
	Key, Platform, Issuer, Browser string
	Value                          secret.String
	Framed                         bool
	CreatedAt, ExpiresAt           time.Time
	Generation                     uint64
}

// Ticket leads a window to an authorization that the page itself cannot navigate to, once: out of a frame, or by a form.
// Its key is Key, the MAC of the value in its address.
type Ticket struct {
	Key        string
	URL, Flow  secret.String // where it leads, and the flow value to set there
	ExpiresAt  time.Time
	Post       bool // what URL asks for goes as a form (SMART App Launch 2.2, authorize-post)
	Generation uint64
}

// Link says which practitioner a person of a platform is. Its key is Key, the MAC of platform, issuer and subject.
type Link struct {
	Key, Platform, Issuer, Subject, Practitioner, FHIRUser string
	CreatedAt                                              time.Time
	Generation                                             uint64
}

// SigningKey signs client assertions for one platform, or for its service ("ID/service"). Its key is Platform + "/" + ID;
// ID is its kid. It is published from CreatedAt until RetireAt (zero: no end) and signs from SignsFrom on, until a later one
// does.
type SigningKey struct {
	ID, Platform, Algorithm        string
	Private                        secret.String // PKCS #8, base64
	CreatedAt, SignsFrom, RetireAt time.Time
	Generation                     uint64
}

// ServerPin is the metadata document of a discovered server that is believed. Its key is Platform.
type ServerPin struct {
	Platform, Base, ETag, Document string
	FetchedAt, CheckedAt           time.Time
	Generation                     uint64
}
