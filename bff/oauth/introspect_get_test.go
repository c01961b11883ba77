package oauth_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"locum/bff/oauth"
	"locum/bff/secret"
)

// introspector answers POST and GET with a status each, 0 for an active token, and keeps what was asked.
type introspector struct {
	mu        sync.Mutex
	post, get int
	asked     []string // method and query
	forms     []url.Values
}

func (i *introspector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = r.ParseForm()
	i.asked, i.forms = append(i.asked, r.Method), append(i.forms, r.Form)
	status := i.post
	if r.Method == http.MethodGet {
		status = i.get
	}
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":"answer_to_%s"}`, strings.ToLower(r.Method))
		return
	}
	fmt.Fprint(w, `{"active":true,"scope":"openid patient/Patient.r","exp":1800000000}`)
}

// TestIntrospectionMethods: posted as RFC 7662 says, by GET where the configuration or the server says so, and by what has
// worked from then on; a posted secret never comes into a URL.
func TestIntrospectionMethods(t *testing.T) {
	for _, c := range []struct {
		name, method, auth string
		post, get          int
		asked              string // of three questions
		err                string
	}{
		{"posted", "", oauth.AuthBasic, 0, 405, "POST POST POST", ""},
		{"404", "", oauth.AuthBasic, 404, 0, "POST GET GET GET", ""},
		{"405", "", oauth.AuthKey, 405, 0, "POST GET GET GET", ""},
		{"501", "", oauth.AuthNone, 501, 0, "POST GET GET GET", ""},
		{"neither", "", oauth.AuthBasic, 405, 404, "POST GET POST GET POST GET", "answer_to_post"},
		{"a GET that is refused", "", oauth.AuthBasic, 405, 401, "POST GET POST GET POST GET", "answer_to_get"},
		{"400 is no missing method", "", oauth.AuthBasic, 400, 0, "POST POST POST", "answer_to_post"},
		{"401 is no missing method", "", oauth.AuthBasic, 401, 0, "POST POST POST", "answer_to_post"},
		{"503 is no missing method", "", oauth.AuthBasic, 503, 0, "POST POST POST", "status 503"},
		{"POST by configuration", "POST", oauth.AuthBasic, 405, 0, "POST POST POST", "answer_to_post"},
		{"GET by configuration", "GET", oauth.AuthKey, 0, 0, "GET GET GET", ""},
		{"a posted secret falls back on nothing", "", oauth.AuthPost, 405, 0, "POST POST POST", "answer_to_post"},
		{"a posted secret and GET by configuration", "GET", oauth.AuthPost, 0, 0, "", "no such endpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := &introspector{post: c.post, get: c.get}
			at := newPipes(t, server)
			client := newClient(t, "http://127.0.0.1:1", func(config *oauth.ClientConfig) {
				fourWays()[c.auth].change(config)
				config.Dial, config.Server.Introspection, config.Server.IntrospectionMethod = at.dial, "http://127.0.0.1:1/i", c.method
			})
			for range 3 {
				got, err := client.Introspect(t.Context(), secret.New("token-value"), "")
				switch {
				case c.err == "" && (err != nil || !got.Active || got.Scope != "openid patient/Patient.r" || got.ExpiresAt.Unix() != 1800000000):
					t.Errorf("%+v, %v", got, err)
				case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
					t.Errorf("%v", err)
				}
			}
			if strings.Join(server.asked, " ") != c.asked {
				t.Errorf("asked by %v", server.asked)
			}
			for n, form := range server.forms {
				if form.Get("token") != "token-value" || server.asked[n] == "GET" && (form.Get("token_type_hint") == "" || form.Has("client_secret")) {
					t.Errorf("%s with %v", server.asked[n], form)
				}
			}
		})
	}
}

// TestIntrospectionForgets: another server is asked in its own way.
func TestIntrospectionForgets(t *testing.T) {
	server := &introspector{post: 405}
	at := newPipes(t, server)
	client := newClient(t, "http://127.0.0.1:1", func(c *oauth.ClientConfig) {
		by(oauth.AuthBasic)(c)
		c.Dial, c.Server.Introspection = at.dial, "http://127.0.0.1:1/i"
	})
	ask := func() {
		t.Helper()
		if _, err := client.Introspect(t.Context(), secret.New("t"), "access_token"); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	next := client.Server()
	next.Introspection = "http://127.0.0.1:1/other"
	if err := client.Use(next); err != nil {
		t.Fatal(err)
	}
	server.post = 0
	ask()
	if got := strings.Join(server.asked, " "); got != "POST GET POST" {
		t.Errorf("asked by %s", got)
	}
}

// TestT116IntrospectionByGet: a token in a URL is in no error and no log, whatever becomes of the request.
func TestT116IntrospectionByGet(t *testing.T) {
	var printed bytes.Buffer
	log.SetOutput(&printed)
	defer log.SetOutput(os.Stderr)
	echo := rawServer(t, func(_ int, conn net.Conn) {
		if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n", request.URL)
		}
	})
	for name, base := range map[string]string{"nobody": "http://127.0.0.1:1", "an echo": echo} {
		client := newClient(t, base, func(c *oauth.ClientConfig) {
			by(oauth.AuthBasic)(c)
			c.Server.Introspection, c.Server.IntrospectionMethod = base+"/i", "GET"
		})
		_, err := client.Introspect(t.Context(), secret.New("token-value"), "access_token")
		var transport *oauth.TransportError
		if !errors.As(err, &transport) || strings.Contains(err.Error(), "token") || strings.Contains(err.Error(), "/i") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if printed.Len() > 0 {
		t.Errorf("printed: %s", &printed)
	}
}
