package check

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"locum/bff/platform"
)

// settings judges values that can be read but do not fit one another, or the platform they are for.
func (c *checker) settings() {
	c.publicURL()
	c.listening()
	c.proxies()
	for i, p := range c.cfg.Platforms {
		if p.Kind == platform.KindJane {
			c.realm(i, p)
			c.limits(i, p)
			c.refresh(i, p)
		} else {
			c.app(i, p)
		}
		c.placeholders(i, p)
		c.scopes(i, p)
		c.sharedClient(i, p)
	}
	c.serviceSeen()
	c.extension()
}

// reserved are the names that RFC 2606 keeps for examples.
var reserved = []string{"example.org", "example.com", "example.net", "example", "invalid"}

func isReserved(host string) bool {
	return slices.ContainsFunc(reserved, func(name string) bool { return host == name || strings.HasSuffix(host, "."+name) })
}

func (c *checker) publicURL() {
	public := c.cfg.PublicURL
	if isReserved(public.Hostname()) {
		c.setting(Error, "settings.placeholder", "public_url", public.Host+" is a name for examples that nobody can reach",
			"write the address under which practitioners reach Locum")
		return
	}
	if public.Scheme != "http" {
		return
	}
	for _, p := range c.cfg.Platforms {
		if !onLoopback(home(p)) {
			c.setting(Error, "settings.redirect-http", "public_url", "redirect URIs are made from it, and "+p.ID+
				" registers none that is not https (RFC 9700 §2.1; Jane guide, Step 1)", "write the https address under which practitioners reach Locum")
			return
		}
	}
}

// home is the address that a platform is known by: its FHIR server, or its issuer.
func home(p *platform.Platform) string { return cmp.Or(p.FHIRBase, p.Server.Issuer) }

// onLoopback says whether an address is on this machine: only there it has an address for a name.
func onLoopback(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err == nil
}

// listening compares what browsers are told with what is served.
func (c *checker) listening() {
	host, port, err := net.SplitHostPort(c.cfg.Listen)
	if err != nil {
		return
	}
	public := c.cfg.PublicURL
	switch addr, err := netip.ParseAddr(host); {
	case public.Scheme == "http" && c.cfg.TLS != nil:
		c.setting(Error, "settings.scheme", "public_url", "it says http, but with tls Locum serves https", "write https, or remove tls")
	case public.Scheme == "http" && public.Port() != port && !(public.Port() == "" && port == "80"):
		c.setting(Warning, "settings.listen-port", "listen", "Locum listens on port "+port+", but practitioners are sent to "+public.Host,
			"give both the same port, unless something on this machine forwards one to the other")
	case err == nil && addr.IsUnspecified() && c.cfg.TLS == nil:
		c.setting(Warning, "settings.listen-wide", "listen", "plain http is served on every interface of this machine, not to the proxy alone",
			"listen on the address that the TLS proxy connects to")
	}
}

// wideBits is the shortest prefix that can be a proxy's or a content network's own: beyond it a network belongs to
// everybody. narrowBits is what one operator's public proxies fit in.
const (
	wideBits4, narrowBits4 = 8, 24
	wideBits6, narrowBits6 = 24, 48
)

// private are the networks that do not lead through the Internet (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291).
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::/10"),
}

func (c *checker) proxies() {
	for i, prefix := range c.cfg.TrustedProxies {
		key := fmt.Sprintf("trusted_proxies[%d]", i)
		wide, narrow := wideBits4, narrowBits4
		if prefix.Addr().Is6() {
			wide, narrow = wideBits6, narrowBits6
		}
		inside := func(p netip.Prefix) bool { return p.Contains(prefix.Addr()) && p.Bits() <= prefix.Bits() }
		switch {
		case slices.ContainsFunc(private, inside):
		case prefix.Bits() < wide:
			c.setting(Error, "settings.proxies-wide", key, prefix.String()+" is a large part of the Internet, and each of it may say whom it speaks for",
				"name the proxy's own address")
		case prefix.Bits() < narrow:
			c.setting(Warning, "settings.proxies-wide", key, fmt.Sprintf("%s is a public network of many, and each of it may say whom it speaks for", prefix),
				"name the proxy's own addresses, unless all of it is your proxy's")
		}
	}
	if c.cfg.PublicURL.Scheme == "https" && c.cfg.TLS == nil && len(c.cfg.TrustedProxies) == 0 {
		c.setting(Warning, "settings.proxy-unnamed", "trusted_proxies", "the TLS proxy in front is not named, so every practitioner seems to come from "+
			"its address: one who mistypes a password slows down all", "name the proxy's address, such as 127.0.0.1, or serve https with tls")
	}
}

