package sandbox

import "slices"

const scopeOpenID = "openid"

// scope is one permission as the consent page says it.
type scope struct {
	Name  string
	Words string // completes "… would like to:"
	Write bool
}

// scopes are those that Jane documents, and openid. Others that Jane's metadata lists are refused.
var scopes = []scope{
	{scopeOpenID, "Know who you are", false},
	{"appointments:read", "See appointments", false},
	{"patients:read", "See patients and their contact details", false},
	{"staff_members:read", "See the people who work at the clinic", false},
	{"treatments:read", "See the clinic’s treatments", false},
	{"disciplines:read", "See the clinic’s disciplines", false},
	{"locations:read", "See the clinic’s locations", false},
	{"companies:read", "See the clinic’s name, address and time zone", false},
	{"observations:read", "See observations in charts, such as blood pressure", false},
	{"observations:create", "Add observations to charts", true},
	{"observations:update", "Change observations in charts", true},
	{"care_plans:read", "See care plans", false},
	{"care_plans:create", "Add care plans", true},
	{"care_plans:update", "Change care plans", true},
	{"medications:read", "See medications", false},
	{"medications:create", "Add medications", true},
	{"medications:update", "Change medications", true},
	{"document_uploads:read", "See documents it has uploaded", false},
	{"document_uploads:create", "Upload documents", true},
	{"webhooks:read", "See which changes it is told about", false},
	{"webhooks:create", "Be told when appointments change", true},
	{"webhooks:update", "Change which changes it is told about", true},
	{"webhooks:delete", "Stop being told about changes", true},
	{"extensions:read", "See its own entry among Jane extensions", false},
	{"extensions:create", "Add itself to Jane extensions", true},
	{"extensions:update", "Change its own entry among Jane extensions", true},
	{"extensions:delete", "Remove itself from Jane extensions", true},
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
