package connect_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"locum/bff/connect"
	"locum/bff/secret"
	"locum/bff/vault"
)

// TestT026LaunchesRunOut: nothing that anybody may have stored stays.
func TestT026LaunchesRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, options{})
		v := e.visitor()
		handle := v.launched("", true)
		pass(10*time.Minute - time.Second)
		if _, err := e.connector.LaunchOf(handle, v.by.Browser); err != nil {
			t.Errorf("just before: %v", err)
		}
		begun, err := v.begin(handle)
		must(t, err)
		late := v.launched("", true)
		if got := e.kept(); got != [4]int{1, 1, 1, 0} {
			t.Errorf("launches, tickets, attempts, outcomes: %v", got)
		}
		pass(time.Minute)
		_, err = e.connector.Ticket(begun.Ticket.Reveal(), "")
		wantCode(t, err, connect.CodeLaunchUnknown)
		pass(9 * time.Minute)
		_, err = e.connector.LaunchOf(late, v.by.Browser)
		wantCode(t, err, connect.CodeLaunchUnknown)
		_, err = v.begin(late)
		wantCode(t, err, connect.CodeLaunchUnknown)
		pass(10 * time.Minute)
		must(t, e.connector.Sweep())
		if got := e.kept(); got != [4]int{} {
			t.Errorf("left after sweeping: %v", got)
		}
	})
}

// TestLaunchesAreBounded: of a browser, of an address, and of everybody; who has signed in is not kept out by it.
func TestLaunchesAreBounded(t *testing.T) {
	e := newEHR(t, options{})
	v := e.visitor()
	first, err := v.call(false)
	must(t, err)
	for range 8 {
		_, err := v.call(false)
		must(t, err)
	}
	if got := e.kept(); got[0] != 8 {
		t.Errorf("%d launches of one browser", got[0])
	}
	_, err = e.connector.LaunchOf(first, v.by.Browser)
	wantCode(t, err, connect.CodeLaunchUnknown)
	must(t, e.vault.Update(func(tx *vault.Tx) error {
		for i := range 1992 {
			l := vault.Launch{Key: "launch " + strconv.Itoa(i), Platform: "athena", Browser: strconv.Itoa(i), ExpiresAt: time.Now().Add(time.Minute)}
			if err := vault.Launches.Put(tx, l.Key, &l); err != nil {
				return err
			}
		}
		for i := range 500 {
			a := vault.Attempt{State: "attempt " + strconv.Itoa(i), Platform: "athena", Browser: strconv.Itoa(i), CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute)}
			if err := vault.Attempts.Put(tx, a.State, &a); err != nil {
				return err
			}
		}
		return nil
	}))
	other := e.visitor()
	_, err = other.call(false)
	wantReason(t, err, connect.CodeLaunchRefused, "too_many")
	handle, err := v.call(false) // its own make room
	must(t, err)
	_, err = v.begin(handle)
	wantCode(t, err, connect.CodeTooManyFlows)
	v.by = connect.Asker{Practitioner: "u1", Session: e.signIn("u1").session, Browser: v.by.Browser}
	if _, err := v.begin(handle); err != nil {
		t.Errorf("whoever is signed in: %v", err)
	}
}

func wantReason(t *testing.T, err error, code, reason string) {
	t.Helper()
	wantCode(t, err, code)
	var typed *connect.Error
	if errors.As(err, &typed) && typed.Reason != reason {
		t.Errorf("reason is %s, want %s", typed.Reason, reason)
	}
}

// TestOneSubscriberIsBounded: a subscriber has a /64 of IPv6, and no more room by using all of it.
func TestOneSubscriberIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, options{})
		var err error
		n := 0
		for ; err == nil && n < 1000; n++ {
			flood := e.visitor()
			flood.address = "2001:db8:0:7::" + strconv.FormatInt(int64(n+1), 16)
			_, err = flood.call(false)
		}
		wantReason(t, err, connect.CodeLaunchRefused, "too_many")
		if n != 201 {
			t.Errorf("%d launches before one was refused", n)
		}
		for _, address := range []string{"2001:db8:0:8::1", "::ffff:192.0.2.2"} {
			other := e.visitor()
			other.address = address
			if _, err := other.call(false); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
	})
}

