package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/audit"
	"locum/bff/oauth"
	"locum/bff/platform"
	"locum/bff/proxy"
	"locum/bff/sandbox"
	"locum/bff/secret"
	"locum/bff/throttle"
	"locum/bff/tokens"
	"locum/bff/vault"
)

// field is a Proxy before a sandbox on real sockets that enforces and counts the same limits, with practitioners who are
// all connected to one clinic.
type field struct {
	sandbox     *sandbox.Sandbox
	clinic      string
	audit       *audit.Log
	auditPath   string
	auditKey    []byte
	proxy       *proxy.Proxy
	connections []string // of practitioner "u0", "u1" and so on
	quiet       string   // a connection of u0 to a clinic that nobody else calls
}

// The platform is on this machine: it has the same clock, and counts what it reads at once.
const fieldMargin, fieldOrphan = 100 * time.Millisecond, 300 * time.Millisecond

var fieldScopes = []string{"appointments:read", "patients:read", "staff_members:read", "treatments:read", "disciplines:read", "locations:read", "companies:read"}

// fieldClasses are seven endpoint classes of the platform, each with a path.
var fieldClasses = []string{"appointments", "patients", "staff_members", "treatments", "disciplines", "locations", "company"}

func newField(t *testing.T, limits throttle.Limits, practitioners int) *field {
	t.Helper()
	const callback = "https://locum.example/connect/jane/callback"
	s, err := sandbox.Start(sandbox.Options{Clients: []sandbox.Client{{ID: "locum", RedirectURIs: []string{callback}}}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	s.SetLimits(sandbox.Limits{Endpoint: sandbox.Limit(limits.Endpoint), Clinic: sandbox.Limit(limits.Clinic)})
	f := &field{sandbox: s, clinic: s.Clinics()[0].URL}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "master.key")))
	key, err := vault.ReadKeyFile(filepath.Join(dir, "master.key"))
	must(t, err)
	v, err := vault.Open(filepath.Join(dir, "data"), key)
	must(t, err)
	t.Cleanup(func() { v.Close() })
	f.auditPath, f.auditKey = filepath.Join(dir, "audit.log"), v.DeriveKey("audit")
	f.audit, err = audit.Open(f.auditPath, f.auditKey, "boot")
	must(t, err)
	jane, err := platform.Jane(platform.JaneConfig{ID: "jane", Issuer: s.Issuer(sandbox.RealmSandbox), ClientID: "locum", PublicURL: "https://locum.example",
		Clinics: []platform.ClinicLink{{Name: "A", URL: f.clinic}, {Name: "B", URL: s.Clinics()[1].URL}}, Scopes: fieldScopes, Limits: &limits})
	must(t, err)
	clientSecret := secret.New(s.Clients()[0].Secret)
	registry, err := platform.NewRegistry([]*platform.Platform{jane}, platform.Sources{Secret: func(string) (secret.String, error) { return clientSecret, nil }}, nil)
	must(t, err)
	keeper, err := tokens.New(tokens.Config{Vault: v, Platforms: registry, Audit: f.audit})
	must(t, err)
	f.proxy = proxy.New(proxy.Config{Tokens: keeper, Limiter: throttle.New(throttle.Config{Margin: fieldMargin, Orphan: fieldOrphan}), Platforms: registry, Audit: f.audit})
	t.Cleanup(func() {
		f.proxy.Close()
		keeper.Close()
		f.audit.Close()
		registry.Close()
	})
	live, err := registry.Get("jane")
	must(t, err)
	for i := range practitioners {
		f.connections = append(f.connections, f.connect(t, keeper, live, fmt.Sprint("u", i), f.clinic))
	}
	f.quiet = f.connect(t, keeper, live, "u0", s.Clinics()[1].URL)
	return f
}

func (f *field) connect(t *testing.T, keeper *tokens.Keeper, live *platform.Live, practitioner, clinic string) string {
	t.Helper()
	a := vault.Attempt{State: "state", Platform: "jane", Clinic: clinic, Practitioner: practitioner, Verifier: oauth.NewVerifier(), Scopes: live.RequestScopes(nil)}
	callback, err := f.sandbox.Approve(live.OAuth.AuthorizationURL(oauth.AuthorizationRequest{
		State: a.State, Challenge: oauth.Challenge(a.Verifier), Scopes: a.Scopes, Resource: a.Clinic,
	}), f.sandbox.People()[0].Login, false)
	must(t, err)
	at, err := url.Parse(callback)
	must(t, err)
	params, err := oauth.ParseCallback(at.RawQuery)
	must(t, err)
	c, err := keeper.Redeem(context.Background(), tokens.Redemption{Attempt: a, Code: params.Code})
	must(t, err)
	return c.ID
}

