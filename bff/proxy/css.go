package proxy

import (
	"math"
	"strconv"
	"strings"
)

// The values of a style that Locum takes over (SMART App Launch 2.2, smart_style_url): colours and dimensions, each read
// into numbers and written anew, so that no text of the platform's becomes part of a style sheet. Fonts are left to Locum.

// colourNames and sizes are the members of a style, sizes with the smallest and largest number of pixels that leave the page
// usable.
var (
	colourNames = []string{"color_background", "color_error", "color_highlight", "color_modal_backdrop", "color_success", "color_text"}
	sizes       = map[string]struct{ least, most float64 }{
		"dim_border_radius": {0, 32}, "dim_font_size": {10, 32}, "dim_spacing_size": {0, 64},
	}
)

// colour is a colour of sRGB, each part from 0 to 255.
type colour struct{ r, g, b, a uint8 }

// readColour reads #rgb, #rgba, #rrggbb, #rrggbbaa, rgb(r, g, b) and rgba(r, g, b, a) (CSS Color 3 §4.2, in its numbers).
func readColour(s string) (colour, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if digits, hex := strings.CutPrefix(s, "#"); hex {
		return readHex(digits)
	}
	arguments, closed := strings.CutSuffix(s, ")")
	arguments, three := strings.CutPrefix(arguments, "rgb(")
	four := false
	if !three {
		arguments, four = strings.CutPrefix(arguments, "rgba(")
	}
	parts := strings.Split(arguments, ",")
	if !closed || !(three && len(parts) == 3 || four && len(parts) == 4) {
		return colour{}, false
	}
	var n [3]uint8
	for i := range n {
		v, err := strconv.ParseUint(strings.TrimSpace(parts[i]), 10, 8)
		if err != nil {
			return colour{}, false
		}
		n[i] = uint8(v)
	}
	alpha := 1.0
	if four {
		v, ok := readNumber(strings.TrimSpace(parts[3]))
		if !ok || v > 1 {
			return colour{}, false
		}
		alpha = v
	}
	return colour{n[0], n[1], n[2], uint8(math.Round(alpha * 255))}, true
}

func readHex(digits string) (colour, bool) {
	if len(digits) == 3 || len(digits) == 4 {
		var long strings.Builder
		for i := range len(digits) {
			long.WriteString(strings.Repeat(digits[i:i+1], 2))
		}
		digits = long.String()
	}
	if len(digits) == 6 {
		digits += "ff"
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) != 8 {
		return colour{}, false
	}
	return colour{uint8(n >> 24), uint8(n >> 16), uint8(n >> 8), uint8(n)}, true
}

// String is #rrggbb, or #rrggbbaa where it is not opaque.
func (c colour) String() string {
	const digits = "0123456789abcdef"
	out := []byte{'#'}
	parts := []uint8{c.r, c.g, c.b, c.a}
	if c.a == 255 {
		parts = parts[:3]
	}
	for _, n := range parts {
		out = append(out, digits[n>>4], digits[n&15])
	}
	return string(out)
}

// luminance is that of WCAG 2.2, "relative luminance".
func (c colour) luminance() float64 {
	linear := func(n uint8) float64 {
		v := float64(n) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// leastContrast is what WCAG 2.2 asks of text (§1.4.3).
const leastContrast = 4.5

// readable says whether text of one colour can be read on the other.
func readable(text, background colour) bool {
	light, dark := text.luminance()+0.05, background.luminance()+0.05
	return text.a == 255 && background.a == 255 && max(light, dark)/min(light, dark) >= leastContrast
}

// pixels are what one of a unit comes to, about.
var pixels = map[string]float64{"px": 1, "pt": 4.0 / 3, "em": 16, "rem": 16, "%": 0.16}

// readSize reads a dimension between two numbers of pixels, and writes it anew.
func readSize(s string, least, most float64) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz%")
	unit := s[len(digits):]
	n, ok := readNumber(digits)
	of, known := pixels[unit]
	if !known && n == 0 {
		of, known, unit = 1, unit == "", "px"
	}
	if !ok || !known || n*of < least || n*of > most {
		return "", false
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + unit, true
}

// readNumber reads digits with at most one point and three places behind it.
func readNumber(s string) (float64, bool) {
	whole, places, _ := strings.Cut(s, ".")
	if s == "" || len(whole) > 4 || len(places) > 3 || whole+places == "" || strings.Trim(whole+places, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

// safeStyle gives the values of a style that can be used. Text and background come together or not at all, and only where
// the one can be read on the other: a patient's name that nobody can read is worse than a foreign colour.
func safeStyle(members map[string]any) map[string]string {
	values, colours := map[string]string{}, map[string]colour{}
	for _, name := range colourNames {
		text, _ := members[name].(string)
		if c, ok := readColour(text); ok {
			values[name], colours[name] = c.String(), c
		}
	}
	text, hasText := colours["color_text"]
	background, hasBackground := colours["color_background"]
	if !hasText || !hasBackground || !readable(text, background) {
		delete(values, "color_text")
		delete(values, "color_background")
	}
	for name, bounds := range sizes {
		text, _ := members[name].(string)
		if size, ok := readSize(text, bounds.least, bounds.most); ok {
			values[name] = size
		}
	}
	return values
}
