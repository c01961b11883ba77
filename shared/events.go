package shared

// Names of the events of GET /api/v1/events, a stream of server-sent events (HTML §9.2). Each carries one of the values
// below as JSON, of ids and codes alone: no name, no address, nothing of a patient. The id of an event is the
// practitioner's place in the order of changes: where a stream greets with the id that the last one ended at, nothing
// was missed in between.
const (
	EventHello      = "hello"      // first of all: Hello
	EventConnection = "connection" // a connection shows another state: ConnectionEvent
	EventBudget     = "budget"     // a clinic has answered, so less of its limits is left: BudgetEvent
	EventSession    = "session"    // signed out, here or elsewhere: SessionEvent
	EventBye        = "bye"        // last of all, where the session lives on: Bye
)

// Hello says who answers and how long. Retry is how many milliseconds to wait after a stream that broke off, Lasts after
// how many seconds this one ends by itself.
type Hello struct {
	Build string `json:"build"`
	Retry int    `json:"retry"`
	Lasts int    `json:"lasts"`
}

// ConnectionEvent is what a connection shows now. Without a connection: several have changed.
type ConnectionEvent struct {
	Connection string `json:"connection,omitempty"`
	State      string `json:"state,omitempty"`
	Cause      string `json:"cause,omitempty"`
}

// BudgetEvent names a connection whose budget has changed.
type BudgetEvent struct {
	Connection string `json:"connection"`
}

// SessionEvent says that the session is over.
type SessionEvent struct {
	Ended bool `json:"ended"`
}

// Bye asks to come back after so many seconds: 0 is at once.
type Bye struct {
	Wait int `json:"wait"`
}
