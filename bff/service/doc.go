// Package service keeps the application's own connections to platforms: access tokens that no practitioner stands behind
// (client_credentials, RFC 6749 §4.4; 2-legged in athenahealth's guide), with credentials that the operator has registered for
// nothing else. A token is asked for when somebody needs one, kept in memory alone under everything that it was asked for with,
// renewed early by whoever comes first, and never stored. Each service has its own list of operations; whether the caller is an
// administrator is for whoever calls to ask. It never lets a token out but as a lease, and sends nothing that the platform's
// token endpoint has no room for. bff/proxy and bff may import it; it imports tokens, platform, oauth, audit and secret.
package service
