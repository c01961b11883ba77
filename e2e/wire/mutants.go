package wire

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// message is a request in pieces, so that one piece at a time can be spoilt. Each line carries its own end.
type message struct {
	request string
	headers []string
	blank   string
	body    string
}

func (m *message) String() string { return m.request + strings.Join(m.headers, "") + m.blank + m.body }

// Mutant is the seed's request to host: a valid one with up to three spoilt pieces. The same seed always gives the same
// bytes. Many are still valid, and so they must be: a filter that refuses everything proves nothing.
func Mutant(seed uint64, host string, posts []string) string {
	r := rand.New(rand.NewPCG(seed, 9112))
	m := base(r, host, posts)
	for range r.IntN(4) {
		mutations[r.IntN(len(mutations))](r, m, host)
	}
	return m.String()
}

// base is one of the kinds of request that a server meets.
func base(r *rand.Rand, host string, posts []string) *message {
	m := &message{headers: []string{"Host: " + host + "\r\n"}, blank: "\r\n"}
	for range r.IntN(3) {
		m.headers = append(m.headers, pick(r, "Accept: */*", "User-Agent: x", "Cookie: a=b; c=d", "Connection: keep-alive",
			"X-Forwarded-For: 198.51.100.7", "Accept-Language: fr", "Sec-Fetch-Site: same-origin", "Trailer: Origin",
			"TE: trailers", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings")+"\r\n")
	}
	body := pick(r, "", "{}", `{"a":1}`, "0\r\n\r\n", "GET /smuggled HTTP/1.1\r\nX: y")
	switch r.IntN(4) {
	case 0:
		m.request = pick(r, "GET", "HEAD") + " " + pick(r, "/", "/healthz", "/sign-in?a=b", "/healthz?"+strings.Repeat("a=1&", r.IntN(9))) + " HTTP/1.1\r\n"
		return m
	case 1, 2:
		m.headers = append(m.headers, "Content-Length: "+strconv.Itoa(len(body))+"\r\n")
		m.body = body
	case 3:
		m.headers = append(m.headers, "Transfer-Encoding: chunked\r\n")
		if body != "" {
			m.body = strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n"
		}
		m.body += "0\r\n\r\n"
	}
	m.request = pick(r, "POST", "PUT", "PATCH", "DELETE") + " " + pick(r, posts...) + " HTTP/1.1\r\n"
	return m
}

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// mutations are the ways in which a request is spoilt.
var mutations = []func(*rand.Rand, *message, string){
	spellName, spaceColon, repeatHeader, spoilEnd, fold, spoilByte, underscore, spellLength, spellCoding, spoilHost,
	spoilTarget, spoilMethod, spoilVersion, spoilChunks, addTrailer, cutBody, leadingLines, addHeader,
}

func (m *message) any(r *rand.Rand) *string {
	if len(m.headers) == 0 {
		return &m.blank
	}
	return &m.headers[r.IntN(len(m.headers))]
}

func spellName(r *rand.Rand, m *message, _ string) {
	line := m.any(r)
	name, rest, _ := strings.Cut(*line, ":")
	letters := []byte(name)
	for i, c := range letters {
		if c|0x20 >= 'a' && c|0x20 <= 'z' && r.IntN(2) == 0 {
			letters[i] = c ^ 0x20
		}
	}
	*line = string(letters) + ":" + rest
}

func spaceColon(r *rand.Rand, m *message, _ string) {
	*m.any(r) = strings.Replace(*m.any(r), ":", pick(r, " :", "\t:", ":", ":\t", ":  ", ":\x0b", ":\x0c", ": \t ", "::", "", ":\xa0", ":\x00"), 1)
}

func repeatHeader(r *rand.Rand, m *message, _ string) {
	line := *m.any(r)
	if r.IntN(2) == 0 {
		line = strings.Replace(line, "\r\n", pick(r, "0\r\n", "x\r\n", ", \r\n", " \r\n", ",chunked\r\n"), 1)
	}
	at := r.IntN(len(m.headers) + 1)
	m.headers = append(m.headers[:at:at], append([]string{line}, m.headers[at:]...)...)
}

func spoilEnd(r *rand.Rand, m *message, _ string) {
	piece := m.any(r)
	switch r.IntN(5) {
	case 0:
		piece = &m.request
	case 1:
		piece = &m.blank
	case 2:
		piece = &m.body
	}
	*piece = strings.Replace(*piece, "\r\n", pick(r, "\n", "\r", "\r\r\n", "\n\r", "\n\n", "\r\n\r\n", " \r\n", "\x00\r\n", "\t\n", ""), 1)
}

func fold(r *rand.Rand, m *message, _ string) {
	line := m.any(r)
	*line = strings.Replace(*line, ": ", pick(r, ":\r\n ", ": \r\n\t", ":\n ", ": x\r\n y", ":\r\n\r\n "), 1)
}

func spoilByte(r *rand.Rand, m *message, _ string) {
	pieces := []*string{&m.request, m.any(r), &m.blank, &m.body}
	piece := pieces[r.IntN(len(pieces))]
	at := r.IntN(len(*piece) + 1)
	strange := pick(r, "\x00", "\r", "\n", "\t", " ", "\x7f", "\x1f", "\xff", "\xc0\xae", "é", ":", ",", ";", "\x0b", "%", "#", "/", "0")
	if at < len(*piece) && r.IntN(2) == 0 {
		*piece = (*piece)[:at] + strange + (*piece)[at+1:]
		return
	}
	*piece = (*piece)[:at] + strange + (*piece)[at:]
}

func underscore(r *rand.Rand, m *message, _ string) {
	line := m.any(r)
	*line = strings.Replace(*line, "-", pick(r, "_", "--", ".", "", " "), 1)
}

func spellLength(r *rand.Rand, m *message, _ string) {
	n := strconv.Itoa(len(m.body))
	value := pick(r, n, "0"+n, "000000000000000000000000"+n, "+"+n, "-"+n, n+"_0", "0x"+n, n+".0", n+"e0", n+", "+n, n+" ", " \t"+n,
		strconv.Itoa(len(m.body)+1+r.IntN(40)), strconv.Itoa(r.IntN(len(m.body)+1)), "18446744073709551616", "9223372036854775808",
		"4294967296", "", "\""+n+"\"", n+";", n+"\x00", n+" "+n, "٣")
	line := "Content-Length: " + value + "\r\n"
	for i := range m.headers {
		if strings.HasPrefix(strings.ToLower(m.headers[i]), "content-length") && r.IntN(3) > 0 {
			m.headers[i] = line
			return
		}
	}
	m.headers = append(m.headers, line)
}

func spellCoding(r *rand.Rand, m *message, _ string) {
	line := "Transfer-Encoding: " + pick(r, "chunked", "Chunked", "CHUNKED", "identity", "gzip", "gzip, chunked", "chunked, gzip", "xchunked", "chunkedx",
		"chunked ", "\tchunked", " chunked\t", "chunked,", ",chunked", "chunked;x", "\"chunked\"", "", "chunked, chunked", "\x0bchunked", "chunked\x00",
		"\u212aunked", "chunKed", "trailers") + "\r\n"
	for i := range m.headers {
		if strings.HasPrefix(strings.ToLower(m.headers[i]), "transfer-encoding") && r.IntN(3) > 0 {
			m.headers[i] = line
			return
		}
	}
	m.headers = append(m.headers, line)
}

func spoilHost(r *rand.Rand, m *message, host string) {
	line := pick(r, "", "Host: evil.test\r\n", "Host: "+strings.ToUpper(host)+"\r\n", "Host:"+host+"\r\n", "Host: "+host+" \r\n", "Host: "+host+",evil.test\r\n",
		"Host: a@"+host+"\r\n", "Host: "+host+"\r\nHost: evil.test\r\n", "Host: \r\n", "Host: "+strings.ReplaceAll(host, "s", "ſ")+"\r\n", "host: "+host+"\r\n")
	m.headers[0] = line
}

func spoilTarget(r *rand.Rand, m *message, host string) {
	words := strings.SplitN(m.request, " ", 3)
	if len(words) < 3 {
		return
	}
	t := words[1]
	words[1] = pick(r, "http://"+host+t, "http://evil.test"+t, "//evil.test"+t, t+"/", t+"//", t+"/..", t+"/./x", "/%2e%2e"+t, t+"#a", t+"?a#b", t+";a", "*", "",
		t+"%00", `\`+t, t+`\..`, "/x/.."+t, t+"?"+"a[999999999]=1", t+"?x=http://evil.test/", t+"?%zz", t+" x", t+"\t", strings.TrimPrefix(t, "/"), t+"?a?b", t+"/é",
		t+"?", "https:"+t, t+"/a:b", t+"/~x", t+"?x=é")
	m.request = strings.Join(words, " ")
}

func spoilMethod(r *rand.Rand, m *message, _ string) {
	_, rest, _ := strings.Cut(m.request, " ")
	m.request = pick(r, "GET", "HEAD", "POST", "DELETE", "get", "Get", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "G ET", "", " GET", "GET\t", "PO-ST", "(GET)") + " " + rest
}

func spoilVersion(r *rand.Rand, m *message, _ string) {
	m.request = strings.Replace(m.request, "HTTP/1.1", pick(r, "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1.1", "HTTP/11", "HTTP/1.10",
		"HTTP/01.1", "HTTP/1. 1", "HTTP 1.1", "", "HTTP/9.9", "HTTP/1.1\t", "ICY/1.1"), 1)
}

func spoilChunks(r *rand.Rand, m *message, _ string) {
	size, rest, ok := strings.Cut(m.body, "\r\n")
	if !ok {
		return
	}
	m.body = pick(r, "+"+size, "-"+size, "0x"+size, "0"+size, "00000000000000000000"+size, size+"_0", " "+size, size+" ", size+"\t", size+";x=y", size+"; x", size+";\"\r\n\"",
		size+";x\n", size+" ;x", strings.ToUpper(size), "10000000000000000"+size, "ffffffffffffffff", size+"g", "", "7fffffffffffffff", size+"\x00", size+"\n", size+"\r") +
		pick(r, "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n") + rest
}

func addTrailer(r *rand.Rand, m *message, host string) {
	last := strings.LastIndex(m.body, "0\r\n")
	if last < 0 {
		return
	}
	m.body = m.body[:last] + "0\r\n" + pick(r, "Origin: http://"+host, "Locum-Client: app", "Host: evil.test", "Content-Length: 9", "X: y\r\n z", "X-Forwarded-For: 192.0.2.1",
		"Cookie: a=b", "Sec-Fetch-Site: same-origin", "bad trailer", ": x", "Transfer-Encoding: chunked") + m.body[last+1:]
}

func cutBody(r *rand.Rand, m *message, _ string) {
	if m.body != "" {
		m.body = m.body[:r.IntN(len(m.body))]
	}
}

func leadingLines(r *rand.Rand, m *message, _ string) {
	m.request = pick(r, "\r\n", "\n", "\r\n\r\n", " ", "\t", "\x00", "\r", "\ufeff", "\r\n ") + m.request
}

func addHeader(r *rand.Rand, m *message, host string) {
	m.headers = append(m.headers, pick(r, "Connection: close", "Connection: Close", "Connection: content-length", "Connection: transfer-encoding, close", "Expect: 100-continue",
		"Expect: 100-Continue", "Expect: x", "Content-Encoding: gzip", "Content-Type: application/json", "content-type: text/plain", "Origin: http://"+host, "X-Forwarded-Host: evil.test",
		"X-HTTP-Method-Override: DELETE", "Range: bytes=0-1,2-3", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=9999", "Transfer-Encoding\x00: chunked", "X: "+strings.Repeat("y", r.IntN(3000)))+"\r\n")
}
