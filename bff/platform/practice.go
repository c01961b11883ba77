package platform

import "strings"

// practiceOf is the number of the practice that a FHIR id or reference of athenahealth speaks of: 195900 of
// a-195900.E-60178, Practitioner/a-195900.Provider-11, or an absolute URL that ends so. It is "" for ids of no practice,
// such as those of organizations, which have the practice behind the dot: a-1.Practice-195900.
func practiceOf(reference string) string {
	id := reference[strings.LastIndexByte(reference, '/')+1:]
	rest, ok := strings.CutPrefix(id, "a-")
	if !ok {
		return ""
	}
	practice, local, ok := strings.Cut(rest, ".")
	if of, is := strings.CutPrefix(local, "Practice-"); is && practice == "1" {
		practice = of
	}
	if !ok || !isPracticeID(practice) {
		return ""
	}
	return practice
}

// Belongs says whether a FHIR id or reference can be a record of the clinic with this address. Where ids do not say whose
// they are, they all can.
func (p *Platform) Belongs(address, reference string) bool {
	own := p.Practice(address)
	practice := practiceOf(reference)
	return own == "" || practice == "" || practice == own
}

// ClinicOf is the configured clinic that FHIR ids or references speak of, such as a launch's patient and its fhirUser: a
// launch names a server, and at athenahealth all practices share one. The error is a *ClinicError: ClinicEmpty when they
// name none and several are configured, ClinicNotAllowed when they name another one, or two.
func (p *Platform) ClinicOf(references ...string) (Clinic, error) {
	named := ""
	if p.Kind == KindAthena {
		for _, reference := range references {
			switch practice := practiceOf(reference); {
			case practice == "" || practice == named:
			case named != "":
				return Clinic{}, &ClinicError{ClinicNotAllowed}
			default:
				named = practice
			}
		}
	}
	return p.Clinic(named)
}

// SearchParam is the query parameter that every FHIR search at a clinic needs; "" where there is none. athenahealth asks for
// the practice; the practitioner's browser does not say which it is.
func (p *Platform) SearchParam(address string) (name, value string) {
	if practice := p.Practice(address); practice != "" {
		return "ah-practice", "Organization/a-1.Practice-" + practice
	}
	return "", ""
}

// known is the configured clinic that an input names: by its address or, at athenahealth, by its number. No input is the
// only one there is.
func (p *Platform) known(input string) (Clinic, error) {
	if input == "" && len(p.Clinics) != 1 {
		return Clinic{}, &ClinicError{ClinicEmpty}
	}
	if len(input) > maxPath {
		return Clinic{}, &ClinicError{ClinicTooLong}
	}
	for _, link := range p.Clinics {
		if input == "" || input == link.URL || input == p.Practice(link.URL) {
			origin := OriginOf(link.URL)
			_, host, _ := strings.Cut(origin, "://")
			return Clinic{Address: link.URL, Origin: origin, Host: host, Name: link.Name}, nil
		}
	}
	return Clinic{}, &ClinicError{ClinicNotAllowed}
}
