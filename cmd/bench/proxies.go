package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	fiberproxy "github.com/gofiber/fiber/v2/middleware/proxy"
	"github.com/valyala/fasthttp"
)

// rivals are proxies that do nothing but pass a request on: what the same work costs with nothing on.
var rivals = map[string]func(ln net.Listener, upstream string) error{
	"fasthttp":        fasthttpProxy,
	"fiber":           fiberProxy,
	"reverse":         reverseTuned,
	"reverse-default": reverseDefault,
}

// serveRival runs one until it is killed, listening on the address it then prints.
func serveRival(kind, upstream string, out io.Writer) error {
	run := rivals[kind]
	if run == nil {
		return fmt.Errorf("no proxy %q", kind)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln.Addr())
	return run(ln, upstream)
}

const (
	manyConns = 512
	bigBuffer = 64 << 10
)

// fasthttpProxy is a bare fasthttp server above a bare fasthttp client.
func fasthttpProxy(ln net.Listener, upstream string) error {
	client := &fasthttp.HostClient{Addr: upstream, MaxConns: manyConns, NoDefaultUserAgentHeader: true,
		DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true}
	server := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.Request.SetHost(upstream)
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error("upstream", fasthttp.StatusBadGateway)
		}
	}}
	return server.Serve(ln)
}

// fiberProxy is Fiber with its own proxy middleware and a tuned client.
func fiberProxy(ln net.Listener, upstream string) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	client := &fasthttp.Client{MaxConnsPerHost: manyConns, NoDefaultUserAgentHeader: true, DisablePathNormalizing: true}
	app.Get("/*", func(c *fiber.Ctx) error {
		return fiberproxy.Do(c, "http://"+upstream+c.OriginalURL(), client)
	})
	return app.Listener(ln)
}

// reverseTuned is httputil.ReverseProxy with what one gives it for such a load: kept connections and pooled buffers.
func reverseTuned(ln net.Listener, upstream string) error {
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: upstream}) },
		BufferPool: &bufferPool{},
		ErrorLog:   log.New(io.Discard, "", 0),
		Transport: &http.Transport{MaxIdleConns: manyConns, MaxIdleConnsPerHost: manyConns, IdleConnTimeout: time.Minute,
			DisableCompression: true, WriteBufferSize: 4 << 10, ReadBufferSize: bigBuffer},
	}
	return (&http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}).Serve(ln)
}

// reverseDefault is the one line of the documentation: two kept connections per host, a new buffer each time.
func reverseDefault(ln net.Listener, upstream string) error {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	err := (&http.Server{Handler: proxy, ReadHeaderTimeout: time.Minute}).Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// bufferPool keeps the buffers that ReverseProxy copies bodies with.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, bigBuffer)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }
