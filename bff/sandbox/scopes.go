package sandbox

import "slices"

const scopeOpenID = "openid"

// scope is one permission as the consent page says it.
type scope struct {
	Name  string
	Words string // below "It may see" or "It may change"
	Write bool
}

// scopes are those that Jane documents, and openid. Others that Jane's metadata lists are refused.
var scopes = []scope{
	{scopeOpenID, "Know who you are", false},
	{"appointments:read", "Appointments", false},
	{"patients:read", "Patients and their contact details", false},
	{"staff_members:read", "The people who work at the clinic", false},
	{"treatments:read", "Treatments that the clinic offers", false},
	{"disciplines:read", "Disciplines of the clinic", false},
	{"locations:read", "Locations of the clinic", false},
	{"companies:read", "The clinic’s name, address and time zone", false},
	{"observations:read", "Observations in charts, such as blood pressure", false},
	{"observations:create", "Add observations to charts", true},
	{"observations:update", "Change observations in charts", true},
	{"care_plans:read", "Care plans", false},
	{"care_plans:create", "Add care plans", true},
	{"care_plans:update", "Change care plans", true},
	{"medications:read", "Medications", false},
	{"medications:create", "Add medications", true},
	{"medications:update", "Change medications", true},
	{"document_uploads:read", "Documents it has uploaded itself", false},
	{"document_uploads:create", "Upload documents", true},
	{"webhooks:read", "Which changes it is told about", false},
	{"webhooks:create", "Be told when appointments change", true},
	{"webhooks:update", "Change which changes it is told about", true},
	{"webhooks:delete", "Stop being told about changes", true},
	{"extensions:read", "Its own entry among the clinic’s extensions", false},
	{"extensions:create", "Add itself to the clinic’s extensions", true},
	{"extensions:update", "Change its own entry among the extensions", true},
	{"extensions:delete", "Remove itself from the extensions", true},
}

func knownScope(name string) bool {
	return slices.ContainsFunc(scopes, func(s scope) bool { return s.Name == name })
}

func scopeNames() []string {
	var names []string
	for _, s := range scopes {
		names = append(names, s.Name)
	}
	return names
}

// describe lists the scopes asked for in the table's order, readings before changes.
func describe(asked []string) (reads, writes []scope, openID bool) {
	for _, s := range scopes {
		switch {
		case !slices.Contains(asked, s.Name):
		case s.Name == scopeOpenID:
			openID = true
		case s.Write:
			writes = append(writes, s)
		default:
			reads = append(reads, s)
		}
	}
	return reads, writes, openID
}
