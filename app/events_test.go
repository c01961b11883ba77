package app

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"locum/shared"
)

// tabbing is a browser's half of news whose streams, lock and channel the test holds.
type tabbing struct {
	mu        sync.Mutex
	opened    []time.Time
	heard     func(name, id, data string)
	lost      func(refused bool)
	open      int // streams
	won       func()
	fromTab   func(text string)
	told      []string
	away      int // what was given back: lock, channel
	lockless  bool
	noChannel bool
	hidden    bool
	offline   bool
}

func (b *tabbing) outside() outside {
	return outside{
		open: func(heard func(name, id, data string), lost func(refused bool)) func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.opened, b.heard, b.lost = append(b.opened, time.Now()), heard, lost
			b.open++
			return func() { b.mu.Lock(); defer b.mu.Unlock(); b.open-- }
		},
		lead: func(won func()) func() {
			b.won = won
			if b.lockless {
				return nil
			}
			return b.left
		},
		join: func(heard func(string)) (func(string), func()) {
			b.fromTab = heard
			if b.noChannel {
				return nil, nil
			}
			return func(text string) { b.mu.Lock(); defer b.mu.Unlock(); b.told = append(b.told, text) }, b.left
		},
		visible: func() bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.hidden },
		online:  func() bool { b.mu.Lock(); defer b.mu.Unlock(); return !b.offline },
	}
}

func (b *tabbing) left() { b.mu.Lock(); defer b.mu.Unlock(); b.away++ }

func (b *tabbing) set(change func()) { b.mu.Lock(); defer b.mu.Unlock(); change() }

// listening is a page with its news, which end with the test.
func listening(t *testing.T, w *wire, name, path string, b *tabbing) (*tab, *news) {
	t.Helper()
	shown := openTab(t, w, name)
	n := newNews(shown.shell, b.outside())
	shown.shell.news = n
	shown.visit(path)
	shown.settle()
	go n.run()
	t.Cleanup(func() { n.leave(); time.Sleep(time.Minute); synctest.Wait() }) // whatever still asks has its answer
	synctest.Wait()
	return shown, n
}

// streams says how many are open and how many were, in all.
func (b *tabbing) streams(t *testing.T, what string, open, opened int) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != open || len(b.opened) != opened {
		t.Errorf("%s: %d streams are open of %d, want %d of %d", what, b.open, len(b.opened), open, opened)
	}
}

// say is an event of the stream, cut its end by an error.
func (b *tabbing) say(name, id, data string) {
	synctest.Wait()
	b.heard(name, id, data)
	synctest.Wait()
}

func (b *tabbing) cut(refused bool) {
	synctest.Wait()
	b.lost(refused)
	synctest.Wait()
}

const (
	hello   = `{"build":"b1","retry":1000,"lasts":55}`
	readAll = "GET " + shared.PathConnections
)

// TestOneTabListens: the leading one, from the moment it leads until its document goes; then it has given all back.
func TestOneTabListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tabbing{}
		_, n := listening(t, newWire(), shared.PageHome, "/", b)
		time.Sleep(time.Hour)
		b.streams(t, "another leads", 0, 0)
		b.won()
		b.streams(t, "this one leads", 1, 1)
		b.set(func() { b.hidden = true })
		n.look()
		b.streams(t, "and is not seen", 1, 1)
		n.leave()
		b.streams(t, "and goes", 0, 1)
		if b.away != 2 {
			t.Errorf("%d things of two were given back", b.away)
		}
		for range 2 * signalsMax {
			n.look() // nobody hears it, and nobody waits
		}
	})
}

// TestEachTabListensAlone where no leader can be chosen, or could not tell the others: while it is seen.
func TestEachTabListensAlone(t *testing.T) {
	for name, b := range map[string]*tabbing{"no locks": {lockless: true}, "no channel": {noChannel: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, n := listening(t, newWire(), shared.PageHome, "/", b)
				b.streams(t, "seen", 1, 1)
				b.set(func() { b.hidden = true })
				n.look()
				b.streams(t, "hidden", 0, 1)
				time.Sleep(time.Hour)
				b.set(func() { b.hidden = false })
				n.look()
				b.streams(t, "seen again", 1, 2)
			})
		})
	}
}

