package platform

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// ParsePublicURL reads Locum's own origin, from which redirect URIs, cookies and the accepted Origin are made. It is an
// https origin, or an http one of localhost or a literal loopback address, in the form in which browsers send it: lower
// case, no user information, path, query or fragment, and no port that the scheme implies. The error says what to write.
func ParsePublicURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("write an origin such as https://locum.example.org")
	case u.User != nil || u.Scheme+"://"+u.Host != raw:
		return nil, errors.New("write the origin alone: no user, path, query or fragment, no slash at the end")
	case !isPort(u):
		return nil, errors.New("write a port between 1 and 65535, and none where it is the scheme's own")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	isAddr := err == nil && addr.Zone() == "" && !addr.Is4In6()
	switch {
	case !isAddr && hostFault(u.Hostname()) != "":
		return nil, errors.New("write a lower-case host name, internationalised names in their xn-- form")
	case u.Scheme == "http" && u.Hostname() != "localhost" && !(isAddr && addr.IsLoopback()):
		return nil, errors.New("http is for localhost and loopback addresses only; write https")
	}
	return u, nil
}

// isPort says whether the port, if any, is a plain number that the scheme does not imply.
func isPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	port := u.Port()
	return port == "" || portNumber(port) && port != schemePorts[u.Scheme]
}

var schemePorts = map[string]string{"http": "80", "https": "443"}
