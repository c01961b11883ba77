package bff

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"locum/app/words"
	"locum/bff/account"
	"locum/bff/audit"
	"locum/bff/secret"
	"locum/shared"
)

// SetupFile is the file in the data directory that holds the setup code while there is no account: 0600, gone when the
// code is used or expired and when Locum stops.
const SetupFile = "setup-code"

// maxName and maxCode bound what the form accepts, in bytes.
const (
	maxName = 512
	maxCode = 128
)

func (s *Server) setupFile() string { return filepath.Join(s.cfg.DataDir, SetupFile) }

// openSetup begins a setup where nobody has an account: whoever can read the data directory can make the first one (T119).
// The code stands in its file alone; the log says where.
func (s *Server) openSetup() error {
	if err := s.removeSetupFile(); err != nil { // a process that was killed leaves its own
		return err
	}
	setup, code, err := s.accounts.NewSetup()
	if errors.Is(err, account.ErrSetupOver) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := writeSetupFile(s.setupFile(), code); err != nil {
		return errors.Join(fmt.Errorf("write the setup code: %w", err), s.removeSetupFile())
	}
	s.setup = setup
	s.log.Warn("nobody has an account yet: open the address and type the code that stands in the file",
		"address", s.origin+shared.PathSetup, "file", s.setupFile(), "until", setup.Expires().Format(time.RFC3339))
	s.chores.Add(1)
	go s.watchSetup()
	return nil
}

func writeSetupFile(path string, code secret.String) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(code.Reveal() + "\n")
	return errors.Join(err, f.Close())
}

func (s *Server) removeSetupFile() error {
	if err := os.Remove(s.setupFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the setup code: %w", err)
	}
	return nil
}

// watchSetup removes the code's file when the code has expired, and at the end.
func (s *Server) watchSetup() {
	defer s.chores.Done()
	expiry := time.NewTimer(time.Until(s.setup.Expires()))
	defer expiry.Stop()
	select {
	case <-s.life.Done():
	case <-expiry.C:
		s.log.Warn("the setup code has expired: restart for a new one")
	}
	if err := s.removeSetupFile(); err != nil {
		s.log.Error("the setup code's file is still there", "error", err)
	}
}

// needsSetup says whether nobody has an account and the first one can be made here.
func (s *Server) needsSetup() bool { return s.setup != nil && s.setup.Open() }

// setupPage is what setup.html shows. It has no field for a password: none can be sent back.
type setupPage struct {
	Lang, Style, Icon       string
	Words                   words.Setup
	Action                  string
	Code, Name, Login       string
	Error, Wrong            string // the sentence, and which field it is about
	MaxCode, MaxName, Limit int
}

// showSetup is GET /setup. Once there is an account it is a page like any other that does not exist.
func (s *Server) showSetup(c *fiber.Ctx) error {
	if !s.needsSetup() {
		return s.notFound(c)
	}
	problem, wrong := s.setupLate(c.Get(fiber.HeaderAcceptLanguage))
	return s.renderSetup(c, fiber.StatusOK, nil, problem, wrong)
}

// setupLate is what to say, and of which field, when the code has expired: its file is gone, and nobody is to look for it.
func (s *Server) setupLate(languages string) (problem, wrong string) {
	if time.Now().Before(s.setup.Expires()) {
		return "", ""
	}
	return words.For(words.Pick(languages)).Setup.Expired, "code"
}

func (s *Server) renderSetup(c *fiber.Ctx, status int, form url.Values, problem, wrong string) error {
	lang := words.Pick(c.Get(fiber.HeaderAcceptLanguage))
	return s.renderPlain(c, status, "setup.html", setupPage{
		Lang: lang, Style: s.assets.resolve("/web/app.css"), Icon: s.assets.resolve("/web/icon.svg"),
		Words: words.For(lang).Setup, Action: shared.PathSetup, Error: problem, Wrong: wrong,
		Code: bounded(form.Get("code"), maxCode), Name: bounded(form.Get("name"), maxName), Login: bounded(form.Get("login"), maxLogin),
		MaxCode: maxCode, MaxName: maxName, Limit: maxLogin,
	})
}

