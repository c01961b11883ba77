// Package oauth speaks OAuth 2 and OpenID Connect as a confidential client: it builds the authorization URL with PKCE,
// reads the callback, sends token, refresh, revocation, introspection and end-session requests, and checks JWTs against
// the server's keys. It never stores anything, never repeats a request, never follows a redirect, and never decides what
// an answer means for a connection: that is the caller's business. It is the only package that owns an HTTP client;
// platform, config, tokens and connect may import it, and it imports only secret.
package oauth
