package interop_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asked names the version of Keycloak to run against; make interop sets it.
const asked = "LOCUM_INTEROP"

// artifact is Keycloak's server in Maven Central.
const artifact = "org.keycloak:keycloak-quarkus-dist:%s:zip"

// features that a build of Keycloak has beyond its defaults: with resource indicators (RFC 8707) `resource` narrows a
// token to one clinic, as it does at Jane.
const features = "resource-indicators"

// keycloak is a running server. Its public address is the proxy's: what goes through there is Locum's and the browsers',
// what the tests do themselves goes to own.
type keycloak struct {
	t       testing.TB
	version string
	own     string // http://127.0.0.1:PORT
	public  string // http://127.0.0.1:PORT of the proxy: the start of every issuer
	admin   *admin
	proxy   *wiretap

	log  logFile
	took time.Duration // from starting to ready
}

// startKeycloak fetches, unpacks, builds and starts it, and waits until it is ready. Where it is not asked for, or Java,
// Maven or the archive is missing, the test is skipped.
func startKeycloak(t testing.TB) *keycloak {
	t.Helper()
	version := os.Getenv(asked)
	if version == "" {
		t.Skipf("%s is not set: `make interop` runs this against a real Keycloak", asked)
	}
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine: nothing was run against a real Keycloak", tool)
		}
	}
	home, err := provide(version)
	if err != nil {
		t.Skipf("Keycloak %s cannot be had: %v", version, err)
	}
	k := &keycloak{t: t, version: version, own: "http://" + freeAddress(t), proxy: newWiretap(t)}
	k.public, k.proxy.to = "http://"+k.proxy.address, k.own
	k.admin = &admin{at: k.own, password: rand.Text()}
	k.run(home)
	return k
}

// run starts the server in a directory of its own, beside the unpacked one, and stops it when the test ends.
//
// The shell in between is there for the case that this process is killed: its standard input then closes, and it ends the
// server.
func (k *keycloak) run(home string) {
	t := k.t
	t.Helper()
	const script = `"$@" </dev/null & cat >/dev/null; kill $! 2>/dev/null; wait $!`
	command := exec.Command("sh", "-c", script, "sh", filepath.Join(home, "bin", "kc.sh"), "start", "--optimized",
		"--http-enabled=true", "--http-host=127.0.0.1", "--http-port="+portOf(k.own), "--hostname="+k.public,
		"--cache=local", "--log-console-color=false")
	command.Env = append(os.Environ(), "JAVA_OPTS_KC_HEAP=-Xms64m -Xmx384m", "KC_BOOTSTRAP_ADMIN_USERNAME=admin",
		"KC_BOOTSTRAP_ADMIN_PASSWORD="+k.admin.password)
	command.Stdout, command.Stderr = &k.log, &k.log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	alive, err := command.StdinPipe()
	must(t, err)
	began := time.Now()
	must(t, command.Start())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = command.Wait() }()
	t.Cleanup(func() {
		must(t, alive.Close())
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // the group that was started here
			<-ended
		}
		if t.Failed() {
			t.Logf("Keycloak's own log:\n%s", k.log.tail())
		}
	})
	eventually(t, 6*time.Minute, "Keycloak is ready", func() bool {
		if strings.Contains(k.log.String(), "kc.sh start --help") {
			t.Fatal("Keycloak does not start")
		}
		response, err := http.Get(k.own + "/realms/master/.well-known/openid-configuration")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	k.took = time.Since(began)
}

// provide gives the directory of an unpacked and built server. It is made once and kept in the user's cache; the archive
// itself stays in Maven's own repository.
func provide(version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "locum", "keycloak", version+"-"+features)
	home := filepath.Join(dir, "keycloak-"+version)
	if _, err := os.Stat(filepath.Join(dir, "built")); err == nil {
		return home, nil
	}
	archive, err := fetch(version)
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return "", err
	}
	if err := unpack(archive, dir); err != nil {
		return "", fmt.Errorf("unpack %s: %w", archive, err)
	}
	if err := command(5*time.Minute, filepath.Join(home, "bin", "kc.sh"), "build", "--db=dev-mem", "--features="+features); err != nil {
		return "", err
	}
	return home, os.WriteFile(filepath.Join(dir, "built"), nil, 0o600)
}

// fetch lets the ordinary Maven client bring the archive into its repository, and gives its path there.
func fetch(version string) (string, error) {
	user, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	archive := filepath.Join(user, ".m2", "repository", "org", "keycloak", "keycloak-quarkus-dist", version, "keycloak-quarkus-dist-"+version+".zip")
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	if err := command(10*time.Minute, "mvn", "-B", "-q", "dependency:get", "-Dtransitive=false", "-Dartifact="+fmt.Sprintf(artifact, version)); err != nil {
		return "", err
	}
	_, err = os.Stat(archive)
	return archive, err
}

// command runs a program to its end; the first of its lines that tells of an error is part of the error.
func command(limit time.Duration, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "ERROR") {
			return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(line[:min(len(line), 200)]))
		}
	}
	return fmt.Errorf("%s: %w", filepath.Base(name), err)
}

// unpack writes the archive's files below dir, and nothing outside of it.
func unpack(archive, dir string) error {
	files, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer files.Close()
	for _, file := range files.File {
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("the archive has a file %q", file.Name)
		}
		if err := extract(file, filepath.Join(dir, file.Name)); err != nil {
			return err
		}
	}
	return nil
}

func extract(file *zip.File, path string) error {
	if file.FileInfo().IsDir() {
		return os.MkdirAll(path, 0o700)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	from, err := file.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	mode := os.FileMode(0o600)
	if strings.HasSuffix(path, ".sh") {
		mode = 0o700
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// logFile keeps the end of what a process prints.
type logFile struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const logged = 1 << 20

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() > logged {
		l.text.Next(logged / 2)
	}
	return l.text.Write(p)
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail is its last 4 kB.
func (l *logFile) tail() string {
	text := l.String()
	return text[max(0, len(text)-4<<10):]
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func portOf(at string) string { return at[strings.LastIndexByte(at, ':')+1:] }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls until something is true, and fails the test when it never is.
func eventually(t testing.TB, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never, within %v: %s", limit, what)
		}
	}
}
