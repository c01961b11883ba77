package e2e_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"locum/bff/demo"
	"locum/bff/sandbox"
	"locum/shared"
)

// journal is a log that a test reads while the product writes it.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) bytes() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.text.Bytes())
}

// TestT001NothingLeaks walks the main job with every log at its most verbose and then looks for every secret that the
// sandbox minted, in every disguise, wherever a secret could have gone: each byte the browser received from Locum, its
// storage and cookies, the page, the app's memory, the logs, and every file of the data directory. It finds none.
func TestT001NothingLeaks(t *testing.T) {
	log := &journal{}
	d, b := startDemo(t, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))), newBrowser(t)
	received := b.record(d.URL)
	b.signIn(d, robin)
	b.connectFirst(d)
	b.click(by("open-schedule"))
	b.ready("schedule")
	b.see(by("appointment"))
	b.click(by("appointment-patient"))
	b.ready("patient")
	b.see(by("identity"))

	d.Sandbox.RevokeAccess(robinAtJane, d.Sandbox.Clinics()[0].URL) // the next call refreshes
	before := d.Sandbox.Count("iam/token/refresh_token")
	b.do(chromedp.Reload())
	b.ready("patient")
	b.see(by("identity"))
	if d.Sandbox.Count("iam/token/refresh_token") == before {
		t.Error("the journey did not refresh: it proves less than it says")
	}

	secrets := append(d.Sandbox.Minted(), d.Sandbox.Marker())
	secrets = append(secrets, verifiers(t, d)...)
	private, raw := privateKeys(t, d)
	secrets = append(secrets, private...)
	look := append(hide(t, long(secrets)...), hide(t, raw...)...)
	// What the browser may hold and nothing else: the cookies, and what the patient's page shows.
	inside := hide(t, append(cookieValues(b.cookieJar()), patientID(b), mustEvaluate[string](b, `document.querySelector('`+by("patient-name")+`').innerText`))...)
	t.Run("T001 app memory", func(t *testing.T) {
		found, size := b.wasmMemory(long(secrets))
		if size < 1<<20 {
			t.Fatalf("only %d bytes of memory were read", size)
		}
		if len(found) > 0 {
			t.Errorf("%d secrets in the app's memory", len(found))
		}
	})
	t.Run("T002 storage and page", func(t *testing.T) { absent(t, look, "storage", []byte(b.storage())) })
	t.Run("T002 cookies", func(t *testing.T) {
		checkCookies(t, d, b.cookieJar(), true)
		absent(t, look, "cookies", []byte(onlyOf(b.cookieJar(), "localhost")))
	})
	b.open(d.URL + "/connections")
	b.ready("connections")
	told := mustEvaluate[string](b, `(async () => {
		const path = "/api/v1/connections/`+b.connections()+`";
		const found = await fetch(path + "/diagnosis", {method: "POST", body: "{}", headers: {"Locum-Client": "app", "Content-Type": "application/json"}});
		return await found.text() + await (await fetch(path + "/life")).text();
	})()`, chromedp.EvalAwaitPromise)
	if !strings.Contains(told, "diagnosed") || !strings.Contains(told, "same_sign_in") {
		t.Errorf("the life of the connection reads %s", told)
	}
	absent(t, look, "the life of a connection", []byte(told))
	b.disconnect()
	b.signOut(d)
	t.Run("T002 after sign-out", func(t *testing.T) {
		checkCookies(t, d, b.cookieJar(), false)
		absent(t, look, "storage", []byte(b.storage()))
		if state := mustEvaluate[int](b, `sessionStorage.length + localStorage.length`); state != 0 {
			t.Errorf("%d values are left in web storage", state)
		}
	})
	received.end()
	t.Run("T001 received bytes", func(t *testing.T) { checkReceived(t, look, received) })
	t.Run("T116 logs", func(t *testing.T) {
		if len(log.bytes()) < 500 {
			t.Fatalf("the log is %d bytes long: it was not at its most verbose", len(log.bytes()))
		}
		absent(t, look, "the log", log.bytes())
		absent(t, inside, "the log", log.bytes())
	})
	t.Run("T059 files", func(t *testing.T) { checkFiles(t, append(look, inside...), d.Dir) })
	b.clean()
}

