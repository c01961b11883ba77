package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// desk is an operator's: a directory, the secrets of the day, and everything that any command has printed.
type desk struct {
	t       *testing.T
	dir     string
	secrets map[string]string
	scans   int
}

// learn adds a secret to those that nobody else may see.
func (d *desk) learn(name, value string) string {
	d.t.Helper()
	if len(value) < 12 {
		d.t.Fatalf("%s would be found by chance", name)
	}
	d.secrets[name] = value
	return value
}

// scan looks for every secret, raw and disguised, in what came from somewhere.
func (d *desk) scan(from string, text []byte) {
	d.t.Helper()
	d.scans++
	for name, value := range d.secrets {
		for form, needle := range map[string]string{
			"raw": value, "hex": hex.EncodeToString([]byte(value)), "percent": url.QueryEscape(value),
			"base64": base64.StdEncoding.EncodeToString([]byte(value))[:len(value)/3*4],
		} {
			if bytes.Contains(text, []byte(needle)) {
				d.t.Errorf("%s is in %s (%s)", name, from, form)
			}
		}
	}
}

// scanProcesses looks at what every process of the machine can see of every other, and at the environment of this one.
func (d *desk) scanProcesses(pid int) {
	d.t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		d.t.Skip("no /proc here: ", err)
	}
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		for _, what := range []string{"cmdline", "comm"} {
			if text, err := os.ReadFile(filepath.Join("/proc", entry.Name(), what)); err == nil {
				d.scan("/proc/"+entry.Name()+"/"+what, text)
			}
		}
	}
	environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil && !errors.Is(err, syscall.ESRCH) { // a command that waits for nothing may have ended
		d.t.Errorf("the environment of %d: %v", pid, err)
	}
	d.scan("the environment", environ)
}

// running is one command under way.
type running struct {
	*exec.Cmd
	in  io.WriteCloser
	out *lockedBuffer
}

func (d *desk) start(args ...string) running {
	d.t.Helper()
	r := running{Cmd: exec.Command("locum", args...), out: &lockedBuffer{}}
	r.Dir, r.Stdout, r.Stderr = d.dir, r.out, r.out
	var err error
	if r.in, err = r.StdinPipe(); err != nil {
		d.t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// run runs one command to its end with something on its standard input, looks at it from outside before it gets that, and
// at all it prints.
func (d *desk) run(code int, input string, args ...string) string {
	d.t.Helper()
	r := d.start(args...)
	d.scanProcesses(r.Process.Pid)
	if input != "" {
		_, _ = io.WriteString(r.in, input+"\n")
	}
	r.in.Close()
	_ = r.Wait()
	text := r.out.String()
	d.scan("what locum "+strings.Join(args[:min(2, len(args))], " ")+" prints", []byte(text))
	if got := r.ProcessState.ExitCode(); got != code {
		d.t.Errorf("locum %s ends with %d, want %d\n%s", strings.Join(args, " "), got, code, text)
	}
	return text
}

func (d *desk) read(name string) string {
	d.t.Helper()
	return strings.TrimSpace(read(d.t, filepath.Join(d.dir, name)))
}

func (d *desk) write(name, text string, mode os.FileMode) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// TestT118SecretsAreNeverSeen: a whole day of an operator with the real binary, from nothing over the first practitioner
// (T119) to every command there is. No secret is in any process's arguments or in Locum's environment, and none is ever
// printed, whatever goes wrong.
func TestT118SecretsAreNeverSeen(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), secrets: map[string]string{}}
	client := d.learn("the client secret", "CANARY-client-secret-0123456789")
	filed := d.learn("the secret in a file", "CANARY-filed-secret-9876543210")
	first := d.learn("the first password", "CANARY first password of the day")
	second := d.learn("the second password", "CANARY second password of the day")
	address := freeAddress(t)
	d.run(0, "", "init", "--public-url", "http://"+address, "--client-id", "locum-dev")
	d.learn("the master key", d.read("master.key"))
	d.run(0, client, "secret", "set", "jane-sandbox")
	d.run(0, "", "secret", "set", "jane-sandbox", "--file", d.write("secret.txt", filed, 0o600))
	d.serve("http://"+address, first)
	d.run(0, second, "account", "add", "noor@clinic.example", "--name", "Noor Exampleson")
	d.run(0, first+" and more", "account", "password", "noor@clinic.example")
	d.run(0, "", "account", "list")
	d.run(0, "", "account", "disable", "noor@clinic.example")
	d.run(0, "", "audit", "verify")
	d.run(0, "", "compact")
	d.run(0, "", "config", "example")
	d.run(0, "", "version")
	d.run(1, "", "keys", "create") // there is one
	d.run(1, "", "check")          // an http address cannot be registered
	d.run(1, "", "check", "--json")
	d.misuse(client, filed)
	t.Logf("%d scans", d.scans)
}

