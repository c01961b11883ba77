package throttle

import (
	"slices"
	"time"
)

// person is one practitioner at one clinic.
type person struct {
	own   []int         // permits taken and not back, by the number of the rule
	waits int           // claims in the queue
	kept  int           // promises
	turn  [2]uint64     // tag of the last claim served
	seen  time.Duration // of the last call
}

// reserve is the part of a rule's permits, one in five, that whoever holds far more than others leaves to them: so a burst
// of one practitioner does not make the next one wait for a window.
const reserve = 5

// enough is how many permits are reckoned with for each of the others, and too few to be called far more.
func (r *rule) enough() int { return max(1, r.capacity()/reserve/5) }

// countAgain is how long it is believed who is there and what they hold.
const countAgain = 100 * time.Millisecond

const firstPeople = 64

// person finds or makes the entry of a practitioner.
func (c *clinic) person(name string, class *rule, now time.Duration) *person {
	who := c.people[name]
	if who == nil {
		if len(c.people) >= c.peopleAt {
			c.forgetPeople(now)
			c.peopleAt = max(firstPeople, 2*len(c.people))
		}
		who = &person{}
		c.people[name] = who
	}
	for len(who.own) <= class.number {
		who.own = append(who.own, 0)
	}
	who.seen = now
	return who
}

func (c *clinic) forgetPeople(now time.Duration) {
	for name, who := range c.people {
		if slices.Max(who.own)+who.waits+who.kept == 0 && now-who.seen > c.memory() {
			delete(c.people, name)
		}
	}
}

// memory is how long somebody who does not call is reckoned with.
func (c *clinic) memory() time.Duration { return max(c.all.window(), time.Minute) }

// may says whether who can have a permit of both rules now, besides those that are set aside.
func (c *clinic) may(who *person, class *rule, now time.Duration) bool {
	return c.all.frozen <= now && class.frozen <= now && c.allows(&c.all, who, now) && c.allows(class, who, now)
}

func (c *clinic) allows(r *rule, who *person, now time.Duration) bool {
	return r.free(now) > r.held && !c.restrains(r, who, now)
}

// restrained says that who must leave what is free to others.
func (c *clinic) restrained(who *person, class *rule, now time.Duration) bool {
	return c.restrains(&c.all, who, now) || c.restrains(class, who, now)
}

func (c *clinic) restrains(r *rule, who *person, now time.Duration) bool {
	own, free := who.own[r.number], r.free(now)-r.held
	if own <= r.enough() || free > r.capacity()/reserve {
		return false
	}
	c.count(r, now)
	return own > r.fair && free <= r.left
}

// count finds how many permits are far more than others hold, which is twice an equal share, or half of all; and how many
// must stay free for the others: what is reserved for them, less what they hold already. While it is not known who is
// there, because the clinic is new here, there may be many.
func (c *clinic) count(r *rule, now time.Duration) {
	if r.counted != 0 && now-r.counted < countAgain {
		return
	}
	n, people, others := max(0, r.capacity()), 0, 0
	for _, who := range c.people {
		if now-who.seen < c.memory() {
			people++
		}
	}
	if now-c.made < r.window() {
		people, others = max(people, reserve), n
	}
	r.counted, r.left = max(now, 1), 0
	r.fair = max(r.enough(), min(2*n/max(1, people), n/2))
	if people == 1 {
		r.fair = n
	}
	for _, who := range c.people {
		if own := who.has(r); now-who.seen < c.memory() && own <= r.fair {
			others++
			r.left -= own
		}
	}
	r.left += min(n/reserve, r.enough()*others)
}

func (p *person) has(r *rule) int {
	if r.number < len(p.own) {
		return p.own[r.number]
	}
	return 0
}

// afterOwn says when who, if restrained, can have one more permit after k others: each of those that come back makes room
// for one.
func (c *clinic) afterOwn(r *rule, who *person, k int, now time.Duration) time.Duration {
	if who.own[r.number]+k <= r.enough() {
		return now
	}
	c.count(r, now)
	if who.own[r.number]+k <= r.fair {
		return now
	}
	k -= max(0, r.free(now)-max(0, r.left))
	if k < 0 {
		return now
	}
	for i := range r.back.size {
		if p := r.back.slot(i); p.who == who {
			if k == 0 {
				return p.at
			}
			k--
		}
	}
	return now + c.slow + r.window()
}
