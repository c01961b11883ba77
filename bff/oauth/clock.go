package oauth

import (
	"net/http"
	"sync/atomic"
	"time"
)

// clock is this machine's clock, corrected to the authorization server's when the two differ by minutes. The dates in a
// token are the server's, so a machine whose clock is wrong would refuse every token, or accept dead ones. The server's
// time is the Date header of its successful answers to requests of the client's (and of its refusal of an assertion, see
// tells): authenticated by TLS like the tokens themselves, and never out of a cache, as the date of a key set or of a
// gateway's error may be. Lifetimes do not depend on it: they count
// from the receipt. What a wrong date can do is bounded: a token is taken for as long as mostOffset beyond its end.
type clock struct{ offset atomic.Int64 } // nanoseconds to add

const (
	// A difference below leastOffset is covered by clockSkew; one above mostOffset is a fault that nobody should work
	// around, and is not corrected either.
	leastOffset = 30 * time.Second
	mostOffset  = 15 * time.Minute
)

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// learn takes the Date header of an answer that was complete at received. A missing or unreadable date teaches nothing.
func (c *clock) learn(date string, received time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	offset := at.Sub(received)
	if size := offset.Abs(); size < leastOffset || size > mostOffset {
		offset = 0
	}
	c.offset.Store(int64(offset))
}

// ClockOffset is how far the authorization server's clock is ahead of this one, by its last answer to a token request;
// 0 when they agree within half a minute, or differ by more than a quarter of an hour. A wrong clock deserves a word to
// the operator.
func (c *Client) ClockOffset() time.Duration { return time.Duration(c.clock.offset.Load()) }
