package crash_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"locum/bff/audit"
	"locum/bff/sandbox"
)

// ledger is what the outside saw: every request that reached the sandbox, every token that it minted, and every intent in
// the audit trail. From these follows what Locum must have written down before it acted.
type ledger struct {
	t   testing.TB
	box *sandbox.Sandbox

	mu      sync.Mutex
	owner   map[string]string // record in a request -> connection
	renewed map[string]bool   // connections that may have a new chain since their last call
	told    []told            // connections that said the platform had ended them, not explained yet

	minted    string         // the last one read
	index     map[string]int // token -> its number in its chain
	chain     map[string]string
	last      map[string]int    // chain -> number of the newest token
	proven    map[string]int    // chain -> newest token that Locum has shown to hold
	times     map[string]int    // refresh token -> presentations
	chainOf   map[string]string // connection -> chain
	processed int               // requests read
	offset    int64             // of the audit trail
	records   map[string]bool   // keyed hashes of records in intents
	intents   map[string]int    // by operation and clinic
	seen      map[string]int

	replays, requests, refreshes, codes, torn int
	exchanged                                 map[string]int
}

func newLedger(t testing.TB, box *sandbox.Sandbox) *ledger {
	return &ledger{t: t, box: box, owner: map[string]string{}, renewed: map[string]bool{}, index: map[string]int{}, chain: map[string]string{},
		last: map[string]int{}, proven: map[string]int{}, times: map[string]int{},
		chainOf: map[string]string{}, records: map[string]bool{}, intents: map[string]int{}, seen: map[string]int{},
		exchanged: map[string]int{}}
}

// record makes the id of a record for one request through a connection.
func (l *ledger) record(connection string) string {
	id := newRecord()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner[id] = connection
	return id
}

// told is a connection that said it had ended.
type told struct {
	connection string
	again      bool // it has been connected again since, so that its calls are another chain's
}

func (l *ledger) ended(connection string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, told{connection: connection})
}

// renew notes whether a connection may stand on another chain than its last call did.
func (l *ledger) renew(connection string, may bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed[connection] = may
	for i := range l.told {
		l.told[i].again = l.told[i].again || may && l.told[i].connection == connection
	}
}

// read takes in what has happened since the last time; the server is dead, and its trail lies still.
func (l *ledger) read(s *site, key []byte) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readTrail(s.trail())
	l.readMinted()
	l.readRequests(key)
	l.explain()
	if len(l.owner) > 50_000 {
		clear(l.owner)
	}
}

// claims are the parts of a token that tell whose it is.
type claims struct {
	Type    string `json:"typ"`
	Login   string `json:"sid"`
	Subject string `json:"sub"`
	Issuer  string `json:"iss"`
}

func readClaims(token string) (c claims) {
	if _, rest, ok := strings.Cut(token, "."); ok {
		payload, _, _ := strings.Cut(rest, ".")
		b, _ := base64.RawURLEncoding.DecodeString(payload)
		_ = json.Unmarshal(b, &c)
	}
	return c
}

// readMinted numbers the tokens of each chain: an access token and the refresh token minted behind it share a number.
func (l *ledger) readMinted() {
	all := l.box.Minted()
	start := len(all)
	for start > 0 && all[start-1] != l.minted {
		start--
	}
	for _, token := range all[start:] {
		c := readClaims(token)
		switch c.Type {
		case "Bearer":
			l.last[c.Login]++
		case "Refresh":
		default:
			continue
		}
		l.index[token], l.chain[token] = l.last[c.Login], c.Login
	}
	if len(all) > 0 {
		l.minted = all[len(all)-1]
	}
}

// readRequests walks what arrived, in order. A refresh token may be presented again only while Locum cannot know the
// answer: never once a later token of its chain has been used; and never when the platform would have called it inactive.
func (l *ledger) readRequests(key []byte) {
	all := l.box.Requests(sandbox.EndpointToken, sandbox.EndpointAPI)
	total := l.box.Count(sandbox.EndpointToken) + l.box.Count(sandbox.EndpointAPI)
	fresh := min(total-l.processed, len(all))
	l.processed = total
	for _, r := range all[len(all)-fresh:] {
		switch r.Where {
		case sandbox.EndpointExchange:
			code := r.Form().Get("code")
			if l.exchanged[code]++; l.exchanged[code] > 1 {
				l.t.Errorf("T017: a code was sent %d times", l.exchanged[code])
			}
			l.codes++
		case sandbox.EndpointRefresh:
			l.presented(r.Form().Get("refresh_token"))
		default:
			l.called(r, key)
		}
	}
}

