package bff_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"locum/bff"
	"locum/bff/secret"
	"locum/bff/vault"
	"locum/shared"
)

// restart stops Locum, lets somebody work on the stopped database with a bbolt tool, and starts it again on the same
// address.
func (b *bench) restart(tool func(*bbolt.Tx) error) {
	b.t.Helper()
	b.stop()
	must(b.t, b.server.Close())
	db, err := bbolt.Open(b.database(), 0o600, nil)
	must(b.t, err)
	must(b.t, errors.Join(db.Update(tool), db.Close()))
	ln, err := net.Listen("tcp", b.addr)
	must(b.t, err)
	b.server, err = bff.Open(b.cfg, bff.Options{Log: slog.New(slog.NewTextHandler(b.log, nil))})
	must(b.t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func(s *bff.Server) { served <- s.Serve(ctx, ln) }(b.server)
	b.stop = sync.OnceFunc(func() {
		stop()
		must(b.t, <-served)
	})
}

func (b *bench) database() string { return filepath.Join(b.cfg.DataDir, vault.FileName) }

// recorded is the whole trail.
func (b *bench) recorded() string {
	b.t.Helper()
	content, err := os.ReadFile(b.trail())
	must(b.t, err)
	return string(content)
}

// damageRows flips a bit in the first n rows of a bucket.
func damageRows(bucket string, n int) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		rows := map[string][]byte{}
		c := tx.Bucket([]byte(bucket)).Cursor()
		for k, v := c.First(); k != nil && len(rows) < n; k, v = c.Next() {
			rows[string(k)] = bytes.Clone(v)
		}
		if len(rows) < n {
			return errors.New("too few rows in " + bucket)
		}
		for k, v := range rows {
			v[len(v)-1] ^= 1
			if err := tx.Bucket([]byte(bucket)).Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// exchangeRows puts the first two rows of a bucket in each other's places.
func exchangeRows(bucket string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		c := b.Cursor()
		firstKey, first := c.First()
		secondKey, second := c.Next()
		a, z := bytes.Clone(first), bytes.Clone(second)
		k, l := bytes.Clone(firstKey), bytes.Clone(secondKey)
		return errors.Join(b.Put(k, z), b.Put(l, a))
	}
}

func (b browser) connections() []shared.Connection {
	b.t.Helper()
	var list shared.Connections
	must(b.t, json.Unmarshal(b.read(shared.PathConnections).body, &list))
	return list.Connections
}

// patients is a proxied call.
func (b browser) patients(connection string) answer {
	b.t.Helper()
	return b.read("/proxy/v1/" + connection + "/api/2026-01-01/patients")
}

// TestT061TwoPractitionersRowsExchanged: Locum starts, serves neither of the two connections to anybody, says so in log and
// audit trail, and both practitioners connect again and work.
func TestT061TwoPractitionersRowsExchanged(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	first := one.connect("jane", 0, "robin@example.test")
	second := two.connect("jane", 0, "alex@example.test")
	upstream := len(b.sandbox.Requests())
	b.restart(exchangeRows("connections"))
	for _, who := range []browser{one, two} {
		if list := who.connections(); len(list) != 0 {
			t.Errorf("listed: %+v", list)
		}
		for _, id := range []string{first, second} {
			if a := who.patients(id); a.status != http.StatusNotFound {
				t.Errorf("a call: %d %s", a.status, a.body)
			}
		}
	}
	if now := len(b.sandbox.Requests()); now != upstream {
		t.Errorf("%d requests went to the platform", now-upstream)
	}
	b.until("the trail tells", func() bool {
		return strings.Contains(b.recorded(), `"kind":"damaged_record","code":"connections 2"`)
	})
	b.until("the log tells", func() bool {
		return strings.Contains(b.log.String(), `"damaged records are refused; restore a backup, or let their owners enter them again" collection=connections records=2`)
	})
	first, second = one.connect("jane", 0, "robin@example.test"), two.connect("jane", 0, "alex@example.test")
	for who, id := range map[*browser]string{&one: first, &two: second} {
		if a := who.patients(id); a.status != http.StatusOK || len(who.connections()) != 1 {
			t.Errorf("after connecting again: %d %s", a.status, a.body)
		}
	}
}

// TestT061OneDamagedRecordCostsThatRecordAlone damages one record of each kind. Locum starts, whoever owns it is told
// truthfully, and everybody else works: signed in, beginning an authorization and finishing it.
func TestT061OneDamagedRecordCostsThatRecordAlone(t *testing.T) {
	tab := clientState()
	for bucket, check := range map[string]func(*testing.T, *bench, browser, browser){
		"sessions": func(t *testing.T, b *bench, one, two browser) {
			a, z := one.read(shared.PathSession).status, two.read(shared.PathSession).status
			if a+z != http.StatusOK+http.StatusUnauthorized {
				t.Errorf("the two sessions answer %d and %d", a, z)
			}
		},
		"accounts": func(t *testing.T, b *bench, one, two browser) {
			a, z := one.read(shared.PathSession).status, two.read(shared.PathSession).status
			if a+z != http.StatusOK+http.StatusUnauthorized {
				t.Errorf("the two sessions answer %d and %d", a, z)
			}
			tried := map[int]int{}
			for _, login := range []string{loginOne, loginTwo} {
				tried[b.form(shared.PathSignIn, nil, url.Values{"login": {login}, "password": {password}}).status]++
			}
			if tried[http.StatusSeeOther] != 1 || tried[http.StatusServiceUnavailable] != 1 {
				t.Errorf("signing in answers %v", tried)
			}
		},
		"outcomes": func(t *testing.T, b *bench, one, _ browser) {
			a := one.change("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: tab})
			if a.status != http.StatusNotFound {
				t.Errorf("the tab whose outcome is damaged: %d %s", a.status, a.body)
			}
		},
		"attempts": nil,
		"client_secrets": func(t *testing.T, b *bench, one, _ browser) {
			for _, p := range []string{"jane", "jane-two"} {
				must(t, b.server.SetClientSecret(p, secret.New("set again")))
			}
		},
	} {
		t.Run(bucket, func(t *testing.T) {
			b := open(t, nil)
			one, two := b.signIn(loginOne), b.signIn(loginTwo)
			back, err := b.sandbox.Approve(one.begin("jane", b.sandbox.Clinics()[0].URL, tab), "robin@example.test", false)
			must(t, err)
			one.callback(back)                                           // leaves an outcome
			one.begin("jane", b.sandbox.Clinics()[1].URL, clientState()) // and this an attempt
			b.restart(damageRows(bucket, 1))
			b.until("the trail tells", func() bool {
				return strings.Contains(b.recorded(), `"kind":"damaged_record","code":"`+bucket+` 1"`)
			})
			if check != nil { // it may replace the damaged record, which then no longer counts
				check(t, b, one, two)
			}
			for _, who := range []browser{one, two} {
				if bucket == "client_secrets" || who.read(shared.PathSession).status != http.StatusOK {
					continue
				}
				id := who.connect("jane", 0, "alex@example.test")
				if a := who.patients(id); a.status != http.StatusOK {
					t.Errorf("a call: %d %s", a.status, a.body)
				}
			}
		})
	}
}

// damageLive flips a bit of every value of a bucket in the file of a running Locum: what a failing disk does, or somebody
// who may write to it.
func (b *bench) damageLive(bucket string) {
	b.t.Helper()
	content, err := os.ReadFile(b.database())
	must(b.t, err)
	still := filepath.Join(b.t.TempDir(), "copy.db")
	must(b.t, os.WriteFile(still, content, 0o600))
	db, err := bbolt.Open(still, 0o600, &bbolt.Options{ReadOnly: true})
	must(b.t, err)
	defer db.Close()
	f, err := os.OpenFile(b.database(), os.O_WRONLY, 0)
	must(b.t, err)
	defer f.Close()
	must(b.t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(_, v []byte) error {
			for at, from := 0, 0; ; from = at + len(v) {
				next := bytes.Index(content[from:], v)
				if next < 0 {
					return nil
				}
				at = from + next
				if _, err := f.WriteAt([]byte{v[len(v)-1] ^ 1}, int64(at+len(v)-1)); err != nil {
					return err
				}
			}
		})
	}))
}

