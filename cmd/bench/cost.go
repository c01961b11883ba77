package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// contestant is one proxy under the same two loads.
type contestant struct {
	*child
	load         *load
	small, large requests
}

// cost is what one request took of a processor, one figure per round.
type cost struct{ small, large []time.Duration }

// field starts every proxy, Locum first.
func (s *stage) field(ctx context.Context, p plan, locum *child, who *practitioner, connection string) ([]*contestant, error) {
	all := []*contestant{{child: locum, small: who.calls(connection, smallPath), large: who.calls(connection, largePath)}}
	for _, kind := range []string{"fasthttp", "fiber", "reverse", "reverse-default"} {
		c, err := s.rival(ctx, kind)
		if err != nil {
			return all, err
		}
		// The same request, cookie and all: only the path is the platform's own.
		more := "Cookie: " + who.session + "\r\n"
		all = append(all, &contestant{child: c,
			small: requests{get(c.addr, smallPath, more)}, large: requests{get(c.addr, largePath, more)}})
	}
	for _, c := range all {
		var err error
		if c.load, err = openLoad(c.addr, p.conns); err != nil {
			return all, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return all, nil
}

// retire ends all but Locum.
func retire(all []*contestant) error {
	var errs []error
	for _, c := range all {
		if c.load != nil {
			c.load.close()
		}
		if c.name != "locum" {
			errs = append(errs, c.stop())
		}
	}
	return errors.Join(errs...)
}

// compare gives each contestant its slice of load, one after another, round by round, so that whatever else the machine
// does meets all of them alike. The first round only warms up.
func compare(ctx context.Context, p plan, all []*contestant) (map[string]*cost, error) {
	costs := map[string]*cost{}
	for round := range p.rounds + 1 {
		for _, c := range all {
			small, err := c.perRequest(ctx, c.small, p.small, smallBody)
			if err != nil {
				return nil, err
			}
			large, err := c.perRequest(ctx, c.large, p.large, largeBody)
			if err != nil {
				return nil, err
			}
			if round == 0 {
				costs[c.name] = &cost{}
				continue
			}
			costs[c.name].small = append(costs[c.name].small, small)
			costs[c.name].large = append(costs[c.name].large, large)
		}
	}
	return costs, nil
}

// perRequest is the processor time of n requests, divided by n.
func (c *contestant) perRequest(ctx context.Context, list requests, n, size int) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	before, err := cpuTime(c.pid)
	if err != nil {
		return 0, err
	}
	if err := c.load.drive(list, n, size); err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	after, err := cpuTime(c.pid)
	return (after - before) / time.Duration(n), err
}

func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
