// Package interop holds Locum against a real Keycloak, the software that Jane's identity service is: the released binary
// connects, renews, loses answers, is logged out and disconnects at a server that nobody of us wrote, under realms that are
// imported from a file of this package. It has tests alone and runs only when it is asked for, with `make interop`; it
// reaches nothing but loopback and Maven Central, and nothing imports it.
package interop
