package shared

import "time"

// Life is the answer of GET /api/v1/connections/{connection}/life: what a connection shows, why, since when, what helps,
// how long it lasts, and what has happened to it. It is codes and times; the words live in app/words. Of a connection that
// was disconnected it is there for a week.
type Life struct {
	Connection Connection `json:"connection"` // of one that is gone: id, platform, clinic and state alone
	// Next is what helps: "none", "wait", "reconnect", "connect", "ask_clinic", or "tell_operator:" and the setting to look at first.
	Next string `json:"next"`
	// By is who can repair it: "nobody", "practitioner", "clinic", "operator", "platform", "locum".
	By    string     `json:"by"`
	Since *time.Time `json:"since,omitempty"` // when this state began
	// RetrySeconds is how long until Locum tries again by itself; 0 while it does not wait.
	RetrySeconds int `json:"retry_seconds"`
	// Rotation is what a renewal does at the platform: "K0", "K1", "K2", "O0", "O1", or "" while that is not known.
	Rotation string `json:"rotation"`
	// RotationObserved is what it was seen to do, where that is not what was configured; the stricter one is acted on.
	RotationObserved string `json:"rotation_observed,omitempty"`
	// KeepAlive is when an unused connection is renewed: "always", "working_hours", "signed_in".
	KeepAlive string     `json:"keep_alive"`
	EndedAt   *time.Time `json:"ended_at,omitempty"` // when it was disconnected
	ToldTo    *time.Time `json:"told_to,omitempty"`  // until then its end can be explained
	Steps     []LifeStep `json:"steps"`              // the oldest first
}

// LifeStep is one thing that happened, or several equal ones in a row. Parent and Child are keyed fingerprints: they tell
// one key from another and nothing about it.
type LifeStep struct {
	At      time.Time  `json:"at"`
	Until   *time.Time `json:"until,omitempty"` // of the last of Count; of a forecast, the end that is foreseen
	Count   int        `json:"count"`
	What    string     `json:"what"`
	Trigger string     `json:"trigger,omitempty"`
	Code    string     `json:"code,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Parent  string     `json:"parent,omitempty"`
	Child   string     `json:"child,omitempty"`
}
