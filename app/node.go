package app

import (
	"strings"

	ui "github.com/maxence-charriere/go-app/v10/pkg/app"
)

// part is what a page is drawn of. go-app has a Go type for each HTML element, and each that is used costs the browser
// its hundred methods; so the pages are drawn of one type, that becomes go-app's generic element at the end. Its small
// methods are kept from being inlined into every line that draws: that alone would be a tenth of what is downloaded.
type part interface{ element() ui.UI }

// node is an element: a tag, attributes as pairs, handlers, and parts within.
type node struct {
	name     string
	svg      bool
	attrs    []string
	handlers []handler
	parts    []part
}

// handler is what an event does. Its scope is never empty: go-app tells handlers apart by code pointer and scope, and
// all of ours have the same code pointer, so a row's handler without the row's id would act on another row.
type handler struct {
	event string
	do    ui.EventHandler
	scope string
}

// tag makes an element from what is fixed about it, written like a selector: "button.button.button-main[type=submit]@save"
// is a button with two classes, a type, and the name "save" for the browser tests. One string and one call are a third of
// what the same costs in calls.
//
//go:noinline
func tag(selector string) *node {
	n := &node{}
	for selector != "" {
		mark := selector[0]
		end := strings.IndexAny(selector[1:], ".[@") + 1
		if mark == '[' {
			end = strings.IndexByte(selector, ']') + 1
		}
		if end <= 0 {
			end = len(selector)
		}
		n.fix(mark, selector[:end])
		selector = selector[end:]
	}
	return n
}

// fix takes one piece of a selector.
func (n *node) fix(mark byte, piece string) {
	switch mark {
	case '.':
		n.class(piece[1:])
	case '@':
		n.test(piece[1:])
	case '[':
		name, value, _ := strings.Cut(piece[1:len(piece)-1], "=")
		n.attr(name, value)
	default:
		n.name = piece
	}
}

// attr sets an attribute; an empty value leaves it out. A boolean attribute is set to "true" or not at all: rendered on
// the server, disabled="false" is disabled.
//
//go:noinline
func (n *node) attr(name, value string) *node {
	if value != "" {
		n.attrs = append(n.attrs, name, value)
	}
	return n
}

//go:noinline
func (n *node) class(v string) *node { return n.attr("class", v) }

// test names the element for the browser tests.
//
//go:noinline
func (n *node) test(v string) *node { return n.attr("data-test", v) }

//go:noinline
func (n *node) text(v string) *node { n.parts = []part{text(v)}; return n }

// body sets the parts within; nil ones are left out.
//
//go:noinline
func (n *node) body(parts ...part) *node {
	n.parts = nil
	for _, p := range parts {
		if p != nil {
			n.parts = append(n.parts, p)
		}
	}
	return n
}

// on handles an event, with a panic caught. The scope tells it from the handlers of other rows and other buttons.
//
//go:noinline
func (n *node) on(event string, s *shell, do func(ui.Context, ui.Event), scope ...string) *node {
	whole := event
	for _, s := range scope {
		whole += "/" + s
	}
	n.handlers = append(n.handlers, handler{event, s.safe(do), whole})
	return n
}

// element makes go-app's element.
func (n *node) element() ui.UI {
	if n.name == "input" {
		e := ui.ElemSelfClosing(n.name)
		for i := 0; i < len(n.attrs); i += 2 {
			e = e.Attr(n.attrs[i], n.attrs[i+1])
		}
		for _, h := range n.handlers {
			e = e.On(h.event, h.do, ui.EventScope(h.scope))
		}
		return e
	}
	e := ui.Elem(n.name)
	if n.svg {
		e = e.XMLNS(svgNamespace)
	}
	for i := 0; i < len(n.attrs); i += 2 {
		e = e.Attr(n.attrs[i], n.attrs[i+1])
	}
	for _, h := range n.handlers {
		e = e.On(h.event, h.do, ui.EventScope(h.scope))
	}
	within := make([]ui.UI, len(n.parts))
	for i, p := range n.parts {
		within[i] = p.element()
	}
	return e.Body(within...)
}

// text is a run of words; go-app escapes it. Marks that turn a line around are left out: one in a patient's name would
// reorder what stands beside it (Unicode TR #9 §2; right-to-left letters need none of them).
type text string

func (t text) element() ui.UI { return ui.Text(strings.Map(upright, string(t))) }

func upright(r rune) rune {
	if r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
		return -1
	}
	return r
}

// when draws a part under a condition.
func when(condition bool, draw func() part) part {
	if !condition {
		return nil
	}
	return draw()
}
