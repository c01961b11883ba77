package wire_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"locum/e2e/wire"
	"locum/shared"
)

// front is a proxy before Locum, as one process in the foreground. It keeps very few connections to Locum open, so that
// everybody's requests meet on them, and logs each request after that word: the id that Locum answered with, the status, whom it asked
// in quotes, and the target.
type front struct {
	addr, log string
	stop      func()
}

// The configurations: where the proxy works, extra lines, its address, Locum's.
const (
	nginxConf = `daemon off; master_process off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log info;
events { worker_connections 1024; }
http {
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  log_format probe 'request $upstream_http_locum_request_id $status "$upstream_status" $request_uri';
  access_log %[1]s/access.log probe;
  client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;
  upstream locum { server %[4]s; keepalive 2; }
  server {
    listen %[3]s; %[2]s
    location / {
      proxy_pass http://locum; proxy_http_version 1.1; proxy_next_upstream off;
      proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`
	haproxyConf = `global
  log stdout format raw daemon
  nbthread 1 # several drop lines of the log when they wait for each other
defaults
  mode http
  log global
  retries 0
  http-reuse always
  timeout connect 5s
  timeout server 20s
  timeout client 1s
  timeout http-request 1s
  timeout http-keep-alive 1s
frontend all
  bind %[3]s
  %[2]s
  option forwardfor
  declare capture response len 40
  http-response capture res.hdr(Locum-Request-Id) id 0
  log-format 'request %%[capture.res.hdr(0)] %%ST "%%s" %%HU'
  default_backend locum
backend locum
  server locum %[4]s pool-max-conn 2
`
)

// keeper runs its arguments until its standard input ends, which it does with the test, however that ends; then it asks
// for an orderly end by the signal that it is given first.
const keeper = `signal=$1; shift; "$@" & child=$!; read -r _; kill -$signal $child; wait $child`

func startNginx(t *testing.T, extra, locum string) *front {
	t.Helper()
	binary := find(t, "nginx", ".ci/setup installs Debian's")
	return start(t, nginxConf, extra, locum, func(dir, conf string) []string {
		return []string{"QUIT", binary, "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log")}
	})
}

func startHAProxy(t *testing.T, extra, locum string) *front {
	t.Helper()
	binary := find(t, "haproxy", "it is tried where a machine has it")
	return start(t, haproxyConf, extra, locum, func(_, conf string) []string { return []string{"USR1", binary, "-db", "-f", conf} })
}

func find(t *testing.T, name, otherwise string) string {
	t.Helper()
	for _, place := range []string{name, "/usr/sbin/" + name} {
		if binary, err := exec.LookPath(place); err == nil {
			return binary
		}
	}
	t.Skipf("there is no %s here: %s", name, otherwise)
	return ""
}

func start(t *testing.T, form, extra, locum string, program func(dir, conf string) []string) *front {
	t.Helper()
	for range 3 { // another process may take the port between
		dir, addr := t.TempDir(), freeAddress(t)
		conf, log := filepath.Join(dir, "conf"), filepath.Join(dir, "access.log")
		must(t, os.WriteFile(conf, fmt.Appendf(nil, form, dir, extra, addr, locum), 0o600))
		stop := keep(t, log, program(dir, conf)...)
		if answering(addr) {
			return &front{addr: addr, log: log, stop: stop}
		}
		stop()
		for _, name := range []string{log, filepath.Join(dir, "error.log")} {
			text, _ := os.ReadFile(name)
			t.Logf("it does not start: %s", text)
		}
	}
	t.Fatal("it does not start")
	return nil
}

// keep starts a program that ends with the test or by stop, which waits for it. What it prints goes to the file.
func keep(t *testing.T, file string, program ...string) (stop func()) {
	t.Helper()
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer out.Close()
	command := exec.Command("sh", append([]string{"-c", keeper, "keeper"}, program...)...)
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := command.StdinPipe()
	must(t, err)
	must(t, command.Start())
	stop = sync.OnceFunc(func() {
		late := time.AfterFunc(longest, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
		defer late.Stop()
		_ = in.Close()
		_ = command.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func answering(addr string) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return true
		}
	}
	return false
}

// through sends what a person's page asks for by way of a front and gives the name of whom the answer speaks.
func (h *house) through(front string, p person) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+front+shared.PathSession, nil)
	if err != nil {
		return "", err
	}
	request.Host = h.host
	response, err := p.client.Do(request) // the jar goes by Host

	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var session shared.Session
	if err := json.Unmarshal(body, &session); err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d %.200s: %v", response.StatusCode, body, err)
	}
	return session.Practitioner.Name, nil
}

