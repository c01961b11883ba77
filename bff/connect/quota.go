package connect

import (
	"net/netip"
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
	address = subscriber(address)
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

// subscriber is the address that counts as one: of IPv6 the /64, which one subscriber has at least.
func subscriber(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Unmap().Is6() {
		return address
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
