package check_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"locum/bff/audit"
	"locum/bff/check"
	"locum/bff/config"
	"locum/bff/vault"
)

// goodText is an installation with both of Jane's realms behind a TLS proxy; most cases of the tests below spoil it in
// one place.
const goodText = `public_url: https://locum.harbour-physio.ca
listen: 127.0.0.1:8080
data_dir: data
master_key_file: master.key
trusted_proxies:
  - 127.0.0.1
session: {idle: 15m, absolute: 12h}
extension:
  name: Locum at Harbour Physiotherapy
  description: Shows a practitioner their own schedule.
  support: Sam Doe, support@harbour-physio.ca
platforms:
  - id: jane-sandbox
    kind: jane
    name: Jane (sandbox)
    issuer: https://login.id.janeapp.com/realms/jane_partner_sandbox
    client_id: harbour-locum-dev
    clinics:
      - {name: Playground, url: "https://jdpdocsdemo.jane.qa"}
  - id: jane
    kind: jane
    issuer: https://login.id.janeapp.com/realms/jane
    client_id: harbour-locum
    limits: {endpoint: {requests: 50, window: 30s}, clinic: {requests: 300, window: 150s}}
`

// TestGoodInstallations: nothing is found where nothing is wrong, and everything can be looked at.
func TestGoodInstallations(t *testing.T) {
	sound := template(t)
	year := 365 * 24 * time.Hour
	started, err := config.Start{PublicURL: "https://locum.harbour-physio.ca", Platforms: []config.StartPlatform{{ID: "jane-sandbox", ClientID: "harbour-locum-dev"}}}.Text()
	must(t, err)
	for _, c := range []struct {
		name, text string
		prepare    func(site)
	}{
		{"two realms behind a proxy on the same machine", goodText, nil},
		{"https without a proxy", strings.NewReplacer("listen: 127.0.0.1:8080", "listen: 0.0.0.0:443\ntls: {cert_file: cert.pem, key_file: key.pem}",
			"trusted_proxies:\n  - 127.0.0.1\n", "").Replace(goodText), func(s site) {
			s.certificate("locum.harbour-physio.ca", time.Now().Add(-time.Hour), time.Now().Add(year))
		}},
		{"proxies in networks of their own", strings.NewReplacer("listen: 127.0.0.1:8080", "listen: 10.20.0.7:8080",
			"  - 127.0.0.1\n", "  - 10.20.0.0/16\n  - 192.168.7.1\n  - fd00:7::/32\n  - 131.107.4.0/28\n").Replace(goodText), nil},
		{"what init writes, filled in", string(started), nil},
		{"this machine alone, with an issuer of its own", `public_url: http://localhost:9090
listen: localhost:9090
platforms:
  - {id: jane-sandbox, kind: jane, issuer: "http://127.0.0.1:7100/realms/jane", client_id: locum, clinics: [{name: North, url: "http://127.0.0.1:7101"}]}
`, nil},
		{"the example, filled in", strings.NewReplacer("locum.example.org", "locum.harbour-physio.ca", "your-sandbox-client-id", "harbour-locum-dev",
			"your-client-id", "harbour-locum", "trusted_proxies: []", "trusted_proxies: [\"::1\"]", "# extension:", "extension:",
			"#   name: Locum", "  name: Locum", "#   description", "  description", "#   support", "  support", "your-preview-issuer", "aus1preview",
			"your-preview-client-id", "0oa1preview", "your-athena-client-id", "0oa1live", "ehr.example.org", "ehr.harbour-physio.ca",
			"your-smart-client-id", "harbour-locum").Replace(string(config.Example())), func(s site) {
			s.seal("athena-preview", "Ai81mQ0rT7uKp2LwNvB6yHc3JdGfSaE1")
			s.seal("athena", "Bi81mQ0rT7uKp2LwNvB6yHc3JdGfSaE2")
			s.seal("ehr", "Ci81mQ0rT7uKp2LwNvB6yHc3JdGfSaE3")
		}},
		{"a key and data far from one another", strings.NewReplacer("data_dir: data", "data_dir: var/lib/locum", "master_key_file: master.key", "master_key_file: etc/locum.key").Replace(goodText),
			func(s site) { s.move("data", "var/lib/locum"); s.move("master.key", "etc/locum.key") }},
		{"a clinic whose name holds such words, and a partner whose id does", strings.NewReplacer("name: Jane (sandbox)", "name: Olive Physio, pre-production sandbox",
			"client_id: harbour-locum\n", "client_id: your-physio\n    name: Latest Testament Clinic, Jane\n").Replace(goodText), nil},
		{"in a container behind the host's proxy", strings.NewReplacer("listen: 127.0.0.1:8080", "listen: 172.17.0.2:8080", "  - 127.0.0.1\n", "  - 172.17.0.1\n").Replace(goodText),
			func(s site) { s.chmod("locum.yaml", 0o444); s.chmod("master.key", 0o400) }},
		{"IPv6 alone, another port, https by itself", strings.NewReplacer("physio.ca\n", "physio.ca:8443\n", "listen: 127.0.0.1:8080",
			"listen: \"[::]:8443\"\ntls: {cert_file: cert.pem, key_file: key.pem}", "trusted_proxies:\n  - 127.0.0.1\n", "").Replace(goodText), func(s site) {
			s.certificate("locum.harbour-physio.ca", time.Now().Add(-time.Hour), time.Now().Add(year))
			s.chmod("key.pem", 0o640) // read by the group of those who serve TLS
		}},
		{"link-local proxies", strings.Replace(goodText, "  - 127.0.0.1\n", "  - 169.254.0.0/16\n  - fe80::/10\n", 1), nil},
		{"a clinic with a domain of its own", strings.Replace(goodText, "https://jdpdocsdemo.jane.qa", "https://book.harbour-physio.ca", 1), nil},
		{"with an audit trail, and one line of it broken off by a crash", goodText, func(s site) {
			s.record()
			log, err := os.OpenFile(s.at("data/"+audit.FileName), os.O_WRONLY|os.O_APPEND, 0)
			must(s.t, err)
			_, err = log.WriteString(`{"seq":4,`)
			must(s.t, err, log.Close())
		}},
		{"written by an earlier version, without a mark", goodText, func(s site) { s.remove("data/" + vault.FileName + ".mark") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound.copied(t, c.text)
			if c.prepare != nil {
				c.prepare(s)
			}
			report := s.look(check.Options{})
			s.expect(report)
			if len(report.Unseen) > 0 || report.Summary() != "nothing found" {
				t.Errorf("not looked at: %v; %s", report.Unseen, report.Summary())
			}
		})
	}
}

