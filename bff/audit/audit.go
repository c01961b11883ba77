// Package audit appends who did what to which record to a file, durably, before it is done: no audit, no access. Each
// line is a JSON object sealed by a keyed hash over itself and the line before, so that a changed, dropped, inserted or
// swapped line shows (Verify). Its single writer takes whatever is queued, writes it and syncs once for all. It never
// stores a token, a name or a record's own id, never drops an entry in silence, and never answers before the disk has.
// It imports nothing of ours; account, session, tokens, connect, proxy and bff write to it.
//
// A line, here broken up (every value is cut to a bounded length and free of control characters):
//
//	{"seq":17,"time":"2026-11-22T08:00:00.123456789Z","boot":"…","clock":"…","up":81000,"kind":"intent",
//	 "request":"…","who":"…","session":"…","remote":"…","platform":"…","clinic":"…","connection":"…",
//	 "operation":"…","class":"…","method":"GET","record":"keyed hash of the record's id",
//	 "mac":"base64url(HMAC-SHA256(key, previous mac | the line up to here))"}
//
// "boot" names a run of the process, and "up" is the microseconds on a clock that nobody sets: the machine's since its
// start, which "clock" names, or the run's own, where that is "". So the time between two lines of one clock is known,
// whatever becomes of the date.
//
// Kinds: "head" once, first; "intent"; "outcome" with the intent's seq, "result" and "status"; "refused" with the fields
// of an intent and a "code"; "torn" after a crash, with the size and digest of what was cut off; "unwitnessed" where the
// log was opened without its head file; "resumed" after a failure; and those of Event.
//
// Beside the log stands its head file (HeadFile), which shows that lines are missing at the end, and away from the
// machine whoever wants to keeps an Anchor now and then, which shows that log and head file are both older ones.
package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// FileName is the log's name in a data directory, KeyPurpose what the key that chains it is derived for
// (vault.DeriveKey).
const (
	FileName   = "audit.log"
	KeyPurpose = "audit"
)

// ErrUnavailable says that the record could not be made durable: what it announces must not happen.
var ErrUnavailable = errors.New("audit log unavailable")

// Intent announces one call to a platform. Session is a keyed hash of the session, never its cookie. Record is the id of
// the record touched, if the call names one; only its keyed hash is stored.
type Intent struct {
	RequestID, Practitioner, Session, Remote, Platform, Clinic, Connection, Operation, Class, Method, Record string
}

// Event is anything else worth a record, e.g. Kind "sign_in", "connect", "refresh_failed" or "freeze". Code says more.
type Event struct {
	Kind, RequestID, Practitioner, Session, Remote, Platform, Clinic, Connection, Code string
}

// Entry is a durable intent whose outcome is not recorded yet. An intent that never gets one counts as unknown.
type Entry struct {
	log   *Log
	seq   uint64
	ended atomic.Bool
}

// Results of an intent, for End.
const (
	ResultAnswered = "answered" // status is the platform's
	ResultUnknown  = "unknown"  // sent, perhaps, and no answer came
	ResultUnsent   = "unsent"   // no byte left
)

// kindUnwitnessed is the line of a log that was opened without its head file.
const kindUnwitnessed = "unwitnessed"

// Begin records an intent. When it returns without an error the record is on disk; else the error is an ErrUnavailable
// and the call must not be made. When ctx ends first, the intent, should it reach the disk, is followed by "unsent".
func (l *Log) Begin(ctx context.Context, in Intent) (*Entry, error) {
	x := l.item("intent")
	x.intent = true
	x.fields = l.intentFields(x.fields, in)
	seq, err := l.submit(ctx, x)
	if err != nil {
		return nil, err
	}
	return &Entry{log: l, seq: seq}, nil
}

// End records the outcome, one of the Result constants and the platform's status or 0. It does not wait: the line is
// written soon and is durable with the next sync. Only the first call counts.
func (e *Entry) End(result string, status int) {
	if e.ended.CompareAndSwap(false, true) {
		e.log.outcome(e.seq, result, status)
	}
}

// Refuse records one refused access durably. code is why.
func (l *Log) Refuse(ctx context.Context, in Intent, code string) error {
	x := l.item("refused")
	x.fields = text(l.intentFields(x.fields, in), "code", code)
	_, err := l.submit(ctx, x)
	return err
}

// Event records one event durably. Empty fields are left out.
func (l *Log) Event(ctx context.Context, ev Event) error {
	x := l.item("")
	x.fields = eventFields(x.fields, ev)
	_, err := l.submit(ctx, x)
	return err
}

// Note records an event that must not wait, because it gives nothing away: somebody signs out. It is written and synced
// soon; while the log fails it is kept until the log works again. The error is an ErrUnavailable, after Close.
func (l *Log) Note(ev Event) error {
	if !l.enqueue(&item{fields: eventFields(nil, ev), note: true}) {
		return unavailable(os.ErrClosed)
	}
	return nil
}

func eventFields(b []byte, ev Event) []byte {
	b = text(b, "kind", ev.Kind)
	for _, f := range [...]struct{ name, value string }{
		{"request", ev.RequestID}, {"who", ev.Practitioner}, {"session", ev.Session}, {"remote", ev.Remote},
		{"platform", ev.Platform}, {"clinic", ev.Clinic}, {"connection", ev.Connection}, {"code", ev.Code},
	} {
		if f.value != "" {
			b = text(b, f.name, f.value)
		}
	}
	return b
}

// intentFields writes all fields, empty ones too: every record of an access has the same shape.
func (l *Log) intentFields(b []byte, in Intent) []byte {
	b = text(b, "request", in.RequestID)
	b = text(b, "who", in.Practitioner)
	b = text(b, "session", in.Session)
	b = text(b, "remote", in.Remote)
	b = text(b, "platform", in.Platform)
	b = text(b, "clinic", in.Clinic)
	b = text(b, "connection", in.Connection)
	b = text(b, "operation", in.Operation)
	b = text(b, "class", in.Class)
	b = text(b, "method", in.Method)
	record := ""
	if in.Record != "" {
		record = recordMAC(l.keys.record, in.Platform, in.Clinic, in.Record)
	}
	return text(b, "record", record)
}

func unavailable(cause error) error { return fmt.Errorf("%w: %w", ErrUnavailable, cause) }
