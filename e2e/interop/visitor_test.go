package interop_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitor is a practitioner's browser at Keycloak: it keeps cookies, fills in the sign-in form, gives its consent and
// confirms a sign-out.
type visitor struct {
	site    *site
	user    string
	refuses bool // gives no consent
	http    *http.Client
	pages   []string // the forms it met
}

func (s *site) visitor(user string) *visitor {
	return &visitor{site: s, user: user, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Jar:           &jar{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}}
}

// jar keeps the cookies of one realm. It gives the ones marked Secure too, as browsers do on loopback.
type jar struct {
	mu   sync.Mutex
	list map[string]*http.Cookie
}

func (j *jar) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.list == nil {
		j.list = map[string]*http.Cookie{}
	}
	for _, cookie := range cookies {
		if j.list[cookie.Name] = cookie; cookie.MaxAge < 0 || cookie.Value == "" {
			delete(j.list, cookie.Name)
		}
	}
}

func (j *jar) Cookies(*url.URL) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []*http.Cookie
	for _, cookie := range j.list {
		all = append(all, &http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return all
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*\saction="([^"]+)"[^>]*>(.*?)</form>`)
	inputTag = regexp.MustCompile(`(?s)<(?:input|button)\s[^>]*>`)
	tagName  = regexp.MustCompile(`\sname="([^"]*)"`)
	tagValue = regexp.MustCompile(`\svalue="([^"]*)"`)
)

// follow opens an address at Keycloak and does what its pages ask for, until it is sent back to Locum.
func (v *visitor) follow(t testing.TB, at string) *url.URL {
	t.Helper()
	response := v.get(t, at)
	for range 10 {
		location := response.Header.Get("Location")
		switch {
		case strings.HasPrefix(location, v.site.url()):
			back, err := url.Parse(location)
			must(t, err)
			return back
		case location != "":
			response = v.get(t, location)
		default:
			response = v.submit(t, at, response)
		}
	}
	t.Fatal("Keycloak never leads back to Locum")
	return nil
}

func (v *visitor) get(t testing.TB, at string) *http.Response {
	t.Helper()
	response, err := v.http.Get(at)
	must(t, err)
	return response
}

// submit fills in a page's form.
func (v *visitor) submit(t testing.TB, at string, page *http.Response) *http.Response {
	t.Helper()
	defer page.Body.Close()
	text, err := io.ReadAll(io.LimitReader(page.Body, 1<<20))
	must(t, err)
	form := formTag.FindStringSubmatch(string(text))
	if form == nil {
		t.Fatalf("Keycloak shows a page without a form: %s", page.Status)
	}
	fields := url.Values{}
	for _, tag := range inputTag.FindAllString(form[2], -1) {
		if name := tagName.FindStringSubmatch(tag); name != nil {
			value := tagValue.FindStringSubmatch(tag)
			fields.Set(name[1], html.UnescapeString(append(value, "", "")[1]))
		}
	}
	v.fill(t, fields)
	base, err := url.Parse(at)
	must(t, err)
	action, err := base.Parse(html.UnescapeString(form[1]))
	must(t, err)
	response, err := v.http.PostForm(action.String(), fields)
	must(t, err)
	return response
}

func (v *visitor) fill(t testing.TB, fields url.Values) {
	t.Helper()
	switch {
	case fields.Has("username"):
		v.pages = append(v.pages, "sign-in")
		fields.Set("username", v.user)
		fields.Set("password", password)
	case fields.Has("accept"):
		v.pages = append(v.pages, "consent")
		if v.refuses {
			fields.Del("accept")
		} else {
			fields.Del("cancel")
		}
	case fields.Has("confirmLogout"):
		v.pages = append(v.pages, "sign-out")
	default:
		t.Fatalf("Keycloak shows a form that nobody expects: %v", fields)
	}
}

// signOut ends the login at Keycloak as its own page does, and confirms it (OpenID Connect RP-Initiated Logout 1.0 §2).
func (v *visitor) signOut(t testing.TB) *url.URL {
	t.Helper()
	return v.follow(t, v.site.keycloak.issuer(v.site.realm)+"/protocol/openid-connect/logout?"+url.Values{
		"client_id": {clientID}, "post_logout_redirect_uri": {v.site.url() + "/connections"}}.Encode())
}
