package bff_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"locum/bff"
	"locum/bff/config"
	"locum/shared"
)

// TestEventsAreAStream: what an EventSource is given, from the first byte to the end of its own accord; the connection is
// of use afterwards, and nothing of it was activity (T089).
func TestEventsAreAStream(t *testing.T) {
	b := open(t, func(_ *config.Config, o *bff.Options) { o.BoundStreams(time.Second, 20*time.Millisecond, 64) })
	one := b.signIn(loginOne)
	active, err := b.server.LastActive(one.session)
	must(t, err)
	f := one.listen()
	if f.answer.StatusCode != http.StatusOK || f.answer.ContentLength != -1 || !slices.Equal(f.answer.TransferEncoding, []string{"chunked"}) {
		t.Errorf("%d, length %d, %q", f.answer.StatusCode, f.answer.ContentLength, f.answer.TransferEncoding)
	}
	checkCommon(t, "events", answer{status: f.answer.StatusCode, header: f.answer.Header}, "http")
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := f.answer.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	hello, _ := f.next()
	build := f.answer.Header.Get(shared.HeaderBuild)
	if hello.name != shared.EventHello || hello.data != `{"build":"`+build+`","retry":1000,"lasts":1}` || hello.id == "" || build == "" {
		t.Errorf("%+v", hello)
	}
	if e := f.until(shared.EventBye); e.data != `{"wait":0}` {
		t.Errorf("%+v", e)
	}
	f.over()
	if f.beats < 3 || !strings.HasPrefix(f.raw.String(), "retry: 1000\n") {
		t.Errorf("%d heartbeats in %q", f.beats, f.raw.String())
	}
	b.settled(0)
	_, err = io.WriteString(f.conn, "GET /healthz HTTP/1.1\r\nHost: "+b.cfg.PublicURL.Host+"\r\n\r\n")
	must(t, err)
	if a := next(t, f.in); a.status != http.StatusOK {
		t.Errorf("the same connection afterwards: %d", a.status)
	}
	if now, err := b.server.LastActive(one.session); err != nil || !now.Equal(active) {
		t.Error("the stream counts as activity")
	}
}

// TestWhoTakesNoStream gets the whole of a short one, with when to ask again.
func TestWhoTakesNoStream(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	for name, text := range map[string]string{
		"no event stream is accepted": "GET " + shared.PathEvents + " HTTP/1.1\r\nAccept: */*\r\n",
		"HTTP/1.0":                    "GET " + shared.PathEvents + " HTTP/1.0\r\nAccept: text/event-stream\r\n",
	} {
		cookies := one.cookies()
		a, _ := b.raw(text + "Host: " + b.cfg.PublicURL.Host + "\r\n" + cookies[0] + ": " + cookies[1] + "\r\nConnection: close\r\n\r\n")
		if a.status != http.StatusOK || a.header.Get("Content-Length") != strconv.Itoa(len(a.body)) ||
			!strings.Contains(string(a.body), "event: hello") || !strings.HasSuffix(string(a.body), "event: bye\ndata: {\"wait\":15}\n\n") {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
	}
	if n := b.server.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// TestT077T089WhoMayListen: who is signed in, from a page of ours, by script.
func TestT077T089WhoMayListen(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	for name, c := range map[string]struct {
		who    browser
		header [2]string
		status int
	}{
		"signed out":     {browser{bench: b}, [2]string{"X", "x"}, 401},
		"unknown":        {browser{bench: b, session: strings.Repeat("A", 43)}, [2]string{"X", "x"}, 401},
		"another site":   {one, [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another origin": {one, [2]string{"Origin", "https://evil.test"}, 403},
		"address bar":    {one, [2]string{"Sec-Fetch-Mode", "navigate"}, 403},
		"an image":       {one, [2]string{"Sec-Fetch-Dest", "image"}, 403},
	} {
		if f := c.who.listen(c.header); f.answer.StatusCode != c.status || f.answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d", name, f.answer.StatusCode)
		}
	}
	if n := b.server.Streams(); n != 0 {
		t.Errorf("%d streams", n)
	}
}

// TestT088AStreamEndsWithTheSession at once, whoever ended it, and says so; another practitioner's goes on.
func TestT088AStreamEndsWithTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		idle time.Duration
		end  func(b *bench, one browser) error
	}{
		"signed out in another tab": {0, func(b *bench, one browser) error {
			if a := b.form(shared.PathSignOut, [][2]string{one.cookies()}, nil); a.status != http.StatusSeeOther {
				return errors.New("the sign-out is refused")
			}
			return nil
		}},
		"another signed in here": {0, func(b *bench, one browser) error {
			a := b.form(shared.PathSignIn, [][2]string{one.cookies()}, url.Values{"login": {loginTwo}, "password": {password}})
			if a.status != http.StatusSeeOther {
				return errors.New("the sign-in is refused")
			}
			return nil
		}},
		"account disabled": {0, func(b *bench, _ browser) error { return b.server.SetDisabled(loginOne, true) }},
		"too many browsers": {0, func(b *bench, _ browser) error {
			for range 10 {
				b.signIn(loginOne)
			}
			return nil
		}},
		"idle": {2 * time.Second, func(*bench, browser) error { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, func(cfg *config.Config, o *bff.Options) {
				cfg.Session.Idle = c.idle
				o.BoundStreams(time.Minute, time.Minute, 64)
				o.BoundLooks(time.Minute) // so that nothing tells of the end but the end
			})
			one, two := b.signIn(loginOne), b.signIn(loginTwo)
			f, other := one.listen(), two.listen()
			f.until(shared.EventHello)
			other.until(shared.EventHello)
			must(t, c.end(b, one))
			began := time.Now()
			if e := f.until(shared.EventSession); e.data != `{"ended":true}` {
				t.Errorf("%+v", e)
			}
			t.Logf("told %v after the end", time.Since(began).Round(time.Microsecond))
			f.over()
			if c.idle == 0 {
				b.settled(1)
			}
			if again := one.listen(); again.answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("a new stream: %d", again.answer.StatusCode)
			}
		})
	}
}

