package sandbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"locum/bff/sandbox"
)

// TestTodayIsAlive walks through nine days at both clinics: whatever the
// weekday, those who can log in have a day's work, at the clinic's own hours,
// and what has happened agrees with the clock.
func TestTodayIsAlive(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	now := time.Now()
	for range 9 {
		for i := range a.s.Clinics() {
			clinic := a.at(i)
			zone := clinic.zone()
			y, m, d := now.In(zone).Date()
			from, to := time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
			today := clinic.all("appointments", "start_at[gte]="+from.UTC().Format(time.RFC3339)+"&start_at[lt]="+to.UTC().Format(time.RFC3339))
			columns := map[string]int{}
			for _, v := range today {
				columns[v["staff_member_id"].(string)]++
				checkHours(t, v, zone)
				checkClock(t, v, now)
			}
			for _, member := range items(clinic.get("staff_members?sort=created_at"))[:2] {
				if n := columns[member["id"].(string)]; n < 3 {
					t.Errorf("%s, %s: %v has %d appointments", clinic.url, from.Weekday(), member["first_name"], n)
				}
			}
		}
		a.s.Advance(24*time.Hour + 47*time.Minute)
		now = now.Add(24*time.Hour + 47*time.Minute)
	}
}

func (a *api) zone() *time.Location {
	a.t.Helper()
	zone, err := time.LoadLocation(a.get("company")["time_zone"].(string))
	if err != nil {
		a.t.Fatal(err)
	}
	return zone
}

func instant(v map[string]any, name string) time.Time {
	text, _ := v[name].(string)
	at, _ := time.Parse(time.RFC3339, text)
	return at
}

func checkHours(t *testing.T, v map[string]any, zone *time.Location) {
	t.Helper()
	start, end := instant(v, "start_at").In(zone), instant(v, "end_at").In(zone)
	if !start.Before(end) || start.Hour() < 8 || end.Hour() >= 18 || start.Minute()%5 != 0 {
		t.Errorf("an appointment from %s to %s", start, end)
	}
}

// checkClock compares an appointment's state with the times it shows; the
// sandbox answers a little after now.
func checkClock(t *testing.T, v map[string]any, now time.Time) {
	t.Helper()
	late := now.Add(time.Minute)
	want := "booked"
	switch {
	case v["archived_at"] != nil:
		want = "archived"
	case v["cancelled_at"] != nil:
		want = "cancelled"
	case v["no_show_at"] != nil:
		want = "no_show"
	case v["arrived_at"] != nil:
		want = "arrived"
	case v["booked_at"] == nil:
		want = "reserved"
	}
	if v["state"] != want || (v["cancelled_reason"] != nil) != (want == "cancelled") {
		t.Errorf("state %v, times say %s: %v", v["state"], want, v)
	}
	for _, name := range []string{"archived_at", "cancelled_at", "no_show_at", "arrived_at", "checked_in_at", "booked_at"} {
		if instant(v, name).After(late) {
			t.Errorf("%s is in the future: %v at %s", name, v, now)
		}
	}
	if start := instant(v, "start_at"); want == "booked" && start.Before(now.Add(-21*time.Minute)) {
		t.Errorf("still booked long after its start: %v at %s", v, now)
	}
}

// TestScheduleHasEverything looks at six weeks: all states, first visits, all
// columns, nobody in two places, and days that do not change overnight.
func TestScheduleHasEverything(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for i := range a.s.Clinics() {
		clinic := a.at(i)
		zone, visits := clinic.zone(), clinic.all("appointments", "page[limit]=1000")
		states, columns, firsts, met := map[any]int{}, map[any]int{}, 0, map[string]bool{}
		for _, v := range visits {
			states[v["state"]]++
			columns[v["staff_member_id"]]++
			if v["first_visit"].(bool) {
				firsts++
			}
			day := v["patient_id"].(string) + instant(v, "start_at").In(zone).Format(time.DateOnly)
			if met[day] {
				t.Errorf("a patient comes twice on a day: %v", v)
			}
			met[day] = true
		}
		for _, state := range []string{"reserved", "booked", "arrived", "no_show", "cancelled", "archived"} {
			if states[state] == 0 {
				t.Errorf("clinic %d: nothing is %s", i, state)
			}
		}
		if len(columns) != 5 || firsts < 2 || firsts > 8 || len(visits) < 300 {
			t.Errorf("clinic %d: %d columns, %d first visits, %d appointments", i, len(columns), firsts, len(visits))
		}
		first, last := instant(visits[0], "start_at"), instant(visits[len(visits)-1], "start_at")
		if age := time.Since(first); age < 20*24*time.Hour || age > 22*24*time.Hour {
			t.Errorf("clinic %d begins at %s", i, first)
		}
		if ahead := time.Until(last); ahead < 17*24*time.Hour || ahead > 22*24*time.Hour {
			t.Errorf("clinic %d ends at %s", i, last)
		}
	}
}

