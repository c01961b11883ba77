package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"locum/bff"
	"locum/bff/config"
	"locum/bff/keys"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/shared"
)

const (
	awkward  = "a:b+c%d é/" // a secret that form-encoding changes
	password = "correct horse battery staple, twice"
)

// app is one of Locum's registrations: the platform's id, where it is registered, and how it authenticates.
type app struct {
	id, method string
	face       *sandbox.Face
	service    string // client id of its service, "" for none
	secret     string
}

func (a app) public() bool { return a.method == oauth.AuthNone }

// site is Locum with an app for each way to authenticate, at two simulated EHRs, and one practitioner signed in.
type site struct {
	t       *testing.T
	url     string
	tap     tap
	server  *bff.Server
	box     *sandbox.Sandbox
	apps    []app
	cookies map[string]string
	jar     map[string][]string // every value that a cookie ever had
}

func open(t *testing.T) *site {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{Athena: &sandbox.FaceOptions{}, SMART: &sandbox.FaceOptions{}})
	must(t, err)
	t.Cleanup(func() { must(t, box.Close()) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	s := &site{t: t, box: box, url: "http://localhost:" + port, cookies: map[string]string{}, jar: map[string][]string{}}
	s.apps = []app{
		{"athena", oauth.AuthBasic, box.Athena(), "athena-service", awkward}, {"smart", oauth.AuthKey, box.SMART(), "smart-service", ""},
		{"public", oauth.AuthNone, box.SMART(), "", ""}, {"posted", oauth.AuthPost, box.SMART(), "", awkward},
	}
	public, err := url.Parse(s.url)
	must(t, err)
	dir := t.TempDir()
	cfg := &config.Config{PublicURL: public, DataDir: filepath.Join(dir, "data"), MasterKeyFile: filepath.Join(dir, "key"), Administrators: []string{"robin"}}
	for _, a := range s.apps {
		cfg.Platforms = append(cfg.Platforms, s.platform(a))
		s.register(a)
	}
	must(t, bff.EnsureKeyFile(cfg.MasterKeyFile))
	s.server, err = bff.Open(cfg, bff.Options{Log: slog.New(slog.DiscardHandler), Dial: s.tap.dial})
	must(t, err)
	s.serve(ln)
	s.sign()
	for _, a := range s.apps {
		if a.secret != "" {
			must(t, s.server.SetClientSecret(a.id, secret.New(a.secret)))
		}
		if a.secret != "" && a.service != "" {
			must(t, s.server.SetServiceSecret(a.id, secret.New(a.secret)))
		}
	}
	_, err = s.server.Accounts().Add("robin", "Robin Sampleworth", secret.New(password))
	must(t, err)
	return s
}

// platform configures an app.
func (s *site) platform(a app) *platform.Platform {
	s.t.Helper()
	common := platform.AppConfig{ID: a.id, ClientID: a.id + "-client", PublicURL: s.url, Auth: oauth.Auth{Method: a.method}}
	if a.service != "" {
		common.Service = &platform.Service{Name: "Service", ClientID: a.service, Auth: oauth.Auth{Method: a.method},
			Scopes: []string{"system/Patient.rs"}, Operations: []string{"fhir.Patient.read"}}
	}
	if a.id != "athena" {
		common.Standalone = []string{"launch/patient", "launch/encounter"}
		p, err := platform.SMART(platform.SMARTConfig{AppConfig: common, FHIRBase: a.face.FHIRBase()})
		must(s.t, err)
		return p
	}
	common.Service.Scopes, common.Service.Operations = []string{"athena/service/Athenanet.MDP.*"}, []string{"athena.ping"}
	p, err := platform.Athena(platform.AthenaConfig{AppConfig: common, Base: a.face.Origin(), Issuer: a.face.Issuer(),
		Practices: []platform.Practice{{ID: a.face.Practice(), Name: "Practice"}}})
	must(s.t, err)
	return p
}

// register makes an app known where it is registered: its redirect URI, its launch URL, and its secret or the address of
// its keys.
func (s *site) register(a app) {
	s.t.Helper()
	known := sandbox.App{ID: a.id + "-client", Name: "Locum", Secret: a.secret, Auth: a.method,
		RedirectURIs: []string{s.url + shared.CallbackPath(a.id)}, LaunchURL: s.url + shared.LaunchPath(a.id)}
	if a.method == oauth.AuthKey {
		known.JWKSURL = s.url + shared.KeysPath(a.id)
	}
	_, err := a.face.Register(known)
	must(s.t, err)
	if a.service == "" {
		return
	}
	known.ID, known.Service, known.RedirectURIs, known.LaunchURL = a.service, true, nil, ""
	_, err = a.face.Register(known)
	must(s.t, err)
}

// sign makes the keys of the apps that sign.
func (s *site) sign() {
	s.t.Helper()
	for _, a := range s.apps {
		if a.method != oauth.AuthKey {
			continue
		}
		for _, target := range []keys.Target{{Platform: a.id}, {Platform: a.id, Service: true}} {
			_, err := s.server.Keys().Create(target, 0)
			must(s.t, err)
		}
	}
}

// run is t.Run for a case in which the site may fail.
func (s *site) run(t *testing.T, name string, check func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		whole := s.t
		s.t = t
		defer func() { s.t = whole }()
		check(t)
	})
}

