package sandbox

import "errors"

// This file is the seam between the identity server and the clinics' API.
//
// The frame (door.go) wraps every handler, the clinics' too: it records each request, bounds its body, and plays the
// faults of controls.go, so a clinic handler sees only the requests it should answer and calls neither record nor fault.
// The clock is s.now(), the token check s.authenticate(bearer, clinicURL).
// A clinic's endpoint is read off the path: /api/{version}/appointments/… is the Endpoint "api/appointments".

// grant is what an access token allows at one clinic.
type grant struct {
	Subject, Login string
	StaffID        string // the person's staff_member id at that clinic
	Scopes         map[string]bool
	Roles          []string
}

// person is somebody who can log in. Staff maps a clinic's key to the person's staff_member id there.
type person struct {
	Login, Password, Name, Subject string
	Staff                          map[string]string
}

// clinic is one fictional clinic. The frame fills url (its origin) before it serves; everything else, with the state
// behind its API, is in clinicState, which the data files define.
type clinic struct {
	key, name, url string
	clinicState
}

// Why a bearer token was refused; a clinic answers each with 401 (RFC 6750 §3.1).
var (
	errNoToken       = errors.New("no bearer token")
	errTokenInvalid  = errors.New("token is malformed, not signed by this server, or revoked")
	errTokenExpired  = errors.New("token has expired")
	errTokenAudience = errors.New("token was issued for another clinic")
)
