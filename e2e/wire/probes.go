// Package wire holds hostile bytes for an HTTP/1.1 server: named probes, each of which two readers could cut into
// requests differently or route differently, a generator of as many more as one has time for, and how net/http
// reads them. It never opens a connection: its tests do, to Locum alone and behind a proxy. Only tests may import it.
package wire

import "strings"

// Probe is one connection's first request. It is to be refused with 4xx and the connection with it, whatever follows.
type Probe struct {
	Name string
	Text string
}

// Head begins a request to host that every reader agrees on.
func Head(method, target, host string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n"
}

// Probes are requests to host; post is a target that takes POST. None of them is a request that RFC 9112 obliges a server
// to accept, but for the last few, whose targets are well formed and not ours.
func Probes(host, post string) []Probe {
	list := append(lengths(host, post), codings(host, post)...)
	list = append(list, lines(host, post)...)
	list = append(list, hosts(host)...)
	return append(list, targets(host)...)
}

func lengths(host, post string) []Probe {
	head, get := Head("POST", post, host), Head("GET", post, host)
	return []Probe{
		{"two different Content-Length", head + "Content-Length: 2\r\nContent-Length: 7\r\n\r\n{}"},
		{"two equal Content-Length", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"},
		{"Content-Length twice in other case", head + "Content-Length: 2\r\ncontent-length: 0\r\n\r\n{}"},
		{"Content-Length as a list", head + "Content-Length: 2, 2\r\n\r\n{}"},
		{"Content-Length with a sign", head + "Content-Length: +2\r\n\r\n{}"},
		{"negative Content-Length", head + "Content-Length: -2\r\n\r\n{}"},
		{"Content-Length in hex", head + "Content-Length: 0x2\r\n\r\n{}"},
		{"Content-Length with an underscore", head + "Content-Length: 0_2\r\n\r\n{}"},
		{"Content-Length with a point", head + "Content-Length: 2.0\r\n\r\n{}"},
		{"Content-Length with a blank inside", head + "Content-Length: 2 0\r\n\r\n{}"},
		{"Content-Length beyond 64 bits", head + "Content-Length: 18446744073709551618\r\n\r\n{}"},
		{"Content-Length that wraps to 2", head + "Content-Length: 36893488147419103234\r\n\r\n{}"},
		{"empty Content-Length", head + "Content-Length:\r\n\r\n"},
		{"Content-Length in Arabic digits", head + "Content-Length: ٢\r\n\r\n{}"},
		{"Content_Length", head + "Content_Length: 2\r\n\r\n{}"},
		{"GET with a Content-Length", get + "Content-Length: 2\r\n\r\n{}"},
		{"HEAD with a Content-Length", Head("HEAD", post, host) + "Content-Length: 2\r\n\r\n{}"},
		{"Expect in other case", head + "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n{}"},
		{"Expect of something else", head + "Expect: y 100-continue\r\nContent-Length: 2\r\n\r\n{}"},
		{"Expect", head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"},
		{"packed body", head + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"},
	}
}

func codings(host, post string) []Probe {
	head := Head("POST", post, host)
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	end := "0\r\n\r\n"
	return []Probe{
		{"Content-Length and Transfer-Encoding", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + end},
		{"Transfer-Encoding and Content-Length", head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + end},
		{"a short Content-Length and Transfer-Encoding", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\n"},
		{"Transfer-Encoding: identity", head + "Transfer-Encoding: identity\r\n\r\n"},
		{"identity and a Content-Length", head + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"},
		{"duplicate Transfer-Encoding", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + end},
		{"Transfer-Encoding twice, one unknown", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + end},
		{"unknown Transfer-Encoding", head + "Transfer-Encoding: xchunked\r\n\r\n" + end},
		{"two codings in one line", head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + end},
		{"chunked before another", head + "Transfer-Encoding: chunked, identity\r\n\r\n" + end},
		{"chunked with a parameter", head + "Transfer-Encoding: chunked;q=1\r\n\r\n" + end},
		{"chunked in quotes", head + "Transfer-Encoding: \"chunked\"\r\n\r\n" + end},
		{"chunked after a vertical tab", head + "Transfer-Encoding: \x0bchunked\r\n\r\n" + end},
		{"chunked after a no-break space", head + "Transfer-Encoding:\xa0chunked\r\n\r\n" + end},
		{"empty Transfer-Encoding", head + "Transfer-Encoding:\r\n\r\n"},
		{"Transfer-Encoding on HTTP/1.0", strings.Replace(chunked, "HTTP/1.1", "HTTP/1.0", 1) + end},
		{"Transfer_Encoding", head + "Transfer_Encoding: chunked\r\n\r\n" + end},
		{"GET in chunks", Head("GET", post, host) + "Transfer-Encoding: chunked\r\n\r\n" + end},
		{"chunks, well formed", chunked + "2\r\n{}\r\n" + end},
		{"LF in a chunk extension", chunked + "2;x\n\r\n{}\r\n" + end},
		{"LF after the chunk size", chunked + "2\n{}\r\n" + end},
		{"CR after the chunk size", chunked + "2\r{}\r\n" + end},
		{"no CRLF after a chunk", chunked + "2\r\n{}" + end},
		{"two bytes that are no CRLF after a chunk", chunked + "2\r\n{}xx" + end},
		{"chunk size with a sign", chunked + "+2\r\n{}\r\n" + end},
		{"negative chunk size", chunked + "-2\r\n{}\r\n" + end},
		{"chunk size with 0x", chunked + "0x2\r\n{}\r\n" + end},
		{"chunk size with an underscore", chunked + "0_2\r\n{}\r\n" + end},
		{"chunk size beyond 64 bits", chunked + "10000000000000002\r\n{}\r\n" + end},
		{"chunk size with a blank before", chunked + " 2\r\n{}\r\n" + end},
		{"empty chunk size", chunked + "\r\n{}\r\n" + end},
		{"a header in the trailer", chunked + "0\r\nLocum-Client: app\r\nOrigin: http://" + host + "\r\n\r\n"},
		{"framing in the trailer", chunked + "0\r\nContent-Length: 5\r\n\r\n"},
		{"a fold in the trailer", chunked + "0\r\nA: b\r\n c\r\n\r\n"},
	}
}

func lines(host, post string) []Probe {
	head := Head("POST", post, host)
	empty := "Content-Length: 0\r\n\r\n"
	return []Probe{
		{"obs-fold", head + "X-A: b\r\n c\r\n" + empty},
		{"obs-fold with a tab", head + "X-A: b\r\n\tc\r\n" + empty},
		{"obs-fold of Content-Length", head + "Content-Length:\r\n 0\r\n\r\n"},
		{"a fold before the first header", "POST " + post + " HTTP/1.1\r\n Host: " + host + "\r\n" + empty},
		{"space before the colon", head + "X-A : b\r\n" + empty},
		{"space before the colon of Transfer-Encoding", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{"space in a header name", head + "X A: b\r\n" + empty},
		{"tab in a header name", head + "X-A\t: b\r\n" + empty},
		{"empty header name", head + ": b\r\n" + empty},
		{"header without a colon", head + "X-A\r\n" + empty},
		{"bare-LF header", head + "X-A: b\nContent-Length: 0\r\n\r\n"},
		{"bare-LF headers", "POST " + post + " HTTP/1.1\nHost: " + host + "\nContent-Length: 0\n\n"},
		{"bare LF ends the head", head + "Content-Length: 0\r\n\n"},
		{"bare CR between headers", head + "X-A: b\rX-B: c\r\n" + empty},
		{"two CR before LF", head + "X-A: b\r\r\n" + empty},
		{"CR in a value", head + "X-A: b\rc\r\n" + empty},
		{"NUL in a value", head + "X-A: b\x00c\r\n" + empty},
		{"NUL in a name", head + "X\x00A: b\r\n" + empty},
		{"DEL in a value", head + "X-A: b\x7fc\r\n" + empty},
		{"ESC in a value", head + "X-A: b\x1b[0m\r\n" + empty},
		{"UTF-8 in a name", head + "X-é: b\r\n" + empty},
		{"two media types", head + "Content-Type: text/plain\r\nContent-Type: application/json\r\n" + empty},
		{"two origins", head + "Origin: http://" + host + "\r\nOrigin: http://evil.test\r\n" + empty},
		{"a client header by underscore", head + "Locum_Client: app\r\n" + empty},
	}
}

func hosts(host string) []Probe {
	get := func(lines string) string { return "GET /healthz HTTP/1.1\r\n" + lines + "\r\n" }
	kelvin := strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(host)
	list := []Probe{
		{"no Host", get("")},
		{"no Host on HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n"},
		{"empty Host", get("Host:\r\n")},
		{"two Host", get("Host: " + host + "\r\nHost: evil.test\r\n")},
		{"two equal Host", get("Host: " + host + "\r\nHost: " + host + "\r\n")},
		{"unknown Host", get("Host: evil.test\r\n")},
		{"Host as a list", get("Host: " + host + ", evil.test\r\n")},
		{"Host with userinfo", get("Host: evil@" + host + "\r\n")},
		{"Host with a path", get("Host: " + host + "/x\r\n")},
		{"Host with a percent", get("Host: %6cocalhost\r\n")},
		{"Host with a trailing dot", get("Host: localhost.\r\n")},
		{"absolute-form target", "GET http://" + host + "/healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
		{"absolute-form target of another host", "GET http://evil.test/healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
		{"absolute form without Host", "GET http://" + host + "/healthz HTTP/1.1\r\n\r\n"},
		{"HTTP/0.9", "GET /healthz\r\n\r\n"},
		{"HTTP/1.2", "GET /healthz HTTP/1.2\r\nHost: " + host + "\r\n\r\n"},
		{"HTTP/01.1", "GET /healthz HTTP/01.1\r\nHost: " + host + "\r\n\r\n"},
		{"http/1.1 in small letters", "GET /healthz http/1.1\r\nHost: " + host + "\r\n\r\n"},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"two blanks in the request line", "GET  /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
		{"a blank at the end of the request line", "GET /healthz HTTP/1.1 \r\nHost: " + host + "\r\n\r\n"},
	}
	if kelvin != host {
		list = append(list, Probe{"Host by Unicode folding", get("Host: " + kelvin + "\r\n")})
	}
	return list
}

func targets(host string) []Probe {
	get := func(target string) string { return Head("GET", target, host) + "\r\n" }
	return []Probe{
		{"//evil/..", get("//evil/..")},
		{"//evil/healthz", get("//evil/healthz")},
		{"/api/x/../../admin", get("/api/x/../../admin")},
		{"%2e%2e", get("/%2e%2e/healthz")},
		{"..%2f", get("/api/..%2fhealthz")},
		{"%252e", get("/%252e%252e/healthz")},
		{"backslash", get(`/api\..\healthz`)},
		{"..;", get("/api/..;/healthz")},
		{"matrix parameter", get("/healthz;a=b")},
		{"# in the target", get("/healthz#/../api/v1/session")},
		{"# in the query", get("/healthz?a#b")},
		{"encoded NUL", get("/healthz%00")},
		{"encoded CRLF", get("/healthz%0d%0aHost:evil.test")},
		{"overlong UTF-8", get("/\xc0\xae\xc0\xae/healthz")},
		{"a blank in the target", get("/healthz x")},
		{"no slash", get("healthz")},
		{"TRACE", Head("TRACE", "/healthz", host) + "\r\n"},
		{"CONNECT", "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n"},
		{"CONNECT to a path", Head("CONNECT", "/healthz", host) + "\r\n"},
		{"OPTIONS *", Head("OPTIONS", "*", host) + "\r\n"},
		{"GET *", Head("GET", "*", host) + "\r\n"},
		{"a method in small letters", Head("get", "/healthz", host) + "\r\n"},
		{"a method with a tab", "GET\t/healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
	}
}
