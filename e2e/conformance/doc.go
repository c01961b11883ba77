// Package conformance holds Locum against the client requirements of SMART App Launch 2.2: one table keyed by their ids, in
// which every SHALL and every SHOULD names the test that shows it or says why it does not apply, and a Locum whose every byte
// to a simulated EHR is read for what the requirements ask of it. It has tests alone, reaches nothing but loopback, and
// nothing imports it; `make conformance` runs every test that the table names.
package conformance
