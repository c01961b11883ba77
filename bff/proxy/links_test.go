package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"locum/bff/proxy"
)

// bundle is a searchset with these links, "relation url" each, and the entries given.
func bundle(entries string, links ...string) string {
	var all []string
	for _, l := range links {
		relation, at, _ := strings.Cut(l, " ")
		all = append(all, fmt.Sprintf(`{"relation":%q,"url":%q}`, relation, at))
	}
	return `{"resourceType":"Bundle","type":"searchset","link":[` + strings.Join(all, ",") + `],"entry":[` + entries + `]}`
}

// linkOf is a link of an answer, "" where it has none of the relation.
func linkOf(t testing.TB, body []byte, relation string) string {
	t.Helper()
	var b struct {
		Link []struct{ Relation, URL string }
	}
	must(t, json.Unmarshal(body, &b))
	for _, l := range b.Link {
		if l.Relation == relation {
			return l.URL
		}
	}
	return ""
}

// follow is the request that a browser makes of a link: nothing of it is read by us.
func (r *rig) follow(link string) *proxy.Request {
	r.t.Helper()
	at, err := url.Parse(link)
	must(r.t, err)
	path, ours := strings.CutPrefix(at.Path, proxy.PathProxy+"/c0")
	if at.IsAbs() || at.Host != "" || !ours {
		r.t.Fatalf("the link leads to %q", link)
	}
	return r.search(path, at.RawQuery)
}

