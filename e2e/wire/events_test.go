package wire_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"locum/shared"
)

// feed is a stream of events that a person reads through a front.
type feed struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Scanner
}

// listen opens a stream by way of addr. It ends by itself when something that has to come does not.
func (h *house) listen(t *testing.T, addr string, p person) *feed {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+shared.PathEvents, nil)
	must(t, err)
	request.Host = h.host
	request.Header.Set("Accept", "text/event-stream")
	response, err := p.client.Do(request)
	must(t, err)
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" || response.ContentLength != -1 {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	return &feed{t, response, bufio.NewScanner(response.Body)}
}

// until reads on to an event and gives its data.
func (f *feed) until(name string) (data string) {
	f.t.Helper()
	for at := ""; f.lines.Scan(); {
		field, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch {
		case field == "event":
			at = value
		case field == "data" && at == name:
			return value
		}
	}
	f.t.Fatalf("no %s came: %v", name, f.lines.Err())
	return ""
}

// streams waits until so many are open at Locum.
func (h *house) streams(t *testing.T, want int) {
	t.Helper()
	for end := time.Now().Add(longest); h.demo.Server.Streams() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d streams are open, want %d", h.demo.Server.Streams(), want)
		}
	}
}

// TestT088EventsThroughAFront: what is told comes through a proxy as it is told and not when its buffer is full; who leaves
// nginx leaves Locum; and a sign-out ends all streams there too.
func TestT088EventsThroughAFront(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string, string) *front{"nginx": startNginx, "haproxy": startHAProxy} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			front := start(t, "", h.addr)
			person := h.people[0]
			f := h.listen(t, front.addr, person)
			f.until(shared.EventHello)
			if name == "nginx" && f.response.Header.Get("X-Accel-Buffering") != "" {
				t.Error("nginx passes on what was meant for it alone: is it nginx?")
			}
			began := time.Now()
			if status, _ := h.ask(person, http.MethodGet, shared.PathProxy+"/"+h.connection+patients, "", ""); status != http.StatusOK {
				t.Fatalf("the clinic answers %d", status)
			}
			if data := f.until(shared.EventBudget); data != `{"connection":"`+h.connection+`"}` {
				t.Errorf("told %s", data)
			}
			t.Logf("the call and its event took %v", time.Since(began).Round(time.Millisecond))
			h.streams(t, 1)
			must(t, f.response.Body.Close())
			if name == "nginx" { // HAProxy passes it on where it has "option abortonclose"; else the stream lasts its time
				h.streams(t, 0)
			}

			f = h.listen(t, front.addr, person)
			f.until(shared.EventHello)
			response, err := person.client.Do(signOut(t, h))
			must(t, err)
			must(t, response.Body.Close())
			if data := f.until(shared.EventSession); data != `{"ended":true}` {
				t.Errorf("told %s", data)
			}
			if f.lines.Scan(); f.lines.Scan() {
				t.Errorf("after the end: %s", f.lines.Text())
			}
			h.streams(t, 0)
		})
	}
}

// signOut is the form's request.
func signOut(t *testing.T, h *house) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.demo.URL+shared.PathSignOut, strings.NewReader(url.Values{}.Encode()))
	must(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", h.demo.URL)
	return request
}
