// Package oauth speaks OAuth 2, OpenID Connect and SMART App Launch as a registered client: it authenticates in one of four
// ways, builds the authorization request with PKCE, reads the callback, sends token, refresh, revocation, introspection and
// end-session requests, reads what a server says about itself, and checks JWTs against the server's keys. It never stores
// anything, never repeats a request (only a question about a token is asked again by GET where a server knows no POST),
// never follows a redirect, and never decides what an answer means for a connection: that is the caller's business. It is
// the only package that owns an HTTP client; platform, config, keys, tokens, service, connect and check may import it, and
// it imports only secret.
package oauth
