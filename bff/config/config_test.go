package config_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"locum/bff/config"
	"locum/bff/platform"
	"locum/bff/throttle"
)

func TestExample(t *testing.T) {
	c, err := config.Parse("/etc/locum/locum.yaml", config.Example())
	if err != nil {
		t.Fatal(err)
	}
	if c.PublicURL.String() != "https://locum.example.org" || c.Listen != "127.0.0.1:8080" || c.TLS != nil ||
		c.DataDir != "/etc/locum/data" || c.MasterKeyFile != "/etc/locum/master.key" || len(c.TrustedProxies) != 0 ||
		c.Session != (config.Session{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}) || c.LogLevel != slog.LevelInfo {
		t.Errorf("%+v", c)
	}
	var ids []string
	for _, p := range c.Platforms {
		ids = append(ids, p.Kind+" "+p.ID)
	}
	if !slices.Equal(ids, []string{"jane jane-sandbox", "jane jane", "athenahealth athena-preview", "athenahealth athena", "smart ehr"}) {
		t.Fatalf("platforms %v", ids)
	}
	sandbox, production := c.Platforms[0], c.Platforms[1]
	if sandbox.Server.Issuer != "https://login.id.janeapp.com/realms/jane_partner_sandbox" ||
		production.Server.Issuer != "https://login.id.janeapp.com/realms/jane" {
		t.Errorf("issuers %s, %s", sandbox.Server.Issuer, production.Server.Issuer)
	}
	if _, err := sandbox.Clinic("https://jdpdocsdemo.jane.qa"); err != nil {
		t.Error(err)
	}
	if _, err := production.Clinic("clinic"); err != nil {
		t.Error(err)
	}
}

// TestExampleShowsTheDefaults: what the example says is a default is what leaving it out gives.
func TestExampleShowsTheDefaults(t *testing.T) {
	full, err := config.Parse("locum.yaml", config.Example())
	if err != nil {
		t.Fatal(err)
	}
	short, err := config.Parse("locum.yaml", []byte(`public_url: https://locum.example.org
platforms:
  - {id: jane-sandbox, kind: jane, issuer: "https://login.id.janeapp.com/realms/jane_partner_sandbox", client_id: x}
`))
	if err != nil {
		t.Fatal(err)
	}
	if full.Listen != short.Listen || full.DataDir != short.DataDir || full.MasterKeyFile != short.MasterKeyFile ||
		full.Session != short.Session || full.LogLevel != short.LogLevel || len(short.TrustedProxies) != 0 || short.TLS != nil {
		t.Errorf("example %+v, defaults %+v", full, short)
	}
	f, s := full.Platforms[0], short.Platforms[0]
	if f.Ending != s.Ending || f.Refresh.KeepAlive != platform.KeepAlways || s.Refresh != (platform.RefreshPolicy{}) ||
		f.Refresh != (platform.RefreshPolicy{KeepAlive: platform.KeepAlways}) {
		t.Errorf("example %+v %s, defaults %+v %s", f.Refresh, f.Ending, s.Refresh, s.Ending)
	}
	if !slices.Equal(f.Scopes, s.Scopes) || f.OpenID != s.OpenID || !slices.Equal(f.ClinicDomains, s.ClinicDomains) || f.Limits != s.Limits {
		t.Errorf("example %v %v %v, defaults %v %v %v", f.Scopes, f.ClinicDomains, f.Limits, s.Scopes, s.ClinicDomains, s.Limits)
	}
}

