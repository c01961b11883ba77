package check

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// certificate looks at the files under tls as a browser would look at what they serve. Whether the chain leads to an
// authority that browsers trust cannot be said from here.
func (c *checker) certificate() {
	files := c.cfg.TLS
	if files == nil {
		return
	}
	chain, ok := c.readPEM(files.CertFile, "cert_file")
	if !ok {
		return
	}
	key, ok := c.readPEM(files.KeyFile, "key_file")
	if !ok {
		return
	}
	if info, err := os.Stat(files.KeyFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		c.file(Error, "tls.key-mode", files.KeyFile, fmt.Sprintf("every user of this machine can read or change it (mode %04o)", info.Mode().Perm()),
			"chmod 0600 "+Quote(files.KeyFile)+"; if others may have read it, replace key and certificate")
	}
	leaf := firstCertificate(chain)
	switch _, err := tls.X509KeyPair(chain, key); {
	case leaf == nil:
		c.file(Error, "tls.unreadable", files.CertFile, "it holds no certificate in PEM form", "name the certificate chain, the server's own first")
		return
	case err != nil && isKey(key):
		c.file(Error, "tls.mismatch", files.KeyFile, "it is not the key of the certificate in "+files.CertFile, "name the two files that were issued together")
	case err != nil:
		c.file(Error, "tls.unreadable", files.KeyFile, "it holds no private key in PEM form that can be used without a password", "name the certificate's private key")
	}
	c.leaf(files.CertFile, leaf)
}

// soon is how long before its end a certificate should have been replaced.
const soon = 14 * 24 * time.Hour

func (c *checker) leaf(path string, leaf *x509.Certificate) {
	host, now := c.cfg.PublicURL.Hostname(), time.Now()
	day := func(t time.Time) string { return t.UTC().Format("2006-01-02") }
	switch {
	case now.Before(leaf.NotBefore):
		c.file(Error, "tls.not-yet-valid", path, "the certificate begins on "+day(leaf.NotBefore), "use one that is valid, or set this machine's clock")
	case now.After(leaf.NotAfter):
		c.file(Error, "tls.expired", path, "the certificate ended on "+day(leaf.NotAfter), "renew it, then restart Locum")
	case now.Add(soon).After(leaf.NotAfter):
		c.file(Warning, "tls.expires-soon", path, "the certificate ends on "+day(leaf.NotAfter), "renew it, then restart Locum; and see that this happens by itself")
	}
	if leaf.VerifyHostname(host) != nil {
		c.file(Error, "tls.host", path, "the certificate is not for "+host+", the host of public_url", "use one that names "+host)
	}
}

func (c *checker) readPEM(path, key string) ([]byte, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		c.setting(Error, "tls.unreadable", "tls."+key, plain(err), "name a PEM file that Locum's user can read")
	}
	return data, err == nil
}

func firstCertificate(data []byte) *x509.Certificate {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			leaf, _ := x509.ParseCertificate(block.Bytes)
			return leaf
		}
	}
	return nil
}

// isKey says whether there is a private key that can be read.
func isKey(data []byte) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		_, err1 := x509.ParsePKCS8PrivateKey(block.Bytes)
		_, err2 := x509.ParsePKCS1PrivateKey(block.Bytes)
		_, err3 := x509.ParseECPrivateKey(block.Bytes)
		if err1 == nil || err2 == nil || err3 == nil {
			return true
		}
	}
	return false
}
