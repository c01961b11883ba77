package connect

import (
	"sync"
	"time"
)

// quota bounds what callers without a session may have stored: so many of one address in one lifetime, so that who floods
// fills neither the vault nor the others' room.
type quota struct {
	mu    sync.Mutex
	since time.Time
	taken map[string]int
}

const (
	maxPerAddress = 200  // launches of one address in ten minutes: a clinic's practitioners share one
	maxAddresses  = 4096 // that are told apart; the others count as one
)

// take says whether the address may have one more.
func (q *quota) take(address string, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken == nil || now.Sub(q.since) >= lifetime {
		q.since, q.taken = now, map[string]int{}
	}
	if _, known := q.taken[address]; !known && len(q.taken) >= maxAddresses {
		address = ""
	}
	q.taken[address]++
	return q.taken[address] <= maxPerAddress
}
