package app

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"locum/app/words"
)

// series is one measure of a patient over time, the oldest first.
type series struct {
	category, code, name, unit string
	points                     []point
}

type point struct {
	at    time.Time
	value float64
	shown string // as the platform wrote it
}

func (s series) latest() point { return s.points[len(s.points)-1] }

// seriesOf gathers the numeric values of observations by category, code and unit, in the order of category and name. A
// value in another unit is another series: nothing is converted.
func seriesOf(w *words.Words, observations []observation) []series {
	index := map[string]int{}
	var all []series
	for _, o := range observations {
		for _, v := range o.Values {
			value, ok := numeric(v)
			if !ok || o.at().IsZero() {
				continue
			}
			key := o.Category + "\x00" + v.System + "\x00" + v.Code + "\x00" + v.Unit
			i, known := index[key]
			if !known {
				i = len(all)
				index[key] = i
				all = append(all, series{category: o.Category, code: v.Code, name: w.Measure(v.Code, v.Display), unit: unitText(v.Unit)})
			}
			all[i].points = append(all[i].points, point{o.at(), value, v.Value})
		}
	}
	for _, s := range all {
		arrange(s.points, func(a, b point) int { return a.at.Compare(b.at) })
	}
	arrange(all, func(a, b series) int {
		return cmp.Or(cmp.Compare(categoryRank(a.category), categoryRank(b.category)), cmp.Compare(a.name, b.name))
	})
	return all
}

func numeric(v component) (float64, bool) {
	if v.Type != "numeric" {
		return 0, false
	}
	value, err := strconv.ParseFloat(v.Value, 64)
	return value, err == nil && value-value == 0 // Neither infinite nor NaN.
}

// categories are Jane's, in the order in which they are read.
var categories = []string{"vital_signs", "laboratory", "exam"}

func categoryRank(category string) int {
	if i := slices.Index(categories, category); i >= 0 {
		return i
	}
	return len(categories)
}

// unitText is a UCUM unit as people write it.
func unitText(unit string) string {
	switch unit {
	case "mm[Hg]":
		return "mmHg"
	case "/min", "{beats}/min", "{breaths}/min":
		return "/min"
	case "Cel":
		return "°C"
	case "{score}", "1":
		return ""
	}
	return unit
}

// trace scales points into a box, x by time and y by value, larger upwards: "0.0,48.0 150.0,0.0".
func trace(points []point, width, height float64) string {
	low, high := points[0].value, points[0].value
	for _, p := range points {
		low, high = min(low, p.value), max(high, p.value)
	}
	first, last := points[0].at, points[len(points)-1].at
	var out []string
	for _, p := range points {
		x, y := width, height/2
		if span := last.Sub(first); span > 0 {
			x = width * float64(p.at.Sub(first)) / float64(span)
		}
		if high > low {
			y = height - height*(p.value-low)/(high-low)
		}
		out = append(out, strconv.FormatFloat(x, 'f', 1, 64)+","+strconv.FormatFloat(y, 'f', 1, 64))
	}
	return strings.Join(out, " ")
}

const (
	trendWidth  = 150
	trendHeight = 48
	trendMost   = 60 // points that are drawn, the latest
)

// drawTrend is a small line of a series, with its values in words for those who do not see it.
func (p *patientPage) drawTrend(s series) part {
	points := s.points[max(0, len(s.points)-trendMost):]
	if len(points) < 2 {
		return nil
	}
	line := trace(points, trendWidth, trendHeight)
	end := line[strings.LastIndexByte(line, ' ')+1:]
	x, y, _ := strings.Cut(end, ",")
	var said []string
	for _, point := range points[max(0, len(points)-6):] {
		said = append(said, point.shown)
	}
	label := words.Fill(p.shell.words.Observations.Trend, "name", s.name, "values", strings.Join(said, ", "))
	return elem("svg.trend[viewBox=-4 -4 158 56][role=img]").attr("aria-label", label).test("trend").body(
		elem("polyline").attr("points", line).attr("fill", "none").attr("stroke", "currentColor").attr("stroke-width", "2").
			attr("stroke-linejoin", "round").attr("stroke-linecap", "round"),
		elem("circle").attr("cx", x).attr("cy", y).attr("r", "4").attr("fill", "currentColor"))
}