// TestAStoppingServerSaysBye: nobody waits for a stream to run out.
func TestAStoppingServerSaysBye(t *testing.T) {
	b := open(t, nil)
	one := b.signIn(loginOne)
	f := one.listen()
	f.until(shared.EventHello)
	began := time.Now()
	go b.stop()
	if e := f.until(shared.EventBye); e.data != `{"wait":1}` {
		t.Errorf("%+v", e)
	}
	f.over()
	b.stop()
	t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
	b.settled(0)
}

// TestT085StreamsAreBounded: who opens more than their share displaces their own; a quarter of the connections is the most
// in all, and whoever comes then is told when to come again.
func TestT085StreamsAreBounded(t *testing.T) {
	b := open(t, func(_ *config.Config, o *bff.Options) { o.BoundStreams(time.Minute, time.Minute, 32) })
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	var feeds []*feed
	for range 5 {
		feeds = append(feeds, one.listen())
		feeds[len(feeds)-1].until(shared.EventHello)
	}
	if e := feeds[0].until(shared.EventBye); e.data != `{"wait":15}` {
		t.Errorf("the oldest: %+v", e)
	}
	feeds[0].over()
	b.settled(4)
	for range 4 {
		two.listen().until(shared.EventHello)
	}
	b.settled(8)
	refused := b.signIn(loginOne).listen()
	if refused.answer.StatusCode != http.StatusServiceUnavailable || refused.answer.Header.Get("Retry-After") != "15" {
		t.Errorf("the ninth: %d, Retry-After %q", refused.answer.StatusCode, refused.answer.Header.Get("Retry-After"))
	}
	must(t, feeds[4].conn.Close())
	if a := one.read(shared.PathSession); a.status != http.StatusOK {
		t.Errorf("beside the streams: %d", a.status)
	}
}

// TestT085WhoLeavesAStream gives it back long before anything is written to them; and a next request on its connection
// ends it, and is answered.
func TestT085WhoLeavesAStream(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			b := open(t, func(cfg *config.Config, o *bff.Options) {
				o.BoundStreams(time.Minute, time.Minute, 64)
				if scheme == "https" {
					certificate, key := writeCertificate(t)
					cfg.PublicURL.Scheme, cfg.TLS = "https", &config.TLS{CertFile: certificate, KeyFile: key}
				}
			})
			one := b.signIn(loginOne)
			gone, more := one.listen(), one.listen()
			gone.until(shared.EventHello)
			more.until(shared.EventHello)
			b.settled(2)
			must(t, gone.conn.Close())
			b.settled(1)
			_, err := io.WriteString(more.conn, "GET /healthz HTTP/1.1\r\nHost: "+b.cfg.PublicURL.Host+"\r\n\r\n")
			must(t, err)
			if e := more.until(shared.EventBye); e.data != `{"wait":0}` {
				t.Errorf("%+v", e)
			}
			more.over()
			if a := next(t, more.in); a.status != http.StatusOK {
				t.Errorf("%d", a.status)
			}
			must(t, more.conn.Close())
			nobody(t, "who left a stream")
		})
	}
}

