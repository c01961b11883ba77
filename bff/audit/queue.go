package audit

import (
	"context"
	"os"
	"slices"
	"time"
)

// submit queues a record and waits until it is durable. A record whose answer came is nobody's any more: it is used again.
func (l *Log) submit(ctx context.Context, x *item) (seq uint64, err error) {
	select {
	case l.slots <- struct{}{}:
	default:
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return 0, unavailable(ctx.Err())
		case <-l.stopped:
			return 0, unavailable(os.ErrClosed)
		}
	}
	defer func() { <-l.slots }()
	if !l.enqueue(x) {
		return 0, unavailable(os.ErrClosed)
	}
	select {
	case err := <-x.done:
		seq = x.seq
		l.items.Put(x)
		return seq, err
	case <-ctx.Done():
		if err := l.abandon(ctx, x); err != nil {
			return 0, err // the writer may have it still
		}
		return x.seq, nil
	}
}

// abandon leaves a record behind. One that is not being written yet is taken back.
func (l *Log) abandon(ctx context.Context, x *item) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, x); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		return unavailable(ctx.Err())
	}
	select {
	case err := <-x.done: // written in the same moment
		return err
	default:
	}
	x.left = true
	return unavailable(ctx.Err())
}

func (l *Log) enqueue(x *item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, x)
	if x.done != nil {
		l.queued++
	}
	switch {
	case x.done != nil || x.note:
		l.signal()
	case !l.told:
		l.told = true
		select {
		case l.soon <- struct{}{}:
		default:
		}
	}
	return true
}

// signal wakes the writer; the caller holds mu and has seen that the log is open.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *Log) outcome(intent uint64, result string, status int) {
	l.enqueue(outcomeItem(intent, result, status))
}

func outcomeItem(intent uint64, result string, status int) *item {
	b := text(make([]byte, 0, 96), "kind", "outcome")
	b = number(b, "intent", intent)
	b = text(b, "result", result)
	return &item{fields: number(b, "status", uint64(max(0, status)))}
}

// pace is how many records a second somebody waits for, as of the last rateOver and more.
type pace struct {
	n         int
	since     time.Time
	perSecond float64
}

// isBusy says whether a sync that waits a step will find company. The number that waited for the last sync does not tell:
// where one thread runs everything, nobody can come while it syncs.
func (l *Log) isBusy(now time.Time) bool {
	r := &l.rate
	if passed := now.Sub(r.since); passed >= rateOver {
		r.perSecond = float64(r.n) / passed.Seconds()
		r.n, r.since = 0, now
	}
	return r.perSecond >= busyRate
}

// gather waits while records come that somebody waits for: a step, and another where the last brought an eighth more.
func (l *Log) gather() {
	for before, step := 0, 0; step < gatherSteps; step++ {
		time.Sleep(gatherStep)
		l.mu.Lock()
		queued := l.queued
		l.mu.Unlock()
		if queued <= before+before/8 {
			return
		}
		before = queued
	}
}

// take gives the head of the queue, as much as fits into one write.
func (l *Log) take() (batch []*item, probe bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && size < maxBatch-maxLine {
		size += len(l.queue[n].fields) + maxFrame
		n++
	}
	batch, probe = l.queue[:n:n], l.probe
	l.queue, l.probe, l.told, l.queued = l.queue[n:], false, false, 0
	if len(l.queue) == 0 {
		l.queue, l.spare = l.spare, nil
	}
	return batch, probe
}

// giveBack keeps the room of a batch that was all there was, for the next.
func (l *Log) giveBack(batch []*item) {
	clear(batch)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare == nil {
		l.spare = batch[:0]
	}
}