// TestStreamsFollowEachOther: at once after one that ended in good order, at the time that was asked for, or soon after
// one that has fallen silent.
func TestStreamsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tabbing{}
		listening(t, newWire(), shared.PageHome, "/", b)
		b.won()
		synctest.Wait()
		for n := range 20 {
			b.say(shared.EventHello, "m", hello)
			b.say(shared.EventBye, "", `{"wait":0}`)
			b.streams(t, "ended", 1, n+2)
		}
		b.say(shared.EventHello, "m", hello)
		began := time.Now()
		b.say(shared.EventBye, "", `{"wait":15}`)
		b.streams(t, "asked to wait", 0, 21)
		time.Sleep(30 * time.Second)
		b.streams(t, "waited", 1, 22)
		if waited := b.opened[21].Sub(began); waited < 15*time.Second {
			t.Errorf("came back after %v", waited)
		}
		b.say(shared.EventHello, "m", hello)
		time.Sleep(64 * time.Second)
		b.streams(t, "silent, within its time", 1, 22)
		time.Sleep(4 * time.Second)
		b.streams(t, "silent", 1, 23)
	})
}

// TestBrokenStreamsComeBackLater each time, up to a minute, and soon again once one has held; somebody who looks at the
// tab, and a network that comes back, need not wait so long.
func TestBrokenStreamsComeBackLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &tabbing{}
		_, n := listening(t, newWire(), shared.PageHome, "/", b)
		b.won()
		pause := func(least, most time.Duration) {
			t.Helper()
			synctest.Wait()
			began, opened := time.Now(), len(b.opened)
			b.cut(false)
			time.Sleep(most)
			synctest.Wait()
			if len(b.opened) != opened+1 || b.opened[opened].Sub(began) < least {
				t.Fatalf("after %v: %d streams more", most, len(b.opened)-opened)
			}
		}
		for want := time.Second; want < time.Minute; want *= 2 {
			pause(want/2, want)
		}
		for range 5 {
			pause(30*time.Second, time.Minute)
		}
		b.say(shared.EventHello, "m", hello)
		pause(time.Second/2, time.Second)
		for range 10 {
			pause(0, time.Minute)
		}
		b.cut(false)
		synctest.Wait()
		n.look()
		time.Sleep(time.Second)
		synctest.Wait()
		opened := len(b.opened)
		b.streams(t, "somebody looks", 1, opened)
		b.set(func() { b.offline = true })
		n.look()
		b.streams(t, "no network", 0, opened)
		time.Sleep(time.Hour)
		b.set(func() { b.offline = false })
		n.look()
		time.Sleep(time.Second)
		b.streams(t, "a network again", 1, opened+1)
		b.cut(false)
		b.cut(false) // what an ended stream still says counts for nothing
		b.say(shared.EventSession, "", `{"ended":true}`)
		if n.shell.leaving.Load() {
			t.Error("an ended stream ended the session")
		}
	})
}

// TestMarksSaveQuestions: the connections are asked for when something may have been missed, and only then.
func TestMarksSaveQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newWire(), &tabbing{}
		shown, _ := listening(t, w, shared.PageConnections, "/connections", b)
		asked := func(what string, times int) {
			t.Helper()
			time.Sleep(10 * time.Second)
			shown.settle()
			if n := w.count(readAll); n != times {
				t.Errorf("%s: asked %d times, want %d", what, n, times)
			}
		}
		asked("at first", 1)
		b.fromTab(shared.EventHello + " m1 " + hello)
		asked("another tab's first stream", 1)
		b.fromTab(shared.EventHello + " m1 " + hello)
		b.won()
		synctest.Wait()
		b.say(shared.EventHello, "m1", hello)
		asked("nothing was missed at the change", 1)
		b.say(shared.EventBye, "m1", `{"wait":0}`)
		b.say(shared.EventHello, "m2", hello)
		asked("something was missed", 2)
		b.say(shared.EventConnection, "m3", `{"connection":"c1","state":"degraded"}`)
		b.say(shared.EventConnection, "m4", `{"connection":"c1","state":"connected"}`)
		asked("two changes", 3)
		b.say(shared.EventBye, "m4", `{"wait":0}`)
		b.say(shared.EventHello, "m4", hello)
		asked("which were heard", 3)
		want := []string{"hello m1 " + hello, "hello m2 " + hello, `connection m3 {"connection":"c1","state":"degraded"}`,
			`connection m4 {"connection":"c1","state":"connected"}`, "hello m4 " + hello}
		if !slices.Equal(b.told, want) {
			t.Errorf("the other tabs were told %q", b.told)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w, b := newWire(), &tabbing{}
		shown, _ := listening(t, w, shared.PageConnections, "/connections", b)
		b.won()
		synctest.Wait()
		b.say(shared.EventHello, "m1", hello)
		time.Sleep(time.Second)
		shown.settle()
		if n := w.count(readAll); n != 2 {
			t.Errorf("asked %d times: what changed between the page and its first stream was missed", n)
		}
	})
}