// TestT085WhoHearsNothing and reads no more holds a stream no longer than an answer may take; a steady one outlives that
// time.
func TestT085WhoHearsNothing(t *testing.T) {
	const send, beat = 500 * time.Millisecond, 20 * time.Millisecond
	b := open(t, func(_ *config.Config, o *bff.Options) {
		o.BoundSends(send, 2*time.Second, beat)
	})
	one := b.signIn(loginOne)
	steady := one.listen()
	steady.until(shared.EventHello)
	began := time.Now()
	steady.until(shared.EventBye) // it is several times what an answer may take
	t.Logf("a steady stream lasted %v", time.Since(began).Round(time.Millisecond))

	must(t, steady.conn.Close())
	b = open(t, func(_ *config.Config, o *bff.Options) { o.BoundSends(send, time.Minute, beat) })
	one = b.signIn(loginOne)
	deaf := one.listen()
	deaf.until(shared.EventHello)
	cause := strings.Repeat("x", 60<<10)
	for end := time.Now().Add(longest); b.server.Streams() > 0; {
		b.server.Publish(loginOne, strconv.FormatInt(time.Now().UnixNano(), 36), cause)
		if time.Now().After(end) {
			t.Fatal("who reads nothing keeps a stream")
		}
	}
	nobody(t, "who reads nothing")
}

// TestWhatIsTold of a day: a clinic that answers, a connection that ends at the platform and one that is given up; to
// every tab of the practitioner, to nobody else, and without a name, an address or a secret (T001, T004).
func TestWhatIsTold(t *testing.T) {
	b := open(t, nil)
	one, two := b.signIn(loginOne), b.signIn(loginTwo)
	tabs := []*feed{one.listen(), one.listen(), two.listen()}
	for _, f := range tabs {
		f.until(shared.EventHello)
	}
	id := one.connect("jane", 0, "robin@example.test")
	patient := firstPatient(t, one, id)
	for _, f := range tabs[:2] {
		if e := f.until(shared.EventConnection); e.data != `{"connection":"`+id+`","state":"connected"}` {
			t.Errorf("connected: %+v", e)
		}
		if e := f.until(shared.EventBudget); e.data != `{"connection":"`+id+`"}` {
			t.Errorf("answered: %+v", e)
		}
	}
	b.sandbox.Revoke("robin@example.test", b.sandbox.Clinics()[0].URL)
	one.read("/proxy/v1/" + id + "/api/2026-01-01/patients")
	var last string
	for _, f := range tabs[:2] {
		for {
			e := f.until(shared.EventConnection)
			last = e.id
			if strings.Contains(e.data, `"state":"`+shared.StateReconnect+`"`) {
				break
			}
		}
	}
	if a := one.change("DELETE", shared.PathConnections+"/"+id, nil); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	before := last
	for _, f := range tabs[:2] {
		e := f.until(shared.EventConnection)
		if last = e.id; e.data != `{"connection":"`+id+`","state":"ended"}` || last == before {
			t.Errorf("given up: %+v", e)
		}
	}
	again := one.listen()
	if hello := again.until(shared.EventHello); hello.id != last {
		t.Errorf("the next stream begins at %s, the last one ended at %s", hello.id, last)
	}
	must(t, b.server.SetDisabled(loginTwo, true))
	tabs[2].until(shared.EventSession)
	if strings.Contains(tabs[2].raw.String(), id) {
		t.Errorf("another practitioner is told of it: %s", tabs[2].raw.String())
	}
	for _, f := range append(tabs, again) {
		text := f.raw.String()
		a := answer{header: f.answer.Header, body: []byte(text)}
		checkNoSecret(t, b, "a stream", a)
		for name, part := range map[string]string{"the session": one.session, "a patient": patient, "a login": "robin", "a name": "surname",
			"a clinic": strings.TrimPrefix(b.sandbox.Clinics()[0].URL, "http://"), "a clinic's name": b.sandbox.Clinics()[0].Name} {
			if strings.Contains(text, part) {
				t.Errorf("a stream holds %s: %s", name, text)
			}
		}
	}
}
