// Package connect leads a practitioner from "connect" to a stored connection and back to the page they came from:
// Begin stores a sealed attempt and gives the authorization URL, Finish takes the attempt when the platform sends the
// browser back, and Outcome tells the tab that began it how it ended.
//
// It never holds a token (package tokens redeems the code), never trusts anything the browser or the platform returns
// beyond finding the attempt, never keeps or shows a word of the platform's error texts, and never redirects. bff may
// import it; it imports tokens, session, vault, oauth, platform, audit and secret.
package connect
