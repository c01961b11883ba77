package app

import (
	"encoding/json"
	"net/url"
	"strings"

	"locum/app/words"
	"locum/shared"
)

// The shapes of FHIR R4, as far as the pages show them. What a server writes otherwise than the specification says is left
// out where nothing depends on it (concepts), and refuses the answer where something does.

type coding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display"`
}

type concept struct {
	Coding []coding `json:"coding"`
	Text   string   `json:"text"`
}

// say is the concept in words: its text, else what its first coding is called, else that coding's code.
func (c concept) say() string {
	said := c.Text
	for _, one := range c.Coding {
		if said == "" {
			said = one.Display
		}
	}
	for _, one := range c.Coding {
		if said == "" {
			said = one.Code
		}
	}
	return clip(said, 300)
}

// code is the first coding's.
func (c concept) code() string {
	if len(c.Coding) == 0 {
		return ""
	}
	return c.Coding[0].Code
}

// concepts is a list that some types of resources hold and others use for something else.
type concepts []concept

// UnmarshalJSON reads a list of concepts, and anything else as none.
func (c *concepts) UnmarshalJSON(raw []byte) error {
	var list []concept
	if json.Unmarshal(raw, &list) == nil {
		*c = list
	}
	return nil
}

func (c concepts) say() string {
	var all []string
	for _, one := range c {
		all = append(all, one.say())
	}
	return joinWith(", ", all...)
}

type reference struct {
	Reference string `json:"reference"`
	Display   string `json:"display"`
}

type fhirQuantity struct {
	Value      json.Number `json:"value"`
	Comparator string      `json:"comparator"`
	Unit       string      `json:"unit"`
	Code       string      `json:"code"`
}

// unit is the unit as people write it.
func (q fhirQuantity) unit() string {
	if q.Code != "" {
		return unitText(q.Code)
	}
	return unitText(q.Unit)
}

type humanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
	Prefix []string `json:"prefix"`
}

type identifier struct {
	Use   string  `json:"use"`
	Type  concept `json:"type"`
	Value string  `json:"value"`
}

// fhirPatient is a Patient.
type fhirPatient struct {
	Type        string       `json:"resourceType"`
	ID          string       `json:"id"`
	Names       []humanName  `json:"name"`
	Born        string       `json:"birthDate"`
	Gender      string       `json:"gender"`
	Identifiers []identifier `json:"identifier"`
	Deceased    bool         `json:"deceasedBoolean"`
	DeceasedAt  string       `json:"deceasedDateTime"`
}

// name is the name to show: the official one, else the usual one, else the first that is not an old one.
func (p fhirPatient) name() string {
	for _, use := range []string{"official", "usual", ""} {
		for _, n := range p.Names {
			if n.Use == use || use == "" && n.Use != "old" && n.Use != "maiden" {
				if said := joinWords(strings.Join(n.Prefix, " "), strings.Join(n.Given, " "), n.Family); said != "" {
					return clip(said, 200)
				}
				if n.Text != "" {
					return clip(n.Text, 200)
				}
			}
		}
	}
	return ""
}

// number is the number that the practice knows the patient by: the medical record's, else the first.
func (p fhirPatient) number() string {
	for _, one := range p.Identifiers {
		if one.Type.code() == "MR" && one.Value != "" {
			return clip(one.Value, 60)
		}
	}
	if len(p.Identifiers) > 0 {
		return clip(p.Identifiers[0].Value, 60)
	}
	return ""
}

// measured is what an Observation or one of its components holds.
type measured struct {
	Code     concept       `json:"code"`
	Quantity *fhirQuantity `json:"valueQuantity"`
	String   string        `json:"valueString"`
	Concept  concept       `json:"valueCodeableConcept"`
	Boolean  *bool         `json:"valueBoolean"`
	Integer  *int          `json:"valueInteger"`
	Absent   concept       `json:"dataAbsentReason"`
}

// resource is any entry of a patient's record. One shape for all: a type uses the fields that it has.
type resource struct {
	Type         string    `json:"resourceType"`
	ID           string    `json:"id"`
	Status       string    `json:"status"`
	Subject      reference `json:"subject"`
	Patient      reference `json:"patient"`
	Clinical     concept   `json:"clinicalStatus"`
	Verification concept   `json:"verificationStatus"`
	Category     concepts  `json:"category"`
	Onset        string    `json:"onsetDateTime"`
	Recorded     string    `json:"recordedDate"`
	Medicine     concept   `json:"medicationCodeableConcept"`
	MedicineRef  reference `json:"medicationReference"`
	Authored     string    `json:"authoredOn"`
	Dosage       []struct {
		Text string `json:"text"`
	} `json:"dosageInstruction"`
	Criticality string `json:"criticality"`
	Reaction    []struct {
		Manifestation concepts `json:"manifestation"`
	} `json:"reaction"`
	measured
	Effective       string     `json:"effectiveDateTime"`
	EffectivePeriod period     `json:"effectivePeriod"`
	Issued          string     `json:"issued"`
	Interpretation  concepts   `json:"interpretation"`
	Components      []measured `json:"component"`
	Class           coding     `json:"class"`
	Kinds           concepts   `json:"type"`
	Period          period     `json:"period"`
	Reasons         concepts   `json:"reasonCode"`
}

