package tokens

import (
	"container/heap"
	"hash/maphash"
	"sync"
	"time"
)

const (
	// unstatedWindow is how long a refresh token is taken to live that states no end: those of offline sessions live for
	// weeks from their last use.
	unstatedWindow = 72 * time.Hour
	// forgiven is how long after its stated end a refresh token may still work (Keycloak adds two minutes to its idle time).
	forgiven = 2 * time.Minute
	// lastCall is how near its end a refresh token goes before callers who wait.
	lastCall = 2 * time.Minute
	// restless is the least time between two flights that the background begins for one connection.
	restless = time.Second
	// backoffIdle is how often the background tries what has failed again and again for the connection's own sake.
	backoffIdle = 2 * time.Minute
	// wakeEvery bounds each sleep of the background: the monotonic clock stands still while a machine sleeps.
	wakeEvery = time.Minute
	// jumped is how far the wall clock may run ahead of the monotonic one before everything is planned anew.
	jumped = 5 * time.Second
)

// place is a connection's place in the schedule: in the heap of those that are due later, in its lane's of those that are
// due, or in none.
type place struct {
	at    time.Time // when it is due; once it is, the end of its refresh token
	index int       // in its heap, from 1; 0 outside
	due   bool      // it stands in its lane's heap
	lane  *lane     // whose
}

// places is a heap of connections by place.at.
type places []*held

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].place.at.Before(p[j].place.at) }
func (p places) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].place.index, p[j].place.index = i+1, j+1
}

// Push implements heap.Interface.
func (p *places) Push(x any) {
	h := x.(*held)
	*p = append(*p, h)
	h.place.index = len(*p)
}

// Pop implements heap.Interface.
func (p *places) Pop() any {
	last := len(*p) - 1
	h := (*p)[last]
	(*p)[last] = nil
	*p, h.place.index = (*p)[:last], 0
	return h
}

// schedule is when which connection is refreshed in the background: one goroutine with one timer. Of each lane it holds
// those that are due, whose refresh token ends first in front, and lets as many go as the lane allows.
type schedule struct {
	mu    sync.Mutex
	on    bool
	later places
	due   map[*lane]*places
	seed  maphash.Seed
	wake  chan struct{} // room for one
	last  time.Time     // of the last tick
	dark  []*held       // found to be due while their platform is down
	over  []*held       // found to have come to their end
	ticks int
}

// openLanes makes what stands between the connections and their platforms. The platforms never change.
func (k *Keeper) openLanes() {
	s := &k.schedule
	s.seed, s.wake, s.due, k.lanes = maphash.MakeSeed(), make(chan struct{}, 1), map[*lane]*places{}, map[string]*lane{}
	for _, live := range k.platforms.All() {
		l := &lane{policy: live.Refresh, perMinute: live.Refresh.PerMinute, kick: k.kick}
		k.lanes[live.ID], s.due[l] = l, &places{}
	}
}

// Start begins to keep connections alive in the background; without it only calls refresh. Whether a connection was in use
// before is not known, so each counts as used now: what ran out meanwhile is refreshed, spread, that which ends first in
// front.
func (k *Keeper) Start() {
	k.schedule.mu.Lock()
	k.schedule.on = true
	k.schedule.mu.Unlock()
	k.planAll(func(*held) bool { return true })
}

// plan gives the connection its place in the schedule, after whatever has changed about it. One that is gone has none.
func (k *Keeper) plan(h *held) {
	s := &k.schedule
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(h)
	if !s.on {
		return
	}
	if at, ok := k.dueAt(h, time.Now()); ok {
		s.put(h, at)
		if s.later[0] == h {
			k.kick()
		}
	}
}

// planAll plans every connection anew that is chosen. Calls go on meanwhile.
func (k *Keeper) planAll(chosen func(*held) bool) {
	k.mu.RLock()
	list := make([]*held, 0, len(k.conns))
	for _, h := range k.conns {
		if chosen(h) {
			list = append(list, h)
		}
	}
	k.mu.RUnlock()
	for _, h := range list {
		k.plan(h)
	}
}

func (s *schedule) put(h *held, at time.Time) {
	h.place.at, h.place.due = at, false
	heap.Push(&s.later, h)
}