func TestEveryKey(t *testing.T) {
	c, err := config.Parse("conf/locum.yaml", []byte(`
public_url: https://locum.example.org:8443
listen: "[::]:8443"
tls: {cert_file: /srv/chain.pem, key_file: key.pem}
data_dir: /var/lib/locum
master_key_file: ../master.key
trusted_proxies: [10.0.0.5, 10.1.0.0/24, "fd00::/8"]
session:
  idle: 5m
  absolute: 8h
log_level: debug
extension: {name: Locum at House, description: Shows a day., support: "Sam, sam@house.ca"}
platforms:
  - id: house
    kind: jane
    name: House
    issuer: http://127.0.0.1:9000/realms/jane
    client_id: locum
    scopes: [patients:read]
    openid: true
    clinic_domains: []
    clinics:
      - {name: North, url: "http://127.0.0.1:9001"}
    limits: {endpoint: {requests: 50, window: 30s}, clinic: {requests: 200, window: 2m}}
    refresh:
      rotation: reuse
      reuse: 2
      per_minute: 90
      keep_alive: working_hours
      hours: {zone: America/Vancouver, days: [mon, sat], from: 07:30, to: "24:00"}
      session_max: 12h
    on_disconnect: end_session
  - id: other
    kind: jane
    issuer: https://login.id.janeapp.com/realms/jane
    client_id: locum
    refresh: {rotation: leeway, leeway: 45s, keep_alive: signed_in}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.PublicURL.Host != "locum.example.org:8443" || c.Listen != "[::]:8443" || *c.TLS != (config.TLS{CertFile: "/srv/chain.pem", KeyFile: "conf/key.pem"}) ||
		c.DataDir != "/var/lib/locum" || c.MasterKeyFile != "master.key" || fmt.Sprint(c.TrustedProxies) != "[10.0.0.5/32 10.1.0.0/24 fd00::/8]" ||
		c.Session != (config.Session{Idle: 5 * time.Minute, Absolute: 8 * time.Hour}) || c.LogLevel != slog.LevelDebug {
		t.Errorf("%+v", c)
	}
	p := c.Platforms[0]
	if p.Name != "House" || !p.OpenID || !slices.Equal(p.Scopes, []string{"patients:read"}) || len(p.ClinicDomains) != 0 ||
		p.Clinics[0].Name != "North" || p.RedirectURI != "https://locum.example.org:8443/connect/house/callback" ||
		p.Limits != (throttle.Limits{Endpoint: throttle.Limit{N: 50, Window: 30 * time.Second}, Clinic: throttle.Limit{N: 200, Window: 2 * time.Minute}}) {
		t.Errorf("%+v", p)
	}
	refresh := p.Refresh
	hours := refresh.Hours
	refresh.Hours = nil
	want := platform.RefreshPolicy{
		Kind: platform.KindReuse, Reuse: 2, PerMinute: 90, KeepAlive: platform.KeepHours, SessionMax: 12 * time.Hour,
	}
	if refresh != want || p.Ending != platform.EndingEndSession || hours == nil || hours.Zone.String() != "America/Vancouver" ||
		hours.Days != [7]bool{time.Monday: true, time.Saturday: true} || hours.From != 450*time.Minute || hours.To != 24*time.Hour {
		t.Errorf("refresh %+v, hours %+v, on_disconnect %s", refresh, hours, p.Ending)
	}
	other := c.Platforms[1]
	want = platform.RefreshPolicy{Kind: platform.KindRotating, Leeway: 45 * time.Second, KeepAlive: platform.KeepSignedIn}
	if other.Refresh != want || other.Ending != platform.EndingRevoke {
		t.Errorf("refresh %+v, on_disconnect %s", other.Refresh, other.Ending)
	}
	sheet := c.RegistrationSheet()
	for _, want := range []string{"House (platform house)", "environment       of its own", "extension name    Locum at House", "support contact   Sam, sam@house.ca", "description       Shows a day.", "https://locum.example.org:8443/connect/house/callback", "https://locum.example.org:8443/connect/house/backchannel-logout (back channel", "not revoked when used", "openid patients:read"} {
		if !strings.Contains(sheet, want) {
			t.Errorf("the registration sheet lacks %s:\n%s", want, sheet)
		}
	}
}

// good is a minimal file; each case of the table below replaces or adds lines.
const good = `public_url: https://locum.example.org
platforms:
  - id: jane
    kind: jane
    issuer: https://login.id.janeapp.com/realms/jane
    client_id: locum
`

// hours is a policy of working hours, as it stands under a platform.
func hours(text string) string {
	return "    refresh:\n      keep_alive: working_hours\n      hours: {" + text + "}\n"
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name, old, new string // of good; an empty old appends
		finding        string // "line path: part of the message"
	}{
		{"unknown key", "", "public_ulr: x\n", "7 public_ulr: did you mean public_url?"},
		{"unknown key far from all", "", "colour: red\n", "7 colour: known here: public_url, listen"},
		{"unknown key of a platform", "    client_id", "    clientid", "6 platforms[0].clientid: did you mean client_id?"},
		{"unknown key deep down", "", "session: {idel: 5m}\n", "7 session.idel: did you mean idle?"},
		{"key twice", "", "public_url: https://other.example.org\n", "7 public_url: stands twice"},
		{"inline secret", "", "    client_secret: hunter2hunter2\n", "7 platforms[0].client_secret: `locum secret set jane`"},
		{"inline secret by another name", "", "    Secret: hunter2hunter2\n", "7 platforms[0].Secret: `locum secret set jane`"},
		{"a key that is no text", "", "7: b\n", "7 : plain keys"},
		{"anchor", "client_id: locum", "client_id: &x locum", "6 platforms[0].client_id: single plain value"},
		{"alias", "client_id: locum", "client_id: *x", "6 platforms[0].client_id: single plain value"},
		{"merge key", "", "<<: {listen: x}\n", "7 : plain keys"},
		{"tag", "client_id: locum", "client_id: !!str locum", "6 platforms[0].client_id: single plain value"},
		{"public_url missing", "public_url: https://locum.example.org\n", "", "1 public_url: is missing"},
		{"public_url empty", "https://locum.example.org", "", "1 public_url: has no value"},
		{"public_url http", "https://locum", "http://locum", "1 public_url: write https"},
		{"public_url with a path", "example.org", "example.org/locum", "1 public_url: origin alone"},
		{"public_url a list", "https://locum.example.org", "[a]", "1 public_url: single plain value"},
		{"public_url a wildcard", "https://locum", "https://*", "1 public_url: lower-case host name"},
		{"extension unknown key", "", "extension:\n  nome: x\n", "8 extension.nome: did you mean name?"},
		{"extension too long", "", "extension: {name: " + strings.Repeat("x", 81) + "}\n", "7 extension.name: at most 80"},
		{"extension of two lines", "", "extension: {support: \"a\\nb\"}\n", "7 extension.support: printable"},
		{"extension a text", "", "extension: Locum\n", "7 extension: keys and values"},
		{"log level empty", "", "log_level:\n", "7 log_level: has no value"},
		{"listen by name", "", "listen: locum.example.org:80\n", "7 listen: literal address"},
		{"listen without a port", "", "listen: 127.0.0.1\n", "7 listen: literal address"},
		{"listen to the world in plain http", "", "listen: 0.0.0.0:80\n", "7 listen: in plain http"},
		{"listen to the world for loopback", "https://locum.example.org\n", "http://localhost:8080\nlisten: 0.0.0.0:8080\n", "2 listen: for this machine alone"},
		{"tls by half", "", "tls: {cert_file: a}\n", "7 tls: both cert_file and key_file"},
		{"tls a text", "", "tls: on\n", "7 tls: keys and values"},
		{"master key inside the data", "", "data_dir: d\nmaster_key_file: d/k/master.key\n", "8 master_key_file: inside data_dir"},
		{"master key is the data", "", "data_dir: d\nmaster_key_file: d\n", "8 master_key_file: inside data_dir"},
		{"data_dir holds everything", "", "data_dir: .\n", "1 master_key_file: inside data_dir"},
		{"proxy by name", "", "trusted_proxies: [proxy.example]\n", "7 trusted_proxies[0]: address or a network"},
		{"proxy with host bits", "", "trusted_proxies: [10.0.0.5/24]\n", "7 trusted_proxies[0]: address or a network"},
		{"everyone a proxy", "", "trusted_proxies:\n  - 0.0.0.0/0\n", "8 trusted_proxies[0]: trusts every address"},
		{"proxies no list", "", "trusted_proxies: 10.0.0.5\n", "7 trusted_proxies: a list"},
		{"idle too short", "", "session: {idle: 5s}\n", "7 session.idle: from 1m to 1h"},
		{"idle no duration", "", "session: {idle: 15}\n", "7 session.idle: from 1m to 1h"},
		{"absolute too long", "", "session:\n  absolute: 48h\n", "8 session.absolute: from 5m to 24h"},
		{"idle longer than absolute", "", "session: {idle: 30m, absolute: 10m}\n", "7 session: longer than absolute"},
		{"log level", "", "log_level: loud\n", "7 log_level: debug, info, warn or error"},
		{"no platforms", good[strings.Index(good, "platforms"):], "", "1 platforms: is missing"},
		{"empty platforms", good[strings.Index(good, "platforms"):], "platforms: []\n", "2 platforms: is empty"},
		{"platforms no list", good[strings.Index(good, "platforms"):], "platforms: {id: jane}\n", "2 platforms: a list"},
		{"a platform that is a text", "", "  - jane\n", "7 platforms[1]: keys and values"},
		{"kind missing", "    kind: jane\n", "", "3 platforms[0]: has no kind: write one of: jane"},
		{"kind of later", "kind: jane", "kind: epic", "4 platforms[0].kind: not supported by this version"},
		{"id missing", "id: jane", "name: Jane", "3 platforms[0].id: lower-case letters"},
		{"id twice", "", "  - {id: jane, kind: jane, issuer: \"https://login.id.janeapp.com/realms/jane\", client_id: x}\n", "7 platforms[1].id: another platform"},
		{"issuer with a slash", "realms/jane", "realms/jane/", "5 platforms[0].issuer: exact issuer"},
		{"issuer missing", "    issuer: https://login.id.janeapp.com/realms/jane\n", "    clinic_domains: [janeapp.com]\n", "3 platforms[0].issuer: exact issuer"},
		{"client_id missing", "    client_id: locum\n", "", "3 platforms[0].client_id: partner_client_id"},
		{"scope unknown", "", "    scopes: [patients:delete]\n", "7 platforms[0].scopes: \"patients:delete\" is no scope"},
		{"openid a text", "", "    openid: maybe\n", "7 platforms[0].openid: true or false"},
		{"openid yes", "", "    openid: \"true\"\n", "7 platforms[0].openid: true or false"},
		{"clinic domain", "", "    clinic_domains: [\"*.janeapp.com\"]\n", "7 platforms[0].clinic_domains: lower-case domains"},
		{"clinic by http", "", "    clinics: [{name: a, url: \"http://a.example\"}]\n", "7 platforms[0].clinics: exact lower-case origin"},
		{"clinic unknown key", "", "    clinics:\n      - {name: a, uri: \"https://a.example\"}\n", "8 platforms[0].clinics[0].uri: did you mean url?"},
		{"limits by half", "", "    limits: {endpoint: {requests: 10, window: 1m}}\n", "7 platforms[0].limits: above zero"},
		{"limit of nothing", "", "    limits:\n      endpoint: {requests: 0, window: 1m}\n", "8 platforms[0].limits.endpoint.requests: whole number"},
		{"rotation unknown", "", "    refresh: {rotation: K1}\n", "7 platforms[0].refresh.rotation: write one of: learn, none, strict"},
		{"refresh unknown key", "", "    refresh:\n      rotaton: none\n", "8 platforms[0].refresh.rotaton: did you mean rotation?"},
		{"reuse without a number", "", "    refresh: {rotation: reuse}\n", "7 platforms[0].refresh.reuse: how often"},
		{"reuse of nothing", "", "    refresh:\n      reuse: 0\n", "8 platforms[0].refresh.reuse: whole number from 1 to 100"},
		{"reuse with another rotation", "", "    refresh:\n      rotation: strict\n      reuse: 1\n", "9 platforms[0].refresh.reuse: belongs to rotation: reuse"},
		{"reuse to be learned", "", "    refresh:\n      reuse: 1\n", "8 platforms[0].refresh.reuse: belongs to rotation: reuse"},
		{"leeway without a length", "", "    refresh: {rotation: leeway}\n", "7 platforms[0].refresh.leeway: how long"},
		{"leeway with another rotation", "", "    refresh: {rotation: none, leeway: 30s}\n", "7 platforms[0].refresh.leeway: belongs to rotation: leeway"},
		{"leeway too long", "", "    refresh: {rotation: leeway, leeway: 1h}\n", "7 platforms[0].refresh.leeway: from 1s to 5m"},
		{"no requests a minute", "", "    refresh: {per_minute: 0}\n", "7 platforms[0].refresh.per_minute: whole number from 1 to 10000"},
		{"keep_alive unknown", "", "    refresh: {keep_alive: sometimes}\n", "7 platforms[0].refresh.keep_alive: always, working_hours, signed_in"},
		{"working_hours without hours", "", "    refresh:\n      keep_alive: working_hours\n", "7 platforms[0].refresh.hours: needs hours"},
		{"hours without working_hours", "", "    refresh:\n      hours: {zone: UTC, days: [mon], from: 08:00, to: 17:00}\n", "8 platforms[0].refresh.hours: need keep_alive: working_hours"},
		{"zone unknown", "", hours("zone: Mars/Olympus, days: [mon], from: 08:00, to: 17:00"), "9 platforms[0].refresh.hours.zone: America/Vancouver"},
		{"zone of this machine", "", hours("zone: Local, days: [mon], from: 08:00, to: 17:00"), "9 platforms[0].refresh.hours.zone: America/Vancouver"},
		{"zone missing", "", hours("days: [mon], from: 08:00, to: 17:00"), "9 platforms[0].refresh.hours: name the zone"},
		{"a day unknown", "", hours("zone: UTC, days: [monday], from: 08:00, to: 17:00"), "9 platforms[0].refresh.hours.days[0]: sun, mon, tue"},
		{"no days", "", hours("zone: UTC, days: [], from: 08:00, to: 17:00"), "9 platforms[0].refresh.hours: name the days"},
		{"no time of day", "", hours("zone: UTC, days: [mon], from: 8am, to: 17:00"), "9 platforms[0].refresh.hours.from: such as 08:00"},
		{"a minute too many", "", hours("zone: UTC, days: [mon], from: 08:00, to: 24:01"), "9 platforms[0].refresh.hours.to: such as 08:00"},
		{"a night", "", hours("zone: UTC, days: [mon], from: 20:00, to: 06:00"), "9 platforms[0].refresh.hours: before to"},
		{"from missing", "", hours("zone: UTC, days: [mon], to: 17:00"), "9 platforms[0].refresh.hours: write a from"},
		{"to missing", "", hours("zone: UTC, days: [mon], from: 08:00"), "9 platforms[0].refresh.hours: write a from"},
		{"a short login", "", "    refresh: {session_max: 1m}\n", "7 platforms[0].refresh.session_max: from 10m to 8784h"},
		{"on_disconnect unknown", "", "    on_disconnect: delete\n", "7 platforms[0].on_disconnect: revoke, end_session, forget"},
		{"empty file", good, "", "1 : is empty"},
		{"only comments", good, "# nothing\n", "1 : is empty"},
		{"a list", good, "- a\n", "1 : keys and values"},
		{"two documents", "", "---\na: b\n", "8 : second document"},
		{"not YAML", "", "platforms: [\n", "1 : not YAML"},
		{"a tab", "", "session:\n\tidle: 5m\n", "1 : not YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := good + c.new
			if c.old != "" {
				text = strings.Replace(good, c.old, c.new, 1)
			}
			_, err := config.Parse("dir/locum.yaml", []byte(text))
			var faults *config.Error
			if !errors.As(err, &faults) {
				t.Fatalf("no finding: %v", err)
			}
			where, what, _ := strings.Cut(c.finding, ": ")
			at, path, _ := strings.Cut(where, " ")
			found := slices.ContainsFunc(faults.Findings, func(f config.Finding) bool {
				line := fmt.Sprint(f.Line) == at || strings.Contains(what, "not YAML") // the line is the library's guess
				return line && f.Path == path && strings.Contains(f.Cause+": "+f.Fix, what)
			})
			if !found {
				t.Errorf("want %s, found\n%v", c.finding, err)
			}
			for _, f := range faults.Findings {
				if !strings.HasPrefix(f.Code, "config.") || f.Cause == "" || f.Fix == "" {
					t.Errorf("a finding without a code, a cause or a fix: %+v", f)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestAllFindingsAtOnce(t *testing.T) {
	_, err := config.Parse("locum.yaml", []byte(`public_url: http://locum.example.org
lisen: 127.0.0.1:80
session: {idle: 1s}
platforms:
  - id: jane
    kind: jane
    issuer: http://login.id.janeapp.com/realms/jane
    client_secret: x
`))
	want := `locum.yaml:1: public_url: no address that practitioners can use: http is for localhost and loopback addresses only; write https
locum.yaml:2: lisen: unknown key: did you mean listen?
locum.yaml:3: session.idle: not a duration in range: write one from 1m to 1h, such as 1m
locum.yaml:5: platforms[0].client_id: no client id: write the partner_client_id that Jane gave at registration
locum.yaml:5: platforms[0].clinic_domains: no clinic can be found by this: name the domain that the clinics' addresses end in, such as janeapp.com, or list clinics
locum.yaml:7: platforms[0].issuer: no issuer: write the realm's exact issuer, such as https://login.id.janeapp.com/realms/jane: https (http on a literal loopback address only), no slash, query or fragment at the end
locum.yaml:8: platforms[0].client_secret: no secret belongs in this file: remove the line, then seal the client secret with ` +
		"`locum secret set jane`; a secret that has been in a file should be replaced"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

// TestSyntaxErrorsShowNothing: the library prints the lines around an error, where a secret may stand.
func TestSyntaxErrorsShowNothing(t *testing.T) {
	for _, text := range []string{"client_secret: hunter2\n  x: [\n", "a: \"hunter2\n", "hunter2\n\tb: c\n", "a: b: hunter2\n", "@hunter2", "{hunter2"} {
		if _, err := config.Parse("locum.yaml", []byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") && !strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "locum.yaml")
	if _, err := config.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil || c.DataDir != filepath.Join(dir, "data") || c.MasterKeyFile != filepath.Join(dir, "master.key") {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("#"+strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1 MB") {
		t.Errorf("a huge file: %v", err)
	}
	if _, err := config.Load(dir); err == nil {
		t.Error("a directory was read")
	}
}
