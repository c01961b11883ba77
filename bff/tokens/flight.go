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
//
// keep: the background keeper renews the token of generation seen, however fresh it is, with a permit that it brings.
// probe: the connection of, which came of the same login, has ended; the platform is asked about this one, and nothing is
// refreshed. probe is the cause to show should it be found ended too.
type reason struct {
	probe, of     string
	refused, keep bool
	seen          uint64
	trigger       string
	permit        *permit
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
	if why.probe != "" {
		return cur.renewable
	}
	if why.refused || why.keep {
		return cur.lease.Generation == why.seen
	}
	return !cur.fresh(now)
}

// fly joins the connection's flight or starts one. While backing off it starts none and says why, and neither does a
// second refused token within 30 s. The flight belongs to nobody who waits: it ends by its own deadlines, and Close waits
// for it. A permit that why brings is used or given back.
func (k *Keeper) fly(h *held, why reason) (*flight, error) {
	f, began, err := k.takeOff(h, why)
	if !began {
		if why.permit != nil {
			why.permit.unsent()
		}
		return f, err
	}
	waiting := k.tellRefreshing(h)
	go func() {
		defer k.working.Done()
		h.turn <- struct{}{}
		h.permit, h.down = why.permit, false
		f.err = k.refresh(h, why)
		if h.permit != nil { // it was not needed
			h.permit.unsent()
			h.permit = nil
		}
		down := h.down
		<-h.turn
		h.land(f.err, down)
		if waiting {
			k.broadcast(h, h.shown(time.Now()))
		}
		k.plan(h)
		close(f.done)
	}()
	return f, nil
}

// takeOff gives the flight under way, or begins one, or says why there is none.
func (k *Keeper) takeOff(h *held, why reason) (f *flight, began bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.flight != nil {
		return h.flight, false, nil
	}
	if wait := time.Until(h.notBefore); wait > 0 && h.last != nil && !k.lifted(h) {
		again := *h.last
		again.RetryAfter = wait
		return nil, false, &again
	}
	if wait := time.Until(h.forced.Add(forcedEvery)); why.refused && wait > 0 {
		return nil, false, &Error{Kind: Refused, Connection: h.id, Code: CauseInvalidToken, RetryAfter: wait}
	}
	if k.halted() || !k.enter() {
		return nil, false, closing(h.id)
	}
	if why.refused {
		h.forced = time.Now()
	}
	h.flight = &flight{done: make(chan struct{})}
	return h.flight, true, nil
}

// lifted says whether the back-off is over before its time: the platform was down, and has come back since. The caller
// holds mu.
func (k *Keeper) lifted(h *held) bool {
	l := k.lanes[h.platform]
	return h.last.down && l != nil && l.came(h.landed)
}

// land ends the flight and sets the back-off by how it went: as long as the error says, otherwise twice as long as the
// last one.
func (h *held) land(err error, down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flight, h.landed = nil, time.Now()
	var typed *Error
	if !errors.As(err, &typed) || typed.Kind == ReconnectNeeded {
		h.calm()
		return
	}
	if typed.RetryAfter <= 0 {
		h.delay = min(max(backoffFirst, 2*h.delay), backoffLast)
		typed.RetryAfter = h.delay
	}
	h.notBefore = h.landed.Add(typed.RetryAfter)
	typed.down = down
	h.last = typed
}

// tellRefreshing tells whoever listens that a token has run out and a new one is on its way.
func (k *Keeper) tellRefreshing(h *held) bool {
	view := h.shown(time.Now())
	if view.State == StateRefreshing {
		k.broadcast(h, view)
	}
	return view.State == StateRefreshing
}

func (k *Keeper) broadcast(h *held, view View) {
	if k.notify != nil && !h.gone.Load() {
		k.notify(h.practitioner, h.id, view.State, view.Cause)
	}
}

// calm forgets the back-off. The caller holds mu.
func (h *held) calm() {
	h.delay, h.notBefore, h.last = 0, time.Time{}, nil
}

func closing(connection string) *Error {
	return &Error{Kind: Unavailable, Connection: connection, Code: CauseClosing}
}