// TestOneAddressIsBounded: who floods has room for two hundred in ten minutes, and costs nobody else's.
func TestOneAddressIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEHR(t, options{})
		flood := e.visitor()
		var err error
		n := 0
		for ; err == nil && n < 1000; n++ {
			_, err = flood.call(false)
		}
		wantReason(t, err, connect.CodeLaunchRefused, "too_many")
		if n != 201 {
			t.Errorf("%d launches before one was refused", n)
		}
		other := e.visitor()
		other.address = "192.0.2.2"
		if _, err := other.call(false); err != nil {
			t.Errorf("another address: %v", err)
		}
		pass(10 * time.Minute)
		if _, err := flood.call(false); err != nil {
			t.Errorf("ten minutes later: %v", err)
		}
	})
}

// TestABrowsersLaunchesShareAValue, and a value that nothing was begun with is not taken up.
func TestABrowsersLaunchesShareAValue(t *testing.T) {
	e := newEHR(t, options{})
	planted := secret.Random().Reveal()
	v := e.visitor()
	v.by.Browser = connect.Browser{Flow: planted, Frame: planted}
	v.launched("", false)
	v.launched("", true)
	first := v.by.Browser
	if first.Flow == planted || first.Frame == planted || first.Flow == first.Frame {
		t.Error("a planted value is in use, or page and frame share one")
	}
	v.launched("", false)
	v.launched("", true)
	if v.by.Browser != first {
		t.Error("a second launch took the first one's value away")
	}
}

// TestASignInIsConfirmedOnce, however often it is clicked at once.
func TestASignInIsConfirmedOnce(t *testing.T) {
	e := newEHR(t, options{})
	e.linked("u1", robin)
	v := e.visitor()
	if o := v.through(robin); o.Code != connect.OutcomeSignInReady || o.SignsIn != "u1" {
		t.Fatalf("outcome is %+v", o)
	}
	var firsts, failures atomic.Int32
	var clicks sync.WaitGroup
	for range 8 {
		clicks.Go(func() {
			o, first, err := e.connector.Confirm(context.Background(), v.answer("u1"))
			if first {
				firsts.Add(1)
			}
			var late *connect.Error // it is somebody's by then, and this click was nobody's
			if gone := errors.As(err, &late) && late.Code == connect.CodeNotFound; err != nil && !gone ||
				err == nil && o.Code != connect.OutcomeConnected && o.Code != connect.OutcomePending {
				failures.Add(1)
			}
		})
	}
	clicks.Wait()
	if firsts.Load() != 1 || failures.Load() != 0 {
		t.Errorf("%d sign-ins, %d failures", firsts.Load(), failures.Load())
	}
	v.by.Practitioner = "u1" // as who is signed in now
	if o := v.outcome(); o.Code != connect.OutcomeConnected || o.SignsIn != "" || o.Pending != "" || o.Connection == "" {
		t.Errorf("outcome is %+v", o)
	}
}

