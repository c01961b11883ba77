package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

var fuzzBase, _ = baseOf("https://api.example/fhir/r4")

// fuzzCall is a search of observations whose answer is body.
func fuzzCall(body []byte) *call {
	c := &call{
		proxy: &Proxy{links: links{[]byte("key")}, log: slog.New(slog.DiscardHandler)}, request: &Request{}, out: &fasthttp.Response{},
		upstream:  &upstream{face: &face{base: fuzzBase}, live: &platform.Live{Platform: &platform.Platform{}}},
		operation: platform.Call{Operation: &platform.Operation{FHIR: true, Resource: "Observation", Interaction: "s"}, Path: "/fhir/r4/Observation"},
	}
	c.lease.Connection = "c0"
	c.out.SetBodyRaw(body)
	return c
}

// node is a JSON value with its members in order, as often as they stand there.
type node struct {
	kind   byte // { [ or 0
	names  []string
	values []node
	scalar any
}

func readNode(d *json.Decoder) (n node, err error) {
	token, err := d.Token()
	if err != nil {
		return n, err
	}
	open, is := token.(json.Delim)
	if !is {
		n.scalar = token
		return n, nil
	}
	n.kind = byte(open)
	for d.More() {
		if n.kind == '{' {
			name, err := d.Token()
			if err != nil {
				return n, err
			}
			n.names = append(n.names, name.(string))
		}
		value, err := readNode(d)
		if err != nil {
			return n, err
		}
		n.values = append(n.values, value)
	}
	_, err = d.Token()
	return n, err
}

func parse(t *testing.T, body []byte) node {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("%q: something stands behind it", body)
	}
	return n
}

// same says whether after is before with strings changed that lead to the base, and elements of lists taken away.
func same(before, after node) bool {
	if before.kind != after.kind || !slices.Equal(before.names, after.names) {
		return false
	}
	if before.kind == 0 {
		was, isText := before.scalar.(string)
		now, _ := after.scalar.(string)
		if before.scalar == after.scalar || !isText {
			return before.scalar == after.scalar
		}
		return strings.HasPrefix(now, "/proxy/v1/c0/fhir/r4/") && leadsToBase(was)
	}
	if before.kind == '{' {
		return slices.EqualFunc(before.values, after.values, same)
	}
	at := 0
	for _, value := range after.values {
		for at < len(before.values) && !same(before.values[at], value) {
			at++
		}
		if at++; at > len(before.values) {
			return false
		}
	}
	return true
}

// leadsToBase is what another reader of URLs says.
func leadsToBase(ref string) bool {
	base, _ := url.Parse(fuzzBase.String() + "/")
	u, err := base.Parse(ref)
	if err != nil {
		// What net/url will not read (a broken percent-encoding in a host) is compared by its beginning.
		return strings.HasPrefix(strings.ToLower(ref), fuzzBase.origin+"/")
	}
	return u.User == nil && u.Scheme == "https" && (u.Host == "api.example" || strings.EqualFold(strings.TrimSuffix(u.Host, ":443"), "api.example"))
}

// linksOf are the addresses of the links of a bundle, however their names are written.
func linksOf(n node, bundle bool) (all []string) {
	for i, name := range n.names {
		switch value := n.values[i]; {
		case strings.EqualFold(name, "link") && value.kind == '[':
			for _, l := range value.values {
				for j, name := range l.names {
					if at, is := l.values[j].scalar.(string); is && l.kind == '{' && strings.EqualFold(name, "url") {
						all = append(all, at)
					}
				}
			}
		case bundle && strings.EqualFold(name, "entry") && value.kind == '[':
			for _, e := range value.values {
				if e.kind == '{' {
					all = append(all, linksOf(e, false)...)
				}
			}
		case !bundle && strings.EqualFold(name, "resource") && value.kind == '{':
			all = append(all, linksOf(value, true)...)
		}
	}
	return all
}

// FuzzDocument: an answer is refused, or it is the same document but for strings that lead to the platform and links that lead
// elsewhere; each link that is left is signed, and leads to the base's host; and what was changed can be written back.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"resourceType":"Bundle","link":[{"relation":"self","url":"https://api.example/fhir/r4/Observation?a=1"},{"relation":"next","url":"?b=2"}]}`,
		`{"link":[{"url":"https://evil.example"},{"url":"Observation"},{"url":"//evil"}],"entry":[{"fullUrl":"https://api.example/fhir/r4/Patient/1","link":[{"url":"x:"}]}]}`,
		`{"entry":[{"resource":{"link":[{"url":"https:\/\/api.example\/fhir\/r4?_getpages=1"}],"subject":{"reference":"https://api.example:443/fhir/r4/Patient/1"}}}]}`,
		"{ \"a\" : [ 1.0e+400 , -0, \"\\ud83d\\u0000é\" , { \"reference\" : \"HTTPS://API.EXAMPLE/fhir/r4/Patient/1/_history/2\" } ] }\n",
		`{"LINK":[{"Url":"https://api.example@evil.example/fhir/r4/Observation"}],"url":"https://api.example/fhir/r4/Binary/1","lin\u212a":[{"ur\u006c":"e:"}]}`,
		`{"link":[[{"url":"a"}],{"url":"https://api.example/fhir/r4/Observation/?x='\"|%41"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := fuzzCall(slices.Clone(body))
		if c.incoming() != nil {
			return
		}
		out := c.out.Body()
		before, after := parse(t, body), parse(t, out)
		if !same(before, after) {
			t.Errorf("%q became %q", body, out)
		}
		for _, at := range linksOf(after, true) {
			checkLink(t, c, at)
		}
		checkBack(t, out)
	})
}

func checkLink(t *testing.T, c *call, at string) {
	t.Helper()
	path, query, _ := strings.Cut(at, "?")
	if path != "/proxy/v1/c0/fhir/r4/Observation" {
		t.Fatalf("a link to %q", at)
	}
	p, found, ok := c.proxy.links.opened("c0", "/fhir/r4/Observation", query)
	target := p.target(fuzzBase, "Observation")
	u, err := url.Parse(fuzzBase.origin + target)
	if !found || !ok || err != nil || u.Host != "api.example" || !strings.HasPrefix(u.Path, "/fhir/r4") || strings.Contains(target, "..") && !strings.Contains(query, "..") {
		t.Errorf("%q leads to %q: %v %v %v", at, target, found, ok, err)
	}
	browser, err := url.Parse("https://locum.example" + at)
	if err != nil || browser.RawQuery != query || strings.ContainsAny(query, "\"'<># \\") {
		t.Errorf("a browser makes %q of %q", browser, at)
	}
}

// checkBack writes a document back as a body: no reference in it leads to Locum any more.
func checkBack(t *testing.T, out []byte) {
	t.Helper()
	c := fuzzCall(nil)
	if c.request.Body = out; c.outgoing() == nil && bytes.Contains(c.body, []byte(`"reference":"/proxy/v1/`)) {
		t.Errorf("%q is sent", c.body)
	}
}