// bystanders are both practitioners, who go on asking who they are until stop: each is to get that answer and no other.
func (h *house) bystanders(front string) (asked *atomic.Int64, stop func()) {
	asked = new(atomic.Int64)
	var running sync.WaitGroup
	done := make(chan struct{})
	for _, p := range h.people {
		running.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if name, err := h.through(front, p); err != nil || name != p.name {
					h.t.Errorf("%s asks and is told %q, %v", p.name, name, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	return asked, sync.OnceFunc(func() { close(done); running.Wait() })
}

// TestT083BehindNginx: with everybody's requests on the same few connections to Locum, no probe and no mutant makes
// the two servers count differently, nobody gets another's answer, and nothing is called that nginx was not asked for.
func TestT083BehindNginx(t *testing.T) {
	t.Run("as delivered", func(t *testing.T) { behind(t, startNginx, "") })
	t.Run("as lax as it can be", func(t *testing.T) {
		behind(t, startNginx, "proxy_request_buffering off; underscores_in_headers on; ignore_invalid_headers off; merge_slashes off; client_max_body_size 0;")
	})
}

// TestT083BehindHAProxy: the same.
func TestT083BehindHAProxy(t *testing.T) {
	t.Run("as delivered", func(t *testing.T) { behind(t, startHAProxy, "") })
	t.Run("as lax as it can be", func(t *testing.T) { behind(t, startHAProxy, "option accept-invalid-http-request") })
}

func behind(t *testing.T, start func(*testing.T, string, string) *front, extra string) {
	h := open(t)
	proxy := start(t, extra, h.addr)
	from, calls := len(h.log.since(0)), h.hits()
	asked, stop := h.bystanders(proxy.addr)
	defer stop()
	last := wire.Head("GET", "/healthz", h.host) + "Connection: close\r\n\r\n"
	probes := wire.Probes(h.host, shared.PathActivity)
	for _, probe := range probes {
		exchange(t, proxy.addr, false, probe.Text+h.marker+"\r\n"+last)
		for _, p := range h.people {
			if name, err := h.through(proxy.addr, p); err != nil || name != p.name {
				t.Errorf("after %s %s is told %q, %v", probe.Name, p.name, name, err)
			}
		}
	}
	n := mutants(t, 300)
	each(n, func(seed uint64) {
		exchange(t, proxy.addr, false, wire.Mutant(seed, h.host, []string{shared.PathActivity, shared.PathSignIn})+h.second+"\r\n"+last)
	})
	stop()
	proxy.stop()
	ours := h.log.since(from)
	same, called := compare(t, proxy.log, ours)
	if made := h.hits() - calls; made != called {
		t.Errorf("the clinic was asked %d times, by %d requests that the proxy was sent", made, called)
	}
	refused := 0
	for _, line := range ours {
		if line.route == "refused" || line.route == "unreadable" {
			refused++
		}
	}
	t.Logf("%d probes and %d mutants: %d requests were forwarded and Locum answered the same %d, %d by refusing, %d by calling the clinic; %d answers to bystanders, all their own",
		len(probes), n, same, same, refused, called, asked.Load())
}

// each runs do for every seed, some at once: a front waits for what is missing.
func each(n uint64, do func(seed uint64)) {
	var next atomic.Uint64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for seed := next.Add(1) - 1; seed < n; seed = next.Add(1) - 1 {
				do(seed)
			}
		})
	}
	running.Wait()
}

// compare holds a proxy's log, a line for each request that it read, against Locum's: each request that it forwarded is
// one that Locum answered, under the id that Locum gave it, and there is no other. It gives their number, and how many
// were calls of the clinic that were answered.
func compare(t *testing.T, path string, ours []seen) (same, called int) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	open := map[string]seen{}
	for _, line := range ours {
		open[line.id] = line
	}
	if len(open) != len(ours) {
		t.Errorf("%d lines of Locum's have %d ids", len(ours), len(open))
	}
	for line := range strings.Lines(string(text)) {
		line, request := strings.CutPrefix(strings.TrimSpace(line), "request ")
		if !request {
			continue // it speaks of itself
		}
		id, rest, _ := strings.Cut(line, " ")
		if strings.Contains(rest, `"-"`) || strings.Contains(rest, `"<NOSRV>"`) {
			continue // it answered by itself
		}
		if _, known := open[id]; !known {
			t.Errorf("forwarded, and never answered by Locum: %s", line)
			continue
		}
		delete(open, id)
		same++
		if strings.HasSuffix(rest, patients) && strings.HasPrefix(rest, "200 ") {
			called++
		}
	}
	for _, line := range open {
		t.Errorf("answered by Locum, and never forwarded: %+v", line)
	}
	return same, called
}
