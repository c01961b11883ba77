package main

import (
	"fmt"
	"sync"
	"time"

	"locum/bff/sandbox"
)

// herd is what happened when many calls met one token that had run out.
type herd struct {
	callers, refreshes, successes int
	one, last                     time.Duration // a single caller's call with a refresh in it; the last answer of the herd
}

// slowRefresh is what the identity server takes for a refresh, as a real one does.
const slowRefresh = 100 * time.Millisecond

// stampede lets a token run out twice: first one caller meets it, then the herd at once.
func (s *stage) stampede(who *practitioner, p plan) (h herd, err error) {
	s.identity.SetLifetimes(p.life, time.Hour)
	defer s.identity.SetLifetimes(time.Hour, 9*time.Hour)
	connection, err := who.connect(callerTwo)
	if err != nil {
		return h, err
	}
	call := who.calls(connection, smallPath)[0]
	l, err := openLoad(s.addr, p.herd)
	if err != nil {
		return h, err
	}
	defer l.close()
	one, _, _, err := s.expire(&load{l.lines[:1]}, p.life, call)
	if err != nil {
		return h, err
	}
	last, refreshes, successes, err := s.expire(l, p.life, call)
	return herd{p.herd, refreshes, successes, one, last}, err
}

// expire waits until the token has run out and then makes one call on each line.
func (s *stage) expire(l *load, life time.Duration, call []byte) (last time.Duration, refreshes, successes int, err error) {
	time.Sleep(life + 200*time.Millisecond)
	s.identity.Slow(sandbox.EndpointRefresh, slowRefresh, 1)
	before := s.identity.Count(sandbox.EndpointRefresh)
	var mu sync.Mutex
	began := time.Now()
	err = l.together(func(one *line) error {
		status, _, err := one.call(call)
		mu.Lock()
		defer mu.Unlock()
		last = max(last, time.Since(began))
		if status == 200 {
			successes++
		} else if err == nil {
			err = fmt.Errorf("status %d in the herd", status)
		}
		return err
	})
	return last, s.identity.Count(sandbox.EndpointRefresh) - before, successes, err
}
