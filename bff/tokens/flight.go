package tokens

import (
	"errors"
	"time"
)

// Back-off of one connection after a refresh that did not succeed: 1 s, doubling to 30 s.
const (
	backoffFirst = time.Second
	backoffLast  = 30 * time.Second
)

// forcedEvery is the least time between two refreshes of one connection that an upstream 401 asks for.
const forcedEvery = 30 * time.Second

// flight is one refresh under way; err may be read once done is closed.
type flight struct {
	done chan struct{}
	err  error
}

// reason is why a refresh is asked for, and by whom. Alone with its trigger: the token is due, or an answer waits to be
// read. refused: the platform refused the token of generation seen.
type reason struct {
	refused bool
	seen    uint64
	trigger string
}

// Triggers: who or what began a step.
const (
	triggerCall         = "call"         // a call of the practitioner's needs a token
	triggerRefused      = "refused"      // the platform refused one that is fresh
	triggerKeeper       = "keeper"       // the background keeper
	triggerBoot         = "boot"         // what an earlier process left
	triggerPractitioner = "practitioner" // connect, reconnect, disconnect
	triggerPlatform     = "platform"     // a back-channel logout
	triggerOperator     = "operator"     // a command
)

// needed asks again, in turn, whether there is still something to do.
func (why reason) needed(cur *current, now time.Time) bool {
	if why.refused {
		return cur.lease.Generation == why.seen
	}
	return !cur.fresh(now)
}

// fly joins the connection's flight or starts one. While backing off it starts none and says why, and neither does a
// second refused token within 30 s. The flight belongs to nobody who waits: it ends by its own deadlines, and Close waits
// for it.
func (k *Keeper) fly(h *held, why reason) (*flight, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flight != nil {
		return h.flight, nil
	}
	if wait := time.Until(h.notBefore); wait > 0 && h.last != nil {
		again := *h.last
		again.RetryAfter = wait
		return nil, &again
	}
	if wait := time.Until(h.forced.Add(forcedEvery)); why.refused && wait > 0 {
		return nil, &Error{Kind: Refused, Connection: h.id, Code: CauseInvalidToken, RetryAfter: wait}
	}
	if !k.enter() {
		return nil, closing(h.id)
	}
	if why.refused {
		h.forced = time.Now()
	}
	f := &flight{done: make(chan struct{})}
	h.flight = f
	go func() {
		defer k.working.Done()
		h.turn <- struct{}{}
		f.err = k.refresh(h, why)
		<-h.turn
		h.land(f.err)
		close(f.done)
	}()
	return f, nil
}

// land ends the flight and sets the back-off by how it went.
func (h *held) land(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight = nil
	var typed *Error
	if !errors.As(err, &typed) || typed.Kind == ReconnectNeeded || typed.Kind == NotFound {
		h.calm()
		return
	}
	h.delay = min(max(backoffFirst, 2*h.delay), backoffLast)
	h.notBefore = time.Now().Add(h.delay)
	typed.RetryAfter = h.delay
	h.last = typed
}

// calm forgets the back-off. The caller holds mu.
func (h *held) calm() {
	h.delay, h.notBefore, h.last = 0, time.Time{}, nil
}

func closing(connection string) *Error {
	return &Error{Kind: Unavailable, Connection: connection, Code: CauseClosing}
}
