package crash_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"locum/bff/sandbox"
)

// TestT116Dump: a server that holds tokens and is in the midst of a call is told to print its goroutines, as an operator does
// who wonders what it is doing. It ends, and nothing that it printed or logged is a secret, a cookie, or an id of a record.
func TestT116Dump(t *testing.T) {
	box := newSandbox(t)
	s := newSite(t, box, "ada", "ben")
	j := s.begin(t)
	record := newRecord()
	_, err := j.b.call(j.id, "GET", "/patients?sort=CANARY-in-a-query", "")
	must(t, err)
	box.Slow(sandbox.EndpointAPI, 20*time.Second, 1)
	called := make(chan struct{})
	before := box.Count(sandbox.EndpointAPI)
	go func() {
		defer close(called)
		_, _ = j.b.call(j.id, "GET", "/patients/"+record, "")
	}()
	eventually(t, "the call is at the clinic", func() bool { return box.Count(sandbox.EndpointAPI) > before })
	must(t, j.process.cmd.Process.Signal(syscall.SIGQUIT))
	<-j.process.exited
	<-called
	said := j.process.said()
	if !strings.Contains(said, "SIGQUIT") || strings.Count(said, "goroutine ") < 10 || !strings.Contains(said, "locum/bff/proxy") {
		t.Errorf("this is no dump: %.300s", said)
	}
	secrets := append(box.Minted(), box.Marker(), clientSecret, password, record, "CANARY-in-a-query", j.spare, s.stays, j.state)
	for _, r := range box.Requests(sandbox.EndpointExchange) {
		secrets = append(secrets, r.Form().Get("code_verifier"), r.Form().Get("code"))
	}
	looked := 0
	for _, secret := range secrets {
		if len(secret) < 8 {
			continue
		}
		looked++
		for _, form := range []string{secret, url.QueryEscape(secret), hex.EncodeToString([]byte(secret)),
			base64.StdEncoding.EncodeToString([]byte(secret))[:len(secret)/3*4], words(secret)} {
			if strings.Contains(said, form) {
				t.Errorf("a secret is in the dump: %q", form)
			}
		}
	}
	if looked < 15 {
		t.Errorf("only %d secrets were looked for", looked)
	}
	t.Logf("%d bytes, %d goroutines, %d secrets", len(said), strings.Count(said, "goroutine "), looked)
}

// words is how a dump of goroutines would print the first bytes of a text that were handed over by value: as a number in
// hexadecimal, the last byte first.
func words(text string) string {
	first := bytes.Clone([]byte(text[:8]))
	for i, k := 0, len(first)-1; i < k; i, k = i+1, k-1 {
		first[i], first[k] = first[k], first[i]
	}
	return "0x" + hex.EncodeToString(first)
}
