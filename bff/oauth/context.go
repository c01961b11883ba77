package oauth

import (
	"encoding/json"
	"net/url"
	"strings"
)

// LaunchContext is where and for whom an app was launched. It stands beside the tokens, never inside them (SMART App
// Launch 2.2, "Launch context arrives with your access_token"; athenahealth guide, "Launch Context"), may come without
// being asked for, and may be missing from a refresh. Every member is "" where the server gave none that can be used.
type LaunchContext struct {
	Patient, Encounter string // FHIR ids
	Intent             string
	StyleURL           string // https, or http on loopback
	Tenant             string
	Banner             string // "yes" or "no": whether the app has to show who the patient is
	References         []LaunchReference
}

// LaunchReference is one entry of fhirContext. One of Reference ("DiagnosticReport/123"), Canonical and Identifier
// ("system|value") is set; Role is "launch" where the server names none, which means the same.
type LaunchReference struct{ Reference, Canonical, Identifier, Type, Role string }

const (
	maxReferences = 32
	maxContext    = 256  // characters of one member
	maxContextURL = 2048 // of a URL
)

// launchContext reads what it can: a member of another form than it should have counts as missing, since a token answer
// is too dear to be refused for what stands beside the token. The patient alone is not among them: see launchPatient.
func (m members) launchContext() LaunchContext {
	return LaunchContext{
		Patient: m.fhirID("patient"), Encounter: m.fhirID("encounter"),
		Intent: m.short("intent"), Tenant: m.short("tenant"),
		StyleURL: m.styleURL(), Banner: m.yesNo("need_patient_banner"), References: m.references(),
	}
}

// launchPatient says whether the answer names a patient in a way that can be read, or none. A patient who cannot be told is
// not the same as no patient: what is launched for one would be held to nobody.
func (m members) launchPatient() bool {
	raw, named := m["patient"]
	return !named || string(raw) == "null" || string(raw) == `""` || m.fhirID("patient") != ""
}

// fhirID is a member that is a FHIR id: letters, digits, "-" and ".", at most 64 (FHIR R4 §2.24.0.1, "id").
func (m members) fhirID(name string) string {
	id, err := m.text(name)
	bad := func(r rune) bool { return r > 0x7e || !isAlnum(byte(r)) && r != '-' && r != '.' }
	if err != nil || len(id) > 64 || strings.ContainsFunc(id, bad) {
		return ""
	}
	return id
}

// short is a member of visible ASCII and spaces.
func (m members) short(name string) string {
	s, err := m.text(name)
	if err != nil || len(s) > maxContext || s != printable(s, maxContext) {
		return ""
	}
	return s
}

func (m members) yesNo(name string) string {
	switch string(m[name]) {
	case "true", `"true"`:
		return "yes"
	case "false", `"false"`:
		return "no"
	}
	return ""
}

// styleURL is smart_style_url, which may have a query.
func (m members) styleURL() string {
	raw, err := m.text("smart_style_url")
	if err != nil || len(raw) > maxContextURL || !isVisible(raw) {
		return ""
	}
	plain, _, _ := strings.Cut(raw, "?")
	if _, err := url.Parse(raw); err != nil || checkURL(plain, false) != nil || strings.Contains(raw, "#") {
		return ""
	}
	return raw
}

// references are the entries of fhirContext that name something; an entry with a member of the wrong form is none.
func (m members) references() []LaunchReference {
	var entries []json.RawMessage
	if m["fhirContext"] == nil || json.Unmarshal(m["fhirContext"], &entries) != nil {
		return nil
	}
	var all []LaunchReference
	for _, raw := range entries[:min(len(entries), maxReferences)] {
		if entry, err := parseMembers(raw); err == nil {
			if r, ok := entry.reference(); ok {
				all = append(all, r)
			}
		}
	}
	return all
}

func (m members) reference() (LaunchReference, bool) {
	var r LaunchReference
	for name, to := range map[string]*string{"reference": &r.Reference, "canonical": &r.Canonical, "type": &r.Type, "role": &r.Role} {
		var err error
		if *to, err = m.text(name); err != nil || len(*to) > maxContextURL || !isVisible(*to) {
			return LaunchReference{}, false
		}
	}
	if raw, ok := m["identifier"]; ok {
		r.Identifier = identifier(raw)
	}
	if r.Role == "" {
		r.Role = "launch"
	}
	return r, r.Reference != "" || r.Canonical != "" || r.Identifier != ""
}

// identifier is a FHIR Identifier in the form of a search: its system, a bar, its value.
func identifier(raw json.RawMessage) string {
	m, err := parseMembers(raw)
	if err != nil {
		return ""
	}
	system, err1 := m.text("system")
	value, err2 := m.text("value")
	if err1 != nil || err2 != nil || value == "" || len(system)+len(value) > maxContext || !isVisible(system) || value != printable(value, maxContext) {
		return ""
	}
	return system + "|" + value
}