// bounded is a value to show again, or nothing where nobody can have typed it.
func bounded(value string, most int) string {
	if len(value) > most {
		return ""
	}
	return value
}

// setUp is POST /setup: it makes the first account and signs its owner in. It is on record before it is done.
func (s *Server) setUp(c *fiber.Ctx) error {
	if !s.needsSetup() {
		return s.notFound(c)
	}
	form, err := url.ParseQuery(string(c.Request().Body()))
	if err != nil {
		return &failure{code: shared.CodeBadRequest}
	}
	e := exchangeOf(c.Context())
	who, err := s.firstAccount(form, e)
	if err != nil {
		return s.refuseSetup(c, form, err)
	}
	if err := s.removeSetupFile(); err != nil {
		s.log.Error("the setup code's file is still there", "error", err)
	}
	s.log.Info("the first account was created", "request_id", e.id, "remote", e.remote.String())
	if err := s.startSession(c, e, who.ID, s.intoFrame(e), ""); err != nil { // the account is there: sign in when Locum can let anybody
		e.failure = explain(err)
		return seeOther(c, shared.PathSignIn)
	}
	return seeOther(c, "/")
}

// errDifferent: the password was not typed twice.
var errDifferent = errors.New("setup: the two passwords differ")

func (s *Server) firstAccount(form url.Values, e *exchange) (account.Account, error) {
	login, name, password := form.Get("login"), form.Get("name"), form.Get("password")
	switch {
	case len(login) > maxLogin:
		return account.Account{}, &account.LoginError{Field: account.FieldLogin, Reason: "too long"}
	case len(name) > maxName:
		return account.Account{}, &account.LoginError{Field: account.FieldName, Reason: "too long"}
	case len(password) > maxPassword:
		return account.Account{}, &account.PasswordError{Reason: account.ReasonLong}
	case password != form.Get("again"):
		return account.Account{}, errDifferent
	}
	event := audit.Event{Kind: "account_added", RequestID: e.id, Remote: e.remote.String(), Code: "setup begun"}
	announce := func() error {
		ctx, cancel := s.call()
		defer cancel()
		return s.audit.Event(ctx, event)
	}
	who, err := s.setup.Run(secret.New(bounded(form.Get("code"), maxCode)), e.remote.String(), login, name, secret.New(password), announce)
	if err != nil {
		return account.Account{}, err
	}
	event.Practitioner, event.Code = who.ID, "setup done"
	return who, s.audit.Note(event)
}

// setupReasons names what is wrong with a password as words.Setup.Refused does.
var setupReasons = map[string]string{
	account.ReasonShort: "short", account.ReasonLong: "long", account.ReasonText: "text", account.ReasonCommon: "common",
	account.ReasonPattern: "pattern", account.ReasonPersonal: "personal",
}

// refuseSetup shows the form again with one sentence and what was typed, but for the passwords. Who comes too late finds
// that there is no such page.
func (s *Server) refuseSetup(c *fiber.Ctx, form url.Values, err error) error {
	if errors.Is(err, account.ErrSetupOver) {
		return s.notFound(c)
	}
	e := exchangeOf(c.Context())
	e.failure = explain(err)
	say := words.For(words.Pick(c.Get(fiber.HeaderAcceptLanguage))).Setup
	problem, wrong := say.Unavailable, ""
	var throttled *account.ThrottledError
	var field *account.LoginError
	var password *account.PasswordError
	switch {
	case errors.As(err, &throttled):
		problem, wrong = say.Throttled, "code"
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, seconds(throttled.RetryAfter))))
	case errors.Is(err, account.ErrSetupCode):
		problem, wrong = say.WrongCode, "code"
	case errors.Is(err, account.ErrSetupLate):
		problem, wrong = say.Expired, "code"
	case errors.Is(err, errDifferent):
		problem, wrong = say.Different, "password"
	case errors.As(err, &field):
		wrong = field.Field
		problem, _ = say.Refused.Find(field.Field)
	case errors.As(err, &password):
		wrong = "password"
		problem, _ = say.Refused.Find(setupReasons[password.Reason])
	}
	return s.renderSetup(c, meanings[e.failure.code].status, form, problem, wrong)
}
