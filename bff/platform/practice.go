package platform

import (
	"slices"
	"strings"
)

// practicesOf are the numbers of the practices that a FHIR id or reference of athenahealth speaks of: 195900 of
// a-195900.E-60178, Practitioner/a-195900.Provider-11, or an absolute or versioned URL with such a part. Ids of organizations
// have the practice behind the dot: a-1.Practice-195900. There are none in ids of no practice.
func practicesOf(reference string) []string {
	var all []string
	for id := range strings.FieldsFuncSeq(reference, func(r rune) bool { return strings.ContainsRune("/?#&=|,;", r) }) {
		rest, is := strings.CutPrefix(id, "a-")
		practice, local, dotted := strings.Cut(rest, ".")
		if of, organization := strings.CutPrefix(local, "Practice-"); organization && practice == "1" {
			practice = of
		}
		if is && dotted && isPracticeID(practice) {
			all = append(all, practice)
		}
	}
	return all
}

// Belongs says whether a FHIR id or reference can be a record of the clinic with this address. Where ids do not say whose
// they are, they all can.
func (p *Platform) Belongs(address, reference string) bool {
	own := p.Practice(address)
	return own == "" || !slices.ContainsFunc(practicesOf(reference), func(practice string) bool { return practice != own })
}

// ClinicOf is the configured clinic that FHIR ids or references speak of, such as a launch's patient and its fhirUser: a
// launch names a server, and at athenahealth all practices share one. The error is a *ClinicError: ClinicEmpty when they
// name none and several are configured, ClinicNotAllowed when they name another one, or two.
func (p *Platform) ClinicOf(references ...string) (Clinic, error) {
	var named []string
	if p.Kind == KindAthena {
		for _, reference := range references {
			named = append(named, practicesOf(reference)...)
		}
	}
	slices.Sort(named)
	switch named = slices.Compact(named); len(named) {
	case 0:
		return p.Clinic("")
	case 1:
		return p.Clinic(named[0])
	}
	return Clinic{}, &ClinicError{ClinicNotAllowed}
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
