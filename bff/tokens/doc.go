// Package tokens owns every token from the first store to the revocation: it redeems an authorization code, hands out
// an access token that is fresh, refreshes it once for everybody who waits, and ends the connection when the
// practitioner or the platform does.
//
// Redeem and refresh walk the same way: record the raw answer, then parse it, then check it, then publish it. A token is
// durable before anybody uses it. What is certain is acted on, what is not certain is kept: only invalid_grant, or an
// answer that belongs to somebody else, ends a connection; time-outs, 5xx and our own misconfiguration never do.
//
// Whose a chain is says the access token where its platform's are read (Jane), and otherwise the verified id_token alone:
// (iss, sub). A chain belongs to one person at one clinic and, where it was launched, to one patient: identity.go and launch.go
// keep the wrong ones out, pending.go holds what nobody has adopted yet.
//
// It never lets a token out except as a Lease, never makes a network call inside a transaction, never lets a caller who
// leaves cancel a refresh, and sends nothing whose result it could not store. connect, proxy and bff may import it; it
// imports vault, oauth, platform, audit and secret.
package tokens