func (l *ledger) presented(token string) {
	l.refreshes++
	chain := l.chain[token]
	if l.times[token]++; l.times[token] > 1 {
		l.replays++
	}
	if l.index[token] < l.proven[chain] {
		l.t.Errorf("a consumed refresh token was presented although its successor had been used (number %d, %d known)", l.index[token], l.proven[chain])
	}
	l.proven[chain] = max(l.proven[chain], l.index[token])
}

// called holds a request that reached a clinic against the intents (T112).
func (l *ledger) called(r sandbox.Request, key []byte) {
	l.requests++
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	chain := l.chain[token]
	l.proven[chain] = max(l.proven[chain], l.index[token])
	clinic := "http://" + r.Host
	_, leaf, _ := strings.Cut(r.Path, "/api/2026-01-01/")
	record := leaf[strings.LastIndexByte(leaf, '/')+1:]
	if _, filter, ok := strings.Cut(r.Query, "="); ok {
		l.chainOf[l.owner[filter]] = chain
	}
	if owner, known := l.owner[record]; known {
		l.chainOf[owner] = chain
		found := false
		for platform := range platforms {
			found = found || l.records[audit.RecordMAC(key, platform, clinic, record)]
		}
		if !found {
			l.t.Errorf("T112: %s %s reached the clinic and has no intent in the audit trail", r.Method, r.Path)
		}
		return
	}
	what := r.Method + " " + leaf + " " + clinic
	if l.seen[what]++; l.seen[what] > l.intents[what] {
		l.t.Errorf("T112: %d × %s reached the clinic and %d have an intent in the audit trail", l.seen[what], what, l.intents[what])
	}
}

// paths of the operations that name no record.
var paths = map[string]string{"listAppointments": "GET appointments", "createObservation": "POST medical-record/observations"}

// readTrail reads the whole lines that came since the last time.
func (l *ledger) readTrail(path string) {
	f, err := os.Open(path)
	must(l.t, err)
	defer f.Close()
	_, err = f.Seek(l.offset, io.SeekStart)
	must(l.t, err)
	b, err := io.ReadAll(bufio.NewReader(f))
	must(l.t, err)
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	l.offset += int64(len(b))
	for line := range bytes.Lines(b) {
		var entry struct{ Kind, Operation, Clinic, Record string }
		must(l.t, json.Unmarshal(line, &entry))
		switch entry.Kind {
		case "torn":
			l.torn++
		case "intent":
			if entry.Record != "" {
				l.records[entry.Record] = true
			}
			l.intents[paths[entry.Operation]+" "+entry.Clinic]++
		}
	}
}

// explain asks why connections ended: the one reason that a crash gives is a platform that rotates strictly and has given
// tokens that Locum never used, since the answer with them was lost.
func (l *ledger) explain() {
	for _, one := range l.told {
		chain := l.chainOf[one.connection]
		if chain == "" || l.renewed[one.connection] || one.again { // it stands on a chain that it never made a call with
			continue
		}
		if l.proven[chain] >= l.last[chain] {
			l.t.Errorf("connection %s says that an answer was lost, and its newest token was used: %s\n%s", one.connection, chain, l.history(chain))
		}
	}
	l.told = nil
	if p := l.box.Presented(); p.Spent > 0 {
		l.t.Errorf("%d refresh tokens were presented that introspection calls inactive: %v", p.Spent, p.Why)
	}
}

// history is when the refresh tokens of a chain were presented, and how that was answered.
func (l *ledger) history(chain string) string {
	var b strings.Builder
	for _, r := range l.box.Requests(sandbox.EndpointRefresh) {
		if token := r.Form().Get("refresh_token"); l.chain[token] == chain {
			fmt.Fprintf(&b, "%s number %d: %d\n", r.Time.Format("15:04:05.000"), l.index[token], r.Status)
		}
	}
	return b.String()
}
