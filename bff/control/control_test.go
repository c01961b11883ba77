package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"locum/bff/control"
	"locum/bff/secret"
)

type greeting struct{ Name string }

// handlers are what the tests ask for. hold answers when it is let go; held counts who came in.
type handlers struct {
	hold chan struct{}
	held atomic.Int64
}

func (h *handlers) all() map[string]control.Handler {
	return map[string]control.Handler{
		"greet": func(_ context.Context, input json.RawMessage, hidden secret.String) (any, error) {
			var g greeting
			if err := json.Unmarshal(input, &g); err != nil {
				return nil, err
			}
			return greeting{fmt.Sprintf("%s %d", g.Name, len(hidden.Reveal()))}, nil
		},
		"fail": func(context.Context, json.RawMessage, secret.String) (any, error) {
			return nil, errors.New("it cannot be done: do another")
		},
		"hold": func(ctx context.Context, _ json.RawMessage, _ secret.String) (any, error) {
			h.held.Add(1)
			select {
			case <-h.hold:
			case <-ctx.Done():
				return greeting{"ended"}, nil
			}
			return greeting{"held"}, nil
		},
	}
}

func listen(t testing.TB, dir string) (*control.Server, *handlers) {
	t.Helper()
	h := &handlers{hold: make(chan struct{})}
	s, err := control.Listen(dir, h.all(), slog.New(slog.DiscardHandler))
	if errors.Is(err, control.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, h
}

func call(dir, command string, hidden string) (greeting, error) {
	var out greeting
	err := control.Call(context.Background(), dir, command, greeting{"Maya"}, secret.New(hidden), &out)
	return out, err
}

func TestAskAndAnswer(t *testing.T) {
	for name, dir := range map[string]string{"a short path": t.TempDir(), "a path longer than a socket's name may be": filepath.Join(t.TempDir(), strings.Repeat("d", 120))} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := call(dir, "greet", ""); !errors.Is(err, control.ErrNobody) {
				t.Errorf("before: %v", err)
			}
			s, _ := listen(t, dir)
			info, err := os.Lstat(filepath.Join(dir, control.FileName))
			if err != nil || info.Mode() != fs0600 {
				t.Errorf("the socket is %v: %v", info, err)
			}
			if got, err := call(dir, "greet", "four"); err != nil || got.Name != "Maya 4" {
				t.Errorf("it answers %+v: %v", got, err)
			}
			var refused *control.RemoteError
			if _, err := call(dir, "fail", ""); !errors.As(err, &refused) || refused.Message != "it cannot be done: do another" {
				t.Errorf("a refusal is %v", err)
			}
			if _, err := call(dir, "unknown", ""); !errors.As(err, &refused) || !strings.Contains(refused.Message, "no command") {
				t.Errorf("an unknown command is %v", err)
			}
			if _, err := call(dir, "greet", strings.Repeat("x", 64<<10)); err == nil || errors.As(err, &refused) {
				t.Errorf("a command without end is %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("%v are left: %v", entries, err)
			}
			if _, err := call(dir, "greet", ""); !errors.Is(err, control.ErrNobody) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

const fs0600 = os.ModeSocket | 0o600

// TestStaleSocket: what a process left that was killed is nobody, and is replaced.
func TestStaleSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, control.FileName)
	for _, name := range []string{path, path + ".new"} {
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		left.SetUnlinkOnClose(false)
		left.Close()
	}
	if _, err := call(dir, "greet", ""); !errors.Is(err, control.ErrNobody) {
		t.Errorf("a stale socket: %v", err)
	}
	listen(t, dir)
	if _, err := call(dir, "greet", ""); err != nil {
		t.Error(err)
	}
}

// TestRubbish sends what is no command. Nothing of it is answered, and the next caller is.
func TestRubbish(t *testing.T) {
	dir := t.TempDir()
	listen(t, dir)
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "greet\n", "no end": `{"command":"greet"`, "too long": `{"command":"` + strings.Repeat("x", 70<<10) + `"}` + "\n", "HTTP": "GET / HTTP/1.1\r\n\r\n",
	} {
		conn, err := net.Dial("unix", filepath.Join(dir, control.FileName))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = conn.Write([]byte(text))
		_ = conn.(*net.UnixConn).CloseWrite()
		buffer := make([]byte, 100)
		if n, err := conn.Read(buffer); n > 0 || err == nil {
			t.Errorf("%s is answered: %s", name, buffer[:n])
		}
		conn.Close()
	}
	if _, err := call(dir, "greet", ""); err != nil {
		t.Error(err)
	}
}

// TestCloseWaits: a command that has begun is told that the end has come, and its answer arrives.
func TestCloseWaits(t *testing.T) {
	dir := t.TempDir()
	s, h := listen(t, dir)
	answered := make(chan string, 1)
	go func() {
		got, err := call(dir, "hold", "")
		answered <- fmt.Sprint(got.Name, err)
	}()
	for end := time.Now().Add(20 * time.Second); h.held.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command never came")
		}
	}
	idle, err := net.Dial("unix", filepath.Join(dir, control.FileName)) // says nothing, and is not waited for
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != "ended<nil>" {
		t.Errorf("it was answered %s", got)
	}
}

// TestCallerLeaves: a caller whose time is over waits no longer.
func TestCallerLeaves(t *testing.T) {
	dir := t.TempDir()
	_, h := listen(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		var out greeting
		left <- control.Call(ctx, dir, "hold", greeting{}, secret.String{}, &out)
	}()
	for h.held.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-left; !errors.Is(err, control.ErrBroken) {
		t.Errorf("who leaves is told %v", err)
	}
	close(h.hold)
}

// TestAnotherUser: the kernel says who calls, and another user is refused even where the socket's mode would let them.
func TestAnotherUser(t *testing.T) {
	if dir := os.Getenv("CONTROL_DIR"); dir != "" {
		_, err := call(dir, "greet", "")
		fmt.Println("CLIENT", err)
		fmt.Println("SERVER", plain(t, filepath.Join(dir, control.FileName)))
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be two users")
	}
	dir, err := os.MkdirTemp("/tmp", "control")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listen(t, dir)
	program := filepath.Join(dir, "program")
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	for _, err := range []error{os.WriteFile(program, binary, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Join(dir, control.FileName), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	other := exec.Command(program, "-test.run=TestAnotherUser")
	other.Dir, other.Env = "/", append(os.Environ(), "CONTROL_DIR="+dir)
	other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := other.CombinedOutput()
	for _, end := range []string{"CLIENT ", "SERVER "} {
		_, said, found := strings.Cut(string(out), end)
		if said, _, _ = strings.Cut(said, "\n"); err != nil || !found || !strings.Contains(said, control.ErrPeer.Error()) {
			t.Errorf("another user is told by the %s%s: %v", end, out, err)
		}
	}
}

// plain asks as somebody would who has not our client.
func plain(t *testing.T, path string) string {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write([]byte(`{"command":"greet","input":{"Name":"Mallory"}}` + "\n"))
	buffer := make([]byte, 4096)
	n, _ := conn.Read(buffer)
	return string(buffer[:n])
}
