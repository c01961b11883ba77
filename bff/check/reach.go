package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
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

// reachPublic connects to Locum's own address. Before the first start, and from inside some networks, nothing answers
// there; a certificate that this machine refuses is refused by browsers too.
func (c *checker) reachPublic(ctx context.Context) {
	err := reach(ctx, c.cfg.PublicURL.String(), (&net.Dialer{}).DialContext)
	switch {
	case err == nil:
	case errors.Is(err, errHandshake):
		c.setting(Warning, "live.public-tls", "public_url", plainReach(err), "have a certificate that browsers accept for "+c.cfg.PublicURL.Hostname())
	default:
		c.setting(Note, "live.public-unreachable", "public_url", "from this machine nothing answers there: "+plainReach(err),
			"once Locum is started, see that it is reached from a practitioner's network")
	}
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