// realm compares a platform's issuer with everything else that says which environment is meant.
func (c *checker) realm(i int, p *platform.Platform) {
	issuer := p.Server.Issuer
	known := map[string]string{platform.JaneIssuer: "janeapp.com", platform.JaneSandboxIssuer: "jane.qa"}
	domain, isJane := known[issuer]
	if !isJane {
		if u, err := url.Parse(issuer); err == nil && u.Host == "login.id.janeapp.com" {
			c.setting(Warning, "settings.realm-unknown", entry(i)+".issuer", "Jane documents no such realm",
				"write "+platform.JaneSandboxIssuer+" or "+platform.JaneIssuer)
		}
		return
	}
	for _, other := range known {
		foreign := func(host string) bool { return host == other || strings.HasSuffix(host, "."+other) }
		link := func(l platform.ClinicLink) bool { return foreign(strings.TrimPrefix(l.URL, "https://")) }
		switch {
		case other == domain:
		case slices.ContainsFunc(p.ClinicDomains, foreign):
			c.setting(Error, "settings.realm-clinics", entry(i)+".clinic_domains", other+" belongs to Jane's other environment than the issuer",
				"write "+domain+", or leave the key out")
		case slices.ContainsFunc(p.Clinics, link):
			c.setting(Error, "settings.realm-clinics", entry(i)+".clinics", "a clinic under "+other+" belongs to Jane's other environment than the issuer",
				"list it under the platform of its environment")
		}
	}
	forTests := func(s string) bool { return hasWord(s, "sandbox", "staging", "development", "dev", "test") }
	forPatients := func(s string) bool { return hasWord(s, "production", "live") && !forTests(s) }
	switch {
	case issuer == platform.JaneIssuer && (forTests(p.ID) || forTests(p.Name)):
		c.setting(Error, "settings.realm-id", entry(i)+".id", "it reads as a place for tests, but the issuer is Jane's production: real patients",
			"write the issuer "+platform.JaneSandboxIssuer+", or an id and a name that say production")
	case issuer == platform.JaneSandboxIssuer && (forPatients(p.ID) || forPatients(p.Name)):
		c.setting(Error, "settings.realm-id", entry(i)+".id", "it reads as production, but the issuer is Jane's partner sandbox",
			"write the issuer "+platform.JaneIssuer+", or an id and a name that say sandbox")
	}
}

// hasWord says whether one of the words stands in s, alone: Olive is not live.
func hasWord(s string, words ...string) bool {
	parts := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(parts, func(part string) bool { return slices.Contains(words, part) })
}

func containsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(s, word) })
}

// clientIDs are what platforms call the client id.
var clientIDs = map[string]string{platform.KindJane: "partner_client_id", platform.KindAthena: "client id", platform.KindSMART: "client id"}

func (c *checker) placeholders(i int, p *platform.Platform) {
	id := strings.ToLower(p.ClientID)
	if strings.HasPrefix(id, "your") && strings.Contains(id, "client") || strings.ContainsAny(id, "<>{}") ||
		slices.Contains([]string{"client_id", "client-id", "partner_client_id", "partner-client-id", "changeme", "todo", "xxx"}, id) {
		c.setting(Error, "settings.placeholder", entry(i)+".client_id", "this stands for the client id that "+p.Name+" gave you",
			"write the "+clientIDs[p.Kind]+" of the registration")
	}
	for j, link := range p.Clinics {
		if p.Kind == platform.KindJane && isReserved(strings.TrimPrefix(link.URL, "https://")) {
			c.setting(Error, "settings.placeholder", fmt.Sprintf("%s.clinics[%d].url", entry(i), j), "it leads to a name for examples",
				"write the clinic's own address, or leave the clinic out")
		}
	}
}

func (c *checker) scopes(i int, p *platform.Platform) {
	seen := map[string]bool{}
	once := func(key string, list []string) {
		for j, scope := range list {
			if seen[scope] {
				c.setting(Warning, "settings.scope-repeated", fmt.Sprintf("%s.%s[%d]", entry(i), key, j), scope+" is named twice",
					"keep it once: in scopes for the first connection, or in more_scopes for later")
			}
			seen[scope] = true
		}
	}
	once("scopes", p.Scopes)
	once("more_scopes", p.MoreScopes)
	clear(seen)
	once("launch.scopes", p.LaunchScopes)
}

// The limits of "Jane guide, Rate Limits".
const (
	janeEndpoint, janeEndpointWindow = 100, time.Minute
	janeClinic, janeClinicWindow     = 600, 5 * time.Minute
)

func (c *checker) limits(i int, p *platform.Platform) {
	above := func(key string, n int, window time.Duration, jane int, per time.Duration) {
		// In any stretch of Jane's window lie at most so many of ours, each as full as it may be.
		windows := int((per + window - 1) / window)
		if n*windows > jane {
			c.setting(Warning, "settings.limits-above", entry(i)+".limits."+key,
				fmt.Sprintf("%d requests in %s can be more than Jane's %d in %s: it would refuse calls", n, span(window), jane, span(per)),
				fmt.Sprintf("allow at most %d requests in %s", jane, span(per)))
		}
	}
	above("endpoint", p.Limits.Endpoint.N, p.Limits.Endpoint.Window, janeEndpoint, janeEndpointWindow)
	above("clinic", p.Limits.Clinic.N, p.Limits.Clinic.Window, janeClinic, janeClinicWindow)
}

// span writes a duration without its zero parts: 5m, not 5m0s.
func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// sharedClient: "Jane guide, Step 1", athenahealth guide, Environment URLs: credentials belong to one environment. Other
// servers have nothing in common, and may well have given the same name.
func (c *checker) sharedClient(i int, p *platform.Platform) {
	for _, earlier := range c.cfg.Platforms[:i] {
		if p.Kind != platform.KindSMART && earlier.Kind == p.Kind && earlier.ClientID == p.ClientID && home(earlier) != home(p) {
			c.setting(Error, "settings.client-shared", entry(i)+".client_id", "the same client id is used at "+earlier.ID+
				", which is another environment", "write the client id of this environment's own registration")
			return
		}
	}
}

// extension: Jane's production registration asks for all three ("Jane guide, Step 1").
func (c *checker) extension() {
	e := c.cfg.Extension
	production := slices.ContainsFunc(c.cfg.Platforms, func(p *platform.Platform) bool { return p.Server.Issuer == platform.JaneIssuer })
	var missing []string
	for _, part := range []struct{ key, value string }{{"name", e.Name}, {"description", e.Description}, {"support", e.Support}} {
		if part.value == "" {
			missing = append(missing, part.key)
		}
	}
	if production && missing != nil {
		c.setting(Warning, "settings.extension", "extension", "the registration sheet for production lacks: "+strings.Join(missing, ", "),
			"write extension: with name, description and support, so that the sheet can be sent as it is")
	}
}
