package app

import (
	"strings"
	"testing"
	"time"

	"locum/app/words"
	"locum/shared"
)

func TestReadFailure(t *testing.T) {
	for name, c := range map[string]struct {
		answer response
		code   shared.Code
		detail string
	}{
		"problem":              {response{status: 409, kind: "application/problem+json; charset=utf-8", body: []byte(`{"code":"reconnect_needed"}`)}, shared.CodeReconnectNeeded, ""},
		"problem without code": {response{status: 500, kind: "application/problem+json", body: []byte(`{}`)}, shared.CodePlatformUnavailable, ""},
		"platform 401":         {response{status: 401}, words.CodeUpstreamRefused, ""},
		"platform 403":         {response{status: 403}, words.CodeUpstreamRefused, ""},
		"platform 404":         {response{status: 404, body: []byte(`{"error":"gone"}`)}, words.CodeUpstreamMissing, "gone"},
		"platform 422":         {response{status: 422, body: []byte(`{"errors":[{"path":"/data","message":"too long"},{"message":"no"}]}`)}, words.CodeUpstreamInvalid, "too long · no"},
		"platform messages":    {response{status: 400, body: []byte(`{"error":"bad","messages":["one","two"]}`)}, words.CodeUpstreamInvalid, "one · two"},
		"platform message":     {response{status: 400, body: []byte(`{"object":"error","code":"x","message":"no such place"}`)}, words.CodeUpstreamInvalid, "no such place"},
		"platform 429":         {response{status: 429, retry: "30"}, shared.CodeBudgetSpent, ""},
		"platform 503":         {response{status: 503, body: []byte("<html>")}, shared.CodePlatformUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := readFailure(c.answer)
			if f.Code != c.code || f.detail != c.detail {
				t.Errorf("got %q %q, want %q %q", f.Code, f.detail, c.code, c.detail)
			}
			if c.answer.retry == "30" && f.RetryAfter != 30 {
				t.Errorf("Retry-After is lost: %d", f.RetryAfter)
			}
		})
	}
}

func TestClip(t *testing.T) {
	if got := clip("éé", 3); got != "é…" {
		t.Errorf("clip cuts a rune: %q", got)
	}
}

func TestReadAllowance(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		want   shared.Allowance
		ok     bool
	}{
		"whole":    {"limit=100, remaining=97, reset=34", shared.Allowance{Limit: 100, Remaining: 97, Reset: 34}, true},
		"compact":  {"limit=100,remaining=0,reset=1", shared.Allowance{Limit: 100, Reset: 1}, true},
		"absent":   {"", shared.Allowance{}, false},
		"garbage":  {"limit=x", shared.Allowance{}, false},
		"negative": {"limit=100, remaining=-1", shared.Allowance{}, false},
		"no limit": {"remaining=4", shared.Allowance{Remaining: 4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := readAllowance(c.header)
			if ok != c.ok || ok && got != c.want {
				t.Errorf("got %+v %v", got, ok)
			}
		})
	}
}

func TestClientState(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		value := newClientState()
		if len(value) != 43 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || seen[value] {
			t.Fatalf("not 43 fresh base64url characters: %q", value)
		}
		seen[value] = true
	}
}

func TestSafeAuthorizationURL(t *testing.T) {
	for url, want := range map[string]bool{
		"https://login.example/auth":      true,
		"http://127.0.0.1:9000/realms/x":  true,
		"http://localhost:9000/":          true,
		"http://[::1]:9000/":              true,
		"http://login.example/auth":       false,
		"http://127.0.0.1.evil.example/":  false,
		"http://localhost@evil.example/":  false,
		"javascript:alert(1)":             false,
		"//login.example/":                false,
		"":                                false,
		"https://":                        false,
		"http://127.0.0.1:1@evil.example": false,
	} {
		if got := safeAuthorizationURL(url); got != want {
			t.Errorf("%q: %v, want %v", url, got, want)
		}
	}
}

func vancouver() zone { return zone{"America/Vancouver", newIntl("en")} }

