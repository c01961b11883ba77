package tokens

import (
	"container/heap"
	"time"

	"locum/bff/oauth"
	"locum/bff/platform"
)

// Bounds of the requests to one platform's token endpoint.
const (
	budgetWindow = time.Minute
	budgetMargin = time.Second // for the platform's clock, and a tick
	budgetOrphan = time.Minute // how long a request that we gave up may still be executed and counted

	spreadLeast = 5   // requests a second, where there are no more than a thousand connections
	spreadShare = 200 // otherwise all of them within so many seconds: a token of five minutes is due each 270

	queueLimit    = 1024
	queuePatience = 10 * time.Second // of a caller who has no token to go on with
)

// class is how urgent a request is. Those behind take nothing from those in front.
type class int

const (
	classCode   class = iota // a person waits at the end of a sign-in, and the code runs out
	classLast                // a refresh token is about to run out
	classCall                // a call waits, and there is no token
	classOther               // the same, of another client of the platform
	classSoon                // a call is served, its token is due: now or not at all
	classKeeper              // nobody waits
)

// permit is the right to make one request. It is taken before the durable intent and given back by what came of it.
type permit struct {
	lane    *lane
	taken   time.Time
	settled bool
	other   bool // for another client: what the platform holds against this one does not concern it, nor the other way round
}

// waiter is a flight that waits for a permit.
type waiter struct {
	class    class
	deadline time.Time // the end of its refresh token
	granted  chan *permit
	index    int // in the queue; -1 outside
}

// queue is a heap: the more urgent class first, in it whoever has the nearest deadline.
type queue []*waiter

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].class != q[j].class {
		return q[i].class < q[j].class
	}
	return q[i].deadline.Before(q[j].deadline)
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	w := x.(*waiter)
	w.index = len(*q)
	*q = append(*q, w)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q, w.index = (*q)[:last], -1
	return w
}

// may says whether a request of the class may go now, and otherwise when that may change; zero where only the end of a
// request under way can say. The caller holds mu.
//
// A permit of the budget returns a window after the answer, by which no window of a minute, wherever it begins, sees more
// requests arrive than perMinute; see package throttle's rule for why.
func (l *lane) may(c class, now time.Time) (ok bool, at time.Time) {
	l.forget(now)
	if now.Before(l.frozen) {
		return false, l.frozen
	}
	if free := l.free(c); free <= 0 {
		if n := -free; n < len(l.back) {
			return false, l.back[n]
		}
		return false, time.Time{}
	}
	if c == classCode {
		return true, now
	}
	failing := l.failing && !(c == classOther && l.kind == Misconfigured)
	switch rate := l.rate(); {
	case failing && l.probe != nil:
		return false, time.Time{}
	case failing && now.Before(l.next):
		return false, l.next
	case failing:
		return true, now
	case l.out >= max(rate, 2*spreadLeast):
		return false, time.Time{}
	case len(l.starts) >= rate:
		return false, l.starts[len(l.starts)-rate].Add(time.Second)
	}
	return true, now
}

// free is how many permits of the budget a class finds. What nobody waits for leaves a fifth to those who come.
func (l *lane) free(c class) int {
	if l.perMinute <= 0 {
		return 1
	}
	n := l.perMinute
	if c >= classSoon && n > 1 {
		n -= max(1, n/5)
	}
	return n - l.out - len(l.back)
}

// rate is how many requests a second are let go; more than twice as many once the platform has come back, so that
// everything is fresh within two minutes.
func (l *lane) rate() int {
	n := max(spreadLeast, (int(l.conns.Load())+spreadShare-1)/spreadShare)
	if l.hurry {
		n += n * 3 / 2
	}
	return n
}

// forget drops what is no longer counted.
func (l *lane) forget(now time.Time) {
	for len(l.back) > 0 && !now.Before(l.back[0]) {
		l.back = l.back[1:]
	}
	for len(l.starts) > 0 && now.Sub(l.starts[0]) >= time.Second {
		l.starts = l.starts[1:]
	}
}

// take takes a permit that may has found.
func (l *lane) take(c class, now time.Time) *permit {
	p := &permit{lane: l, taken: now, other: c == classOther}
	l.out++
	l.under = append(l.under, p)
	l.starts = append(l.starts, now)
	if l.failing && l.probe == nil && !(p.other && l.kind == Misconfigured) {
		l.probe = p
	}
	return p
}

// try takes a permit for the background, which comes behind everybody who waits, unless its refresh token is about to run
// out. Without one it says when to ask again; zero: a request that ends will say so.
func (l *lane) try(c class, now time.Time) (*permit, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 && l.queue[0].class <= c {
		return nil, time.Time{}
	}
	if ok, at := l.may(c, now); !ok {
		return nil, at
	}
	return l.take(c, now), time.Time{}
}

// serve hands permits to those who wait, and says when to come again; zero: nobody waits for a time.
func (l *lane) serve(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		if ok, at := l.may(l.queue[0].class, now); !ok {
			return at
		}
		w := heap.Pop(&l.queue).(*waiter)
		w.granted <- l.take(w.class, now)
	}
	return time.Time{}
}

