package throttle

import "time"

// ring is a queue of permits in the order in which they return. It grows by doubling: 16 bytes a permit, none for keys at
// rest.
type ring struct {
	permits     []returning // length is 0 or a power of two
	first, size int
}

type returning struct {
	at  time.Duration
	who *person
}

func (q *ring) slot(i int) *returning { return &q.permits[(q.first+i)&(len(q.permits)-1)] }

func (q *ring) at(i int) time.Duration { return q.slot(i).at }

// insert keeps the order. Nearly always the new one is the last; only those of abandoned calls lie behind it.
func (q *ring) insert(p returning) {
	if q.size == len(q.permits) {
		q.grow()
	}
	i := q.size
	q.size++
	for ; i > 0 && q.at(i-1) > p.at; i-- {
		*q.slot(i) = *q.slot(i - 1)
	}
	*q.slot(i) = p
}

func (q *ring) grow() {
	bigger := make([]returning, max(4, 2*len(q.permits)))
	for i := range q.size {
		bigger[i] = *q.slot(i)
	}
	q.permits, q.first = bigger, 0
}

// pop takes the first one out, which there must be.
func (q *ring) pop() *person {
	p := q.slot(0)
	who := p.who
	p.who = nil
	q.first = (q.first + 1) & (len(q.permits) - 1)
	q.size--
	return who
}