// TestT078BundleLinks: links of a search lead through Locum or disappear; a next page that lies elsewhere refuses the whole
// answer, since the list would look complete. No host but the clinic's is ever dialled.
func TestT078BundleLinks(t *testing.T) {
	const at, gone, refused = "http://127.0.0.1:7001", "gone", "refused"
	for _, c := range []struct {
		name, url string
		target    string // that the platform sees when it is followed; or gone: it disappears, or refuses the answer as next
	}{
		{"as athenahealth has it", at + "/fhir/r4/Observation?cursor=a%2Bb%3D&ah-practice=Organization%2Fa-1.Practice-195900", "/fhir/r4/Observation?cursor=a%2Bb%3D&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"without the practice", at + "/fhir/r4/Observation?cursor=x", "/fhir/r4/Observation?cursor=x&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"parameters that no list has", at + "/fhir/r4/Observation?_page_token=x&odd%5B%5D=1&odd%5B%5D=2", "/fhir/r4/Observation?_page_token=x&odd%5B%5D=1&odd%5B%5D=2&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"at the base", at + "/fhir/r4?_getpages=1-2&_bundletype=searchset", "/fhir/r4?_getpages=1-2&_bundletype=searchset&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"at the base, with a slash", at + "/fhir/r4/?_getpages=1", "/fhir/r4/?_getpages=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"with a slash at the end", at + "/fhir/r4/Observation/?a=1", "/fhir/r4/Observation/?a=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"what browsers encode", at + `/fhir/r4/Observation?a='b'|c"<d>[é]`, "/fhir/r4/Observation?a=%27b%27%7Cc%22%3Cd%3E%5B%C3%A9%5D&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"host and scheme in capitals", "HTTP://127.0.0.1:7001/fhir/r4/Observation?a=1", "/fhir/r4/Observation?a=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"relative to the base", "Observation?a=1", "/fhir/r4/Observation?a=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"relative to the host", "/fhir/r4/Observation?a=1", "/fhir/r4/Observation?a=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"a query alone", "?a=1", "/fhir/r4?a=1&ah-practice=Organization%2Fa-1.Practice-195900"},
		{"E", "http://evil.example/fhir/r4/Observation?cursor=x", gone},
		{"E by another port", "http://127.0.0.1:7002/fhir/r4/Observation?cursor=x", gone},
		{"E by a longer port", "http://127.0.0.1:70010/fhir/r4/Observation?cursor=x", gone},
		{"E by a longer name", at + ".evil.example/fhir/r4/Observation?cursor=x", gone},
		{"E behind a user", "http://127.0.0.1:7001@evil.example/fhir/r4/Observation", gone},
		{"a user at the clinic", "http://user@127.0.0.1:7001/fhir/r4/Observation", gone},
		{"another scheme", "https://127.0.0.1:7001/fhir/r4/Observation?cursor=x", gone},
		{"without a scheme", "//evil.example/fhir/r4/Observation", gone},
		{"backslashes", `\\evil.example\fhir\r4\Observation`, gone},
		{"a backslash behind the host", `http://127.0.0.1:7001\@evil.example/fhir/r4/Observation`, gone},
		{"data", "data:application/fhir+json,{}", gone},
		{"javascript", "javascript:alert(1)", gone},
		{"urn", "urn:uuid:0", gone},
		{"empty", "", gone},
		{"a line", at + "/fhir/r4/Observation?a=1\r\nX: y", gone},
		{"a space", at + "/fhir/r4/Observation?a=1 2", gone},
		{"a fragment", at + "/fhir/r4/Observation?a=1#b", gone},
		{"broken encoding", at + "/fhir/r4/Observation?a=%2", gone},
		{"another type", at + "/fhir/r4/Patient?a=1", gone},
		{"a resource", at + "/fhir/r4/Observation/o1", gone},
		{"beside the base", at + "/v1/195900/patients?a=1", gone},
		{"out of the base", at + "/fhir/r4/../../v1/195900/patients?a=1", gone},
		{"out of the base, encoded", at + "/fhir/r4/%2e%2e/Observation?a=1", gone},
		{"a doubled slash", at + "/fhir//r4/Observation?a=1", gone},
		{"too long", at + "/fhir/r4/Observation?a=" + strings.Repeat("x", 7<<10), gone},
		{"a signature already", at + "/fhir/r4/Observation?locum-link=a&b=1", gone},
		{"no practice", at + "/fhir/r4/Observation?ah-practice=x", refused},
		{"another practice", at + "/fhir/r4/Observation?ah-practice=Organization/a-1.Practice-195901", refused},
	} {
		t.Run("T078 "+c.name, func(t *testing.T) {
			r, f := athena(t, setup{})
			f.always(fhirReply(200, bundle("", "self "+c.url, "previous Observation?back=1")))
			out := r.mustDo(r.search(fhirRecord, ""))
			self := linkOf(t, out.Body(), "self")
			if linkOf(t, out.Body(), "previous") == "" {
				t.Errorf("a link beside it is gone: %s", out.Body())
			}
			f.always(fhirReply(200, bundle("", "self Observation", "next "+c.url)))
			out, err := r.do(r.search(fhirRecord, ""))
			switch {
			case c.target == gone:
				if self != "" {
					t.Errorf("it became %q", self)
				}
				if own := wantCode(t, err, "platform_bad_answer"); own.Params["reason"] != "foreign_page" || len(out.Body()) > 0 {
					t.Errorf("as next: %v, %s", own.Params, out.Body())
				}
			default:
				must(t, err)
				_, err = r.do(r.follow(linkOf(t, out.Body(), "next")))
				if c.target == refused {
					wantCode(t, err, "clinic_mismatch")
					break
				}
				must(t, err)
				if line, _, _ := strings.Cut(f.last(t), "\r\n"); line != "GET "+c.target+" HTTP/1.1" {
					t.Errorf("followed, it arrived as %s", line)
				}
			}
			r.strangers.Range(func(at, _ any) bool { t.Errorf("%s was dialled", at); return true })
		})
	}
}

// TestT078OddLinks: whatever a link looks like, nothing that leads elsewhere is passed on as a link, and a next page is had or
// the answer is refused.
func TestT078OddLinks(t *testing.T) {
	const evil = "http://evil.example/"
	bundled := func(link string) string { return `{"resourceType":"Bundle","link":` + link + `,"id":"b"}` }
	for _, c := range []struct{ name, body, want string }{
		{"the first of two", bundled(`[{"relation":"self","url":"` + evil + `"}, {"relation":"first","url":"Observation"}]`), bundled(`[{"relation":"first","url":"@"}]`)},
		{"the last of two", bundled(`[{"relation":"first","url":"Observation"} , {"relation":"self","url":"` + evil + `"} ]`), bundled(`[{"relation":"first","url":"@"} ]`)},
		{"in the middle", bundled(`[{"relation":"first","url":"Observation"},{"relation":"self","url":"` + evil + `"},{"relation":"last","url":"Observation"}]`),
			bundled(`[{"relation":"first","url":"@"},{"relation":"last","url":"@"}]`)},
		{"all", bundled(`[ {"relation":"self","url":"` + evil + `"} , {"relation":"first","url":"` + evil + `"} ]`), bundled(`[  ]`)},
		{"the first two of three", bundled(`[{"relation":"self","url":"` + evil + `"},{"url":"` + evil + `"}, {"relation":"last","url":"Observation"}]`), bundled(`[{"relation":"last","url":"@"}]`)},
		{"with more inside", bundled(`[{"extension":[{"reference":"http://127.0.0.1:7001/fhir/r4/Patient/x"}],"relation":"self","url":"` + evil + `"}]`), bundled(`[]`)},
		{"an escaped slash", bundled(`[{"relation":"self","url":"http:\/\/evil.example\/"}]`), bundled(`[]`)},
		{"an escaped name", bundled(`[{"relation":"self","\u0075rl":"` + evil + `"}]`), bundled(`[]`)},
		{"names in capitals", strings.ReplaceAll(bundled(`[{"relation":"self","URL":"`+evil+`"}]`), `"link"`, `"Link"`), strings.ReplaceAll(bundled(`[]`), `"link"`, `"Link"`)},
		{"two addresses", bundled(`[{"relation":"self","url":"Observation","url":"` + evil + `"}]`), bundled(`[]`)},
		{"of an entry", `{"resourceType":"Bundle","entry":[{"link":[{"relation":"alternate","url":"` + evil + `"}]}]}`, `{"resourceType":"Bundle","entry":[{"link":[]}]}`},
		{"of a bundle in a bundle", `{"entry":[{"resource":{"link":[{"relation":"self","url":"` + evil + `"}]}}]}`, `{"entry":[{"resource":{"link":[]}}]}`},
		{"a patient's, which is none", `{"resourceType":"Patient","link":[{"other":{"reference":"Patient/x"},"type":"seealso"}]}`, `{"resourceType":"Patient","link":[{"other":{"reference":"Patient/x"},"type":"seealso"}]}`},
		{"next without an address", bundled(`[{"relation":"next"}]`), ""},
		{"next in capitals", bundled(`[{"relation":"NEXT ","url":"` + evil + `"}]`), ""},
		{"next behind another relation", bundled(`[{"relation":"self","relation":"next","url":"` + evil + `"}]`), ""},
		{"next whose address is no string", bundled(`[{"relation":"next","url":7}]`), ""},
		{"next of a bundle in a bundle", `{"entry":[{"resource":{"link":[{"relation":"next","url":"` + evil + `"}]}}]}`, ""},
		{"in no list", bundled(`{"relation":"self","url":"` + evil + `"}`), ""},
		{"in a list of lists", bundled(`[[{"relation":"next","url":"` + evil + `"}]]`), ""},
	} {
		t.Run("T078 "+c.name, func(t *testing.T) {
			r, f := athena(t, setup{})
			f.always(fhirReply(200, c.body))
			out, err := r.do(r.search(fhirRecord, ""))
			if c.want == "" {
				wantCode(t, err, "platform_bad_answer")
				return
			}
			must(t, err)
			got := string(out.Body())
			for _, signed := range strings.Split(got, `"/proxy/v1/c0/fhir/r4/Observation?locum-link=a`)[1:] {
				got = strings.Replace(got, `"/proxy/v1/c0/fhir/r4/Observation?locum-link=a`+signed[:22]+`"`, `"@"`, 1)
			}
			if got != c.want || !json.Valid(out.Body()) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestT078SignedPages: a page is good for the connection and the search that it was signed for, byte for byte.
func TestT078SignedPages(t *testing.T) {
	r, f := athena(t, setup{})
	f.always(fhirReply(200, bundle("", "next Observation?cursor=x&n=1")))
	link := linkOf(t, r.mustDo(r.search(fhirRecord, "")).Body(), "next")
	r.mustDo(r.follow(link))
	r.mustDo(r.follow(link)) // as often as the platform allows
	_, signature, _ := strings.Cut(link, "locum-link=")
	n := len(f.seen())
	other := r.follow(link)
	other.Connection = "c1"
	written := r.follow(link)
	written.Method, written.Body, written.ContentType = "POST", []byte(observationA), "application/json"
	for name, q := range map[string]*proxy.Request{
		"another connection":  other,
		"another search":      r.search("/fhir/r4/Encounter", "cursor=x&n=1&locum-link="+signature),
		"a resource":          r.search(fhirRecord+"/o1", "cursor=x&n=1&locum-link="+signature),
		"a write":             written,
		"another cursor":      r.search(fhirRecord, "cursor=y&n=1&locum-link="+signature),
		"a parameter more":    r.search(fhirRecord, "cursor=x&n=1&patient=p&locum-link="+signature),
		"a parameter less":    r.search(fhirRecord, "cursor=x&locum-link="+signature),
		"something behind it": r.search(fhirRecord, "cursor=x&n=1&locum-link="+signature+"&patient=p"),
		"another place":       r.search(fhirRecord, "cursor=x&n=1&locum-link=c"+signature[1:]),
		"said to be confined": r.search(fhirRecord, "cursor=x&n=1&locum-link=A"+signature[1:]),
		"a bit":               r.search(fhirRecord, "cursor=x&n=1&locum-link="+signature[:len(signature)-2]+"__"),
		"cut":                 r.search(fhirRecord, "cursor=x&n=1&locum-link="+signature[:10]),
	} {
		_, err := r.do(q)
		if own := wantCode(t, err, "bad_request"); own.Params["reason"] != "link" {
			t.Errorf("%s: %v", name, own.Params)
		}
	}
	if len(f.seen()) != n {
		t.Error("one of them arrived")
	}
}

// TestT078FHIRRedirects: a FHIR answer that redirects is no answer, wherever it leads, and nobody is dialled.
func TestT078FHIRRedirects(t *testing.T) {
	for _, status := range []int{300, 301, 302, 303, 304, 305, 307, 308, 399} {
		for _, to := range []string{"http://evil.example/fhir/r4/Observation", "http://127.0.0.1:7002/fhir/r4/Observation", "https://127.0.0.1:7001/x", "/fhir/r4/Observation/o2", "//evil.example"} {
			for _, method := range []string{"GET", "POST"} {
				r, f := athena(t, setup{})
				f.always(reply(status, "Location: "+to+"\r\nContent-Type: application/fhir+json", emptyBundle))
				q, code := r.search(fhirRecord, ""), "platform_bad_answer"
				if method == "POST" {
					q, code = r.write("POST", fhirRecord, observationA), "outcome_unknown"
				}
				out, err := r.do(q)
				wantCode(t, err, code)
				if len(out.Header.Peek("Location")) > 0 || len(out.Body()) > 0 || len(f.seen()) != 1 {
					t.Errorf("%d to %s: %s after %d requests", status, to, out, len(f.seen()))
				}
				r.strangers.Range(func(at, _ any) bool { t.Errorf("%d to %s: %s was dialled", status, to, at); return true })
			}
		}
	}
}
