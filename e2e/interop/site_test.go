package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the released program, built when the first site needs it.
var binary struct {
	once sync.Once
	path string // LOCUM_BINARY, or in dir
	dir  string // removed at the end; "" where nothing was built
	err  error
}

// program builds Locum as it is released.
func program(t testing.TB) string {
	t.Helper()
	binary.once.Do(func() {
		if binary.path = os.Getenv("LOCUM_BINARY"); binary.path != "" {
			return
		}
		if binary.dir, binary.err = os.MkdirTemp("", "locum-interop-"); binary.err != nil {
			return
		}
		binary.path = filepath.Join(binary.dir, "locum")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary.path, "locum/cmd/locum")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatalf("build the binary: %v", binary.err)
	}
	return binary.path
}

// What a site is made with. The password is everybody's, at Locum and at Keycloak.
const (
	password     = "correct horse battery staple, twice"
	clientID     = "locum"
	clientSecret = "a-client-secret-for-the-tests-alone"
	platformID   = "jane"
	login        = "ben"
)

// site is one installation of Locum as an operator makes it, with one platform: a realm of Keycloak, and two clinics.
type site struct {
	t        testing.TB
	keycloak *keycloak
	realm    realm
	clinics  [2]*clinic
	dir      string
	port     string
	more     string // further lines of the platform's configuration

	server *process
}

// newSite installs Locum for a realm, which it imports, and starts it.
func newSite(t testing.TB, k *keycloak, r realm, more string) *site {
	t.Helper()
	s := &site{t: t, keycloak: k, realm: r, dir: t.TempDir(), port: portOf(freeAddress(t)), more: more}
	for i := range s.clinics {
		s.clinics[i] = newClinic(t)
		s.clinics[i].certs, s.clinics[i].issuer = k.endpoint(r, "certs"), k.issuer(r)
	}
	k.add(t, r, s)
	must(t, os.WriteFile(s.path("locum.yaml"), []byte(s.configuration()), 0o600))
	s.must("", "keys", "create")
	s.must(clientSecret, "secret", "set", platformID)
	s.must(password, "account", "add", login, "--name", "Test "+login)
	s.start()
	return s
}

func (s *site) url() string { return "http://localhost:" + s.port }
func (s *site) path(name string) string {
	return filepath.Join(s.dir, name)
}

// configuration is the file that an operator writes; no limit stands between the tests and the clinics.
func (s *site) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "public_url: %s\nlisten: 127.0.0.1:%s\nlog_level: debug\nplatforms:\n", s.url(), s.port)
	fmt.Fprintf(&b, "  - id: %s\n    kind: jane\n    issuer: %s\n    client_id: %s\n", platformID, s.keycloak.issuer(s.realm), clientID)
	b.WriteString("    scopes: [appointments:read, patients:read]\n    more_scopes: []\n")
	b.WriteString("    limits:\n      endpoint: {requests: 100000, window: 1s}\n      clinic: {requests: 100000, window: 1s}\n")
	b.WriteString(s.more)
	b.WriteString("    clinics:\n")
	for i, c := range s.clinics {
		fmt.Fprintf(&b, "      - name: Clinic %d\n        url: %s\n", i+1, c.url)
	}
	return b.String()
}

// must runs one of the operator's commands.
func (s *site) must(stdin string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(s.t), append(args, "-c", s.path("locum.yaml"))...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("locum %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// process is a running Locum.
type process struct {
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it serves
	exited chan struct{} // closed when it has ended
	log    logFile
}

// start starts the server and waits until it serves.
func (s *site) start() {
	s.t.Helper()
	p := &process{cmd: exec.Command(program(s.t), "serve", "-c", s.path("locum.yaml")), ready: make(chan struct{}), exited: make(chan struct{})}
	pipe, err := p.cmd.StderrPipe()
	must(s.t, err)
	must(s.t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		p.read(pipe)
		_ = p.cmd.Wait()
	}()
	s.server = p
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			s.t.Logf("Locum's own log:\n%s", p.log.tail())
		}
	})
	select {
	case <-p.ready:
	case <-p.exited:
		s.t.Fatalf("Locum ended before it served:\n%s", p.log.tail())
	case <-time.After(time.Minute):
		s.t.Fatalf("Locum does not serve:\n%s", p.log.tail())
	}
}

func (p *process) read(pipe io.Reader) {
	lines, serving := bufio.NewScanner(pipe), false
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		_, _ = p.log.Write(append(lines.Bytes(), '\n'))
		if !serving && bytes.Contains(lines.Bytes(), []byte(`"msg":"serving"`)) {
			serving = true
			close(p.ready)
		}
	}
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop is what an operator does.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.exited
}
