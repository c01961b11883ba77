// Package audit appends who did what to which record, durably, before it is done.
package audit

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable says that the record could not be made durable: what it announces must not happen.
var ErrUnavailable = errors.New("audit log unavailable")

// Log is an open audit log.
type Log struct{}

// Open opens or creates the log.
func Open(path string, key []byte, boot string) (*Log, error) { panic("todo") }

// Intent announces one upstream call.
type Intent struct {
	RequestID, Practitioner, Session, Remote, Platform, Clinic, Connection, Operation, Class, Method, Record string
}

// Entry is a durable intent whose outcome is not recorded yet.
type Entry struct{}

// Begin records an intent; it is durable when Begin returns.
func (l *Log) Begin(ctx context.Context, in Intent) (*Entry, error) { panic("todo") }

// End records the outcome: "answered", "unknown" or "unsent".
func (e *Entry) End(result string, status int) { panic("todo") }

// Refuse records one refused access.
func (l *Log) Refuse(ctx context.Context, in Intent, code string) error { panic("todo") }

// Event is anything else worth a record.
type Event struct {
	Kind, RequestID, Practitioner, Session, Remote, Platform, Clinic, Connection, Code string
}

// Event records one event durably.
func (l *Log) Event(ctx context.Context, ev Event) error { panic("todo") }

// Healthy says whether the last write succeeded.
func (l *Log) Healthy() error { panic("todo") }

// Close flushes what is queued and closes the file.
func (l *Log) Close() error { panic("todo") }

// Report is what Verify found in an intact log.
type Report struct {
	Lines, Intents, Open int
	First, Last          time.Time
}

// VerifyError names the first line that does not hold.
type VerifyError struct {
	Line   int
	Reason string
}

func (e *VerifyError) Error() string { panic("todo") }

// Verify reads the whole log.
func Verify(path string, key []byte) (Report, error) { panic("todo") }