func TestDaysOfAClinic(t *testing.T) {
	z := vancouver()
	if !z.intl.known(z.name) {
		t.Skip("this machine has no zone data")
	}
	for day, hours := range map[string]int{"2026-11-22": 24, "2026-03-08": 23, "2026-11-01": 25} {
		d, ok := parseDate(day)
		if !ok {
			t.Fatal(day)
		}
		start, end := z.start(d), z.start(d.add(1))
		if got := end.Sub(start); got != time.Duration(hours)*time.Hour {
			t.Errorf("%s lasts %v, want %d h", day, got, hours)
		}
		if z.day(start) != d || z.day(start.Add(-time.Second)) == d || z.day(end) == d {
			t.Errorf("%s begins at %v", day, start)
		}
	}
}

func TestInstantOfAWallClock(t *testing.T) {
	z := vancouver()
	if !z.intl.known(z.name) {
		t.Skip("this machine has no zone data")
	}
	for wall, want := range map[string]string{
		"2026-07-01T09:30": "2026-07-01T16:30:00Z",
		"2026-12-01T09:30": "2026-12-01T17:30:00Z",
		"2026-03-08T02:30": "2026-03-08T10:30:00Z", // skipped: 03:30 by the new clock
		"2026-11-01T01:30": "2026-11-01T08:30:00Z", // twice: the first
	} {
		typed, err := time.Parse(wallLayout, wall)
		if err != nil {
			t.Fatal(err)
		}
		if got := z.instant(typed).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s is %s, want %s", wall, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for text, ok := range map[string]bool{"2026-02-28": true, "2026-02-29": false, "2026-2-1": false, "": false, "today": false, "2026-11-22T00:00": false} {
		if _, got := parseDate(text); got != ok {
			t.Errorf("%q: %v", text, got)
		}
	}
	if d, _ := parseDate("2026-12-31"); d.add(1).String() != "2027-01-01" {
		t.Errorf("the day after is %s", d.add(1))
	}
}