// TestVaultInUse: the running Locum holds the vault, which is no finding; what could not be looked at is said.
func TestVaultInUse(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.inVault(func(*vault.Vault) error {
		report := check.Run(t.Context(), s.at("locum.yaml"), check.Options{})
		s.expect(report)
		if len(report.Unseen) != 1 || !strings.Contains(report.Unseen[0].Why, "running Locum") {
			t.Errorf("not looked at: %v", report.Unseen)
		}
		return nil
	})
}

// TestVolume: an empty data directory that others may read, such as a container's volume, is closed by the first start.
func TestVolume(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.remove("data")
	must(t, os.Mkdir(s.at("data"), 0o755))
	s.chmod("data", 0o755)
	s.expect(s.look(check.Options{}), "error secrets.missing", "error secrets.missing", "warning accounts.none")
}

// TestOthersFiles: looked at by root, the installation of another user is as good as before.
func TestOthersFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	s := template(t).copied(t, goodText)
	must(t, filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error { return errors.Join(err, os.Chown(path, 1234, 1234)) }))
	s.expect(s.look(check.Options{}))
}

// TestFresh: what init has just written lacks what only the operator can give, and says so.
func TestFresh(t *testing.T) {
	text, err := config.Start{Platforms: []config.StartPlatform{{ID: "jane-sandbox"}, {ID: "jane"}}}.Text()
	must(t, err)
	s := site{t, t.TempDir()}
	s.write("locum.yaml", string(text))
	must(t, vault.CreateKeyFile(s.at("master.key")))
	s.expect(s.look(check.Options{}), "error settings.placeholder 5", "error settings.placeholder 38", "error settings.placeholder 49",
		"error secrets.missing", "error secrets.missing", "warning accounts.none", "warning settings.extension")
}
