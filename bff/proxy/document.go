package proxy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a document can be refused for.
var (
	errNotJSON      = errors.New("not a JSON document in UTF-8")
	errTooMuch      = errors.New("a document with too many levels or links")
	errForeignPage  = errors.New("the next page lies elsewhere")
	errOtherPatient = errors.New("it is about another patient")
)

// maxDepth is how many levels a FHIR document may have, maxSigned how many links: each that is kept costs a signature, and is
// longer than it was.
const (
	maxDepth  = 100
	maxSigned = 1000
)

// document goes through the JSON of a FHIR document once and notes what is to be changed: strings that hold references and
// links. Everything else stays byte for byte as it was, so that no number loses a digit and no member its place.
type document struct {
	leads // what stands for references and links
	// about, where set, is the one patient that the document may be about; strictly, that any reference in it may name.
	about    string
	strictly bool

	in    []byte
	at    int
	depth int
	edits []edit
	seen  int    // links
	kind  string // resourceType of the whole
}

// edit puts text in the place of in[from:to].
type edit struct {
	from, to int
	text     string
}

// place is what an object is, as far as it matters.
type place byte

const (
	plain    place = iota
	resource       // a resource that is not contained in another
	entry          // of a Bundle
	link           // of a Bundle or an entry
	subject        // a reference to whom a resource is about
)

// inside is the place of what stands in a member of an object; for a list, of its elements.
func (p place) inside(member string) place {
	switch {
	case p == resource && member == "entry":
		return entry
	case p == entry && member == "resource":
		return resource
	case (p == resource || p == entry) && member == "link":
		return link
	case p == resource && slices.Contains(subjects, member):
		return subject
	}
	return plain
}

// subjects are the members that say whom a resource is about.
var subjects = []string{"subject", "patient", "beneficiary"}

// words are the names of members that matter, in lower case.
var words = []string{"entry", "resource", "link", "subject", "patient", "beneficiary", "reference", "fullurl", "resourcetype", "id",
	"relation", "url"}

// word is the name among words that a reader may take a member's name for, "" for all others: some read names in any case, by
// Unicode's folding.
func (d *document) word(s span) string {
	raw := d.in[s.from+1 : s.to-1]
	plain := true
	for _, c := range raw {
		plain = plain && c < 0x80 && c != '\\'
	}
	name := ""
	if !plain {
		name = d.string(s)
	}
	for _, w := range words {
		if plain && len(w) == len(raw) && strings.EqualFold(w, string(raw)) || !plain && strings.EqualFold(w, name) {
			return w
		}
	}
	return ""
}

// known is what has been read of an object.
type known struct {
	relations []string
	urls      []span
	kind, id  string
}

// span is a string of the document, with its quotes.
type span struct{ from, to int }

// rewritten gives the document anew; in itself where nothing is to be changed.
func (d *document) rewritten(in []byte) ([]byte, error) {
	if !utf8.Valid(in) || !json.Valid(in) {
		return nil, errNotJSON
	}
	d.in, d.at, d.depth, d.edits = in, 0, 0, d.edits[:0]
	d.space()
	if d.in[d.at] != '{' {
		return nil, errNotJSON
	}
	if _, err := d.object(resource); err != nil {
		return nil, err
	}
	return d.edited(), nil
}

func (d *document) edited() []byte {
	if len(d.edits) == 0 {
		return d.in
	}
	slices.SortStableFunc(d.edits, func(a, b edit) int { return a.from - b.from })
	size := len(d.in)
	for _, e := range d.edits {
		size += len(e.text) - (e.to - e.from)
	}
	out, at := make([]byte, 0, size), 0
	for _, e := range d.edits {
		out = append(append(out, d.in[at:e.from]...), e.text...)
		at = e.to
	}
	return append(out, d.in[at:]...)
}

// value passes by one value that is no string. json.Valid has seen the document: only its structure is followed here.
func (d *document) value(p place) error {
	switch d.in[d.at] {
	case '{':
		gone, err := d.object(p)
		if gone {
			err = errForeignPage // no list holds it, so it cannot be taken away
		}
		return err
	case '[':
		return d.list(p)
	case '"':
		d.text()
	default:
		for d.at < len(d.in) && !strings.ContainsRune(",]} \t\r\n", rune(d.in[d.at])) {
			d.at++
		}
	}
	return nil
}

