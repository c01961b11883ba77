package check_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/check"
	"locum/bff/secret"
	"locum/bff/vault"
)

// The client secrets of the good installations: of the length and the alphabet that Keycloak generates.
const (
	sandboxSecret    = "Zx81mQ0rT7uKp2LwNvB6yHc3JdGfSaE9"
	productionSecret = "b7Yw2EoXk94tRnVqC1zMhU5jLgPsDi0A"
)

// site is one installation in a directory of its own.
type site struct {
	t   *testing.T
	dir string
}

// template is an installation with two secrets and one account, made once: hashing a password is slow.
func template(t *testing.T) site {
	t.Helper()
	s := site{t, t.TempDir()}
	must(t, os.Mkdir(s.at("data"), 0o700), vault.CreateKeyFile(s.at("master.key")))
	s.inVault(func(v *vault.Vault) error {
		_, err := account.New(v).Add("maya@harbour-physio.ca", "Maya Doe", secret.New("correct horse battery staple, twice"))
		return errors.Join(err, v.SetClientSecret("jane-sandbox", secret.New(sandboxSecret)), v.SetClientSecret("jane", secret.New(productionSecret)))
	})
	return s
}

// copied is a new installation like this one, with a configuration.
func (s site) copied(t *testing.T, text string) site {
	t.Helper()
	c := site{t, t.TempDir()}
	must(t, os.CopyFS(c.dir, os.DirFS(s.dir)))
	// CopyFS leaves the group and others what the umask does.
	must(t, filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		mode := fs.FileMode(0o600)
		if entry.IsDir() {
			mode = 0o700
		}
		return errors.Join(err, os.Chmod(path, mode))
	}))
	c.write("locum.yaml", text)
	return c
}

func (s site) at(name string) string { return filepath.Join(s.dir, name) }

func (s site) write(name, text string) {
	s.t.Helper()
	must(s.t, os.WriteFile(s.at(name), []byte(text), 0o600))
}

func (s site) chmod(name string, mode fs.FileMode) {
	s.t.Helper()
	must(s.t, os.Chmod(s.at(name), mode))
}

// edit replaces what stands in the configuration.
func (s site) edit(old, replacement string) {
	s.t.Helper()
	text, err := os.ReadFile(s.at("locum.yaml"))
	must(s.t, err)
	if !bytes.Contains(text, []byte(old)) {
		s.t.Fatalf("the configuration has no %q", old)
	}
	s.write("locum.yaml", strings.Replace(string(text), old, replacement, 1))
}

// inVault runs do in the open vault.
func (s site) inVault(do func(*vault.Vault) error) {
	s.t.Helper()
	key, err := vault.ReadKeyFile(s.at("master.key"))
	must(s.t, err)
	v, err := vault.Open(s.at("data"), key)
	must(s.t, err)
	must(s.t, do(v), v.Close())
}

func (s site) seal(platform, value string) {
	s.t.Helper()
	s.inVault(func(v *vault.Vault) error { return v.SetClientSecret(platform, secret.New(value)) })
}

// record begins an audit trail.
func (s site) record() {
	s.t.Helper()
	s.inVault(func(v *vault.Vault) error {
		trail, err := audit.Open(s.at("data/"+audit.FileName), v.DeriveKey(audit.KeyPurpose), "check")
		if err != nil {
			return err
		}
		return errors.Join(trail.Event(s.t.Context(), audit.Event{Kind: "freeze"}), trail.Close())
	})
}

// certificate writes cert.pem and key.pem for a host; the certificate is valid between the two times.
func (s site) certificate(host string, from, to time.Time) {
	s.t.Helper()
	chain, key := selfSigned(s.t, host, from, to)
	s.write("cert.pem", string(chain))
	s.write("key.pem", string(key))
}

func selfSigned(t *testing.T, host string, from, to time.Time) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: from, NotAfter: to}
	if addr := net.ParseIP(host); addr != nil {
		form.IPAddresses = []net.IP{addr}
	} else {
		form.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &private.PublicKey, private)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// look runs the check, holds it to changing nothing and to printing no secret (T118), and gives the report.
func (s site) look(o check.Options) *check.Report {
	s.t.Helper()
	before := s.snapshot()
	report := check.Run(s.t.Context(), s.at("locum.yaml"), o)
	if after := s.snapshot(); !reflect.DeepEqual(before, after) {
		s.t.Errorf("the check changed something: before %v\nafter %v", before, after)
	}
	var out strings.Builder
	must(s.t, report.Write(&out), report.WriteJSON(&out))
	key, _ := os.ReadFile(s.at("master.key"))
	for _, value := range []string{sandboxSecret, productionSecret, "hunter2", strings.TrimSpace(string(key))} {
		if len(value) > 5 && strings.Contains(out.String(), value) {
			s.t.Errorf("T118: the report shows a secret:\n%s", out.String())
		}
	}
	return report
}

// expect holds a report to these findings, each "severity code" or "severity code line"; in any order.
func (s site) expect(report *check.Report, want ...string) {
	s.t.Helper()
	var got []string
	for _, f := range report.Findings {
		one := fmt.Sprintf("%s %s", f.Severity, f.Code)
		if slices.Contains(want, fmt.Sprintf("%s %d", one, f.Line)) {
			one = fmt.Sprintf("%s %d", one, f.Line)
		}
		got = append(got, one)
		if f.Cause == "" || f.Fix == "" || f.File == "" {
			s.t.Errorf("a finding that does not say what, where and what to do: %+v", f)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		var out strings.Builder
		_ = report.Write(&out)
		s.t.Errorf("found %q\nwant %q\n%s", got, want, out.String())
	}
}

// snapshot is every file's mode, time and content.
func (s site) snapshot() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	must(s.t, filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := []byte{}
		if info.Mode().IsRegular() {
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprint(info.Mode(), info.ModTime(), string(content))
		return nil
	}))
	return all
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (s site) move(from, to string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.at(to)), 0o700), os.Rename(s.at(from), s.at(to)))
}

func (s site) remove(name string) {
	s.t.Helper()
	must(s.t, os.RemoveAll(s.at(name)))
}

func (s site) text() string {
	s.t.Helper()
	text, err := os.ReadFile(s.at("locum.yaml"))
	must(s.t, err)
	return string(text)
}

// hides holds a report to showing none of these.
func (s site) hides(report *check.Report, values ...string) {
	s.t.Helper()
	var out strings.Builder
	must(s.t, report.Write(&out), report.WriteJSON(&out))
	for _, value := range values {
		if strings.Contains(out.String(), value) {
			s.t.Errorf("T118: the report shows a secret:\n%s", out.String())
		}
	}
}