// estimate is about when a newcomer of the class gets a permit, behind those who wait. The caller holds mu.
func (l *lane) estimate(c class, now time.Time) time.Time {
	ahead := 0
	for _, w := range l.queue {
		if w.class <= c {
			ahead++
		}
	}
	_, at := l.may(c, now)
	if at.Before(now) {
		at = now
	}
	if l.failing {
		return at
	}
	at = at.Add(time.Duration(ahead/l.rate()) * time.Second)
	short := ahead + 1 - l.free(c)
	if l.perMinute <= 0 || short <= 0 {
		return at
	}
	rounds := time.Duration((short - 1) / l.perMinute)
	returns := now.Add(budgetWindow)
	if i := (short - 1) % l.perMinute; i < len(l.back) {
		returns = l.back[i]
	}
	if returns = returns.Add(rounds * budgetWindow); at.Before(returns) {
		at = returns
	}
	return at
}

// enqueue takes a permit, or a place in the queue, or says how long that would take. Who would wait too long is told at
// once.
func (l *lane) enqueue(c class, deadline, now time.Time) (*permit, *waiter, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.queue) == 0 || l.queue[0].class > c
	if ok, _ := l.may(c, now); ok && first {
		return l.take(c, now), nil, 0
	}
	wait := max(l.estimate(c, now).Sub(now), time.Millisecond)
	most := queuePatience
	if l.failing {
		most = patience
	}
	if c == classSoon || wait > most || len(l.queue) >= queueLimit {
		return nil, nil, wait
	}
	w := &waiter{class: c, deadline: deadline, granted: make(chan *permit, 1)}
	heap.Push(&l.queue, w)
	return nil, w, 0
}

// leave takes a waiter out of the queue; a permit that it was given meanwhile is handed over.
func (l *lane) leave(w *waiter) *permit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&l.queue, w.index)
		return nil
	}
	return <-w.granted
}

// admit waits for the right to make one request to the platform's token endpoint: not at all where the token works, up to
// ten seconds where it does not, up to two while the platform is down. Errors are of the kind of what is in the way, with
// the time after which asking makes sense. The caller holds the turn, before the durable intent.
func (k *Keeper) admit(h *held, live *platform.Live, why reason) error {
	if h.permit != nil { // the background keeper brought one
		return nil
	}
	l := k.lanes[live.ID]
	cur, c := h.now.Load(), classCall
	if cur.live(time.Now()) && !why.refused {
		c = classSoon
	}
	p, err := k.queue(l, c, cur.keptUntil)
	if err != nil {
		err.Connection = h.id
		if l.isFailing() {
			h.down = true
			k.showDown(h, l)
		}
		return err
	}
	if h.gone.Load() {
		p.unsent()
		return notFound(h.id)
	}
	h.permit = p
	return nil
}

// queue takes a permit, after a wait where that is worth it.
func (k *Keeper) queue(l *lane, c class, deadline time.Time) (*permit, *Error) {
	now := time.Now()
	p, w, wait := l.enqueue(c, deadline, now)
	if w == nil {
		if p == nil {
			return nil, l.refusal(wait)
		}
		return p, nil
	}
	k.kick()
	most := time.NewTimer(queuePatience + time.Second) // nobody is let wait who is not expected to be served before
	defer most.Stop()
	select {
	case p := <-w.granted:
		return p, nil
	case <-most.C:
	case <-k.ctx.Done():
	}
	p = l.leave(w)
	switch {
	case k.halted():
		if p != nil {
			p.unsent()
		}
		return nil, closing("")
	case p == nil:
		return nil, l.refusal(0)
	}
	return p, nil
}

// heard tells how the request went that admit allowed: an answer, or an error of the wire. The caller holds the turn.
func (k *Keeper) heard(h *held, live *platform.Live, answer oauth.Answer, err error) {
	if p := h.permit; p != nil {
		h.permit = nil
		o := outcomeOf(live, answer, err)
		if err == nil && withdrawn(live, answer) { // it speaks about one person
			o.kind = 0
		}
		h.down = p.settle(o)
		k.kick()
	}
}

// Admit is the right to make one request to a platform's token endpoint with another client than the connections' own: it
// counts in the platform's budget and waits like a call that has no token. What it gives is told how the request went, once,
// whatever came: that the platform is down holds up everybody; what it holds against one of the clients, only that one. The
// error is an *Error.
func (k *Keeper) Admit(platformID string) (heard func(oauth.Answer, error), err error) {
	live, err := k.platforms.Get(platformID)
	if err != nil {
		return nil, &Error{Kind: Misconfigured, Code: CauseUnknownSystem, Err: err}
	}
	p, refused := k.queue(k.lanes[live.ID], classOther, time.Time{})
	if refused != nil {
		return nil, refused
	}
	return func(answer oauth.Answer, err error) {
		o := outcomeOf(live, answer, err)
		if o.kind == Misconfigured { // it speaks about that client
			o.kind = 0
		}
		p.settle(o)
	}, nil
}

// admitCode is admit for the exchange of a code, which goes before every refresh and does not mind that the platform was
// down a moment ago: a person waits. What it gives is told how the exchange went.
func (k *Keeper) admitCode(live *platform.Live) (heard func(oauth.Answer, error), err error) {
	p, refused := k.queue(k.lanes[live.ID], classCode, time.Time{})
	if refused != nil {
		return nil, refused
	}
	return func(answer oauth.Answer, err error) {
		p.settle(outcomeOf(live, answer, err).ofCode())
	}, nil
}
