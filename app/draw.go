package app

// SVG is drawn by elements with presentation attributes: the content security policy allows no style attribute, and
// every element needs the namespace of its own: createElement would make an unknown HTML element.

const svgNamespace = "http://www.w3.org/2000/svg"

//go:noinline
func elem(selector string) *node {
	n := tag(selector)
	n.svg = true
	return n
}

// svg is a drawing that tells nothing to those who do not see it, unless the caller names it.
func svg(viewBox, class string, parts ...part) *node {
	return elem("svg").attr("viewBox", viewBox).class(class).attr("aria-hidden", "true").attr("focusable", "false").body(parts...)
}

// Icons, as paths of a 24 × 24 drawing in strokes.
const (
	iconCheck    = "M4 12.5l5 5L20 6.5"
	iconLeft     = "M15 5l-7 7 7 7"
	iconRight    = "M9 5l7 7-7 7"
	iconCalendar = "M5 5h14a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM4 10h16M8 3v4M16 3v4"
	iconPeople   = "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.5a6.500 6.500 0 0 1 3.500 5.500"
	iconKey      = "M14.500 9.500a4.500 4.500 0 1 1-4.300-4.500 4.500 4.500 0 0 1 4.300 4.500zM13.200 12.700L20 19.500M17 16.500l2-2"
	iconShield   = "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z"
	iconHand     = "M4 12h12M12 6l6 6-6 6M20 4v16"
	iconLeaf     = "M5 19c0-9 5-14 15-14 0 10-5 15-13 14M5 21c1-5 4-8 8-10"
	iconPlus     = "M12 5v14M5 12h14"
	iconPen      = "M4 20l1-4L16 5l3 3L8 19z"
	iconSearch   = "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM15.500 15.500L20 20"
	iconWarn     = "M12 4l9 16H3zM12 10v4M12 17v.5"
)

// icon draws one of the icons in the colour of the text around it.
func icon(path string) part {
	return svg("0 0 24 24", "icon", elem("path").attr("d", path).attr("fill", "none").attr("stroke", "currentColor").
		attr("stroke-width", "1.8").attr("stroke-linecap", "round").attr("stroke-linejoin", "round"))
}