// object passes by an object, and says whether it is a link that is to go.
func (d *document) object(p place) (gone bool, err error) {
	if d.depth++; d.depth > maxDepth {
		return false, errTooMuch
	}
	defer func() { d.depth-- }()
	var o known
	for d.at++; ; {
		if d.space(); d.in[d.at] == '}' {
			d.at++
			break
		}
		if d.in[d.at] == ',' {
			d.at++
			d.space()
		}
		name := d.word(d.text())
		d.space()
		d.at++ // the colon
		d.space()
		if d.in[d.at] == '"' {
			err = d.member(p, name, d.text(), &o)
		} else {
			err = d.value(p.inside(name))
		}
		if err != nil {
			return false, err
		}
	}
	switch {
	case p == link && !d.back:
		return d.judge(o)
	case p == resource && d.depth == 1:
		d.kind = o.kind
	}
	if p == resource && d.about != "" && o.kind == "Patient" && o.id != "" && o.id != d.about {
		return false, errOtherPatient
	}
	return false, nil
}

// member reads one member whose value is a string.
func (d *document) member(p place, name string, s span, o *known) error {
	switch name {
	case "reference":
		return d.refer(s, p == subject || d.strictly)
	case "fullurl":
		return d.refer(s, false)
	case "resourcetype":
		o.kind = d.string(s)
	case "id":
		o.id = d.string(s)
	case "relation":
		o.relations = append(o.relations, strings.TrimSpace(d.string(s)))
	case "url":
		if p == link {
			o.urls = append(o.urls, s)
		} else if strings.Contains(d.string(s), "/Binary/") { // an Attachment's; other urls are names, and stay
			return d.refer(s, false)
		}
	}
	return nil
}

// refer changes a reference. Of one that says whom something is about, the patient is looked at.
func (d *document) refer(s span, judged bool) error {
	ref := d.string(s)
	if id, is := patientIn(ref); judged && d.about != "" && is && id != d.about {
		return errOtherPatient
	}
	text, changed, err := d.reference(ref)
	if changed {
		d.edits = append(d.edits, edit{s.from, s.to, quoted(text)})
	}
	return err
}

// judge changes the links of one object, or says that it is to go. A next page that cannot be had is no small matter: the
// list would look complete, so such an answer is refused whole.
func (d *document) judge(o known) (gone bool, err error) {
	next := slices.ContainsFunc(o.relations, func(r string) bool { return strings.EqualFold(r, "next") })
	before := len(d.edits)
	if d.seen += len(o.urls); d.seen > maxSigned {
		return false, errTooMuch
	}
	for _, s := range o.urls {
		text, fine := d.link(d.string(s))
		if !fine {
			d.edits, gone = d.edits[:before], true
			break
		}
		d.edits = append(d.edits, edit{s.from, s.to, quoted(text)})
	}
	if next && (gone || len(o.urls) == 0) {
		return false, errForeignPage
	}
	return gone, nil
}

// list passes by a list, and takes links away that are to go, each with one comma.
func (d *document) list(p place) error {
	if d.depth++; d.depth > maxDepth {
		return errTooMuch
	}
	defer func() { d.depth-- }()
	kept, last := false, 0
	open := -1 // where a link begins that goes with the comma behind it
	for d.at++; ; {
		if d.space(); d.in[d.at] == ']' {
			if open >= 0 {
				d.edits = append(d.edits, edit{open, last, ""})
			}
			d.at++
			return nil
		}
		if d.in[d.at] == ',' {
			d.at++
			d.space()
		}
		from, before := d.at, len(d.edits)
		gone, err := d.element(p)
		switch {
		case err != nil:
			return err
		case gone && kept:
			d.edits = append(d.edits[:before], edit{last, d.at, ""})
		case gone:
			d.edits = d.edits[:before]
			if open < 0 {
				open = from
			}
		default:
			if open >= 0 {
				d.edits = append(d.edits, edit{open, from, ""})
			}
			open, kept = -1, true
		}
		last = d.at
	}
}

// element passes by an element of a list, and says whether it is to go.
func (d *document) element(p place) (gone bool, err error) {
	if d.in[d.at] == '{' {
		return d.object(p)
	}
	return false, d.value(p)
}

func (d *document) space() {
	for d.at < len(d.in) && (d.in[d.at] == ' ' || d.in[d.at] == '\t' || d.in[d.at] == '\n' || d.in[d.at] == '\r') {
		d.at++
	}
}

// text passes by a string.
func (d *document) text() span {
	from := d.at
	for d.at++; d.in[d.at] != '"'; d.at++ {
		if d.in[d.at] == '\\' {
			d.at++
		}
	}
	d.at++
	return span{from, d.at}
}

// string is what a string means.
func (d *document) string(s span) string {
	raw := d.in[s.from+1 : s.to-1]
	if !slices.Contains(raw, '\\') {
		return string(raw)
	}
	var text string
	if json.Unmarshal(d.in[s.from:s.to], &text) != nil {
		return "" // json.Valid has seen it: it does not happen
	}
	return text
}

// quoted writes a text of ours, or of characters that need no escape, as a JSON string.
func quoted(text string) string { return `"` + text + `"` }
