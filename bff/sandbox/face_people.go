package sandbox

import "strings"

// facePerson is somebody who can log in at a face.
type facePerson struct {
	Login, Password, Name, Subject string
	fhirUser                       string // Type/id
	practice                       string
	place                          string // on the login page
	patient                        string // id of their own record, where they are a patient
}

// FacePerson is somebody who can log in at a face, with the resource that fhirUser names, as an absolute URL.
type FacePerson struct{ Login, Password, Name, Subject, FHIRUser, Practice string }

func newFacePeople(f *Face) []facePerson {
	all := []facePerson{
		{Login: "robin@example.test", Password: "robin-in-the-sandbox", Name: "Robin Sampleworth",
			fhirUser: "Practitioner/" + f.id(Practice, "Provider", 11), practice: Practice, place: "Nurse practitioner"},
		{Login: "noor@example.test", Password: "noor-in-the-sandbox", Name: "Noor Exampleson",
			fhirUser: "Practitioner/" + f.id(Practice, "Provider", 12), practice: Practice, place: "Physician"},
		{Login: "alex@example.test", Password: "alex-in-the-sandbox", Name: "Alex Testerton",
			fhirUser: "Practitioner/" + f.id(OtherPractice, "Provider", 31), practice: OtherPractice, place: "Physician at another practice"},
		{Login: "ada@example.test", Password: "ada-in-the-sandbox", Name: "Ada Inventson",
			fhirUser: "Patient/" + f.id(Practice, "E", 60178), practice: Practice, place: "A patient", patient: f.id(Practice, "E", 60178)},
	}
	for i := range all {
		all[i].Subject = "00u" + strings.ReplaceAll(uuid4(f.name, all[i].Login), "-", "")[:17]
	}
	return all
}

// People lists who can log in, with their passwords.
func (f *Face) People() []FacePerson {
	var all []FacePerson
	for _, p := range f.people {
		all = append(all, FacePerson{p.Login, p.Password, p.Name, p.Subject, f.FHIRBase() + "/" + p.fhirUser, p.practice})
	}
	return all
}

// person finds somebody by login, which is compared without regard to case.
func (f *Face) person(name string) (facePerson, bool) {
	name = strings.TrimSpace(name)
	for _, p := range f.people {
		if name != "" && strings.EqualFold(p.Login, name) {
			return p, true
		}
	}
	return facePerson{}, false
}