// serve is the browser's part of T119 with the real binary: the code from its file, the form, a session, and the end.
func (d *desk) serve(address, password string) {
	d.t.Helper()
	r := d.start("serve")
	d.until(r, "the setup page", func() bool { return status(address+"/setup") == http.StatusOK })
	code := d.learn("the setup code", d.read("data/setup-code"))
	d.learn("the code without dashes", strings.ReplaceAll(code, "-", ""))
	d.scanProcesses(r.Process.Pid)
	form := url.Values{"code": {code}, "name": {"Maya Example"}, "login": {"maya@clinic.example"}, "password": {password}, "again": {password}}
	request, err := http.NewRequest(http.MethodPost, address+"/setup", strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", address)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 {
		d.t.Fatalf("T119: %d %v\n%s", answer.StatusCode, answer.Header, r.out)
	}
	d.learn("the session", answer.Cookies()[0].Value)
	if _, err := os.Stat(filepath.Join(d.dir, "data", "setup-code")); !os.IsNotExist(err) {
		d.t.Errorf("T119: the file with the code is still there: %v", err)
	}
	if got := status(address + "/setup"); got != http.StatusNotFound {
		d.t.Errorf("T119: /setup answers %d once there is an account", got)
	}
	d.scanProcesses(r.Process.Pid)
	d.run(0, d.secrets["the client secret"], "secret", "set", "jane-sandbox") // through the socket of the one that serves
	d.run(0, password, "account", "password", "maya@clinic.example")
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := r.Wait(); err != nil {
		d.t.Errorf("serve: %v", err)
	}
	d.scan("the log of locum serve", []byte(r.out.String()))
	if !strings.Contains(r.out.String(), "setup-code") || strings.Count(r.out.String(), "audit checkpoint") < 2 {
		d.t.Errorf("the log is\n%s", r.out)
	}
	d.write("served.log", r.out.String(), 0o600)
	d.run(0, "", "audit", "verify", "--anchors", filepath.Join(d.dir, "served.log"))
}

// misuse types secrets where they do not belong. What was typed as an argument was seen by then; it is not repeated.
func (d *desk) misuse(client, filed string) {
	d.t.Helper()
	quiet := func(code int, input string, args ...string) {
		d.t.Helper()
		r := d.start(args...)
		_, _ = io.WriteString(r.in, input)
		r.in.Close()
		_ = r.Wait()
		d.scan("what locum "+args[0]+" prints of its misuse", []byte(r.out.String()))
		if got := r.ProcessState.ExitCode(); got != code {
			d.t.Errorf("locum %s ends with %d\n%s", strings.Join(args, " "), got, r.out)
		}
	}
	quiet(1, "", "secret", "set", client)
	quiet(2, "", "secret", "set", "jane-sandbox", client)
	quiet(2, "", "secret", "set", "jane-sandbox", "--secret="+client)
	quiet(2, "", "account", "password", "noor@clinic.example", "--password", client)
	quiet(2, "", "account", "password", "noor@clinic.example", "--password="+client)
	quiet(1, "short", "account", "password", "noor@clinic.example")
	config := d.read("locum.yaml")
	d.write("inline.yaml", strings.Replace(config, "    client_id:", "    client_secret: "+client+"\n    client_id:", 1), 0o600)
	d.write("credentials.yaml", strings.Replace(config, "public_url: http://", "public_url: http://user:"+filed+"@", 1), 0o600)
	d.write("broken.yaml", config+"\n  - {"+client, 0o600)
	d.write("wrong.key", client+"\n", 0o600)
	d.write("wrongkey.yaml", strings.Replace(config, "# master_key_file: master.key", "master_key_file: wrong.key", 1), 0o600)
	for _, name := range []string{"inline.yaml", "credentials.yaml", "broken.yaml", "wrongkey.yaml"} {
		quiet(1, "", "serve", "-c", name)
		quiet(1, "", "check", "-c", name)
		quiet(1, "", "audit", "verify", "-c", name)
		quiet(1, "", "account", "list", "-c", name)
	}
}

// TestT118KeyFromACredentialDirectory: systemd gives credentials as files of mode 0400 in a directory of its own, which is
// what a key file may be.
func TestT118KeyFromACredentialDirectory(t *testing.T) {
	d := &desk{t: t, dir: t.TempDir(), secrets: map[string]string{}}
	d.run(0, "", "init", "--public-url", "http://"+freeAddress(t), "--client-id", "locum-dev")
	key := d.learn("the master key", d.read("master.key"))
	credentials := filepath.Join(d.dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	d.write("credentials/master", key+"\n", 0o400)
	if err := os.Chmod(credentials, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(credentials, 0o700) })
	if err := os.Remove(filepath.Join(d.dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	d.run(1, "", "account", "list")
	d.write("locum.yaml", strings.Replace(d.read("locum.yaml"), "# master_key_file: master.key", "master_key_file: "+credentials+"/master", 1), 0o600)
	d.run(0, "", "account", "list")
}

func (d *desk) until(r running, what string, f func() bool) {
	d.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	d.t.Fatalf("never: %s\n%s", what, r.out)
}

func status(address string) int {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(address)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return "localhost:" + port
}

// lockedBuffer is written by a process and read by a test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
