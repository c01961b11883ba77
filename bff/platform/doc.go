// Package platform says what differs between the platforms that Locum speaks to, as values and small functions: where a
// platform's endpoints are, which operations its API has and what each needs, which clinic addresses it accepts, what
// its token or its ids say about a clinic, what its scopes mean, and which network addresses may be dialled for it. It
// never holds a token, and sends nothing but the question for a SMART server's metadata, whose answer it pins. config,
// tokens, connect, proxy, keys, service, ask, check and bff may import it; it imports oauth, throttle and secret.
package platform