// TestT061DamagedWhileRunning: a connection whose record is damaged under a running Locum serves its verified token to its
// end, is then shown as damaged with the way out, and connecting again renews it in place.
func TestT061DamagedWhileRunning(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	id := one.connect("jane", 0, "robin@example.test")
	b.damageLive("connections")
	other := two.connect("jane", 0, "alex@example.test")
	if a := one.patients(id); a.status != http.StatusOK {
		t.Errorf("with the token in memory: %d %s", a.status, a.body)
	}
	b.sandbox.RevokeAccess("robin@example.test", "")
	if a := one.patients(id); a.status != http.StatusConflict || a.code(t) != shared.CodeReconnectNeeded {
		t.Errorf("once it must be renewed: %d %s", a.status, a.body)
	}
	if list := one.connections(); len(list) != 1 || list[0].State != shared.StateReconnect || list[0].Cause != "damaged" {
		t.Errorf("listed: %+v", list)
	}
	for _, want := range []string{`"kind":"damaged_record","code":"connections `, `"connection":"` + id + `","code":"damaged"`} {
		if !strings.Contains(b.recorded(), want) {
			t.Errorf("%s does not stand in the trail:\n%s", want, b.recorded())
		}
	}
	if again := one.connect("jane", 0, "robin@example.test"); again != id {
		t.Errorf("connected again as %s, was %s", again, id)
	}
	for who, id := range map[*browser]string{&one: id, &two: other} {
		if a := who.patients(id); a.status != http.StatusOK {
			t.Errorf("in the end: %d %s", a.status, a.body)
		}
	}

	b.damageLive("connections")
	if a := one.change("DELETE", shared.PathConnections+"/"+id, nil); a.status != http.StatusOK {
		t.Errorf("disconnecting a damaged one: %d %s", a.status, a.body)
	}
	b.damageLive("sessions")
	b.restart(func(*bbolt.Tx) error { return nil })
	if list := b.signIn(loginOne).connections(); len(list) != 0 {
		t.Errorf("after all: %+v", list)
	}
}
