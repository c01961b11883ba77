package check_test

import (
	"crypto/sha256"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"locum/bff/account"
	"locum/bff/check"
	"locum/bff/vault"
)

// seeded is one fault in an installation that is good without it.
type seeded struct {
	name  string
	spoil func(site)
	want  []string // all findings, as site.expect takes them
}

func replaced(old, replacement string) func(site) {
	return func(s site) { s.edit(old, replacement) }
}

func TestSeededSettings(t *testing.T) {
	run(t, []seeded{
		{"unknown key", replaced("listen:", "lisen:"), []string{"error config.unknown-key 2"}},
		{"unknown key of a platform", replaced("    name: Jane", "    nmae: Jane"), []string{"error config.unknown-key 15"}},
		{"a key twice", replaced("data_dir: data", "data_dir: data\ndata_dir: data"), []string{"error config.repeated-key 4"}},
		{"not YAML", replaced("session: {", "session: {{"), []string{"error config.syntax"}},
		{"T118 a secret in the file", replaced("    name: Jane", "    client_secret: hunter2hunter2\n    name: Jane"), []string{"error config.secret-inline 15"}},
		{"http public_url", replaced("https://locum", "http://locum"), []string{"error config.public-url 1"}},
		{"wildcard public_url", replaced("https://locum", "https://*"), []string{"error config.public-url 1"}},
		{"public_url missing", replaced("public_url: https://locum.harbour-physio.ca\n", ""), []string{"error config.missing 1"}},
		{"plain http for everybody", replaced("listen: 127.0.0.1:8080\ndata_dir: data\nmaster_key_file: master.key\ntrusted_proxies:\n  - 127.0.0.1", "listen: 0.0.0.0:80"),
			[]string{"error config.listen-exposed 2"}},
		{"half a certificate", replaced("data_dir: data", "tls: {cert_file: cert.pem}\ndata_dir: data"), []string{"error config.tls 3"}},
		{"master key inside the data", replaced("master_key_file: master.key", "master_key_file: data/master.key"), []string{"error config.key-inside-data 4"}},
		{"everybody is a proxy", replaced("  - 127.0.0.1", "  - 0.0.0.0/0"), []string{"error config.trusted-proxies 6"}},
		{"session limits out of range", replaced("absolute: 12h", "absolute: 48h"), []string{"error config.session 7"}},
		{"idle beyond absolute", replaced("idle: 15m, absolute: 12h", "idle: 30m, absolute: 10m"), []string{"error config.session 7"}},
		{"a scope that no catalogue has", replaced("    client_id: harbour-locum-dev", "    client_id: harbour-locum-dev\n    scopes: [patients:delete]"), []string{"error config.scopes 18"}},
		{"an issuer with a slash", replaced("realms/jane\n", "realms/jane/\n    clinic_domains: [janeapp.com]\n"), []string{"error config.issuer 22"}},
		{"one id for two platforms", replaced("  - id: jane\n", "  - id: jane-sandbox\n"), []string{"error config.platform-id 20"}},
		{"several at once", func(s site) {
			s.edit("listen:", "lisen:")
			s.edit("https://locum", "http://locum")
			s.edit("12h", "99h")
		},
			[]string{"error config.public-url 1", "error config.unknown-key 2", "error config.session 7"}},

		{"a host for examples", replaced("harbour-physio.ca\n", "example.org\n"), []string{"error settings.placeholder 1"}},
		{"a client id from the guide", replaced("harbour-locum-dev", "partner_client_id"), []string{"error settings.placeholder 17"}},
		{"a client id from the example", replaced("harbour-locum-dev", "your-sandbox-client-id"), []string{"error settings.placeholder 17"}},
		{"a clinic from an example", replaced("https://jdpdocsdemo.jane.qa", "https://clinic.example.com"), []string{"error settings.placeholder 19"}},
		{"one client id in two environments", replaced("harbour-locum-dev", "harbour-locum"), []string{"error settings.client-shared 23"}},
		{"http redirect URIs at Jane", replaced("public_url: https://locum.harbour-physio.ca", "public_url: http://localhost:8080"), []string{"error settings.redirect-http 1"}},
		{"production with the sandbox's clinics", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    clinic_domains: [jane.qa]\n"),
			[]string{"error settings.realm-clinics 24"}},
		{"sandbox with a production clinic", replaced("https://jdpdocsdemo.jane.qa", "https://harbour.janeapp.com"), []string{"error settings.realm-clinics 18"}},
		{"sandbox by name, production by issuer", replaced("realms/jane_partner_sandbox", "realms/jane"), []string{"error settings.realm-id 13", "error settings.realm-clinics 18"}},
		{"production by name, sandbox by issuer", replaced("name: Jane (sandbox)", "name: Jane (production)"), []string{"error settings.realm-id 13"}},
		{"production that reads as a place to develop", replaced("  - id: jane\n", "  - id: jane\n    name: Jane (Dev)\n"), []string{"error settings.realm-id 20"}},
		{"a realm that Jane does not document", replaced("realms/jane_partner_sandbox", "realms/jane_sandbox\n    clinic_domains: [jane.qa]"), []string{"warning settings.realm-unknown 16"}},
		{"half the Internet as proxy", replaced("  - 127.0.0.1", "  - 0.0.0.0/1\n  - 128.0.0.0/1"), []string{"error settings.proxies-wide 6", "error settings.proxies-wide 7"}},
		{"a large public network as proxy", replaced("  - 127.0.0.1", "  - 131.107.0.0/16\n  - 2600::/32"), []string{"warning settings.proxies-wide 6", "warning settings.proxies-wide 7"}},
		{"the proxy is not named", replaced("trusted_proxies:\n  - 127.0.0.1\n", ""), []string{"warning settings.proxy-unnamed 1"}},
		{"plain http on every interface behind a proxy", replaced("listen: 127.0.0.1:8080", "listen: \"[::]:8080\""), []string{"warning settings.listen-wide 2"}},
		{"limits above Jane's", replaced("requests: 50, window: 30s", "requests: 100, window: 30s"), []string{"warning settings.limits-above 24"}},
		{"a clinic limit above Jane's", replaced("requests: 300, window: 150s", "requests: 1200, window: 10m"), []string{"warning settings.limits-above 24"}},
		{"connections that end every night", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh: {keep_alive: working_hours, hours: {zone: America/Vancouver, days: [mon], from: 08:00, to: 18:00}}\n"), []string{"warning settings.keep-alive 24"}},
		{"connections that end with the session", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh:\n      keep_alive: signed_in\n"), []string{"warning settings.keep-alive 25"}},
		{"a budget for a hundred", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh: {per_minute: 5}\n"), []string{"warning settings.refresh-budget 24"}},
		{"a leeway of nothing", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh:\n      rotation: leeway\n      leeway: 8s\n"), []string{"warning settings.leeway-short 26"}},
		{"a short login", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh: {session_max: 30m}\n"), []string{"warning settings.session-short 24"}},
		{"tokens that nobody takes back", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    on_disconnect: forget\n"), []string{"warning settings.on-disconnect 24"}},
		{"a leeway beside another rotation", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh: {rotation: strict, leeway: 30s}\n"), []string{"error config.refresh 24"}},
		{"working hours that are none", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    refresh: {keep_alive: working_hours}\n"), []string{"error config.refresh 24"}},
		{"a scope twice", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    scopes: [patients:read, patients:read]\n"), []string{"warning settings.scope-repeated 24"}},
		{"a scope in both lists", replaced("    client_id: harbour-locum\n", "    client_id: harbour-locum\n    more_scopes: [patients:read]\n"), []string{"warning settings.scope-repeated 24"}},
		{"production without a support contact", replaced("  support: Sam Doe, support@harbour-physio.ca\n", ""), []string{"warning settings.extension 8"}},
	})
}

const loopbackText = `public_url: http://localhost:9090
listen: localhost:9090
platforms:
  - {id: jane-sandbox, kind: jane, issuer: "http://127.0.0.1:7100/realms/jane", client_id: locum, clinics: [{name: North, url: "http://127.0.0.1:7101"}]}
`

func TestSeededLoopback(t *testing.T) {
	sound := template(t)
	for _, c := range []seeded{
		{"another port than practitioners are sent to", replaced("listen: localhost:9090", "listen: localhost:9091"), []string{"warning settings.listen-port 2"}},
		{"tls under an http address", func(s site) {
			s.edit("platforms:", "tls: {cert_file: cert.pem, key_file: key.pem}\nplatforms:")
			s.certificate("localhost", time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
		}, []string{"error settings.scheme 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound.copied(t, loopbackText)
			c.spoil(s)
			s.expect(s.look(check.Options{}), c.want...)
		})
	}
}

func TestSeededFiles(t *testing.T) {
	run(t, []seeded{
		{"no configuration", func(s site) { s.remove("locum.yaml") }, []string{"error files.config-missing"}},
		{"the configuration is a directory", func(s site) { s.remove("locum.yaml"); must(s.t, os.Mkdir(s.at("locum.yaml"), 0o700)) }, []string{"error files.config-unreadable"}},
		{"everybody can change the configuration", func(s site) { s.chmod("locum.yaml", 0o666) }, []string{"error files.config-writable"}},
		{"a group can change the configuration", func(s site) { s.chmod("locum.yaml", 0o660) }, []string{"warning files.config-writable"}},
		{"everybody can exchange the configuration", func(s site) { s.chmod(".", 0o777) }, []string{"error files.dir-writable"}},
		{"everybody can exchange the key", func(s site) {
			s.move("master.key", "keys/master.key")
			s.chmod("keys", 0o777)
			s.edit("master_key_file: master.key", "master_key_file: keys/master.key")
		}, []string{"error files.dir-writable"}},
		{"the key is readable by its group", func(s site) { s.chmod("master.key", 0o640) }, []string{"error files.key-mode"}},
		{"the key is readable by everybody", func(s site) { s.chmod("master.key", 0o604) }, []string{"error files.key-mode"}},
		{"the key is gone", func(s site) { s.remove("master.key") }, []string{"error files.key-missing"}},
		{"no key yet", func(s site) { s.remove("master.key"); s.remove("data") }, []string{"error files.key-missing"}},
		{"no file can be where the key should be", func(s site) { s.edit("master_key_file: master.key", "master_key_file: locum.yaml/key") }, []string{"error files.key-unreadable"}},
		{"no directory can be where the data should be", func(s site) { s.edit("data_dir: data", "data_dir: locum.yaml/data") },
			[]string{"error files.data-unreadable", "error vault.unreadable"}},
		{"the key is cut short", func(s site) { s.write("master.key", "QUJD\n") }, []string{"error files.key-invalid"}},
		{"the key is a directory", func(s site) { s.remove("master.key"); must(s.t, os.Mkdir(s.at("master.key"), 0o700)) }, []string{"error files.key-invalid"}},
		{"a copy of the vault beside its key", func(s site) { s.write(vault.FileName+".bak", "a copy") }, []string{"warning files.key-beside-copy"}},
		{"the data directory is open to others", func(s site) { s.chmod("data", 0o750) }, []string{"error files.data-mode"}},
		{"the vault is open to others", func(s site) { s.chmod("data/"+vault.FileName, 0o644) }, []string{"error files.data-mode"}},
		{"the audit trail is open to others", func(s site) { s.record(); s.chmod("data/audit.log", 0o640) }, []string{"error files.data-mode"}},
		{"the data directory is everybody's", func(s site) { s.chmod("data", 0o700|os.ModeSticky) }, []string{"error files.data-shared"}},
		{"the data directory is a file", func(s site) { s.move("data", "old"); s.write("data", "") }, []string{"error files.data-unreadable", "error vault.unreadable"}},
	})
}

func TestSeededVault(t *testing.T) {
	run(t, []seeded{
		{"another key", func(s site) { s.remove("master.key"); must(s.t, vault.CreateKeyFile(s.at("master.key"))) }, []string{"error vault.wrong-key"}},
		{"the vault is cut short", func(s site) { must(s.t, os.Truncate(s.at("data/"+vault.FileName), 5000)) }, []string{"error vault.damaged"}},
		{"another file in its place", func(s site) { s.write("data/"+vault.FileName, strings.Repeat("not a vault\n", 4000)) }, []string{"error vault.damaged"}},
		{"the vault is gone", func(s site) { s.remove("data/" + vault.FileName) }, []string{"error vault.missing"}},
		{"a new data directory", func(s site) { s.remove("data") }, []string{"error secrets.missing 13", "error secrets.missing 20", "warning accounts.none"}},
		{"no secret for one platform", func(s site) { s.edit("  - id: jane\n", "  - id: jane-two\n") }, []string{"error secrets.missing 20"}},
		{"the audit trail is gone, its head file is not", func(s site) { s.record(); s.remove("data/audit.log") }, []string{"error audit.broken"}},
		{"a line of the audit trail is another", func(s site) {
			s.record()
			text, err := os.ReadFile(s.at("data/audit.log"))
			must(s.t, err)
			s.write("data/audit.log", strings.Replace(string(text), `"kind":"freeze"`, `"kind":"squeak"`, 1))
		}, []string{"error audit.broken"}},
		{"nobody may sign in any more", func(s site) {
			s.inVault(func(v *vault.Vault) error { return account.New(v).SetDisabled("maya@harbour-physio.ca", true) })
		}, []string{"warning accounts.none"}},
		{"one secret in two environments", func(s site) { s.seal("jane", sandboxSecret) }, []string{"error secrets.shared 20"}},
		{"a secret from the guide", func(s site) { s.seal("jane", "<partner_client_secret>") }, []string{"error secrets.placeholder 20"}},
		{"a secret from an example", func(s site) { s.seal("jane", "your-client-secret") }, []string{"error secrets.placeholder 20"}},
		{"a short secret", func(s site) { s.seal("jane", "b7Yw2EoXk94tRnV") }, []string{"error secrets.weak 20"}},
		{"a secret of one short word over and over", func(s site) { s.seal("jane", "hunter2hunter2hunter2hunter2") }, []string{"error secrets.weak 20"}},
		{"a secret of few characters", func(s site) { s.seal("jane", "1112121122112211212121") }, []string{"error secrets.weak 20"}},
		{"a secret with a blank", func(s site) { s.seal("jane", "b7Yw2EoXk94tRnV qC1zMhU5jLgPsDi0A") }, []string{"error secrets.weak 20"}},
	})
}

func TestSeededCertificates(t *testing.T) {
	sound := template(t)
	now := time.Now()
	host := "locum.harbour-physio.ca"
	text := strings.NewReplacer("listen: 127.0.0.1:8080", "listen: 0.0.0.0:443\ntls: {cert_file: cert.pem, key_file: key.pem}", "trusted_proxies:\n  - 127.0.0.1\n", "").Replace(goodText)
	for _, c := range []seeded{
		{"no certificate file", func(s site) { s.remove("cert.pem") }, []string{"error tls.unreadable 3"}},
		{"no key file", func(s site) { s.remove("key.pem") }, []string{"error tls.unreadable 3"}},
		{"no certificate in the file", func(s site) { s.write("cert.pem", "-----BEGIN NOTHING-----\n") }, []string{"error tls.unreadable"}},
		{"no key in the file", func(s site) { s.write("key.pem", "hunter2\n") }, []string{"error tls.unreadable"}},
		{"another certificate's key", func(s site) {
			_, key := selfSigned(s.t, host, now, now.AddDate(1, 0, 0))
			s.write("key.pem", string(key))
		}, []string{"error tls.mismatch"}},
		{"expired", func(s site) { s.certificate(host, now.AddDate(-1, 0, 0), now.Add(-time.Hour)) }, []string{"error tls.expired"}},
		{"expires soon", func(s site) { s.certificate(host, now.AddDate(-1, 0, 0), now.Add(24*time.Hour)) }, []string{"warning tls.expires-soon"}},
		{"not valid yet", func(s site) { s.certificate(host, now.Add(time.Hour), now.AddDate(1, 0, 0)) }, []string{"error tls.not-yet-valid"}},
		{"for another host", func(s site) { s.certificate("www.harbour-physio.ca", now.Add(-time.Hour), now.AddDate(1, 0, 0)) }, []string{"error tls.host"}},
		{"its key is everybody's", func(s site) { s.chmod("key.pem", 0o644) }, []string{"error tls.key-mode"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sound.copied(t, text)
			s.certificate(host, now.Add(-time.Hour), now.AddDate(1, 0, 0))
			c.spoil(s)
			s.expect(s.look(check.Options{}), c.want...)
		})
	}
}

// TestDamagedRecord: a record that does not authenticate is counted; the rest of the vault is looked at all the same.
func TestDamagedRecord(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.rewrite("client_secrets", func(value []byte) []byte { return append(value[:len(value)-1], value[len(value)-1]^1) })
	report := s.look(check.Options{})
	s.expect(report, "error vault.records", "error secrets.missing")
}

// TestDamagedAccounts: where nobody can sign in because of it, no setup is recommended: there is none.
func TestDamagedAccounts(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.rewrite("accounts", func(value []byte) []byte { return append(value[:len(value)-1], value[len(value)-1]^1) })
	report := s.look(check.Options{})
	s.expect(report, "error vault.records", "warning accounts.none")
	if fix := report.Findings[1].Fix; strings.Contains(fix, "setup") || !strings.Contains(fix, "account add") {
		t.Errorf("what to do is said to be: %s", fix)
	}
}

// TestNewerVault: a vault that a later version wrote is told from a damaged one.
func TestNewerVault(t *testing.T) {
	s := template(t).copied(t, goodText)
	s.rewrite("meta", func(value []byte) []byte {
		value[len("locum vault\n")] = 200
		sum := sha256.Sum256(value[:len(value)-sha256.Size])
		return append(value[:len(value)-sha256.Size], sum[:]...)
	})
	s.expect(s.look(check.Options{}), "error vault.version")
}

// rewrite changes the first value of a bucket behind the vault's back.
func (s site) rewrite(bucket string, change func([]byte) []byte) {
	s.t.Helper()
	db, err := bbolt.Open(s.at("data/"+vault.FileName), 0o600, nil)
	must(s.t, err)
	must(s.t, db.Update(func(tx *bbolt.Tx) error {
		key, value := tx.Bucket([]byte(bucket)).Cursor().First()
		return tx.Bucket([]byte(bucket)).Put(key, change(slices.Clone(value)))
	}), db.Close())
	s.remove("data/" + vault.FileName + ".mark") // which knows the transaction before this one
}

func run(t *testing.T, cases []seeded) {
	t.Helper()
	sound := template(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := sound.copied(t, goodText)
			c.spoil(s)
			s.expect(s.look(check.Options{}), c.want...)
		})
	}
}