// get makes one call of a practitioner who waits so long for its turn.
func (f *field) get(practitioner int, class, query string, patience time.Duration) (*fasthttp.Response, error) {
	path, err := platform.ParsePath("/api/2026-01-01/" + class)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out := &fasthttp.Response{}
	return out, f.proxy.Do(ctx, &proxy.Request{RequestID: "req", Practitioner: fmt.Sprint("u", practitioner), Connection: f.connections[practitioner],
		Method: "GET", Path: path, Query: query}, out)
}

// roundTrip is how long a call takes on average that need not wait for its turn: about as long as a permit is out. It asks
// a quiet clinic about once in a second until the time given.
func (f *field) roundTrip(t *testing.T, until time.Time) time.Duration {
	t.Helper()
	path, err := platform.ParsePath(company)
	must(t, err)
	took, n := time.Duration(0), 0
	for ; n == 0 || time.Now().Before(until); n++ {
		began := time.Now()
		must(t, f.proxy.Do(t.Context(), &proxy.Request{RequestID: "req", Practitioner: "u0", Connection: f.quiet, Method: "GET", Path: path}, &fasthttp.Response{}))
		took += time.Since(began)
		time.Sleep(time.Second)
	}
	return took / time.Duration(n)
}

// check asks the sandbox's own counters, and answers how many requests arrived.
func (f *field) check(t *testing.T, limits throttle.Limits) int {
	t.Helper()
	for _, class := range append([]string{""}, fieldClasses...) {
		limit := limits.Endpoint
		if class == "" {
			limit = limits.Clinic
		}
		arrived, worst, refused := f.sandbox.Arrivals(f.clinic, class), f.sandbox.WorstWindow(f.clinic, class), f.sandbox.Refused(f.clinic, class)
		if arrived > 0 {
			t.Logf("%-15q %6d arrived, at most %3d of %3d in any window of %s, %d answered 429", class, arrived, worst, limit.N, limit.Window, refused)
		}
		if worst > limit.N || refused > 0 {
			t.Errorf("%q: %d in one window, %d answered 429", class, worst, refused)
		}
	}
	return f.sandbox.Arrivals(f.clinic, "")
}

// TestT101Saturated: 64 callers of 16 practitioners ask for ten times what the clinic may have, over real sockets, and the
// sandbox counts. Ten seconds, or as long as LOCUM_SATURATE says (`make saturate`).
//
// A permit can be taken once at the start and once more for each window, margin and round trip that has passed since, so N
// times that is what could arrive. The time ends half a window after a round has begun: so the share is a matter of counting
// unless what is lost between rounds adds up to half a window.
func TestT101Saturated(t *testing.T) {
	limits := throttle.Limits{Endpoint: throttle.Limit{N: 20, Window: time.Second}, Clinic: throttle.Limit{N: 60, Window: 3 * time.Second}}
	runs, long := 10*time.Second, os.Getenv("LOCUM_SATURATE")
	if long != "" {
		var err error
		runs, err = time.ParseDuration(long)
		must(t, err)
		limits = throttle.Limits{Endpoint: throttle.Limit{N: 100, Window: 3 * time.Second}, Clinic: throttle.Limit{N: 600, Window: 15 * time.Second}}
	}
	const callers, practitioners, patience = 64, 16, 300 * time.Millisecond
	f := newField(t, limits, practitioners)
	cycle := limits.Clinic.Window + fieldMargin
	rounds := max(2, int(runs/cycle))
	// A call takes its time too, and pauses are kept short enough that ten times as many come as can pass.
	pause := time.Duration(float64(callers) / (20 * float64(limits.Clinic.N) / cycle.Seconds()) * float64(time.Second))
	var offered, refusals atomic.Int64
	end := time.Now().Add(time.Duration(rounds)*cycle + limits.Clinic.Window/2)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for time.Now().Before(end) {
				offered.Add(1)
				out, err := f.get(i%practitioners, fieldClasses[rnd.IntN(len(fieldClasses))], "", patience)
				var refused *throttle.RefusedError
				switch {
				case errors.As(err, &refused), errors.Is(err, context.DeadlineExceeded): // the latter on a busy machine
					refusals.Add(1)
				case err != nil || out.StatusCode() != fasthttp.StatusOK:
					t.Errorf("%v, status %d", err, out.StatusCode())
					return
				}
				time.Sleep(time.Duration(rnd.Int64N(int64(2 * pause))))
			}
		})
	}
	rtt := f.roundTrip(t, end)
	all.Wait()
	arrived := f.check(t, limits)
	could := float64(limits.Clinic.N) * (1 + float64(rounds)*cycle.Seconds()/(cycle+rtt).Seconds())
	share := float64(arrived) / could
	t.Logf("%s: %d calls offered, %.1f times what could pass; %d refused; a round trip took %s; %d of %.0f arrived: %.2f %% of the safe bound",
		time.Duration(rounds)*cycle, offered.Load(), float64(offered.Load())/could, refusals.Load(), rtt.Round(time.Millisecond), arrived, could, 100*share)
	if most := limits.Clinic.N * (rounds + 1); arrived > most {
		t.Errorf("%d requests arrived, %d are the bound", arrived, most)
	}
	if long != "" && share < 0.97 { // in the short run a busy machine could break it
		t.Errorf("%.2f %% of the safe bound", 100*share)
	}
}

