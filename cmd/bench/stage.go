package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stage is everything around Locum: its files, the clinic, the identity server, and the binary.
type stage struct {
	binary   string
	dir      string
	cores    cores
	addr     string // Locum's, with the port it listens on
	upstream *upstream
	identity *identity
}

const (
	login    = "maya@clinic.example"
	password = "a bench without a bank"
)

// far is a rate that no core reaches: the limiter is on and never the reason to wait.
var far = limits{1_000_000, "1s", 1_000_000, "1s"}

// limits are the platform's, as the configuration has them.
type limits struct {
	endpoint       int
	endpointWindow string
	clinic         int
	clinicWindow   string
}

// newStage makes a data directory as an operator would, by Locum's own commands. dir must be on the disk that is meant:
// the audit trail is written there.
func newStage(ctx context.Context, binary, dir string, c cores) (*stage, error) {
	s := &stage{binary: binary, dir: dir, cores: c}
	var err error
	if s.addr, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.upstream, err = newUpstream(); err != nil {
		return nil, err
	}
	if s.identity, err = newIdentity(s.upstream.addr(), s.origin()+"/connect/"+platformID+"/callback"); err != nil {
		s.close()
		return nil, err
	}
	s.identity.SetLifetimes(time.Hour, 9*time.Hour)
	if err := s.furnish(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	if s.identity != nil {
		s.identity.close()
	}
	if s.upstream != nil {
		s.upstream.close()
	}
}

// freeAddress is a loopback address that nobody listens on at the moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// origin is Locum's public URL: http, as behind a TLS proxy.
func (s *stage) origin() string { return "http://" + s.host() }

func (s *stage) host() string {
	_, port, _ := net.SplitHostPort(s.addr)
	return "localhost:" + port
}

func (s *stage) config() string { return filepath.Join(s.dir, "locum.yaml") }

func (s *stage) furnish(ctx context.Context) error {
	if err := s.configure(far); err != nil {
		return err
	}
	return errors.Join(
		s.command(ctx, "", "keys", "create"),
		s.command(ctx, s.identity.Clients()[0].Secret, "secret", "set", platformID),
		s.command(ctx, password, "account", "add", login, "--name", "Maya Example"),
	)
}

// configure writes the configuration. Nothing in it but addresses, the limits and the length of a session is unlike a
// fresh installation.
func (s *stage) configure(l limits) error {
	text := fmt.Sprintf(`public_url: %s
listen: %s
session:
  idle: 1h
platforms:
  - id: %s
    kind: jane
    issuer: %s
    client_id: %s
    clinics:
      - name: Bench clinic
        url: http://%s
    limits:
      endpoint:
        requests: %d
        window: %s
      clinic:
        requests: %d
        window: %s
`, s.origin(), s.addr, platformID, s.identity.Issuer("jane"), clientID, s.upstream.addr(), l.endpoint, l.endpointWindow,
		l.clinic, l.clinicWindow)
	return os.WriteFile(s.config(), []byte(text), 0o600)
}

// command runs one of Locum's commands to its end.
func (s *stage) command(ctx context.Context, input string, args ...string) error {
	command := exec.CommandContext(ctx, s.binary, append(args, "-c", s.config())...)
	command.Stdin = strings.NewReader(input + "\n")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("locum %s: %w: %s", strings.Join(args[:2], " "), err, out)
	}
	return nil
}

// child is a process on the measured core.
type child struct {
	name string
	addr string
	pid  int
	stop func() error
}

// serve starts Locum, with its log in a file as an operator has it, and returns when /healthz answers: the time that took
// from the start of the process is the cold start.
func (s *stage) serve(ctx context.Context) (*child, time.Duration, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "locum.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	command := exec.CommandContext(ctx, s.binary, "serve", "-c", s.config())
	command.Stderr = log
	began := time.Now()
	if err := s.cores.start(command); err != nil {
		return nil, 0, err
	}
	c := childOf("locum", s.addr, command)
	for !s.healthy() {
		if time.Since(began) > 30*time.Second || ctx.Err() != nil {
			_ = c.stop()
			text, _ := os.ReadFile(log.Name())
			return nil, 0, fmt.Errorf("locum does not answer: %s", text[max(0, len(text)-2000):])
		}
		time.Sleep(200 * time.Microsecond)
	}
	return c, time.Since(began), nil
}

// healthy asks /healthz once, on a connection of its own.
func (s *stage) healthy() bool {
	conn, err := net.Dial("tcp", s.addr) //nolint:noctx // loopback
	if err != nil {
		return false
	}
	defer conn.Close()
	one := line{conn, make([]byte, 8<<10)}
	status, _, err := one.call(get(s.host(), "/healthz", ""))
	return err == nil && status == http.StatusOK
}

// rival starts one of the other proxies: this very program.
func (s *stage) rival(ctx context.Context, kind string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, "proxy", kind, s.upstream.addr())
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cores.start(command); err != nil {
		return nil, err
	}
	c := childOf(kind, "", command)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proxy %s did not start: %w", kind, err), c.stop())
	}
	c.addr = strings.TrimSpace(address)
	return c, nil
}

// childOf wraps a started command: stop asks it to end, and after a while makes it.
func childOf(name, addr string, command *exec.Cmd) *child {
	c := &child{name: name, addr: addr, pid: command.Process.Pid}
	c.stop = func() error {
		_ = command.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(25*time.Second, func() { _ = command.Process.Kill() })
		defer timer.Stop()
		err := command.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
			return nil // a rival has no orderly end
		}
		return err
	}
	return c
}
