package sandbox_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// minuteStart moves the sandbox's clock to the start of the next five-minute
// window of the epoch, plus a second.
func minuteStart(s *sandbox.Sandbox) {
	now := time.Now()
	s.Advance(now.Truncate(5 * time.Minute).Add(5*time.Minute + time.Second).Sub(now))
}

func TestJaneLimits(t *testing.T) {
	a := newAPI(t)
	minuteStart(a.s)
	a.signIn("robin@example.test", testScopes)
	id := noID
	paths := []string{ // one endpoint, whatever the version, the member or the outcome
		version + "patients?page[limit]=1", version + "patients/" + id, "/api/2025-02-28-beta/patients?page[limit]=1",
		version + "patients?nonsense=1",
	}
	for i := range 100 {
		if got := a.send("GET", paths[i%len(paths)], ""); got.status == 429 {
			t.Fatalf("request %d is refused", i+1)
		}
	}
	got := a.send("POST", version+"patients/search", `{"search":{"co":"x"}}`)
	wait, err := strconv.Atoi(got.header.Get("Retry-After"))
	if got.status != 429 || err != nil || wait < 1 || wait > 59 || got.header.Get("X-Throttle-Match") != "jdp_api/endpoint/clinic" {
		t.Fatalf("status %d %v %s", got.status, got.header, got.raw)
	}
	if got.raw != `{"object":"error","code":"rate_limit_exceeded","message":"Rate limit exceeded. Retry later."}` {
		t.Errorf("body %s", got.raw)
	}
	if got := a.send("GET", version+"treatments", ""); got.status != 200 {
		t.Errorf("another endpoint: status %d", got.status)
	}
	if got := a.at(1).send("GET", version+"patients", ""); got.status != 200 {
		t.Errorf("another clinic: status %d", got.status)
	}
	a.s.Advance(time.Duration(wait) * time.Second)
	if got := a.send("GET", paths[0], ""); got.status != 200 {
		t.Errorf("after Retry-After: status %d", got.status)
	}
	if n, refused := a.s.Arrivals(a.url, "patients"), a.s.Refused(a.url, "patients"); n != 102 || refused != 1 {
		t.Errorf("%d arrived, %d refused", n, refused)
	}
}

func TestClinicLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	minuteStart(a.s)
	a.signIn("robin@example.test", testScopes)
	classes := []string{"patients", "appointments", "treatments", "locations", "disciplines", "company", "nonsense", "medical-record/observations"}
	for i := range 600 {
		if got := a.send("GET", version+classes[i%len(classes)], "", without("Authorization")); got.status == 429 {
			t.Fatalf("request %d is refused", i+1)
		}
	}
	got := a.send("GET", version+"staff_members", "")
	wait, _ := strconv.Atoi(got.header.Get("Retry-After"))
	if got.status != 429 || got.header.Get("X-Throttle-Match") != "jdp_api/clinic" || wait < 200 || wait > 299 {
		t.Fatalf("status %d %v", got.status, got.header)
	}
	if got := a.at(1).send("GET", version+"staff_members", ""); got.status != 200 {
		t.Errorf("another clinic: status %d", got.status)
	}
	a.s.Advance(time.Duration(wait) * time.Second)
	a.signIn("robin@example.test", testScopes)
	if got := a.send("GET", version+"staff_members", ""); got.status != 200 {
		t.Errorf("after Retry-After: status %d", got.status)
	}
	if n := a.s.WorstWindow(a.url, ""); n < 601 {
		t.Errorf("worst window %d", n)
	}
}

// TestRefusedRequestsCount shows that whoever keeps asking fills the window,
// and that windows stand still instead of sliding.
func TestRefusedRequestsCount(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{Endpoint: sandbox.Limit{N: 3, Window: time.Minute}})
	minuteStart(a.s)
	a.signIn("robin@example.test", testScopes)
	a.s.Advance(50 * time.Second)
	statuses := func(n int) (out []int) {
		for range n {
			out = append(out, a.send("GET", version+"company", "").status)
		}
		return out
	}
	want := func(got []int, want ...int) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("statuses %v, want %v", got, want)
			}
		}
	}
	want(statuses(5), 200, 200, 200, 429, 429)
	a.s.Advance(10 * time.Second) // over the edge
	want(statuses(4), 200, 200, 200, 429)
	if n := a.s.WorstWindow(a.url, "company"); n != 9 {
		t.Errorf("worst window %d, want 9: it slides", n)
	}
	a.s.Advance(60 * time.Second)
	want(statuses(3), 200, 200, 200)
	if n := a.s.Arrivals(a.url, "company"); n != 12 {
		t.Errorf("%d arrived, want 12", n)
	}
	a.s.SetLimits(sandbox.Limits{})
	if n := a.s.Arrivals(a.url, "company"); n != 0 {
		t.Errorf("%d after a new start", n)
	}
	want(statuses(5), 200, 200, 200, 200, 200)
}

// TestFaultsCount: a request counts when it arrives, whatever fault answers it or cuts it off.
func TestFaultsCount(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{Endpoint: sandbox.Limit{N: 4, Window: time.Minute}, Clinic: sandbox.Limit{N: 4, Window: time.Minute}})
	minuteStart(a.s)
	a.signIn("robin@example.test", testScopes)
	a.http.Transport = &http.Transport{DialContext: a.s.Dial, DisableKeepAlives: true} // a kept connection lets it try again
	const company = sandbox.Endpoint("api/company")
	for name, fault := range map[string]func(){
		"Fail":             func() { a.s.Fail(company, 503, 1) },
		"Answer":           func() { a.s.Answer(company, sandbox.Canned{Status: 500}, 1) },
		"Cut":              func() { a.s.Cut(company, 1) },
		"LoseNextResponse": func() { a.s.LoseNextResponse(company) },
	} {
		t.Run(name, func(t *testing.T) {
			before := a.s.Arrivals(a.url, "company")
			fault()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+version+"company", nil)
			must(t, err)
			if answer, err := a.http.Do(r); err == nil {
				answer.Body.Close()
				equal(t, "server error", answer.StatusCode >= 500, true)
			}
			equal(t, "arrived", a.s.Arrivals(a.url, "company")-before, 1)
		})
	}
	if got := a.send("GET", version+"company", ""); got.status != 429 {
		t.Errorf("the fifth of four: status %d", got.status)
	}
	equal(t, "worst window", a.s.WorstWindow(a.url, ""), 5)
	a.s.Advance(time.Minute)
	huge := a.send("POST", version+"patients/search", strings.Repeat("x", 2<<20))
	equal(t, "too long a body", huge.status, 413)
	equal(t, "too long a body arrived", a.s.Arrivals(a.url, "patients"), 1)
}
