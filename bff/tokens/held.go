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

	// turn has room for one: who put something in may change the record. A channel, so that a wait costs no thread and
	// a fake clock can pass it.
	turn chan struct{}
	now  atomic.Pointer[current]
	gone atomic.Bool // the practitioner has disconnected: nothing is handed out any more

	mu        sync.Mutex // guards what follows, never held across I/O
	flight    *flight
	delay     time.Duration // of the last back-off
	notBefore time.Time
	last      *Error    // why we are backing off
	forced    time.Time // when an upstream 401 last started a flight

	// Only touched in turn.
	unsaved *oauth.Answer // an answer that the vault would not take
	doubt   bool          // an attempt's outcome is unknown, and no answer to a later one has settled it
}

// current is what a connection hands out and shows, replaced whole.
type current struct {
	lease      Lease
	freshUntil time.Time // until then the token is handed out without a question
	liveUntil  time.Time // until then it works
	keptUntil  time.Time // until then the refresh token works, if nobody uses it; zero when no end is stated
	renewable  bool      // there is a refresh token
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
	for _, p := range []*string{&c.Practitioner, &c.Platform, &c.Clinic, &c.ClinicName, &c.State, &c.Cause} {
		*p = unique.Make(*p).Value()
	}
	c.Access = c.Access.Clone()
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
		turn: make(chan struct{}, 1),
	}
	h.now.Store(currentFrom(c))
	return h
}

// currentOf counts every lifetime from the receipt of the answer, never from the token's own exp: the platform's clock
// may be wrong. Within a process ReceivedAt carries a monotonic reading; a record read back from the vault has only the
// wall clock, and one that lies in the future then counts as run out.
func currentOf(c vault.Connection) *current { return currentFrom(lean(c)) }

func currentFrom(c vault.Connection) *current {
	live := c.ReceivedAt.Add(c.ExpiresIn)
	if c.Access.Empty() || c.ReceivedAt.After(time.Now()) {
		live = time.Time{}
	}
	cur := &current{
		lease: Lease{
			Access: c.Access, Connection: c.ID, Platform: c.Platform, Clinic: c.Clinic, Scopes: c.Scopes, Generation: c.Generation,
		},
		liveUntil: live,
		renewable: !c.Refresh.Empty() && c.State != StateReconnect,
		view:      viewOf(c),
	}
	cur.freshUntil = live.Add(-margin(c.ExpiresIn))
	if !cur.renewable { // nothing to renew it with: use it to its end
		cur.freshUntil = live
	}
	if c.RefreshExpiresIn > 0 && cur.renewable {
		cur.keptUntil = c.ReceivedAt.Add(c.RefreshExpiresIn)
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
	next := *cur
	next.view.State, next.view.Cause = state, cause
	if state == StateReconnect {
		next.renewable, next.freshUntil, next.keptUntil = false, cur.liveUntil, time.Time{}
	}
	return &next
}

func (cur *current) fresh(now time.Time) bool { return now.Before(cur.freshUntil) }
func (cur *current) live(now time.Time) bool  { return now.Before(cur.liveUntil) }
