package vault

import (
	"time"

	"locum/bff/secret"
)

// The collections: all that Locum persists.
var (
	Accounts      = Collection[Account]{"accounts", 1, (*Account).fields, (*Account).generation}
	Sessions      = Collection[Session]{"sessions", 1, (*Session).fields, (*Session).generation}
	Attempts      = Collection[Attempt]{"attempts", 1, (*Attempt).fields, (*Attempt).generation}
	Outcomes      = Collection[Outcome]{"outcomes", 1, (*Outcome).fields, (*Outcome).generation}
	Connections   = Collection[Connection]{"connections", 1, (*Connection).fields, (*Connection).generation}
	ClientSecrets = Collection[ClientSecret]{"client_secrets", 1, (*ClientSecret).fields, (*ClientSecret).generation}
)

// collections names them all for what looks at sealed values without reading them.
var collections = []string{
	Accounts.name, Sessions.name, Attempts.name, Outcomes.name, Connections.name, ClientSecrets.name,
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
	Generation                                     uint64
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
	Generation                                                     uint64
}

// Connection is one practitioner's grant at one clinic: one token chain. Its key is ID.
type Connection struct {
	ID, Practitioner, Platform, Clinic, ClinicName, Subject, SID string
	Scopes, Requested, Roles, StaffMembers                       []string
	State, Cause                                                 string // a state of shared.State*, and a code
	Access, Refresh                                              secret.String
	ReceivedAt                                                   time.Time
	ExpiresIn, RefreshExpiresIn                                  time.Duration
	Kind                                                         string // how the platform rotates, once learned; "" unknown
	Phase                                                        string // "", "inflight", "answered"
	Attempt                                                      RefreshAttempt
	Raw                                                          secret.String // a token answer stored before it is parsed
	RawStatus                                                    int           // its HTTP status
	ConnectedAt, RefreshedAt                                     time.Time
	Generation                                                   uint64
}

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
