package proxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"

	"locum/bff/platform"
)

// contentFHIR is FHIR's own JSON (FHIR R4 §3.1.0.1.9).
const contentFHIR = "application/fhir+json"

// leads says what stands for an address in a FHIR document. It is a value, and no part of a call, so that Jane's calls, which
// need none, stay off the heap.
type leads struct {
	base       base
	connection string
	resource   string // what is searched for
	links      links
	confined   bool
	live       *platform.Live
	clinic     string
	back       bool // the document goes to the platform
}

func (c *call) leads() leads {
	return leads{base: c.upstream.face.base, connection: c.lease.Connection, resource: c.operation.Resource,
		links: c.proxy.links, confined: c.confined, live: c.upstream.live, clinic: c.upstream.address}
}

// home is where the browser finds what lies at the platform.
func (l *leads) home() string { return PathProxy + "/" + l.connection }

// reference says what stands for one; false leaves it. In an answer, the absolute URL of a resource at this server becomes a
// path of this connection; what leads elsewhere stays as it is, as data. In a body it is the other way round, and a path of
// another connection is refused: it would be a record of another clinic.
func (l *leads) reference(ref string) (string, bool, error) {
	if !l.back {
		if !strings.Contains(ref, "://") {
			return "", false, nil
		}
		resource, is := l.base.resource(ref)
		return l.home() + l.base.path + "/" + resource, is, nil
	}
	if !strings.HasPrefix(ref, PathProxy+"/") {
		if !l.live.Belongs(l.clinic, ref) {
			return "", false, &Error{Code: codeClinic}
		}
		return "", false, nil
	}
	resource, own := strings.CutPrefix(ref, l.home()+l.base.path+"/")
	if !own || !isLiteral(resource) {
		return "", false, &Error{Code: codeClinic}
	}
	return l.base.String() + "/" + resource, true, nil
}

// link says what stands for the link of a Bundle: the path of the search, with the platform's query and Locum's signature.
// False takes it away. Links of a body are left alone.
func (l *leads) link(url string) (string, bool) {
	p, is := l.base.page(url, l.resource)
	if !is {
		return "", false
	}
	p.confined = l.confined
	path := l.base.path + "/" + l.resource
	return l.home() + path + "?" + joined(p.query, linkParam+string(p.flag())+l.links.sign(l.connection, path, p)), true
}

// incoming writes a FHIR answer so that it leads the browser nowhere but through Locum. No token goes where an address of it
// leads, since the browser has none and Locum takes no address from it ("SMART App Launch 2.2", Access FHIR API: an app should
// not follow such references with its token).
func (c *call) incoming() error {
	d := document{leads: c.leads()}
	if c.confined {
		d.about = c.patient
	}
	body, err := d.rewritten(c.out.Body())
	if err != nil {
		return c.unfit(err)
	}
	c.out.SetBodyRaw(body)
	return nil
}

// unfit is an answer that says nothing of use, with the reason in a word.
func (c *call) unfit(why error) error {
	reason := "unreadable"
	switch {
	case errors.Is(why, errForeignPage):
		reason = "foreign_page"
	case errors.Is(why, errOtherPatient):
		reason = "wrong_patient"
	}
	err := c.unusable(why)
	if own, is := err.(*Error); is { //nolint:errorlint // it was made a line ago
		own.Params = map[string]string{"reason": reason}
	}
	return err
}

// outgoing reads a FHIR body: a resource of the operation's type, which names no other patient than the launched one. Paths
// of this connection become absolute URLs again, so that what was read can be written.
func (c *call) outgoing() error {
	d := document{leads: c.leads(), about: c.patient, strictly: true}
	d.back = true
	body, err := d.rewritten(c.request.Body)
	var own *Error
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(err, errOtherPatient):
		return errWrongPatient
	case err != nil, d.kind != c.operation.Resource:
		return badBody("body")
	}
	c.body = body
	return nil
}

// writeForeign fills the rest of a new request to a clinic that speaks FHIR: what stands here and in write is all that it
// receives. Prefer asks for what was written, whose id only the answer tells (FHIR R4 §3.1.0.8.1); athenaOne knows no such
// thing.
func (c *call) writeForeign(req *fasthttp.Request) {
	content := contentJSON
	if c.operation.FHIR {
		content = contentFHIR
	}
	req.Header.Set(fasthttp.HeaderAccept, content)
	req.Header.SetNoDefaultContentType(true)
	if len(c.body) > 0 {
		if c.operation.Form {
			content = contentForm
		}
		req.Header.SetContentType(content)
		req.SetBodyRaw(c.body)
		if c.operation.FHIR {
			req.Header.Set("Prefer", "return=representation")
		}
	}
	if v := c.request.IfMatch; v != "" && c.versioned() {
		req.Header.Set(fasthttp.HeaderIfMatch, v)
	}
}

// wholeFHIR says whether an answer that ought to hold a resource does.
func (c *call) wholeFHIR() error {
	if len(c.out.Body()) == 0 && !c.operation.Write {
		return c.unfit(fmt.Errorf("status %d without a resource", c.out.StatusCode()))
	}
	return nil
}