// TestTomorrowKeepsItsWord remembers tomorrow's appointments and looks again a
// day later: all are there, at the same times.
func TestTomorrowKeepsItsWord(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	from := time.Now().Add(24 * time.Hour).UTC()
	query := "page[limit]=1000&start_at[gte]=" + from.Format(time.RFC3339) + "&start_at[lt]=" + from.Add(9*24*time.Hour).Format(time.RFC3339)
	before := a.all("appointments", query)
	a.s.Advance(30 * time.Hour)
	a.signIn("robin@example.test", testScopes)
	after := map[any]map[string]any{}
	for _, v := range a.all("appointments", query) {
		after[v["id"]] = v
	}
	for _, v := range before {
		now := after[v["id"]]
		if now == nil || now["start_at"] != v["start_at"] || now["patient_id"] != v["patient_id"] {
			t.Errorf("%v became %v", v, now)
		}
	}
	if len(before) == 0 || len(after) < len(before) {
		t.Errorf("%d before, %d after", len(before), len(after))
	}
}

func TestPeopleAreMadeUpAndAwkward(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	for i := range a.s.Clinics() {
		clinic := a.at(i)
		statuses, kinds := map[any]int{}, map[string]int{}
		people := clinic.all("patients", "")
		for _, p := range people {
			statuses[p["status"]]++
			name := field(p, "first_name") + " " + field(p, "last_name")
			for kind, is := range map[string]bool{
				"long":       len(name) > 80,
				"apostrophe": strings.ContainsAny(name, "'’"),
				"markup":     strings.Contains(name, "<script>"),
				"emoji":      strings.Contains(field(p, "preferred_name"), "🌻"),
				"Arabic":     strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Arabic, r) }),
				"Hebrew":     strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Hebrew, r) }),
				"nameless":   p["last_name"] == nil,
				"ageless":    p["date_of_birth"] == nil,
				"a child":    p["guardian_name"] != nil,
				"namesake":   name == "Sam Testerton",
			} {
				if is {
					kinds[kind]++
				}
			}
			if mail := field(p, "email"); mail != "" && !strings.HasSuffix(mail, ".example.com") {
				t.Errorf("an e-mail address that may be real: %s", mail)
			}
			if born := field(p, "date_of_birth"); born > time.Now().Format(time.DateOnly) {
				t.Errorf("born in the future: %v", p)
			}
		}
		if len(people) < 40 || statuses["active"] < 30 || len(statuses) != 4 || len(kinds) != 10 || kinds["namesake"] != 2 {
			t.Errorf("clinic %d: %d people, %v, %v", i, len(people), statuses, kinds)
		}
	}
}

func field(m map[string]any, name string) string {
	text, _ := m[name].(string)
	return text
}

func TestSeriesRunOverMonths(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	people := a.all("patients", "sort=created_at")
	read := func(id any) []map[string]any {
		return a.all("medical-record/observations", "page[limit]=200&sort=issued_at&patient_id[eq]="+id.(string))
	}
	series := read(people[0]["id"])
	categories, codes := map[any]int{}, map[any]int{}
	for _, o := range series {
		categories[o["category"]]++
		for _, v := range o["values"].([]any) {
			codes[v.(map[string]any)["code"]]++
		}
		if instant(o, "created_at").After(time.Now().Add(time.Minute)) {
			t.Errorf("written in the future: %v", o)
		}
	}
	for _, code := range []string{"8480-6", "8462-4", "8867-4", "29463-7", "72514-3", "4548-4", "shoulder-flexion", "impingement-sign"} {
		if codes[code] < 3 {
			t.Errorf("code %s occurs %d times", code, codes[code])
		}
	}
	if len(categories) != 3 || categories["vital_signs"] < 20 {
		t.Errorf("categories %v", categories)
	}
	if first, last := instant(series[0], "issued_at"), instant(series[len(series)-1], "issued_at"); last.Sub(first) < 180*24*time.Hour {
		t.Errorf("the series runs from %s to %s", first, last)
	}
	if empty := read(people[len(people)-1]["id"]); len(empty) != 0 {
		t.Errorf("the last patient has %d observations", len(empty))
	}
	a.s.Advance(21 * 24 * time.Hour)
	a.signIn("robin@example.test", testScopes)
	if later := read(people[0]["id"]); len(later) <= len(series) {
		t.Error("three weeks later nothing is new")
	}
}

func TestPeopleWhoLogIn(t *testing.T) {
	a := newAPI(t)
	a.s.SetLimits(sandbox.Limits{})
	var counts []int
	for _, p := range a.s.People() {
		counts = append(counts, len(p.Clinics))
		for _, url := range p.Clinics {
			one := *a
			one.url = url
			one.signIn(p.Login, "staff_members:read")
			found := slices.ContainsFunc(one.all("staff_members", ""), func(m map[string]any) bool {
				return field(m, "first_name")+" "+field(m, "last_name") == p.Name
			})
			if !found {
				t.Errorf("%s is not on the staff of %s", p.Name, url)
			}
		}
	}
	if !slices.Equal(counts, []int{2, 1, 1}) {
		t.Errorf("clinics per person: %v", counts)
	}
}