// TestT103CountedOnTheWire: the platform closes connections that are in use without an answer, refuses tokens that we hold
// for fresh, and is asked page by page, all at the limit. Every attempt on the wire, as the sandbox counts them, has had
// its permit and its record: none is above the limit, and none is missing in the audit trail.
func TestT103CountedOnTheWire(t *testing.T) {
	limits := throttle.Limits{Endpoint: throttle.Limit{N: 15, Window: 500 * time.Millisecond}, Clinic: throttle.Limit{N: 40, Window: 1500 * time.Millisecond}}
	const practitioners, calls = 8, 12
	f := newField(t, limits, practitioners)
	var all sync.WaitGroup
	var cut, answered atomic.Int64
	for i := range practitioners {
		all.Go(func() {
			query := ""
			for call := range calls {
				switch {
				case i == 0 && call%3 == 1:
					f.sandbox.Cut(sandbox.EndpointAPI, 2)
				case i == 1 && call == 4:
					f.sandbox.RevokeAccess("", "")
				}
				out, err := f.get(i, "patients", query, 20*time.Second)
				var own *proxy.Error
				switch {
				case err == nil && out.StatusCode() == fasthttp.StatusOK:
					answered.Add(1)
					query = next(out.Body())
				case errors.As(err, &own) && own.Code == "platform_unavailable":
					cut.Add(1)
				default:
					t.Errorf("%v, status %d", err, out.StatusCode())
				}
			}
		})
	}
	all.Wait()
	arrived := f.check(t, limits)
	refreshed := f.sandbox.Count(sandbox.EndpointRefresh)
	must(t, f.audit.Close())
	report, err := audit.Verify(f.auditPath, f.auditKey)
	must(t, err)
	records, err := os.ReadFile(f.auditPath)
	must(t, err)
	unsent := strings.Count(string(records), `"`+audit.ResultUnsent+`"`)
	t.Logf("%d calls: %d answered, %d cut, %d refreshes; %d requests on the wire, %d intents, %d of them unsent",
		practitioners*calls, answered.Load(), cut.Load(), refreshed, arrived, report.Intents, unsent)
	if arrived != report.Intents-unsent {
		t.Errorf("%d requests on the wire, %d permits and records", arrived, report.Intents-unsent)
	}
	if cut.Load() == 0 || refreshed == 0 || arrived <= int(answered.Load()+cut.Load()) {
		t.Error("no connection was cut, or no token refused")
	}
}

// next is the query for the page behind this one, or for the first.
func next(body []byte) string {
	var page struct {
		Cursor string `json:"cursor"`
	}
	if json.Unmarshal(body, &page) != nil || page.Cursor == "" {
		return "page%5Blimit%5D=1"
	}
	return "page%5Blimit%5D=1&page%5Bcursor%5D=" + url.QueryEscape(page.Cursor)
}