type period struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// bundle is a page of a search.
type bundle struct {
	Type    string `json:"resourceType"`
	Entries []struct {
		Resource json.RawMessage `json:"resource"`
		Search   struct {
			Mode string `json:"mode"`
		} `json:"search"`
	} `json:"entry"`
	Links []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
}

// speaksFHIR says whether a connection's platform has a FHIR API.
func speaksFHIR(c shared.Connection) bool { return c.Platform.FHIR != "" }

// forOne says whether a connection was launched for one patient.
func forOne(c shared.Connection) bool { return c.Launch != nil && c.Launch.Patient != "" }

// byEHR says whether a connection came of a launch in the EHR: it cannot be had again from here.
func byEHR(c shared.Connection) bool { return c.Launch != nil && c.Launch.Kind == "ehr" }

// chartPath is where a connection's patients are: the one, or the search.
func chartPath(c shared.Connection) string {
	if forOne(c) {
		return "/launched/" + c.ID
	}
	return "/patients/" + c.ID
}

// fhirPath is the path of a FHIR request through a connection.
func fhirPath(c shared.Connection, path string) string {
	return shared.PathProxy + "/" + c.ID + c.Platform.FHIR + path
}

// get is one FHIR request by its whole path.
func (c *clinic) get(path string, out any) error {
	answer, err := c.client.call("GET", path, nil, out)
	c.note(answer.budgets)
	return err
}

// person reads a Patient, and no other than the one asked for.
func (c *clinic) person(in shared.Connection, id string) (p fhirPatient, err error) {
	if err = c.get(fhirPath(in, "/Patient/"+url.PathEscape(id)), &p); err != nil {
		return fhirPatient{}, err
	}
	if p.Type != "Patient" || p.ID != id {
		return fhirPatient{}, failWith(codeWrongRecord)
	}
	return p, nil
}

// found is what a search gave so far. Next is the next page as it was linked; "" after the last. Unread counts what could
// not be read and is therefore missing.
type found struct {
	list   []resource
	next   string
	unread int
}

// resources reads one page of the resources of a type, all of one patient. A resource of another patient, or of nobody, refuses
// the page: none of it is shown.
func (c *clinic) resources(in shared.Connection, kind, patient, path string) (found, error) {
	var b bundle
	if err := c.get(path, &b); err != nil {
		return found{}, err
	}
	if b.Type != "Bundle" {
		return found{}, failWith(shared.CodePlatformBadAnswer)
	}
	var f found
	for _, entry := range b.Entries {
		var one resource
		switch err := json.Unmarshal(entry.Resource, &one); {
		case one.Type != "" && one.Type != kind: // An outcome, or something that came along.
		case err != nil || one.Type == "":
			f.unread++
		case !about(one, in, patient):
			return found{}, failWith(codeWrongRecord)
		case one.Status != "entered-in-error" && one.Verification.code() != "entered-in-error":
			f.list = append(f.list, one)
		}
	}
	var err error
	f.next, err = b.next(in)
	return f, err
}

// about says whether a resource is of a patient at this connection: by a reference within the server, or by the same one as
// the proxy writes it. The same id at another server is somebody else.
func about(r resource, in shared.Connection, patient string) bool {
	for _, ref := range []string{r.Subject.Reference, r.Patient.Reference} {
		ref, _, _ = strings.Cut(ref, "/_history/")
		ref = strings.TrimPrefix(ref, fhirPath(in, "/"))
		if ref != "" {
			return ref == "Patient/"+patient
		}
	}
	return false
}

// next is the page that follows, if it is one of this connection; another's refuses the answer, which would be incomplete.
func (b bundle) next(in shared.Connection) (string, error) {
	for _, link := range b.Links {
		if link.Relation != "next" {
			continue
		}
		if !strings.HasPrefix(link.URL, fhirPath(in, "/")) && !strings.HasPrefix(link.URL, fhirPath(in, "?")) {
			return "", failWith(shared.CodePlatformBadAnswer)
		}
		return link.URL, nil
	}
	return "", nil
}

// persons searches patients by name and date of birth; either may be empty.
func (c *clinic) persons(in shared.Connection, path string) (list []fhirPatient, next string, err error) {
	var b bundle
	if err := c.get(path, &b); err != nil {
		return nil, "", err
	}
	if b.Type != "Bundle" {
		return nil, "", failWith(shared.CodePlatformBadAnswer)
	}
	for _, entry := range b.Entries {
		var one fhirPatient
		if err := json.Unmarshal(entry.Resource, &one); err != nil {
			return nil, "", failWith(shared.CodePlatformBadAnswer)
		}
		if one.Type == "Patient" {
			list = append(list, one)
		}
	}
	next, err = b.next(in)
	return list, next, err
}

// granted finds a scope that lets a type of resource be read by search, by its meaning (SMART App Launch 2.2, scopes): v1
// "patient/Observation.read", v2 "user/Observation.rs".
func granted(scopes []string, kind string) bool {
	for _, scope := range scopes {
		_, target, said, ok := words.FHIRScope(scope)
		if ok && (target == kind || target == "*") && (said == "read" || said == "*" || strings.Contains(said, "s")) {
			return true
		}
	}
	return false
}
