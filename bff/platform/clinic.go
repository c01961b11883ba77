package platform

import (
	"net/netip"
	"strings"
)

// Clinic is one clinic of a platform. Address is what identifies it, in records and in the throttle: Jane's clinics are
// known by their origin, which is resource and audience there too; a practice of athenahealth is {origin}/v1/{practiceid}, a
// SMART server its FHIR base URL. Origin is where API calls go: scheme, host and, for some configured clinics, port. None
// has a slash at the end.
type Clinic struct{ Address, Origin, Host, Name string }

// OriginOf is the origin of a clinic's address: what stands before the path.
func OriginOf(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// ClinicError says why a clinic address was refused, as a code of the list below.
type ClinicError struct{ Reason string }

func (e *ClinicError) Error() string { return "clinic address refused: " + e.Reason }

// Reasons of a ClinicError.
const (
	ClinicEmpty      = "empty"
	ClinicTooLong    = "too_long"
	ClinicScheme     = "scheme"      // anything but https://
	ClinicUserinfo   = "userinfo"    // an @
	ClinicPort       = "port"        // a port that is not configured
	ClinicPath       = "path"        // more than the address itself
	ClinicQuery      = "query"       // a ?
	ClinicFragment   = "fragment"    // a #
	ClinicEncoding   = "encoding"    // a %
	ClinicUppercase  = "uppercase"   // addresses are lower case
	ClinicCharacter  = "character"   // anything else that no host name holds, such as a look-alike letter
	ClinicIPAddress  = "ip_address"  // numbers instead of a name
	ClinicName       = "name"        // not a host name: empty or over-long labels, a dot at the end, a hyphen at an edge
	ClinicNotAllowed = "not_allowed" // a host name that is no clinic of this platform
)

// Clinic reads what a practitioner typed: the https origin of a clinic, its bare host name, or just its first label,
// which is completed with the first clinic domain. One slash at the end is forgiven, as browsers copy it; nothing else
// is. A host is accepted when it is exactly one label below a clinic domain (Jane's clinics are clinic.janeapp.com; no
// deeper name can then be somebody else's), or exactly a configured clinic; only such a clinic can have a port, or be
// http on a loopback address. Labels of internationalised names (xn--) are refused. Nothing is resolved or dialled.
// At athenahealth and SMART servers only the configured clinics are accepted, by address or by a practice's number, and an
// empty input is the only one there is. The error is a *ClinicError.
func (p *Platform) Clinic(input string) (Clinic, error) {
	if p.Kind == KindAthena || p.Kind == KindSMART {
		return p.known(input)
	}
	switch {
	case input == "":
		return Clinic{}, &ClinicError{ClinicEmpty}
	case len(input) > 270:
		return Clinic{}, &ClinicError{ClinicTooLong}
	}
	address := input
	if !strings.HasSuffix(input, "//") {
		address = strings.TrimSuffix(input, "/")
	}
	for _, link := range p.Clinics {
		_, host, _ := strings.Cut(link.URL, "://")
		if address == link.URL || address == host {
			return Clinic{Address: link.URL, Origin: link.URL, Host: host, Name: link.Name}, nil
		}
	}
	host := address
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		if host = rest; scheme != "https" {
			return Clinic{}, &ClinicError{ClinicScheme}
		}
	} else if isLabel(address) && len(p.ClinicDomains) > 0 {
		host = address + "." + p.ClinicDomains[0]
	}
	if reason := hostFault(host); reason != "" {
		return Clinic{}, &ClinicError{reason}
	}
	for _, domain := range p.ClinicDomains {
		if label, ok := strings.CutSuffix(host, "."+domain); ok && isLabel(label) && !strings.HasPrefix(label, "xn--") {
			return Clinic{Address: "https://" + host, Origin: "https://" + host, Host: host, Name: host}, nil
		}
	}
	return Clinic{}, &ClinicError{ClinicNotAllowed}
}

// hostFault is the reason why s is not a lower-case DNS host name, or "".
func hostFault(s string) string {
	for _, r := range s {
		if reason, ok := clinicCharacters[r]; ok {
			return reason
		}
		switch {
		case r >= 'A' && r <= 'Z':
			return ClinicUppercase
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
		default:
			return ClinicCharacter
		}
	}
	labels := strings.Split(s, ".")
	if _, err := netip.ParseAddr(s); err == nil || strings.Trim(labels[len(labels)-1], "0123456789") == "" && labels[len(labels)-1] != "" {
		return ClinicIPAddress
	}
	if len(s) > 253 {
		return ClinicTooLong
	}
	for _, label := range labels {
		if !isLabel(label) {
			return ClinicName
		}
	}
	return ""
}

// clinicCharacters are the characters that show what kind of address was meant.
var clinicCharacters = map[rune]string{
	'@': ClinicUserinfo, ':': ClinicPort, '/': ClinicPath, '\\': ClinicPath, '?': ClinicQuery, '#': ClinicFragment,
	'%': ClinicEncoding, '[': ClinicIPAddress, ']': ClinicIPAddress,
}

// isLabel says whether s is one label of a lower-case host name (RFC 1123 §2.1).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