func (s *site) serve(ln net.Listener) {
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(ctx, ln) }()
	s.t.Cleanup(func() {
		stop()
		must(s.t, <-served)
		must(s.t, s.server.Close())
	})
}

// app finds one by its id.
func (s *site) app(id string) app {
	for _, a := range s.apps {
		if a.id == id {
			return a
		}
	}
	s.t.Fatalf("no app %s", id)
	return app{}
}

// answer is one answer of Locum's, fully read.
type answer struct {
	*http.Response
	body []byte
}

// wire is the browsers' own: no redirect is followed, and cookies are kept by hand, as a browser keeps those of localhost.
var wire = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask sends what a browser at Locum sends; headers are pairs.
func (s *site) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	must(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	crossSite := request.Header.Get("Sec-Fetch-Site") == "cross-site"
	for name, value := range s.cookies {
		if !crossSite || strings.HasSuffix(name, "flow") { // the session's is SameSite=Strict
			request.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	response, err := wire.Do(request)
	must(s.t, err)
	defer response.Body.Close()
	for _, cookie := range response.Cookies() {
		s.jar[cookie.Name] = append(s.jar[cookie.Name], cookie.Value)
		if s.cookies[cookie.Name] = cookie.Value; cookie.MaxAge < 0 {
			delete(s.cookies, cookie.Name)
		}
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, response.Body)
	must(s.t, err)
	return answer{response, b.Bytes()}
}

// navigate opens an address as a link from elsewhere does.
func (s *site) navigate(address string) answer {
	s.t.Helper()
	u, err := url.Parse(address)
	must(s.t, err)
	return s.ask(http.MethodGet, u.RequestURI(), "", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
}

// call is a request of the app's page, whose JSON answer is read into to, where that is not nil.
func (s *site) call(method, path string, body, to any) answer {
	s.t.Helper()
	text := ""
	headers := []string{"Origin", s.url, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "empty", shared.HeaderClient, shared.ClientApp}
	if body != nil {
		encoded, err := json.Marshal(body)
		must(s.t, err)
		text, headers = string(encoded), append(headers, "Content-Type", "application/json")
	}
	a := s.ask(method, path, text, headers...)
	if to != nil {
		if a.StatusCode != http.StatusOK {
			s.t.Fatalf("%s %s: %s %s", method, path, a.Status, a.body)
		}
		must(s.t, json.Unmarshal(a.body, to))
	}
	return a
}

// signIn signs the practitioner in.
func (s *site) signIn() {
	s.t.Helper()
	form := url.Values{"login": {"robin"}, "password": {password}}.Encode()
	if a := s.ask(http.MethodPost, shared.PathSignIn, form, "Content-Type", "application/x-www-form-urlencoded", "Origin", s.url); a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("sign-in: %s %s", a.Status, a.body)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