// verifiers are the PKCE secrets that Locum sent to the token endpoint.
func verifiers(t *testing.T, d *demo.Demo) []string {
	t.Helper()
	var all []string
	for _, request := range d.Sandbox.Requests(sandbox.EndpointExchange) {
		form, err := url.ParseQuery(request.Body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, form.Get("code_verifier"))
	}
	if len(all) == 0 || len(all[0]) < 43 {
		t.Fatalf("no verifier was seen in %d exchanges", len(all))
	}
	return all
}

func cookieValues(jar []*network.Cookie) []string {
	var values []string
	for _, cookie := range jar {
		if cookie.Domain == "localhost" {
			values = append(values, cookie.Value)
		}
	}
	return values
}

// patientID is the last segment of a patient's address.
func patientID(b *browser) string {
	address := b.where()
	return address[strings.LastIndex(address, "/")+1:]
}

// long leaves out what is too short to be told from chance.
func long(secrets []string) []string {
	var kept []string
	for _, s := range secrets {
		if len(s) >= 12 {
			kept = append(kept, s)
		}
	}
	return kept
}

func absent(t *testing.T, look needles, where string, data []byte) {
	t.Helper()
	if form := look.in(data); form != "" {
		t.Errorf("a secret is in %s, %s", where, form)
	}
}

func checkReceived(t *testing.T, look needles, r *recorder) {
	answers, missed := r.all()
	for _, what := range missed {
		t.Errorf("an answer could not be read: %s", what)
	}
	proxied, size := 0, 0
	told := map[string]int{}
	for _, answer := range answers {
		if name, event := strings.CutPrefix(answer.url, "event: "); event {
			told[name]++
		}
		absent(t, look, "the headers of "+answer.url, []byte(answer.headers))
		absent(t, look, "the body of "+answer.url, answer.body)
		size += len(answer.body)
		if strings.Contains(answer.url, "/proxy/v1/") {
			proxied++
		}
	}
	if proxied < 5 || size < 5<<20 {
		t.Errorf("only %d proxied answers and %d bytes were recorded", proxied, size)
	}
	if told[shared.EventHello] == 0 || told[shared.EventBudget] == 0 || told[shared.EventConnection] == 0 {
		t.Errorf("of the streams only %v was recorded", told)
	}
	t.Logf("%d answers, %d of them proxied, %d bytes; of events %v", len(answers), proxied, size, told)
}

func checkFiles(t *testing.T, look needles, dir string) {
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		absent(t, look, filepath.Base(path), data)
		files++
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("read %d files: %v", files, err)
	}
}

// checkCookies says which cookies Locum may have in the browser (T087): while signed in the session, after it none.
func checkCookies(t *testing.T, d *demo.Demo, jar []*network.Cookie, signedIn bool) {
	t.Helper()
	sessions := 0
	for _, cookie := range jar {
		if cookie.Domain != "localhost" {
			continue
		}
		switch {
		case !cookie.HTTPOnly || cookie.Path != "/":
			t.Errorf("cookie %s: HttpOnly %v, path %s", cookie.Name, cookie.HTTPOnly, cookie.Path)
		case cookie.Name == "locum-dev-session" && cookie.SameSite == network.CookieSameSiteStrict:
			sessions++
		case cookie.Name == "locum-dev-flow" && cookie.SameSite == network.CookieSameSiteLax && signedIn:
		default:
			t.Errorf("unexpected cookie %s, SameSite %s", cookie.Name, cookie.SameSite)
		}
	}
	if want := map[bool]int{true: 1, false: 0}[signedIn]; sessions != want {
		t.Errorf("%d session cookies at %s, want %d", sessions, d.URL, want)
	}
}

func onlyOf(jar []*network.Cookie, domain string) string {
	var text strings.Builder
	for _, cookie := range jar {
		if cookie.Domain == domain {
			fmt.Fprintf(&text, "%s=%s\n", cookie.Name, cookie.Value)
		}
	}
	return text.String()
}
