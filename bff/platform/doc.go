// Package platform says what differs between the platforms that Locum speaks to, as values and small functions: where a
// platform's endpoints are, which operations its API has and what each needs, which clinic addresses it accepts, what
// its token says about a clinic, and which network addresses may be dialled for it. It never sends a request and never
// holds a token. config, tokens, connect, proxy and bff may import it; it imports oauth, throttle and secret.
package platform