// TestConfirmNamesThePerson: the linked practitioner, and nobody else, and only where the outcome asks.
func TestConfirmNamesThePerson(t *testing.T) {
	e := newEHR(t, options{active: func(p string) bool { return p != "barred" }})
	e.linked("u1", robin)
	v := e.visitor()
	v.through(robin)
	for _, as := range []string{"", "u2", "U1"} {
		_, first, err := e.connector.Confirm(context.Background(), v.answer(as))
		if wantCode(t, err, connect.CodeBadRequest); first {
			t.Errorf("as %q", as)
		}
	}
	other := v.answer("u1")
	other.By.Practitioner, other.By.Session = "u2", e.signIn("u2").session
	if o, first, err := e.connector.Confirm(context.Background(), other); err != nil || first || o.Code != connect.OutcomeLinkedElsewhere {
		t.Errorf("signed in as somebody else: %s, %v, %v", o.Code, first, err)
	}
	for name, browser := range map[string]connect.Browser{"no cookie": {}, "another's": {Flow: secret.Random().Reveal()}, "as a frame's": {Frame: "x" + v.by.Browser.Flow[1:]}} {
		foreign := v.answer("u1")
		foreign.By.Browser = browser
		_, first, err := e.connector.Confirm(context.Background(), foreign)
		if wantCode(t, err, connect.CodeNotFound); first {
			t.Error(name)
		}
	}
	if o, first, err := e.connector.Confirm(context.Background(), v.answer("u1")); err != nil || !first || o.Code != connect.OutcomeConnected {
		t.Errorf("as themselves: %s, %v, %v", o.Code, first, err)
	}
	asked := e.visitor()
	if o := asked.through("noor@example.test"); o.Code != connect.OutcomeLinkNeeded {
		t.Fatalf("outcome is %s", o.Code)
	}
	if o, first, err := e.connector.Confirm(context.Background(), asked.answer("u1")); err != nil || first || o.Code != connect.OutcomeLinkNeeded {
		t.Errorf("a question about a link: %s, %v, %v", o.Code, first, err)
	}
	_, err := e.connector.Link(context.Background(), asked.answer("u1"))
	wantCode(t, err, connect.CodeSignedOut)
	barred := asked.answer("barred")
	barred.By.Practitioner, barred.By.Session = "barred", e.signIn("barred").session
	_, err = e.connector.Link(context.Background(), barred)
	wantCode(t, err, connect.CodeSignedOut)
}

// TestWithoutARecordNothingHappens: no audit, no launch and no link; and nothing is lost by it.
func TestWithoutARecordNothingHappens(t *testing.T) {
	e := newEHR(t, options{})
	v := e.signedIn("u1")
	if o := v.through(robin); o.Code != connect.OutcomeLinkNeeded {
		t.Fatalf("outcome is %s", o.Code)
	}
	asked := v.answer("u1")
	handle := v.launched(robin, false)
	must(t, e.audit.Close())
	_, err := e.connector.Link(context.Background(), asked)
	wantCode(t, err, connect.CodeAudit)
	_, err = v.begin(handle)
	wantCode(t, err, connect.CodeAudit)
	if _, err := e.connector.LaunchOf(handle, v.by.Browser); err != nil {
		t.Errorf("the launch is spent: %v", err)
	}
	v.value = asked.ClientState
	if o := v.outcome(); o.Code != connect.OutcomeLinkNeeded || o.Pending == "" {
		t.Errorf("the question is gone: %+v", o)
	}
	_, linked, err := e.keeper.Linked("athena", e.face.Issuer(), e.face.People()[0].Subject)
	if must(t, err); linked {
		t.Error("it is linked")
	}
}

// TestARestartEndsAQuestion: what waited has been given back; the answer says so.
func TestARestartEndsAQuestion(t *testing.T) {
	e := newEHR(t, options{})
	v := e.signedIn("u1")
	v.through(robin)
	e.close()
	e.open(options{})
	o, err := e.connector.Link(context.Background(), v.answer("u1"))
	if err != nil || o.Code != connect.OutcomeExchangeFailed || o.Connection != "" {
		t.Errorf("%s, %v", o.Code, err)
	}
	if _, linked, _ := e.keeper.Linked("athena", e.face.Issuer(), e.face.People()[0].Subject); linked {
		t.Error("it is linked")
	}
}

// TestSigningOutDropsQuestions: a question that a session asked is gone with it, and what came is given back.
func TestSigningOutDropsQuestions(t *testing.T) {
	e := newEHR(t, options{})
	v := e.signedIn("u1")
	o := v.through(robin)
	if _, waits := e.keeper.Pending(o.Pending); !waits {
		t.Fatal("nothing waits")
	}
	must(t, e.connector.Forget(v.by.Session))
	if _, waits := e.keeper.Pending(o.Pending); waits {
		t.Error("it waits on")
	}
	_, err := e.connector.Link(context.Background(), v.answer("u1"))
	wantCode(t, err, connect.CodeNotFound)
}