func (s *schedule) remove(h *held) {
	if h.place.index == 0 {
		return
	}
	if h.place.due {
		heap.Remove(s.due[h.place.lane], h.place.index-1)
	} else {
		heap.Remove(&s.later, h.place.index-1)
	}
}

// kick wakes the background.
func (k *Keeper) kick() {
	select {
	case k.schedule.wake <- struct{}{}:
	default:
	}
}

// run is the one goroutine: it hands permits to those who wait, begins what is due, and sleeps until there is something to
// do. While nothing is planned it has no timer.
func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.schedule.wake:
		case <-timer.C:
		}
		if next := k.tick(time.Now()); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(min(max(time.Until(next), 0), wakeEvery))
		}
	}
}

// tick does what is to be done now and says when there is something again; zero: when somebody says so.
func (k *Keeper) tick(now time.Time) (next time.Time) {
	k.wokenUp(now)
	next = k.lapse(now)
	for _, l := range k.lanes {
		if l.heals() {
			k.planAll(func(h *held) bool { return k.lanes[h.platform] == l && h.now.Load().unsettled })
		}
		next = sooner(next, l.serve(now))
	}
	chosen, dark, at := k.choose(now)
	k.finishOver()
	for _, h := range dark {
		k.showDown(h, k.lanes[h.platform])
	}
	for _, h := range chosen {
		// The permit is used, or given back by the flight, which plans the connection anew when it lands.
		if _, err := k.fly(h.held, reason{keep: true, seen: h.seen, trigger: triggerKeeper, permit: h.permit}); err != nil {
			k.plan(h.held)
		}
	}
	return sooner(next, at)
}

// sooner is the earlier of two times, of which zero is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wokenUp plans everything anew when the wall clock has run ahead: the machine has slept, or its clock was set.
func (k *Keeper) wokenUp(now time.Time) {
	s := &k.schedule
	s.mu.Lock()
	leapt := !s.last.IsZero() && ahead(s.last, now) > jumped
	s.last = now
	s.mu.Unlock()
	if leapt {
		k.planAll(func(*held) bool { return true })
	}
}

// ahead is by how much more the wall clock has moved than the monotonic one.
func ahead(from, to time.Time) time.Duration { return to.Round(0).Sub(from.Round(0)) - to.Sub(from) }

// chosen is a connection that is let go now.
type chosen struct {
	*held
	seen   uint64
	permit *permit
}

// choose moves what is due to its lane and takes out what may go. dark are those that may not because their platform is
// down, each named once; next is when to choose again.
func (k *Keeper) choose(now time.Time) (list []chosen, dark []*held, next time.Time) {
	s := &k.schedule
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dark = nil
	s.ticks++
	for len(s.later) > 0 && !now.Before(s.later[0].place.at) {
		k.ripen(heap.Pop(&s.later).(*held), now)
	}
	for _, l := range k.lanes {
		more, at := k.letGo(l, now)
		list, next = append(list, more...), sooner(next, at)
	}
	if len(s.later) > 0 {
		next = sooner(next, s.later[0].place.at)
	}
	return list, s.dark, next
}

// ripen puts a connection among those that are due in its lane, if it still is: it may have been used, or not, since it was
// planned.
func (k *Keeper) ripen(h *held, now time.Time) {
	at, ok := k.dueAt(h, now)
	switch {
	case !ok:
	case now.Before(at):
		k.schedule.put(h, at)
	case h.now.Load().finite:
		k.schedule.over = append(k.schedule.over, h)
	default:
		l := k.lanes[h.platform]
		h.place = place{at: deadline(h.now.Load(), now), due: true, lane: l}
		heap.Push(k.schedule.due[l], h)
		if l.isFailing() {
			k.schedule.dark = append(k.schedule.dark, h)
		}
	}
}

// letGo takes out of a lane what it allows, the nearest deadline first.
func (k *Keeper) letGo(l *lane, now time.Time) (list []chosen, next time.Time) {
	due := k.schedule.due[l]
	for due.Len() > 0 {
		h := (*due)[0]
		if at, ok := k.dueAt(h, now); !ok || now.Before(at) { // a call was quicker, or it is not to be kept any more
			heap.Pop(due)
			if ok {
				k.schedule.put(h, at)
			}
			continue
		}
		c := classKeeper
		if end := left(h.place.at, now); end > 0 && end < lastCall {
			c = classLast
		}
		p, at := l.try(c, now)
		if p == nil {
			if l.darkens() {
				k.schedule.dark = append(k.schedule.dark, *due...)
			}
			return list, at
		}
		heap.Pop(due)
		list = append(list, chosen{h, h.now.Load().lease.Generation, p})
	}
	l.calm()
	return list, time.Time{}
}