// TestT078DocumentsByChance holds FuzzDocument's properties for documents that are well formed: names that matter and names
// that do not, at any place, with addresses that lead to the base and addresses that only look so.
func TestT078DocumentsByChance(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	names := append([]string{"Link", "uRL", "name", "", "valueReference", "contained"}, words...)
	texts := []string{"next", "self", "Observation", "Patient/1", "https://api.example/fhir/r4/Patient/1", "https://api.example/fhir/r4/Observation?a=1", "?b",
		"https:\\/\\/api.example\\/fhir\\/r4?x=1", "https://api.example:443/fhir/r4/Binary/1", "https://api.example.evil/fhir/r4/Patient/1", "https://evil.example/Binary/1",
		"//api.example/fhir/r4", "https://api.example@evil.example/", "data:,", "/fhir/r4/Observation/?c", "https://api.example/fhir/r4/../x", "\\u0000", "é\\ud83d"}
	var write func(b *strings.Builder, depth int)
	write = func(b *strings.Builder, depth int) {
		switch n := rnd.IntN(8); {
		case n < 3 && depth < 7 || depth == 0:
			b.WriteString("{ ")
			for i := range rnd.IntN(5) {
				if i > 0 {
					b.WriteString(" ,")
				}
				fmt.Fprintf(b, "%q : ", names[rnd.IntN(len(names))])
				write(b, depth+1)
			}
			b.WriteString("}")
		case n < 5 && depth < 7:
			b.WriteString("[")
			for i := range rnd.IntN(4) {
				if i > 0 {
					b.WriteString(", ")
				}
				write(b, depth+1)
			}
			b.WriteString(" ]")
		case n < 7:
			b.WriteString(`"` + texts[rnd.IntN(len(texts))] + `"`)
		default:
			b.WriteString([]string{"1.0e+400", "-0", "0.10000000000000000000000001", "true", "null"}[rnd.IntN(5)])
		}
	}
	changed := 0
	for range 20_000 {
		var b strings.Builder
		write(&b, 0)
		body := []byte(b.String())
		c := fuzzCall(slices.Clone(body))
		if c.incoming() != nil {
			continue
		}
		if out := c.out.Body(); !bytes.Equal(out, body) {
			changed++
		}
		after := parse(t, c.out.Body())
		if !same(parse(t, body), after) {
			t.Fatalf("%s became %s", body, c.out.Body())
		}
		for _, at := range linksOf(after, true) {
			checkLink(t, c, at)
		}
		checkBack(t, c.out.Body())
	}
	if changed < 100 {
		t.Errorf("%d documents were changed: that shows nothing", changed)
	}
}

// FuzzPage: whatever a link says, it leads to the base's own host, below the base, or nowhere.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{"", "?", "/", "https://api.example/fhir/r4/Observation?x", "https://api.example:443/fhir/r4/?%41", "HTTPS://API.example/fhir/r4",
		"//api.example/fhir/r4", "https:api.example", "https:/fhir/r4/Observation", "Observation/?a=https://evil", "x:y", "https://api.example\t/", "%2e%2e/Observation", "/fhir/r4?a?b#c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if p, is := fuzzBase.page(ref, "Observation"); is {
			if !leadsToBase(ref) {
				t.Errorf("%q is taken for a page of the base", ref)
			}
			u, err := url.Parse(fuzzBase.origin + p.target(fuzzBase, "Observation"))
			if err != nil || u.Host != "api.example" || u.Path != "/fhir/r4" && u.Path != "/fhir/r4/" && u.Path != "/fhir/r4/Observation" && u.Path != "/fhir/r4/Observation/" {
				t.Errorf("%q leads to %q: %v", ref, u, err)
			}
		}
		if resource, is := fuzzBase.resource(ref); is && (!leadsToBase(ref) || !isLiteral(resource)) {
			t.Errorf("%q is taken for %q", ref, resource)
		}
	})
}
