package bff

import (
	"bufio"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"locum/bff/config"
	"locum/bff/secret"
	"locum/shared"
)

// BenchmarkHandle is what every request pays on its way through the pre-filter, the router and the headers.
func BenchmarkHandle(b *testing.B) {
	dir := b.TempDir()
	cfg := &config.Config{PublicURL: &url.URL{Scheme: "https", Host: "locum.test"}, DataDir: filepath.Join(dir, "data"),
		MasterKeyFile: filepath.Join(dir, "key")}
	if err := EnsureKeyFile(cfg.MasterKeyFile); err != nil {
		b.Fatal(err)
	}
	s, err := Open(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	who, err := s.accounts.Add("robin", "Robin", secret.New("a password for a benchmark"))
	if err != nil {
		b.Fatal(err)
	}
	cookie, _, err := s.sessions.Start(who.ID)
	if err != nil {
		b.Fatal(err)
	}
	head := " HTTP/1.1\r\nHost: locum.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Language: en-CA,en;q=0.9\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nReferer: https://locum.test/\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n" +
		"Sec-Fetch-Dest: empty\r\nCookie: __Host-locum-session=" + cookie.Reveal() + "\r\n\r\n"
	for _, path := range []string{shared.PathHealth, shared.PathSession} {
		b.Run(path[1:], func(b *testing.B) {
			var ctx fasthttp.RequestCtx
			ctx.Init(&fasthttp.Request{}, nil, nil)
			if err := ctx.Request.Header.Read(bufio.NewReader(strings.NewReader("GET " + path + head))); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				ctx.Response.Reset()
				s.handle(&ctx)
			}
			b.ReportMetric(float64(ctx.Response.StatusCode()), "status")
		})
	}
}
