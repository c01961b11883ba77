package proxy_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
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

// BenchmarkDocument is what a searchset of 64 kB costs on its way to the browser, beside encoding/json's mere look at it.
func BenchmarkDocument(b *testing.B) {
	entry := `{"fullUrl":"http://127.0.0.1:7001/fhir/r4/Observation/o1","resource":{"resourceType":"Observation","id":"o1","status":"final",` +
		`"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"subject":{"reference":"Patient/p1"},` +
		`"effectiveDateTime":"2026-01-01T10:00:00Z","valueQuantity":{"value":61.0,"unit":"/min"}}}`
	body := bundle(strings.Repeat(entry+",", 64<<10/len(entry))+entry, "self Observation?patient=p1", "next Observation?cursor=2")
	r, f := athena(b, setup{})
	f.always(fhirReply(200, body))
	b.SetBytes(int64(len(body)))
	b.Run("whole call", func(b *testing.B) {
		for b.Loop() {
			r.mustDo(r.search(fhirRecord, ""))
		}
	})
	b.Run("json.Valid", func(b *testing.B) {
		for b.Loop() {
			_ = json.Valid([]byte(body))
		}
	})
}
