//go:build !(js && wasm)

package app

import "time"

// intl stands for the browser's Intl outside of one: for tests and for pages without data. It takes the host's zone
// data, and UTC where a zone has no name.
type intl struct{}

func newIntl(string) *intl { return &intl{} }

// layouts are the shapes in Go's own notation, in English.
var layouts = map[string]string{
	shapeClock: "15:04", shapeDay: "Monday 2 January 2006", shapeShortDay: "Mon 2 Jan", shapeDate: "2 Jan 2006",
	shapeStamp: "2 Jan 2006 15:04",
}

func (i *intl) format(zone, shape string, t time.Time) string {
	return t.UTC().Add(i.offset(zone, t)).Format(layouts[shape])
}

func (i *intl) offset(zone string, t time.Time) time.Duration {
	location, err := time.LoadLocation(zone)
	if zone == "" || err != nil {
		return 0
	}
	_, seconds := t.In(location).Zone()
	return time.Duration(seconds) * time.Second
}

func (i *intl) known(zone string) bool {
	_, err := time.LoadLocation(zone)
	return zone != "" && err == nil
}