// TestT088AllTabsLeave: told by the own stream, by another tab, or by an answer, which the other tabs are then told of.
func TestT088AllTabsLeave(t *testing.T) {
	for name, end := range map[string]func(b *tabbing, shown *tab){
		"the stream says so":   func(b *tabbing, _ *tab) { b.say(shared.EventSession, "m1", `{"ended":true}`) },
		"another tab says so":  func(b *tabbing, _ *tab) { b.fromTab(`session  {"ended":true}`) },
		"an answer says so":    func(_ *tabbing, shown *tab) { shown.shell.askSession() },
		"the stream is denied": func(b *tabbing, _ *tab) { b.cut(true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := newWire(), &tabbing{}
				shown, _ := listening(t, w, shared.PageHome, "/", b)
				b.won()
				synctest.Wait()
				b.say(shared.EventHello, "m1", hello)
				w.problem("GET "+shared.PathSession, shared.Problem{Status: 401, Code: shared.CodeSignedOut})
				end(b, shown)
				shown.settle()
				if !shown.shell.leaving.Load() {
					t.Error("the page stays although the session has ended")
				}
				shown.shell.news.look()
				b.streams(t, "afterwards", 0, 1)
				if !slices.ContainsFunc(b.told, func(text string) bool { return strings.HasPrefix(text, "session ") }) {
					t.Errorf("the other tabs were told %q", b.told)
				}
			})
		})
	}
}

// TestAnotherPersonIsNotShownThis: where the session has become another's, the document goes.
func TestAnotherPersonIsNotShownThis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		is := func(id string) {
			w.json("GET "+shared.PathSession, shared.Session{Practitioner: shared.Practitioner{ID: id, Name: id}, IdleSeconds: 900, EndsSeconds: 4000})
		}
		is("robin")
		shown, _ := listening(t, w, shared.PageHome, "/", &tabbing{})
		shown.shell.askSession()
		shown.settle()
		if shown.shell.leaving.Load() {
			t.Fatal("the page leaves although nothing has changed")
		}
		is("noor")
		shown.shell.askSession()
		shown.settle()
		shown.hides("noor")
		if !shown.shell.leaving.Load() {
			t.Error("what is robin's is shown to noor")
		}
	})
}

// TestNonsenseIsNoNews: what reads as none of ours is left alone, whoever says it.
func TestNonsenseIsNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, b := newWire(), &tabbing{}
		shown, _ := listening(t, w, shared.PageConnections, "/connections", b)
		for _, text := range []string{"", " ", "session", "session  ", `session  {"ended":false}`, "session  true", "hello", "hello m nothing", "connection m [1]",
			"connection", "budget", "budget  7", `bye  {"wait":0}`, `rumour m {"ended":true}`, strings.Repeat("x", 1<<20), "\x00"} {
			b.fromTab(text)
			shown.settle()
		}
		shown.shows(`data-state="connected"`)
		time.Sleep(time.Minute)
		shown.settle()
		if shown.shell.leaving.Load() || w.count(readAll) != 1 {
			t.Errorf("leaving %v, asked %d times", shown.shell.leaving.Load(), w.count(readAll))
		}
	})
}
