package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// plan says how much of everything is done.
type plan struct {
	starts       int           // cold starts
	conns        int           // keep-alive connections of the load
	rounds       int           // slices of load that each contestant gets, and one more
	small, large int           // requests of a slice
	rate         int           // per second, for latencies
	paced        time.Duration // how long
	rest, calm   time.Duration // before memory is read: after a start, after a load
	still        time.Duration // how long nothing is asked of stored connections
	herd         int
	life         time.Duration // of the herd's tokens
	stored       []int
	quota        time.Duration
}

var full = plan{
	starts: 10, conns: 64, rounds: 15, small: 4000, large: 1500, rate: 1000, paced: 4 * time.Second, rest: 2 * time.Second,
	calm: 17 * time.Second, still: 65 * time.Second,
	herd: 500, life: 3 * time.Second, stored: []int{1000, 10_000}, quota: 12 * time.Second,
}

// smoke does a little of everything, to see that it can be done.
var smoke = plan{
	starts: 1, conns: 4, rounds: 1, small: 20, large: 10, rate: 100, paced: 100 * time.Millisecond, herd: 20, life: time.Second,
	still: 100 * time.Millisecond, stored: []int{50}, quota: 100 * time.Millisecond,
}

// report is everything that was measured.
type report struct {
	plan      plan
	costs     map[string]*cost
	latency   map[string]latencies
	starts    []time.Duration
	startCPU  []time.Duration
	idle      int64 // resident bytes after the start
	busy      int64 // right after the load
	calm      int64 // and a while later
	herd      herd
	stored    []stored
	quota     quota
	began     time.Time
	took      time.Duration
	rivalsRSS map[string]int64
}

// stored is what so many connections cost.
type stored struct {
	connections int
	start       time.Duration
	startCPU    time.Duration
	idle, calm  int64
	keeper      time.Duration // processor time while nothing is asked and nothing is due
	still       time.Duration // how long that was
	perCall     time.Duration
}

// run measures everything and prints it. Without a dir it makes one beside the binary, on the disk that is meant, and
// removes it.
func run(ctx context.Context, binary, dir string, p plan, out io.Writer) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	if dir == "" {
		if dir, err = os.MkdirTemp(filepath.Dir(binary), "bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	r, err := measure(ctx, binary, dir, p)
	if err != nil {
		return err
	}
	return r.print(out)
}

// measure follows the plan. dir is made where it is not there, and left as it is.
func measure(ctx context.Context, binary, dir string, p plan) (*report, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := allCores()
	if err := c.settle(); err != nil {
		return nil, err
	}
	s, err := newStage(ctx, binary, dir, c)
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	defer s.close()
	r := &report{plan: p, began: time.Now()}
	who, connection, err := s.coldStarts(ctx, p, r)
	if err != nil {
		return nil, err
	}
	if err := s.underLoad(ctx, p, r, who, connection); err != nil {
		return nil, err
	}
	for _, n := range p.stored {
		if err := s.withStored(ctx, p, r, n); err != nil {
			return nil, fmt.Errorf("%d connections: %w", n, err)
		}
	}
	if r.quota, err = s.saturate(ctx, p, who.calls(connection, smallPath)); err != nil {
		return nil, fmt.Errorf("the limiter: %w", err)
	}
	r.took = time.Since(r.began)
	return r, nil
}

// coldStarts makes the one connection, then starts Locum again and again.
func (s *stage) coldStarts(ctx context.Context, p plan, r *report) (*practitioner, string, error) {
	locum, _, err := s.serve(ctx)
	if err != nil {
		return nil, "", err
	}
	who, connection, err := s.settleIn()
	if err := errors.Join(err, locum.stop()); err != nil {
		return nil, "", err
	}
	for range p.starts {
		locum, took, err := s.serve(ctx)
		if err != nil {
			return nil, "", err
		}
		used, err := cpuTime(locum.pid)
		if err := errors.Join(err, locum.stop()); err != nil {
			return nil, "", err
		}
		r.starts, r.startCPU = append(r.starts, took), append(r.startCPU, used)
	}
	return who, connection, nil
}

func (s *stage) settleIn() (*practitioner, string, error) {
	who, err := s.signIn()
	if err != nil {
		return nil, "", err
	}
	connection, err := who.connect(callerOne)
	return who, connection, err
}

// underLoad measures one run of Locum beside the others: memory, cost, latency, memory again, and the herd.
func (s *stage) underLoad(ctx context.Context, p plan, r *report, who *practitioner, connection string) (err error) {
	locum, _, err := s.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locum.stop()) }()
	time.Sleep(p.rest)
	if r.idle, err = resident(locum.pid); err != nil {
		return err
	}
	all, err := s.field(ctx, p, locum, who, connection)
	defer func() { err = errors.Join(err, retire(all)) }()
	if err != nil {
		return err
	}
	if r.costs, err = compare(ctx, p, all); err != nil {
		return err
	}
	r.latency, r.rivalsRSS = map[string]latencies{}, map[string]int64{}
	for _, c := range all {
		paced, err := c.load.pace(c.small, p.rate, int(p.paced*time.Duration(p.rate)/time.Second))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.latency[c.name] = paced.latencies
		if r.rivalsRSS[c.name], err = resident(c.pid); err != nil {
			return err
		}
	}
	r.busy = r.rivalsRSS["locum"]
	if r.herd, err = s.stampede(who, p); err != nil {
		return fmt.Errorf("the herd: %w", err)
	}
	time.Sleep(p.calm)
	r.calm, err = resident(locum.pid)
	return err
}

// withStored seeds the vault, starts Locum on it and calls through the connections.
func (s *stage) withStored(ctx context.Context, p plan, r *report, n int) (err error) {
	list, err := s.seed(n)
	if err != nil {
		return err
	}
	locum, took, err := s.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locum.stop()) }()
	one := stored{connections: n, start: took}
	if one.startCPU, err = cpuTime(locum.pid); err != nil {
		return err
	}
	time.Sleep(p.rest)
	if one.idle, err = resident(locum.pid); err != nil {
		return err
	}
	if err := one.watch(locum.pid, p.still); err != nil {
		return err
	}
	c := contestant{child: locum}
	if c.load, err = openLoad(s.addr, p.conns); err != nil {
		return err
	}
	defer c.load.close()
	var costs []time.Duration
	for range 4 {
		took, err := c.perRequest(ctx, list, p.small, smallBody)
		if err != nil {
			return err
		}
		costs = append(costs, took)
	}
	one.perCall = median(costs[1:])
	time.Sleep(p.calm)
	one.calm, err = resident(locum.pid)
	r.stored = append(r.stored, one)
	return err
}

// watch measures what a server costs that only keeps its connections: nothing is asked, and none is due.
func (one *stored) watch(pid int, still time.Duration) error {
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	time.Sleep(still)
	one.still = time.Since(began)
	after, err := cpuTime(pid)
	one.keeper = after - before
	return err
}
