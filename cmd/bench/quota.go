package main

import (
	"context"
	"errors"
	"time"
)

// quota is how much of a limit gets used when ten times as much is asked for.
type quota struct {
	limit    limits
	offered  int
	worst    int     // most requests that arrived in one window, wherever it begins
	share    float64 // of what is safe: the limit in each window, margin and round trip
	overruns int     // windows above the limit
}

// scaled are limits with a short window, so that a few seconds show many of them. Locum adds a second to each.
var scaled = limits{100, "1s", 1_000_000, "1s"}

const (
	scaledWindow = time.Second
	scaledCycle  = 2 * time.Second // with Locum's margin
	overload     = 10
)

// saturate restarts Locum with scaled limits and offers ten times of them.
func (s *stage) saturate(ctx context.Context, p plan, list requests) (q quota, err error) {
	if err := s.configure(scaled); err != nil {
		return q, err
	}
	locum, _, err := s.serve(ctx)
	if err != nil {
		return q, err
	}
	defer func() { err = errors.Join(err, locum.stop(), s.configure(far)) }()
	l, err := openLoad(s.addr, 4*p.conns)
	if err != nil {
		return q, err
	}
	defer l.close()
	rate := overload * scaled.endpoint * int(time.Second) / int(scaledCycle)
	s.upstream.watch()
	paced, err := l.pace(list, rate, int(p.quota*time.Duration(rate)/time.Second))
	if err != nil {
		return q, err
	}
	arrivals := s.upstream.arrived()
	q = quota{limit: scaled, offered: len(paced.latencies) + paced.others}
	q.judge(arrivals)
	return q, nil
}

// judge counts windows and the share over whole cycles. The safe bound of one cycle is the limit: a permit comes back a
// window and a margin after its answer.
func (q *quota) judge(arrivals []time.Time) {
	for i, j := 0, 0; j < len(arrivals); j++ {
		for arrivals[j].Sub(arrivals[i]) >= scaledWindow {
			i++
		}
		if q.worst = max(q.worst, j-i+1); j-i+1 > q.limit.endpoint {
			q.overruns++
		}
	}
	if len(arrivals) == 0 {
		return
	}
	cycles := int(arrivals[len(arrivals)-1].Sub(arrivals[0]) / scaledCycle)
	end, n := arrivals[0].Add(time.Duration(cycles)*scaledCycle), 0
	for n < len(arrivals) && arrivals[n].Before(end) {
		n++
	}
	if cycles > 0 {
		q.share = float64(n) / float64(cycles*q.limit.endpoint)
	}
}