func TestAge(t *testing.T) {
	w, today := words.For("en"), date{2026, time.November, 22}
	for born, want := range map[string]string{
		"1976-11-22": "50 y", "1976-11-23": "49 y", "2024-12-01": "23 mo", "2024-11-22": "2 y", "2026-11-22": "0 mo",
		"2027-01-01": "", "": "",
	} {
		d, _ := parseDate(born)
		if got := d.age(w, today); got != want {
			t.Errorf("born %q is %q, want %q", born, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	w := words.For("en")
	for d, want := range map[time.Duration]string{
		-time.Second: "0 seconds", 500 * time.Millisecond: "1 second", 59 * time.Second: "59 seconds", 2 * time.Minute: "2 minutes",
		30 * time.Minute: "30 minutes", 5 * time.Hour: "5 hours", 72 * time.Hour: "3 days",
	} {
		if got := span(w, d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestPager(t *testing.T) {
	var p pager
	if p.number() != 1 || p.cursor() != "" || p.backward().number() != 1 {
		t.Errorf("the first page is %d %q", p.number(), p.cursor())
	}
	two := p.forward("b")
	three := two.forward("c")
	other := two.forward("d")
	if three.cursor() != "c" || other.cursor() != "d" || three.number() != 3 || three.backward().cursor() != "b" {
		t.Errorf("cursors are shared between pages: %v %v", three, other)
	}
}

func TestVisits(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(id string, hours int) appointment {
		start := now.Add(time.Duration(hours) * time.Hour)
		return appointment{ID: id, StartAt: start, EndAt: start.Add(30 * time.Minute)}
	}
	upcoming, past := visits([]appointment{at("later", 5), at("old", -50), at("soon", 1), at("recent", -2), at("running", 0)}, now)
	if got := ids(upcoming); got != "running soon later" {
		t.Errorf("to come: %s", got)
	}
	if got := ids(past); got != "recent old" {
		t.Errorf("over: %s", got)
	}
}

func ids(list []appointment) string {
	var all []string
	for _, a := range list {
		all = append(all, a.ID)
	}
	return strings.Join(all, " ")
}

func TestColumns(t *testing.T) {
	d := schedule{staff: map[string]string{"s1": "Zoe", "s2": "Ada"}}
	staff, by := d.columns([]appointment{{ID: "1", Staff: "s1"}, {ID: "2", Staff: "s2"}, {ID: "3", Staff: "s1"}})
	if strings.Join(staff, " ") != "s2 s1" || ids(by["s1"]) != "1 3" {
		t.Errorf("columns %v %v", staff, by)
	}
}

func TestSeries(t *testing.T) {
	at := func(day int) *time.Time { v := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC); return &v }
	value := func(v, unit string) []component {
		return []component{{Code: "29463-7", System: loinc, Value: v, Type: "numeric", Unit: unit}}
	}
	all := seriesOf(words.For("en"), []observation{
		{Category: "vital_signs", IssuedAt: at(9), Values: value("72", "kg")},
		{Category: "vital_signs", IssuedAt: at(1), Values: value("70.5", "kg")},
		{Category: "vital_signs", IssuedAt: at(5), Values: value("155", "[lb_av]")},
		{Category: "vital_signs", IssuedAt: at(6), Values: value("NaN", "kg")},
		{Category: "vital_signs", IssuedAt: at(6), Values: value("much", "kg")},
		{Category: "laboratory", IssuedAt: at(6), Values: value("1", "kg")},
	})
	if len(all) != 3 {
		t.Fatalf("%d series, want 3: units and categories are never mixed", len(all))
	}
	kg := all[0]
	if kg.unit != "kg" || len(kg.points) != 2 || kg.latest().shown != "72" || kg.points[0].value != 70.5 {
		t.Errorf("the first series is %+v", kg)
	}
	if all[2].category != "laboratory" {
		t.Errorf("the order of categories is %s", all[2].category)
	}
}

func TestTrace(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		points []point
		want   string
	}{
		"rising":   {[]point{{at: at, value: 1}, {at: at.Add(time.Hour), value: 3}}, "0.0,10.0 100.0,0.0"},
		"level":    {[]point{{at: at, value: 2}, {at: at.Add(time.Hour), value: 2}}, "0.0,5.0 100.0,5.0"},
		"one time": {[]point{{at: at, value: 2}}, "100.0,5.0"},
	} {
		if got := trace(c.points, 100, 10); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestObserve(t *testing.T) {
	pressure, weight, note := measures[0], measures[5], measures[len(measures)-1]
	for name, c := range map[string]struct {
		measure measure
		values  []string
		note    string
		wrong   int // -2: nothing
		first   string
		count   int
	}{
		"both":          {pressure, []string{"120", " 80 "}, "", -2, "120", 2},
		"one of two":    {pressure, []string{"120", ""}, "", 1, "", 0},
		"no number":     {pressure, []string{"120", "8o"}, "", 1, "", 0},
		"nothing":       {pressure, []string{"", ""}, "  ", -1, "", 0},
		"note instead":  {pressure, []string{"", ""}, "refused", -2, "", 0},
		"decimal comma": {weight, []string{"72,5"}, "", -2, "72.5", 1},
		"infinite":      {weight, []string{"Inf"}, "", 0, "", 0},
		"note alone":    {note, nil, "walks well", -2, "", 0},
		"empty note":    {note, nil, "", -1, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			o, wrong := c.measure.observe(c.values, c.note)
			switch {
			case c.wrong == -2 && wrong != nil:
				t.Fatalf("refused: %d", *wrong)
			case c.wrong != -2 && (wrong == nil || *wrong != c.wrong):
				t.Fatalf("not refused as it should be: %v", wrong)
			case len(o.Values) != c.count:
				t.Fatalf("%d values, want %d", len(o.Values), c.count)
			case c.count > 0 && o.Values[0].Value != c.first:
				t.Errorf("value %q, want %q", o.Values[0].Value, c.first)
			}
		})
	}
	if measures[0].parts[0].Value != "" {
		t.Error("a typed value was written into the table of measures")
	}
}

func TestArrange(t *testing.T) {
	list := []string{"b2", "a1", "b1", "a2"}
	arrange(list, func(a, b string) int { return int(a[0]) - int(b[0]) })
	if got := strings.Join(list, " "); got != "a1 a2 b2 b1" {
		t.Errorf("got %s", got)
	}
}

func TestSelector(t *testing.T) {
	n := tag("button.button.big[type=submit][viewBox=0 0 24.5 24]@save")
	want := []string{"class", "button", "class", "big", "type", "submit", "viewBox", "0 0 24.5 24", "data-test", "save"}
	if n.name != "button" || strings.Join(n.attrs, "|") != strings.Join(want, "|") {
		t.Errorf("%s %q", n.name, n.attrs)
	}
	if plain := tag("p"); plain.name != "p" || len(plain.attrs) != 0 {
		t.Errorf("%+v", plain)
	}
}
