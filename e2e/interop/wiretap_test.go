package interop_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// wiretap stands between Locum and Keycloak as the network does: it sees what is sent, and loses what it is told to lose.
// It adds no Date header, since Keycloak sends none.
type wiretap struct {
	address string
	to      string
	pass    *httputil.ReverseProxy

	mu     sync.Mutex
	seen   []exchange
	chains map[string]chain // of each refresh token that was issued
	probes map[string]int   // introspections, by realm
	faults map[chain]fault
	away   map[string]bool // realms that cannot be reached
}

// chain names one connection as Keycloak knows it: one login's tokens for one clinic.
type chain struct{ realm, sid, clinic string }

// exchange is one token request. The tokens are real ones: a test says nothing of them but whether they are equal.
type exchange struct {
	chain
	grant             string
	presented, issued string // refresh tokens
	status            int
	lost              bool // Locum never saw the answer
	spent             bool // presented had brought an answer with tokens before
}

// fault is what happens to the next refresh of a chain.
type fault struct {
	before bool          // the request is lost before Keycloak sees it; otherwise its answer is
	held   chan struct{} // where set, the answer is kept back until this closes, and lost then
	at     chan struct{} // closed when the fault has begun
}

func newWiretap(t testing.TB) *wiretap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wiretap{address: ln.Addr().String(), chains: map[string]chain{}, probes: map[string]int{}, faults: map[chain]fault{}, away: map[string]bool{}}
	w.pass = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		to, _ := url.Parse(w.to)
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	server := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return w
}

func (w *wiretap) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header()["Date"] = nil
	realm := realmOf(r.URL.Path)
	if w.isAway(realm) {
		cut(rw)
		return
	}
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/protocol/openid-connect/token"):
		w.token(rw, r)
		return
	case strings.HasSuffix(r.URL.Path, "/token/introspect"):
		w.mu.Lock()
		w.probes[realm]++
		w.mu.Unlock()
	}
	w.pass.ServeHTTP(rw, r)
}

// realmOf is the third part of /realms/NAME/….
func realmOf(path string) string { return append(strings.Split(path, "/"), "", "", "")[2] }

func (w *wiretap) isAway(realm string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.away[realm]
}

// set lets a realm be out of reach, or reachable again.
func (w *wiretap) set(realm string, away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away[realm] = away
}

// token carries a token request to Keycloak and its answer back, and notes both.
func (w *wiretap) token(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	form, err2 := url.ParseQuery(string(body))
	if err != nil || err2 != nil {
		http.Error(rw, "unreadable", http.StatusBadRequest)
		return
	}
	x := exchange{chain: chain{realm: realmOf(r.URL.Path)}, grant: form.Get("grant_type"), presented: form.Get("refresh_token")}
	f, faulty := w.begin(&x)
	if faulty {
		defer cut(rw)
		close(f.at)
		if f.before {
			w.end(x)
			return
		}
	}
	status, header, answer, err := w.carry(r, body)
	if err != nil {
		cut(rw)
		return
	}
	x.status = status
	x.read(answer)
	w.end(x)
	if !faulty {
		maps.Copy(rw.Header(), header)
		rw.WriteHeader(status)
		_, _ = rw.Write(answer)
		return
	}
	if f.held != nil {
		<-f.held
	}
}

func (w *wiretap) begin(x *exchange) (fault, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if of, known := w.chains[x.presented]; known {
		x.chain = of
	}
	for _, earlier := range w.seen {
		x.spent = x.spent || x.presented != "" && earlier.presented == x.presented && earlier.status == http.StatusOK
	}
	f, faulty := w.faults[x.chain]
	faulty = faulty && x.grant == "refresh_token"
	if faulty {
		delete(w.faults, x.chain)
		x.lost = true
	}
	return f, faulty
}

// carry is one HTTP exchange of its own connection, as Locum's are.
func (w *wiretap) carry(r *http.Request, body []byte) (status int, header http.Header, answer []byte, err error) {
	request, err := http.NewRequest(r.Method, w.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Host, request.Header = r.Host, r.Header.Clone()
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, answer, err
}

// read notes what an answer brought.
func (x *exchange) read(answer []byte) {
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(answer, &tokens) != nil || tokens.Refresh == "" {
		return
	}
	var claims struct {
		SID string `json:"sid"`
		Aud any    `json:"aud"`
	}
	if parts := strings.Split(tokens.Access, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(text, &claims)
	}
	x.issued, x.sid = tokens.Refresh, claims.SID
	x.clinic, _ = claims.Aud.(string)
}

func (w *wiretap) end(x exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.issued != "" {
		w.chains[x.issued] = x.chain
	}
	w.seen = append(w.seen, x)
}

// cut ends a connection without an answer.
func cut(rw http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// lose lets the next refresh of a chain go wrong; the channel closes when it has begun to.
func (w *wiretap) lose(c chain, f fault) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.at = make(chan struct{})
	w.faults[c] = f
	return f.at
}

// refreshes are those of a chain, in their order.
func (w *wiretap) refreshes(c chain) []exchange {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []exchange
	for _, x := range w.seen {
		if x.chain == c && x.grant == "refresh_token" {
			all = append(all, x)
		}
	}
	return all
}

// newest is the refresh token that Locum got last, spent the one before it; "" where there is none.
func (w *wiretap) newest(c chain) (newest, before string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.seen {
		if x.chain == c && x.issued != "" && !x.lost {
			newest, before = x.issued, newest
		}
	}
	return newest, before
}

// spent counts the refreshes of a realm, other than those of whoever is not Locum, that presented a token which had been
// answered before.
func (w *wiretap) spent(realm string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, x := range w.seen {
		if x.realm == realm && x.spent {
			n++
		}
	}
	return n
}

// probed counts the introspections at a realm.
func (w *wiretap) probed(realm string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.probes[realm]
}
