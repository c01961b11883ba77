package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
	"locum/bff/throttle"
	"locum/bff/tokens"
)

// TestServiceCalls: a service is called by administrators, for what its list has, with a token of its own at the practice that
// the request names; others find nothing there. It is recorded as the administrator's.
func TestServiceCalls(t *testing.T) {
	x := newFacade(t, true, throttle.Limits{}, "fhir.Patient.read", "fhir.Observation.search", "athena.patients.read", "athena.patients.update")
	const id = "service.athena"
	call := func(method, path, query string, administrator bool) (*fasthttp.Response, error) {
		q := x.call(id, method, path, query)
		q.Administrator = administrator
		return x.do(q)
	}
	must(t, errOf(call("GET", "/v1/195900/patients/60178", "", true)))
	must(t, errOf(call("GET", "/Patient/"+ada, "", true)))
	out, err := call("GET", "/Observation", "_count=2&patient="+ada, true)
	must(t, err)
	if next := linkOf(t, out.Body(), "next"); !strings.HasPrefix(next, "/proxy/v1/"+id+"/fhir/r4/Observation?") {
		t.Errorf("next is %s", next)
	}
	for _, c := range []struct{ name, path, query, code string }{
		{"a practice that is not configured", "/v1/1/patients/60178", "", "clinic_mismatch"},
		{"two practices", "/Observation", "patient=" + ada + ",a-195901.E-1", "clinic_mismatch"},
		{"no practice", "/Observation", "code=x", "bad_request"},
	} {
		if _, err := call("GET", c.path, c.query, true); err == nil {
			t.Errorf("%s: answered", c.name)
		} else {
			wantCode(t, err, c.code)
		}
	}
	if _, err := call("GET", "/Observation", "patient="+ada+"&ah-practice=Organization/a-1.Practice-195901", true); err == nil {
		t.Error("a patient of one practice at another: answered")
	}
	n := x.box.Count(x.face.At(""))
	if _, err := call("GET", "/Encounter", "patient="+ada, true); err != platform.ErrNoOperation { //nolint:errorlint // handed on as it is
		t.Errorf("what its list does not have: %v", err)
	}
	for _, q := range []struct {
		id            string
		administrator bool
	}{{id, false}, {"service.jane", true}, {"service.", true}} {
		q2 := x.call(q.id, "GET", "/Patient/"+ada, "")
		q2.Administrator = q.administrator
		if _, err := x.do(q2); tokens.KindOf(err) != tokens.NotFound {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if x.box.Count(x.face.At("")) != n {
		t.Error("a request was made for them")
	}
	first := x.records()
	at := slices.IndexFunc(first, func(m map[string]any) bool { return m["kind"] == "intent" })
	if m := first[at]; m["connection"] != id || m["who"] != "u1" || !strings.HasSuffix(fmt.Sprint(m["clinic"]), "/v1/195900") {
		t.Errorf("%v", m)
	}
}

// TestServiceAfter401: a token that the platform takes back is replaced once, and the call made again.
func TestServiceAfter401(t *testing.T) {
	x := newFacade(t, false, throttle.Limits{}, "fhir.Patient.read")
	q := x.call("service.smart", "GET", "/Patient/"+x.face.Patients()[0].ID, "")
	q.Administrator = true
	x.mustDo(q)
	x.face.RevokeService()
	x.mustDo(q)
	if n := x.box.Count(x.face.At("token/client_credentials")); n != 2 {
		t.Errorf("%d tokens asked for", n)
	}
}

// TestT106ServiceTakesTurns: a service waits among the practitioners as one of them, however many calls its administrator makes:
// the administrator's own call does not stand behind them. The clock is virtual.
func TestT106ServiceTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := throttle.Limits{Endpoint: throttle.Limit{N: 2, Window: time.Second}, Clinic: throttle.Limit{N: 2, Window: time.Second}}
		x := newFacade(t, true, limits, "fhir.Patient.read")
		own := x.connect("robin@example.test", "")
		var all sync.WaitGroup
		last := make(chan time.Time, 10)
		for range 10 {
			all.Go(func() {
				q := x.call("service.athena", "GET", "/Patient/"+ada, "")
				q.Administrator = true
				_, err := x.do(q)
				if err == nil {
					last <- time.Now()
				}
			})
		}
		synctest.Wait()
		must(t, errOf(x.do(x.call(own, "GET", "/Patient/"+ada, ""))))
		served := time.Now()
		all.Wait()
		close(last)
		later := 0
		for at := range last {
			if at.After(served) {
				later++
			}
		}
		if later < 4 {
			t.Errorf("%d of the service's calls came after it", later)
		}
	})
}
