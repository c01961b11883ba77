package crash_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"locum/bff/audit"
	"locum/bff/sandbox"
	"locum/bff/vault"
)

// binary is the released program, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "locum-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "locum")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "locum/cmd/locum")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// password is everybody's, clientSecret that of Locum at both realms.
const (
	password     = "correct horse battery staple, twice"
	clientSecret = "a-client-secret-for-the-sandbox-alone"
)

// platforms are the two realms of the sandbox, as the configuration names them.
var platforms = map[string]string{"jane": sandbox.RealmProduction, "jane-sandbox": sandbox.RealmSandbox}

// strict says which of them rotate refresh tokens strictly, where a campaign has them do so; the other does not.
var strict = map[string]bool{"jane": false, "jane-sandbox": true}

// site is one installation: configuration, key and data in a directory, an address, and the sandbox it points to.
type site struct {
	t       testing.TB
	sandbox *sandbox.Sandbox
	dir     string
	data    string // the data directory's name in dir
	port    string
	stays   string // a session of ben's that no test ends
	limits  sandbox.Limits
	refresh string // lines of the platforms' refresh policy
}

// newSite installs Locum as the README says, with accounts for logins.
func newSite(t testing.TB, box *sandbox.Sandbox, logins ...string) *site {
	t.Helper()
	s := &site{t: t, sandbox: box, dir: t.TempDir(), data: "data", port: freePort(t), limits: roomy}
	var err error
	for id, realm := range platforms {
		_, err = box.Register(sandbox.Client{ID: "locum-" + id, Secret: clientSecret, Realms: []string{realm},
			RedirectURIs: []string{s.url() + "/connect/" + id + "/callback"}})
		must(t, err)
	}
	s.configure()
	s.must("", "keys", "create")
	for id := range platforms {
		s.must(clientSecret, "secret", "set", id)
	}
	for _, login := range logins {
		s.must(password, "account", "add", login, "--name", "Test "+login)
	}
	return s
}

// ports is the next to try: below those that the system gives to outgoing connections, which would take one while its server
// is down.
var ports = func() *atomic.Int32 {
	var next atomic.Int32
	next.Store(int32(12_000 + os.Getpid()%15_000))
	return &next
}()

// freePort is one that nobody listens on, and that is given out once.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(int(ports.Add(1)))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			must(t, ln.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func newSandbox(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.Start(sandbox.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, box.Close()) })
	box.SetLimits(sandbox.Limits{})
	return box
}

func (s *site) url() string { return "http://localhost:" + s.port }
func (s *site) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}
func (s *site) trail() string                   { return s.path(s.data, "audit.log") }
func (s *site) database() string                { return s.path(s.data, vault.FileName) }
func (s *site) command(args ...string) []string { return append(args, "-c", s.path("locum.yaml")) }

// roomy is room for many calls, so that no budget stands between a campaign and the disk.
var roomy = sandbox.Limits{Endpoint: sandbox.Limit{N: 1_000_000, Window: time.Second}, Clinic: sandbox.Limit{N: 1_000_000, Window: time.Second}}

// configure writes the configuration anew.
func (s *site) configure() {
	s.t.Helper()
	must(s.t, os.WriteFile(s.path("locum.yaml"), []byte(s.configuration()), 0o600))
}

func (s *site) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir: %s\n", s.data)
	fmt.Fprintf(&b, "public_url: %s\nlisten: 127.0.0.1:%s\nsession: {idle: 1h, absolute: 24h}\nplatforms:\n", s.url(), s.port)
	for id, realm := range platforms {
		fmt.Fprintf(&b, "  - id: %s\n    kind: jane\n    issuer: %s\n    client_id: locum-%s\n", id, s.sandbox.Issuer(realm), id)
		b.WriteString("    scopes: [appointments:read, patients:read, observations:read, observations:create, observations:update]\n    more_scopes: []\n")
		fmt.Fprintf(&b, "    limits:\n      endpoint: {requests: %d, window: %s}\n      clinic: {requests: %d, window: %s}\n",
			s.limits.Endpoint.N, s.limits.Endpoint.Window, s.limits.Clinic.N, s.limits.Clinic.Window)
		b.WriteString(s.refresh)
		b.WriteString("    clinics:\n")
		for _, clinic := range s.sandbox.Clinics() {
			fmt.Fprintf(&b, "      - name: %q\n        url: %s\n", clinic.Name, clinic.URL)
		}
	}
	return b.String()
}

