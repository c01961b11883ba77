package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/shared"
)

const reachTimeout = 10 * time.Second

// clinics connects to each named clinic and says nothing to it.
func (q question) clinics(ctx context.Context) {
	for j, link := range q.Clinics[:min(len(q.Clinics), maxClinics)] {
		key := fmt.Sprintf("clinics[%d].url", j)
		switch err := reach(ctx, link.URL, q.Dial); {
		case err == nil:
		case errors.Is(err, errHandshake):
			q.find(Error, "live.clinic-tls", key, plainReach(err), "see that nothing intercepts TLS on the way, and that this machine's clock and certificates are right")
		case errors.Is(err, platform.ErrAddress):
			q.find(Error, "live.clinic-address", key, "the clinic's name leads to an address that is not public", "correct the address, or this machine's DNS")
		default:
			q.find(Error, "live.clinic-unreachable", key, "no connection: "+plainReach(err), "correct the address; then see that this machine may connect there")
		}
	}
}

// reachPublic connects to Locum's own address and asks for its health. Before the first start, and from inside some
// networks, nothing answers there; a certificate that this machine refuses is refused by browsers too.
func (c *checker) reachPublic(ctx context.Context) {
	err := reach(ctx, c.cfg.PublicURL.String(), (&net.Dialer{}).DialContext)
	switch {
	case err == nil:
		c.publicHealth(ctx)
	case errors.Is(err, errHandshake):
		c.setting(Warning, "live.public-tls", "public_url", plainReach(err), "have a certificate that browsers accept for "+c.cfg.PublicURL.Hostname())
	default:
		c.setting(Note, "live.public-unreachable", "public_url", "from this machine nothing answers there: "+plainReach(err),
			"once Locum is started, see that it is reached from a practitioner's network")
	}
}

// publicHealth tells Locum from a proxy without one, and from a proxy that asks it for another host than browsers do.
func (c *checker) publicHealth(ctx context.Context) {
	switch status, err := health(ctx, c.cfg.PublicURL); {
	case err != nil:
		c.setting(Warning, "live.public-answer", "public_url", "something accepts connections there, but answers no request", "see that it is Locum, or the proxy in front of it")
	case status == http.StatusOK:
	case status == http.StatusMisdirectedRequest:
		c.setting(Error, "live.public-host", "public_url", "Locum refuses every request, because the proxy in front asks for another host",
			"let the proxy pass on the Host that it was asked for, such as nginx's `proxy_set_header Host $http_host`")
	case status >= http.StatusInternalServerError:
		c.setting(Note, "live.public-unreachable", "public_url", fmt.Sprintf("the proxy in front answers with status %d, so Locum does not", status),
			"once Locum is started, see that the proxy looks for it at "+c.cfg.Listen)
	default:
		c.setting(Warning, "live.public-answer", "public_url", fmt.Sprintf("what answers there is not Locum (status %d)", status), "see where the name leads, and where the proxy there passes requests on to")
	}
}

// health asks a Locum for its health, by no proxy and following no redirect.
func health(ctx context.Context, public *url.URL) (status int, err error) {
	client := http.Client{Timeout: reachTimeout, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, public.JoinPath(shared.PathHealth).String(), nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

// errHandshake says that a connection stood, but not TLS on it.
var errHandshake = errors.New("no TLS connection that can be trusted")

// reach opens a connection to an origin, TLS where it is https, and closes it.
func reach(ctx context.Context, origin string, dial oauth.DialFunc) error {
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if u.Scheme != "https" {
		return nil
	}
	client := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
	if err := client.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	return nil
}

// plainReach is a short word for what went wrong, without what the other side chose to send in its certificate.
func plainReach(err error) string {
	var verification *tls.CertificateVerificationError
	var network *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &verification):
		return "the certificate is not accepted for this host, on this machine"
	case errors.Is(err, errHandshake):
		return errHandshake.Error()
	case errors.As(err, &dns):
		return "the name cannot be resolved"
	case errors.As(err, &network):
		return network.Err.Error()
	}
	return err.Error()
}
