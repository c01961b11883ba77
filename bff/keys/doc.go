// Package keys holds the private keys with which Locum signs client assertions (private_key_jwt, RFC 7523): one set of at
// most five for each platform, and one for each platform's service, never shared between two. It makes them, says which one
// signs now, publishes their public halves, and exchanges them without a moment in which a server could meet a key that it
// has not had the time to fetch: a key is published at once and signs only when every copy of the set has expired
// ("SMART App Launch 2.2, Client Authentication: Asymmetric"). Which key signs is a function of the time and of the records
// alone. It never gives a private half to anybody but as something that signs, never prints or exports one, and never makes
// a network call. bff and cmd/locum may import it; it imports vault, platform, oauth and secret.
package keys
