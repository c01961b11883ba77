package app

import (
	"time"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"

	"locum/app/words"
	"locum/shared"
)

const (
	warning       = time.Minute      // before the session ends, the page says so
	activityEvery = time.Minute      // activity is told at most so often
	recheckEvery  = 5 * time.Second  // an ended session is asked for again so often
	sessionStale  = 30 * time.Second // a page that arrives asks again after this
)

// watch starts, once per document, the second hand and the listeners to a person's real interaction.
func (s *shell) watch() {
	if s.watching || !s.live || ui.IsServer {
		return
	}
	s.watching = true
	listen(s.touched, "pointerdown", "keydown")
	listen(s.seen, "visibilitychange")
	neverRestored()
	listenToParent(s.parentSaid)
	s.news = newNews(s, browserOutside())
	listen(s.news.look, "visibilitychange", "online", "offline")
	listen(s.news.leave, "pagehide")
	go s.news.run()
	go func() {
		for second := 1; ; second++ {
			time.Sleep(time.Second)
			if p := s.page; p != nil && (s.ending() || p.counting() || second%60 == 0) {
				p.dispatch(s.tick)
			}
		}
	}()
}

// touched is a person's real interaction: at most once a minute it is told to the server.
func (s *shell) touched() {
	if time.Since(s.activeAt) < activityEvery || s.leaving.Load() || s.guest.Load() {
		return
	}
	s.activeAt = time.Now()
	go func() {
		defer s.caught()
		if s.client.activity() == nil {
			s.askSession()
		}
	}()
}

// seen asks for the session when the tab comes back into view: it may have ended meanwhile.
func (s *shell) seen() {
	if visible() {
		go func() { defer s.caught(); s.askSession() }()
		s.looked()
	}
}

// askSession reads the session anew, which may be another person's by now. Asking is not activity. It blocks.
func (s *shell) askSession() {
	ask := s.client.session
	if s.page != nil && s.page.open() {
		ask = s.client.guest
	}
	session, err := ask()
	if err != nil || s.page == nil {
		if err != nil && failed(err).Code == shared.CodeSignedOut && s.page != nil && s.page.open() {
			s.guest.Store(true)
			s.page.update()
		}
		return
	}
	if before := s.session.Practitioner.ID; before != "" && before != session.Practitioner.ID {
		s.replaced()
		return
	}
	s.page.dispatch(func() { s.known(session) })
}

// known takes up who is signed in. It belongs on the UI goroutine.
func (s *shell) known(session shared.Session) {
	s.session, s.sessionAt = session, time.Now()
	if s.guest.Swap(false) && s.news != nil {
		s.news.look()
	}
	s.embedded.framed(s, session.Frame)
}

// remaining is how long the session lasts without activity.
func (s *shell) remaining() time.Duration {
	seconds := min(s.session.IdleSeconds, s.session.EndsSeconds)
	return time.Until(s.sessionAt.Add(time.Duration(seconds) * time.Second))
}

// ending says whether the page should warn that the session ends.
func (s *shell) ending() bool { return !s.sessionAt.IsZero() && s.remaining() <= warning }

// tick runs each second: if there is anything to count, and each minute otherwise: it warns before the
// session ends, lets the page count down, and redraws what depends on the time of day.
func (s *shell) tick() {
	if s.ending() {
		pause := warning // another tab may have been active: ask once before warning
		if s.remaining() <= 0 {
			pause = recheckEvery
		}
		if time.Since(s.asked) >= pause {
			s.asked = time.Now()
			go func() { defer s.caught(); s.askSession() }()
		}
	}
	s.page.countDown()
}

// drawSession is the notice one minute before the session ends.
func (s *shell) drawSession() part {
	if !s.ending() {
		return nil
	}
	w := s.words
	return tag("div.notice.notice-warn[id=session-ending]@session-ending[role=alert]").body(
		tag("div.notice-words").body(
			tag("strong[role=timer][aria-live=off]").text(words.Fill(w.Session.Ending, "time", span(w, s.remaining()))),
			tag("p").text(w.Session.EndingText),
		),
		tag("button.button[type=button]@session-stay").text(w.Session.Stay).
			on("click", s, s.stay, "session-stay"),
	)
}

// stay is a click on "stay signed in": activity, whenever the last one was.
func (s *shell) stay(ui.Context, ui.Event) {
	s.activeAt = time.Time{}
	s.touched()
	focus(idMain) // The button goes with the notice.
}
