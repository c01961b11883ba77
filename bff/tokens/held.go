package tokens

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"locum/bff/oauth"
	"locum/bff/secret"
	"locum/bff/vault"
)

// Phases of a connection's record: between the durable intent of a refresh and the new token.
const (
	phaseInflight = "inflight" // a request may have left; its outcome is unknown until an answer is stored
	phaseAnswered = "answered" // Raw holds an answer that nobody has read yet
)

// statePending is the state of a redemption between its raw answer and its verified token. Such a record is no
// connection: it is not in the index, and whoever finds it at a start revokes and deletes it.
const statePending = "pending"

// held is one connection in memory.
type held struct {
	id, practitioner, platform, clinic, subject string // never change
	issuer, patient, kind                       string // nor do these: of the id_token and of the launch

	// turn has room for one: who put something in may change the record. A channel, so that a wait costs no thread and
	// a fake clock can pass it.
	turn chan struct{}
	now  atomic.Pointer[current]
	gone atomic.Bool // the practitioner has disconnected: nothing is handed out any more

	used atomic.Int64 // when a call last asked for a token, since the Keeper's birth; exact to a second
	idle atomic.Bool  // planned as one that nobody uses: the next call plans anew

	asking sync.Mutex // held while the platform is asked for a diagnosis
	asked  *Diagnosis // the last one

	mu        sync.Mutex // guards what follows, never held across I/O
	flight    *flight
	delay     time.Duration // of the last back-off
	notBefore time.Time
	last      *Error    // why we are backing off
	landed    time.Time // when the last flight ended
	forced    time.Time // when an upstream 401 last started a flight

	// Only touched in turn.
	unsaved *oauth.Answer // an answer that the vault would not take
	doubt   bool          // an attempt's outcome is unknown, and no answer to a later one has settled it
	doubts                // see doubt.go
	permit  *permit       // to ask the platform once
	down    bool          // the flight met a platform that is down, or was not let through to it

	place place // in the schedule, guarded by its mu
}

// current is what a connection hands out and shows, replaced whole.
type current struct {
	lease      Lease
	received   time.Time // of the answer that the tokens came with
	life       time.Duration
	freshUntil time.Time // until then the token is handed out without a question
	liveUntil  time.Time // until then it works
	keptUntil  time.Time // until then the refresh token works, if nobody uses it; zero when no end is stated
	renewable  bool      // there is a refresh token
	sid        string    // the login at the platform that it came of
	unsettled  bool      // the last refresh did not come to its end: there is something to do, however fresh the token is
	finite     bool      // nothing renews it, and its end was known from the first: it ends with its access token
	online     bool      // it is to live only while its practitioner is there
	over       bool      // the platform has said that the login is: nothing but a new chain changes that (see logout.go)
	foretold   bool      // another answer before this one has told the same absolute end
	view       View
}

// Lease is an access token for one upstream call. Scopes are what the token allows; they are shared and must not be
// changed. Generation tells one token from the next.
type Lease struct {
	Access                       secret.String
	Connection, Platform, Clinic string
	Scopes                       []string
	Generation                   uint64
}

// lean gives what memory keeps of a record. A string read from the vault is a piece of its whole record, so that one id
// would keep the refresh token in memory; and what many connections have in common is kept once.
func lean(c vault.Connection) vault.Connection {
	c.ID, c.Subject = strings.Clone(c.ID), strings.Clone(c.Subject)
	for _, p := range []*string{&c.Practitioner, &c.Platform, &c.Clinic, &c.ClinicName, &c.State, &c.Cause, &c.SID} {
		*p = unique.Make(*p).Value()
	}
	c.Access = c.Access.Clone()
	c.FHIRUser, c.Issuer, c.Launch, c.RefreshScopes = strings.Clone(c.FHIRUser), unique.Make(c.Issuer).Value(), leanLaunch(c.Launch), nil
	for _, list := range []*[]string{&c.Scopes, &c.Requested, &c.Roles, &c.StaffMembers} {
		if *list == nil {
			continue
		}
		kept := make([]string, len(*list))
		for i, v := range *list {
			kept[i] = unique.Make(v).Value()
		}
		*list = kept
	}
	if slices.Equal(c.Scopes, c.Requested) {
		c.Requested = c.Scopes
	}
	return c
}

func hold(c vault.Connection) *held {
	c = lean(c)
	h := &held{
		id: c.ID, practitioner: c.Practitioner, platform: c.Platform, clinic: c.Clinic, subject: c.Subject,
		issuer: c.Issuer, patient: c.Launch.Patient, kind: c.Launch.Kind, turn: make(chan struct{}, 1),
	}
	h.now.Store(currentFrom(c))
	return h
}

// currentOf counts every lifetime from the receipt of the answer, never from the token's own exp: the platform's clock
// may be wrong. Within a process ReceivedAt carries a monotonic reading; one read back from the vault has only the wall
// clock's and gets one here, so that later steps of that clock change nothing. One that lies in the future counts as run
// out.
func currentOf(c vault.Connection) *current { return currentFrom(lean(c)) }

func currentFrom(c vault.Connection) *current {
	now := time.Now()
	received := now.Add(c.ReceivedAt.Sub(now))
	live := received.Add(c.ExpiresIn)
	if c.Access.Empty() || received.After(now) {
		live = time.Time{}
	}
	cur := &current{
		received: received, life: c.ExpiresIn,
		lease: Lease{
			Access: c.Access, Connection: c.ID, Platform: c.Platform, Clinic: c.Clinic, Scopes: c.Scopes, Generation: c.Generation,
		},
		liveUntil: live,
		renewable: !c.Refresh.Empty() && c.State != StateReconnect,
		sid:       c.SID,
		finite:    c.Refresh.Empty() && c.Issuer != "" && c.State != StateReconnect,
		online:    isOnline(c.Scopes),
		over:      c.State == StateReconnect && c.Cause == CauseLoggedOut,
		unsettled: c.Phase != "" || c.State != StateConnected,
		view:      viewOf(c),
	}
	cur.freshUntil = live.Add(-margin(c.ExpiresIn))
	if !cur.renewable { // nothing to renew it with: use it to its end
		cur.freshUntil = live
	}
	if c.RefreshExpiresIn > 0 && cur.renewable {
		cur.keptUntil = received.Add(c.RefreshExpiresIn)
	}
	return cur
}

// margin is how long before its end a token is renewed: max(30 s, 10 %), and never more than half its lifetime, so that
// a token of 6 seconds is still used for 3.
func margin(lifetime time.Duration) time.Duration {
	return min(max(30*time.Second, lifetime/10), lifetime/2)
}

// in gives the same token in another state. A connection that has ended renews nothing: its token serves to its end.
func (cur *current) in(state, cause string) *current {
	if cur.over {
		return cur
	}
	next := *cur
	next.view.State, next.view.Cause = state, cause
	next.unsettled = state != StateConnected
	if state == StateReconnect {
		next.renewable, next.finite, next.freshUntil, next.keptUntil = false, false, cur.liveUntil, time.Time{}
	}
	return &next
}

// fresh goes by both clocks: a machine that has slept asks for a new token, as does one whose wall clock was put forward,
// which costs a request.
func (cur *current) fresh(now time.Time) bool { return left(cur.freshUntil, now) > 0 }

// live goes by the monotonic clock alone: no step of the wall clock takes a working token away. After a sleep it may be
// wrong; the platform then answers 401.
func (cur *current) live(now time.Time) bool { return now.Before(cur.liveUntil) }
