package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/audit"
	"locum/bff/platform"
	"locum/bff/tokens"
)

// TestT110RefusalsAreBounded: each refused call has its record, until a practitioner is refused more often than a person
// can be: then the calls are counted, and their number has one. Nobody else's are.
func TestT110RefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		r := newRig(t, setup{fakes: []*fake{f}})
		refuse := func(who string, n int) {
			for range n {
				q := r.request("GET", "/api/2026-01-01/nothing")
				q.Practitioner = who
				if _, err := r.do(q); err == nil {
					t.Fatal("answered")
				}
			}
		}
		refuse("u1", 100+250)
		refuse("u2", 3)
		time.Sleep(time.Minute)
		refuse("u1", 2)
		refuse("u1", 98+7)
		r.mustDo(r.request("GET", patients))
		r.proxy.Close()

		got := map[string]int{}
		var totals []any
		for _, m := range r.records() {
			got[fmt.Sprint(m["kind"], " ", m["who"])]++
			if m["kind"] == "refusals_total" {
				totals = append(totals, m["code"])
			}
		}
		want := map[string]int{"refused u1": 200, "refused u2": 3, "refusals_counted u1": 2, "refusals_total u1": 2, "intent u1": 1}
		for kind, n := range want {
			if got[kind] != n {
				t.Errorf("%d records %q, want %d", got[kind], kind, n)
			}
		}
		if len(totals) != 2 || totals[0] != "250" || totals[1] != "7" {
			t.Errorf("totals %v", totals)
		}
	})
}

// TestT110RefusedWithoutToken: nothing is refreshed for a call that is refused anyway, and the record of a call for which
// there was no token names clinic, operation and record.
func TestT110RefusedWithoutToken(t *testing.T) {
	f := newFake(t, "127.0.0.1:7001")
	r := newRig(t, setup{fakes: []*fake{f}, stale: true})
	_, err := r.do(r.request("GET", "/api/2026-01-01/nothing"))
	if view, _ := r.keeper.Get("u1", "c0"); !errors.Is(err, platform.ErrNoOperation) || view.State != tokens.StateConnected {
		t.Errorf("got %v, then the connection is %s", err, view.State) // no client secret: a refresh would show
	}
	if _, err := r.do(r.request("GET", patients+"/PATIENT-1")); tokens.KindOf(err) == 0 {
		t.Errorf("got %v", err)
	}
	want := map[string]any{"kind": "refused", "code": "platform_misconfigured", "platform": "jane", "clinic": f.origin, "operation": "getPatient",
		"record": audit.RecordMAC(r.auditKey, "jane", f.origin, "PATIENT-1")}
	for _, m := range r.records() {
		if m["operation"] != "getPatient" {
			continue
		}
		for name, value := range want {
			if m[name] != value {
				t.Errorf("%s is %v, want %v", name, m[name], value)
			}
		}
		return
	}
	t.Error("no record")
}

// TestUnreachableClinicIsLeftAlone: calls that cannot be sent cost no permit, so a clinic that cannot be reached is tried
// once a second, and the trail does not fill with attempts.
func TestUnreachableClinicIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, "127.0.0.1:7001")
		dials, up := 0, false
		r := newRig(t, setup{fakes: []*fake{f}, dial: func(_ context.Context, network, _ string) (net.Conn, error) {
			if dials++; !up {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			}
			client, server := net.Pipe()
			f.serve(server)
			return client, nil
		}})
		for second := range 3 {
			for range 20 {
				_, err := r.do(r.write("POST", observations, "{}"))
				wantCode(t, err, "platform_unavailable")
			}
			if dials != second+1 {
				t.Fatalf("%d attempts in second %d", dials, second)
			}
			time.Sleep(time.Second)
		}
		up = true
		r.mustDo(r.write("POST", observations, "{}"))
		kinds := map[any]int{}
		for _, m := range r.records() {
			kinds[m["kind"]]++
		}
		if kinds["intent"] != 4 || kinds["outcome"] != 4 || kinds["refused"] != 57 {
			t.Errorf("records: %v", kinds)
		}
	})
}