// deadline orders those that are due: the end of the refresh token. One that has ended already, by all that is known, comes
// last.
func deadline(cur *current, now time.Time) time.Time {
	end := cur.end()
	if left(end, now) < -forgiven {
		return now.Add(10 * unstatedWindow)
	}
	return end
}

// end is when the refresh token ends, by all that is known.
func (cur *current) end() time.Time {
	if cur.keptUntil.IsZero() {
		return cur.received.Add(unstatedWindow)
	}
	return cur.keptUntil
}

// dueAt says when the connection is to be refreshed in the background, or that it is not.
//
// One that is used: ahead of its access token's end. One that nobody uses: in the last third of its refresh token's life, as
// its platform's policy has it. One whose last refresh did not come to its end: after the back-off. Never one that has
// ended, and none whose end cannot be put off any more. One whose practitioner may not sign in is looked at again later.
func (k *Keeper) dueAt(h *held, now time.Time) (at time.Time, ok bool) {
	cur, l := h.now.Load(), k.lanes[h.platform]
	if !cur.renewable && !cur.finite || l == nil || h.gone.Load() {
		return at, false
	}
	if cur.finite { // its end is written down when it comes
		return latest(now.Add(left(cur.liveUntil, now)), h.later()), true
	}
	if k.active != nil && !k.active(h.practitioner) { // or that cannot be told just now
		return now.Add(min(wakeEvery, max(cur.end().Sub(cur.received)/12, time.Second))), left(cur.end(), now) > 0
	}
	h.mu.Lock()
	flying, again, landed := h.flight != nil, h.notBefore, h.landed
	switch {
	case h.last == nil || k.lifted(h):
		again = time.Time{}
	case h.delay == backoffLast && !h.last.down:
		again = landed.Add(backoffIdle)
	}
	h.mu.Unlock()
	if flying { // it is planned when it lands
		return at, false
	}
	if at, ok = now, true; !cur.unsettled {
		at, ok = k.normally(h, l, cur, now)
	}
	if rested := landed.Add(restless); at.Before(rested) {
		at = rested
	}
	if at.Before(again) {
		at = again
	}
	return at, ok
}

// normally is dueAt for a connection of which nothing is in doubt.
func (k *Keeper) normally(h *held, l *lane, cur *current, now time.Time) (at time.Time, ok bool) {
	idle, ok := k.idleAt(h, l, cur, now)
	used := k.born.Add(time.Duration(h.used.Load()))
	h.idle.Store(false)
	if now.Sub(used) < cur.life && !cur.last(cur.liveUntil) {
		at = now.Add(left(cur.freshUntil, now))
		if ok && idle.Before(at) {
			at = idle
		}
		return at, true
	}
	h.idle.Store(true)
	return idle, ok
}

// last says whether a token's end is the absolute end of its login as well, so that no refresh puts it off. One answer alone
// does not say so: its refresh token may live shorter for another reason, and only the next one tells.
func (cur *current) last(end time.Time) bool {
	return cur.foretold && !end.IsZero() && cur.view.EndsAt.Sub(end).Abs() < 5*time.Second
}

// foretells says whether the same absolute end was known before this answer came.
func (cur *current) foretells(before *current) bool {
	same := !cur.view.EndsAt.IsZero() && cur.view.EndsAt.Sub(before.view.EndsAt).Abs() < time.Minute
	return same && (before.foretold || !cur.received.Equal(before.received))
}

// idleAt is when a connection is refreshed that nobody uses: between two thirds and five sixths of its refresh token's life,
// each connection at a time of its own.
func (k *Keeper) idleAt(h *held, l *lane, cur *current, now time.Time) (at time.Time, ok bool) {
	end := cur.end()
	if cur.last(end) {
		return at, false
	}
	window := end.Sub(cur.received)
	share := float64(maphash.String(k.schedule.seed, h.id)) / (1 << 64)
	at = now.Add(left(cur.received.Add(window*2/3+time.Duration(share*float64(window/6))), now))
	return k.allowed(h, l, span{cur.received, now.Add(left(end, now)), share}, at, now)
}
