package proxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
)

// contentFHIR is FHIR's own JSON (FHIR R4 §3.1.0.1.9).
const contentFHIR = "application/fhir+json"

// home is where the browser finds what lies under the FHIR base.
func (c *call) home() string { return PathProxy + "/" + c.lease.Connection }

// incoming writes a FHIR answer so that it leads the browser nowhere but through Locum: pages of a search are signed, and
// absolute URLs of resources at this server become paths of this connection. What leads elsewhere stays as it is, as data:
// no token goes there, since the browser has none and Locum takes no address from it ("SMART App Launch 2.2", Access FHIR
// API: an app should not follow such references with its token).
func (c *call) incoming() error {
	f := c.upstream.face
	d := document{
		reference: func(ref string) (string, bool, error) {
			if !strings.Contains(ref, "://") {
				return "", false, nil
			}
			resource, is := f.base.resource(ref)
			return c.home() + f.base.path + "/" + resource, is, nil
		},
		link: func(url string) (string, bool) {
			p, is := f.base.page(url, c.operation.Resource)
			if !is {
				return "", false
			}
			p.confined = c.confined
			return c.pagePath(p), true
		},
	}
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

// pagePath is where the browser finds a page: the path of the search, with the platform's query and Locum's signature.
func (c *call) pagePath(p page) string {
	path := c.upstream.face.base.path + "/" + c.operation.Resource
	token := linkParam + string(p.flag()) + c.proxy.links.sign(c.lease.Connection, path, p)
	return c.home() + path + "?" + joined(p.query, token)
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
// of this connection become absolute URLs again, so that what was read can be written; those of another connection would
// be records of another clinic.
func (c *call) outgoing() error {
	f := c.upstream.face
	d := document{about: c.patient, strictly: true, reference: func(ref string) (string, bool, error) {
		rest, ours := strings.CutPrefix(ref, PathProxy+"/")
		if !ours {
			if f.practice != "" && !c.upstream.live.Belongs(c.lease.Clinic, ref) {
				return "", false, &Error{Code: codeClinic}
			}
			return "", false, nil
		}
		resource, own := strings.CutPrefix(rest, c.lease.Connection+f.base.path+"/")
		if !own || !isLiteral(resource) {
			return "", false, &Error{Code: codeClinic}
		}
		return f.base.String() + "/" + resource, true, nil
	}}
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