// ended is how a command went.
type ended struct {
	code     int // -1 when a signal ended it
	out, err string
}

// do runs one of the operator's commands to its end, or kills it after a while when kill is not 0.
func (s *site) do(kill time.Duration, stdin string, args ...string) ended {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if kill > 0 {
		ctx, cancel = context.WithTimeout(ctx, kill)
		defer cancel()
	}
	var out, err bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, s.command(args...)...) // killed by SIGKILL when ctx ends
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &err
	failed := cmd.Run()
	var exit *exec.ExitError
	if failed != nil && !errors.As(failed, &exit) && ctx.Err() == nil {
		s.t.Fatalf("locum %s: %v", strings.Join(args, " "), failed)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), err.String()}
}

func (s *site) must(stdin string, args ...string) string {
	s.t.Helper()
	e := s.do(0, stdin, args...)
	if e.code != 0 {
		s.t.Fatalf("locum %s: exit %d\n%s%s", strings.Join(args, " "), e.code, e.out, e.err)
	}
	return e.out
}

// auditKey opens the vault as it lies there, which shows that it opens, and gives the key of the audit trail.
func (s *site) auditKey() []byte {
	s.t.Helper()
	master, err := vault.ReadKeyFile(s.path("master.key"))
	must(s.t, err)
	v, err := vault.Open(s.path(s.data), master)
	if err != nil {
		s.t.Fatalf("the vault does not open: %v", err)
	}
	defer v.Close()
	return v.DeriveKey("audit")
}

// verify checks the whole audit trail.
func (s *site) verify() audit.Report {
	s.t.Helper()
	report, err := audit.Verify(s.trail(), s.auditKey())
	if err != nil {
		s.t.Errorf("the audit trail does not verify: %v", err)
	}
	return report
}

// process is a running server.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it serves
	exited chan struct{} // closed when it has ended

	mu  sync.Mutex
	log bytes.Buffer
}

// start starts the server; prefix is a program to start it under, such as strace.
func (s *site) start(prefix ...string) *process {
	s.t.Helper()
	args := append(append(prefix, binary), s.command("serve")...)
	p := &process{t: s.t, cmd: exec.Command(args[0], args[1:]...), ready: make(chan struct{}), exited: make(chan struct{})}
	pipe, err := p.cmd.StderrPipe()
	must(s.t, err)
	must(s.t, p.cmd.Start())
	go func() {
		defer close(p.exited)
		p.read(pipe)
		_ = p.cmd.Wait()
	}()
	s.t.Cleanup(p.kill)
	return p
}

func (p *process) read(pipe io.Reader) {
	lines, serving := bufio.NewScanner(pipe), false
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.log.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		if !serving && bytes.Contains(lines.Bytes(), []byte(`"msg":"serving"`)) {
			serving = true
			close(p.ready)
		}
	}
}

// serving waits until the server serves.
func (p *process) serving() *process {
	p.t.Helper()
	select {
	case <-p.ready:
	case <-p.exited:
		p.t.Fatalf("the server ended before it served:\n%s", p.said())
	case <-time.After(30 * time.Second):
		p.kill()
		p.t.Fatalf("the server does not serve:\n%s", p.said())
	}
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// stop asks the server to end, as an operator does, and gives its exit code.
func (p *process) stop() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.kill()
		p.t.Errorf("the server does not stop:\n%s", p.said())
	}
	return p.cmd.ProcessState.ExitCode()
}

// said is what it has logged so far.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// containsLine says whether a line of text begins with start.
func containsLine(text, start string) bool {
	return strings.HasPrefix(text, start) || strings.Contains(text, "\n"+start)
}
