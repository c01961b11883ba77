package app

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"locum/app/words"
)

// value is what an observation says, its components one after the other.
func (r resource) value(w *words.Words) string {
	all := []string{r.measured.value(w)}
	for _, one := range r.Components {
		if v := one.value(w); v != "" {
			all = append(all, joinWords(w.Measure(one.Code.code(), one.Code.say())+":", v))
		}
	}
	return joinWith(" · ", all...)
}

// value is as the server wrote it: digits are neither added nor taken away.
func (m measured) value(w *words.Words) string {
	switch {
	case m.Quantity != nil && m.Quantity.Value != "":
		return joinWords(m.Quantity.Comparator+m.Quantity.Value.String(), m.Quantity.unit())
	case m.String != "":
		return clip(m.String, 500)
	case m.Boolean != nil:
		return map[bool]string{true: w.Observations.Yes, false: w.Observations.No}[*m.Boolean]
	case m.Integer != nil:
		return strconv.Itoa(*m.Integer)
	}
	return cmp.Or(m.Concept.say(), m.Absent.say())
}

// chartSeries gathers the numeric values by code and unit, in the order of their names. A value in another unit is another
// series: nothing is converted. One that is only a bound ("<5") is no point.
func chartSeries(w *words.Words, list []resource) []series {
	index := map[string]int{}
	var all []series
	for _, r := range list {
		if r.at().IsZero() || r.Status == "cancelled" {
			continue
		}
		for _, m := range append([]measured{r.measured}, r.Components...) {
			q := m.Quantity
			if q == nil || q.Comparator != "" || m.Code.code() == "" {
				continue
			}
			value, err := q.Value.Float64()
			if err != nil || math.IsInf(value, 0) {
				continue
			}
			key := m.Code.code() + "\x00" + q.unit()
			i, known := index[key]
			if !known {
				i = len(all)
				index[key] = i
				all = append(all, series{code: m.Code.code(), name: w.Measure(m.Code.code(), m.Code.say()), unit: q.unit()})
			}
			all[i].points = append(all[i].points, point{r.at(), value, q.Value.String()})
		}
	}
	for _, s := range all {
		arrange(s.points, func(a, b point) int { return a.at.Compare(b.at) })
	}
	arrange(all, func(a, b series) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.unit, b.unit)) })
	return all
}

// drawMeasure is one measure: its latest value, its trend, and the same values as a table.
func (p *page) drawMeasure(c *chart, s series) part {
	w, latest := p.shell.words, s.latest()
	head := tag("div").body(
		tag("p.series-name").text(s.name),
		tag("p").body(tag("span.series-value").text(latest.shown), text(" "), tag("span.series-unit").text(s.unit)),
		tag("p.quiet").body(timeTag(latest.at, c.zone.stamp(latest.at))))
	card := tag("div.series.series-tall@series").attr("data-code", s.code)
	if len(s.points) < 2 {
		return card.body(head)
	}
	rows := make([]part, len(s.points))
	for i, one := range s.points {
		rows[len(rows)-1-i] = tag("tr").body(tag("th[scope=row]").body(timeTag(one.at, c.zone.stamp(one.at))), tag("td").text(joinWords(one.shown, s.unit)))
	}
	return card.body(head, p.drawCourse(c, s), tag("details.grants.series-table").body(
		tag("summary").body(tag("span").text(w.Chart.Table), tag("span.count").text(strconv.Itoa(len(rows)))),
		p.drawTable(rows, w.Chart.Day, joinWith(" · ", s.name, s.unit))))
}

// The drawing's box: the line within, the scale beside it and the days below.
const (
	courseWidth, courseHeight = 260, 90
	courseMost                = 120 // points that are drawn, the latest
)

// drawCourse is a line over time with its lowest and highest value and its first and last day, named and described for those
// who do not see it.
func (p *page) drawCourse(c *chart, s series) part {
	points := s.points[max(0, len(s.points)-courseMost):]
	low, high := points[0], points[0]
	for _, one := range points {
		if one.value < low.value {
			low = one
		}
		if one.value > high.value {
			high = one
		}
	}
	w := p.shell.words.Chart
	day := func(t point) string { return c.zone.say(c.zone.day(t.at), shapeDate) }
	first, last := day(points[0]), day(points[len(points)-1])
	line := trace(points, courseWidth, courseHeight)
	id := "course-" + safeID(s.code+"-"+s.unit)
	about := words.Fill(w.TrendText, "n", strconv.Itoa(len(points)), "first", first, "last", last,
		"low", joinWords(low.shown, s.unit), "high", joinWords(high.shown, s.unit))
	mark := func(x, y, anchor, said string) part {
		return elem("text").attr("x", x).attr("y", y).attr("text-anchor", anchor).class("course-label").text(said)
	}
	drawing := []part{
		elem("title").attr("id", id+"-title").text(words.Fill(w.Trend, "name", s.name)),
		elem("desc").attr("id", id+"-desc").text(about),
		elem("path[class=course-frame][d=M0 0H260M0 90H260][fill=none]"),
		elem("polyline[class=course-line][fill=none][stroke=currentColor][stroke-width=2][stroke-linejoin=round][stroke-linecap=round]").attr("points", line),
	}
	for _, at := range strings.Fields(line) {
		x, y, _ := strings.Cut(at, ",")
		drawing = append(drawing, elem("circle[r=2.5][fill=currentColor]").attr("cx", x).attr("cy", y))
	}
	drawing = append(drawing, mark("266", "4", "start", high.shown), mark("0", "108", "start", first), mark("260", "108", "end", last))
	if low.value < high.value {
		drawing = append(drawing, mark("266", "94", "start", low.shown))
	}
	return elem("svg.course[viewBox=-6 -8 322 122][role=img]").attr("aria-labelledby", id+"-title").attr("aria-describedby", id+"-desc").test("course").body(drawing...)
}

// safeID is a text as part of an element's id.
func safeID(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s)
}
