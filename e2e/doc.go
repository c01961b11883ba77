// Package e2e drives the whole product as a person would: a real headless browser against the demo, that is the real
// backend-for-frontend with the embedded sandbox, or against one that is empty. It holds journeys and the leak test; it
// never reaches around the browser to make a journey pass, and nothing imports it.
package e2e
