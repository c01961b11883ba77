package proxy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// quick is a platform on a socket that answers every request with the same bytes.
func quick(b *testing.B) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"data":[{"id":"p1","first_name":"Fictional","last_name":"Person"}]}`)
	}, NoDefaultServerHeader: true, NoDefaultDate: true}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	b.Cleanup(func() { l.Close(); _ = server.Shutdown(); <-done })
	return &fake{listener: l, addr: l.Addr().String(), origin: "http://" + l.Addr().String()}
}

// BenchmarkBare is fasthttp's client alone: the floor under a proxied call.
func BenchmarkBare(b *testing.B) {
	f := quick(b)
	client := &fasthttp.HostClient{Addr: f.addr, MaxConns: 512}
	b.RunParallel(func(pb *testing.PB) {
		req, out := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		req.SetRequestURI(f.origin + patients)
		req.Header.Set("Authorization", "Bearer "+token(0))
		for pb.Next() {
			if err := client.Do(req, out); err != nil {
				b.Error(err)
			}
		}
	})
}

func benchmarkDo(b *testing.B, parallelism int) {
	f := quick(b)
	r := newRig(b, setup{fakes: []*fake{f}})
	r.proxy.Budgets("jane", f.origin)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.SetParallelism(parallelism)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		q := r.request("GET", patients)
		out := &fasthttp.Response{}
		for pb.Next() {
			if err := r.proxy.Do(ctx, q, out); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkDo is the whole call, with an audit intent that is on disk before the request leaves.
func BenchmarkDo2(b *testing.B)   { benchmarkDo(b, 1) }
func BenchmarkDo64(b *testing.B)  { benchmarkDo(b, 32) }
func BenchmarkDo256(b *testing.B) { benchmarkDo(b, 128) }
