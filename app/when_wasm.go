//go:build js && wasm

package app

import (
	"strconv"
	"strings"
	"syscall/js"
	"time"
)

// intl wraps the browser's Intl.DateTimeFormat; formatters are kept, they are slow to make.
type intl struct {
	locale  string
	formats map[string]js.Value
}

// newIntl takes the browser's own locale where it agrees with the language ("en-CA" for "en"), else the language.
func newIntl(lang string) *intl {
	locale := browserLocale()
	if !strings.HasPrefix(locale, lang) {
		locale = lang
	}
	return &intl{locale: locale, formats: map[string]js.Value{}}
}

// shapes are the options of each shape, as pairs.
var shapes = []struct {
	name    string
	options []string
}{
	{shapeClock, []string{"hour", "numeric", "minute", "2-digit"}},
	{shapeDay, []string{"weekday", "long", "day", "numeric", "month", "long", "year", "numeric"}},
	{shapeShortDay, []string{"weekday", "short", "day", "numeric", "month", "short"}},
	{shapeDate, []string{"day", "numeric", "month", "short", "year", "numeric"}},
	{shapeStamp, []string{"day", "numeric", "month", "short", "year", "numeric", "hour", "numeric", "minute", "2-digit"}},
	{shapeParts, []string{"hourCycle", "h23", "year", "numeric", "month", "numeric", "day", "numeric", "hour", "numeric",
		"minute", "numeric", "second", "numeric", "calendar", "gregory", "numberingSystem", "latn"}},
}

// shapeParts is what offset reads back.
const shapeParts = "parts"

func (i *intl) formatter(zone, shape string) (format js.Value) {
	key := zone + " " + shape
	if format, ok := i.formats[key]; ok {
		return format
	}
	options := map[string]any{}
	for _, s := range shapes {
		for n := 0; s.name == shape && n < len(s.options); n += 2 {
			options[s.options[n]] = s.options[n+1]
		}
	}
	locale := i.locale
	if shape == shapeParts {
		locale = "en-US"
	}
	if zone != "" {
		options["timeZone"] = zone
	}
	format, ok := construct(locale, options)
	if !ok { // A zone that this browser does not know: the device's own, and the page says so.
		delete(options, "timeZone")
		format, _ = construct(locale, options)
	}
	i.formats[key] = format
	return format
}

// construct makes a formatter; Intl throws a RangeError for a zone or locale it does not know.
func construct(locale string, options map[string]any) (format js.Value, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return js.Global().Get("Intl").Get("DateTimeFormat").New(locale, options), true
}

func (i *intl) format(zone, shape string, t time.Time) string {
	return i.formatter(zone, shape).Call("format", moment(t)).String()
}

// offset is how far the zone's clocks are ahead of UTC at t.
func (i *intl) offset(zone string, t time.Time) time.Duration {
	parts := i.formatter(zone, shapeParts).Call("formatToParts", moment(t))
	field := map[string]int{}
	for n := range parts.Length() {
		part := parts.Index(n)
		field[part.Get("type").String()], _ = strconv.Atoi(part.Get("value").String()) // "literal" parts are no numbers
	}
	wall := time.Date(field["year"], time.Month(field["month"]), field["day"], field["hour"], field["minute"], field["second"], 0, time.UTC)
	return wall.Sub(t.UTC().Truncate(time.Second))
}

// known says whether the browser has this zone.
func (i *intl) known(zone string) bool {
	_, ok := construct(i.locale, map[string]any{"timeZone": zone})
	return zone != "" && ok
}

// moment is t as JavaScript counts: milliseconds since 1970.
func moment(t time.Time) float64 { return float64(t.UnixMilli()) }
