package sandbox

import (
	"strings"
	"time"
)

// The keys of the two clinics.
const (
	harbour = "harbour"
	maple   = "maple"
)

// The wire types of the small resources, after the reference's schemas
// (company, location, discipline, treatment, staff_member). Times of creation
// are filtered and sorted by, never shown.

// dates are when a record was made and last changed.
type dates struct{ created, updated time.Time }

// since are the dates of what is so many days older than born.
func since(born time.Time, days int) dates {
	created := born.AddDate(0, 0, -days).Add(10 * time.Hour)
	return dates{created, created.AddDate(0, 0, days/3)}
}

type company struct {
	ID             string      `json:"id"`
	Name           string      `json:"name"`
	LegalName      string      `json:"legal_name"`
	JaneURL        string      `json:"jane_url"`
	OnlineBooking  bool        `json:"online_booking_enabled"`
	Locale         string      `json:"locale"`
	Email          string      `json:"email"`
	Phone          string      `json:"phone_number"`
	CurrencyFormat string      `json:"currency_format"`
	TimeZone       string      `json:"time_zone"`
	Primary        string      `json:"theme_primary_color"`
	Secondary      string      `json:"theme_secondary_color"`
	Street         string      `json:"street_address"`
	Street2        string      `json:"street_address_2,omitempty"`
	City           string      `json:"city"`
	Province       string      `json:"province"`
	Postal         string      `json:"postal"`
	Country        string      `json:"country"`
	Map            string      `json:"map_coordinates"`
	Terminology    terminology `json:"patient_terminology"`
}

type terminology struct {
	Singular      string `json:"singular"`
	SingularLower string `json:"singular_lowercase"`
	Plural        string `json:"plural"`
	PluralLower   string `json:"plural_lowercase"`
}

type location struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Street         string `json:"street_address"`
	Street2        string `json:"street_address_2,omitempty"`
	City           string `json:"city"`
	Province       string `json:"province"`
	Postal         string `json:"postal"`
	Country        string `json:"country"`
	Email          string `json:"email"`
	Phone          string `json:"phone"`
	Hours          string `json:"hours"`
	LegalName      string `json:"legal_name"`
	Short          string `json:"short_description"`
	OnlineBookable bool   `json:"online_bookable"`
	dates
}

type discipline struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Title          string `json:"professional_title"`
	Description    string `json:"description"`
	BookableOnline bool   `json:"bookable_online"`
	Normalized     string `json:"normalized_type"`
	dates
}

type treatment struct {
	ID              string  `json:"id"`
	Name            string  `json:"name"`
	Description     *string `json:"description"`
	Duration        int     `json:"treatment_duration"` // seconds
	Scheduled       int     `json:"scheduled_duration"` // seconds, with the time to tidy up
	Price           float64 `json:"price"`
	DisplayPrice    bool    `json:"display_price"`
	Capacity        int     `json:"capacity"`
	BookingType     string  `json:"booking_type"`
	BookingInfo     *string `json:"booking_info"`
	DisciplineID    *string `json:"discipline_id"`
	OnlineOnly      bool    `json:"online_only"`
	BookOnline      bool    `json:"book_online"`
	DisplayDuration bool    `json:"display_treatment_duration"`
	IncludesTax     bool    `json:"price_includes_tax"`
	kind            int     // index of its discipline
	dates
}

type staffMember struct {
	ID        string `json:"id"`
	First     string `json:"first_name"`
	Last      string `json:"last_name"`
	Prefix    string `json:"prefix,omitempty"`
	Preferred string `json:"preferred_name,omitempty"`
	Pronouns  string `json:"pronouns,omitempty"`
	Bio       string `json:"bio,omitempty"`
	Suffix    string `json:"suffix,omitempty"`
	Email     string `json:"email"`
	WorkPhone string `json:"work_phone,omitempty"`
	spec      staffSpec
	dates
}

// clinicSpec is one clinic in short hand.
type clinicSpec struct {
	key, name, id, zone, locale    string
	city, province, postal, coords string
	area, primary, secondary       string
	client                         bool // patients are called clients here
	sites                          [2]siteSpec
	kinds                          []kindSpec
	staff                          []staffSpec
}

type siteSpec struct{ name, street, street2 string }

// kindSpec is a discipline and what it offers.
type kindSpec struct {
	name, title, normalized string
	offers                  []offerSpec
}

type offerSpec struct {
	name          string
	minutes, tidy int
	price         float64
}

// staffSpec is one column of the schedule. everyDay marks those who can log
// in: whatever the day of the week, a demonstration finds them at work.
type staffSpec struct {
	who, first, last, pronouns, suffix string
	kind, site                         int
	off                                []time.Weekday
	everyDay                           bool
}

var weekend = []time.Weekday{time.Saturday, time.Sunday}

var clinicSpecs = [...]clinicSpec{{
	key: harbour, name: "Harbour Test Physiotherapy", id: "90210", zone: "America/Toronto", locale: "en-CA",
	city: "Toronto", province: "ON", postal: "M0M 0M0", coords: "43.6400,-79.3800",
	area: "416", primary: "#0b6e75", secondary: "#f2b35d",
	sites: [2]siteSpec{{"Pier Nine", "9 Sample Pier", ""}, {"Lighthouse Lane", "12 Lighthouse Lane", "Unit 404"}},
	kinds: []kindSpec{
		{"Physiotherapy", "Physiotherapist", "physiotherapy", []offerSpec{
			{"Physiotherapy: Long Session", 60, 0, 120}, {"Physiotherapy: Follow-up", 30, 0, 85}, {"Shoulder Clinic", 45, 0, 100}}},
		{"Massage Therapy", "Registered Massage Therapist", "massage_therapy", []offerSpec{
			{"Massage: 45 minutes", 45, 15, 95}, {"Massage: 60 minutes", 60, 15, 120}}},
		{"Kinesiology", "Kinesiologist", "kinesiology", []offerSpec{
			{"Active Rehab", 45, 0, 80}, {"Gait Analysis", 60, 0, 140.5}}},
		{"Acupuncture", "Acupuncturist", "acupuncture", []offerSpec{{"Acupuncture", 45, 0, 90}}},
	},
	staff: []staffSpec{
		{"robin", "Robin", "Sampleworth", "they/them", "PT", 0, 0, nil, true},
		{"alex", "Alex", "Testerton", "she/her", "PT, MPT", 0, 1, nil, true},
		{"jules", "Jules", "Mockingham", "he/him", "RMT", 1, 0, weekend, false},
		{"ines", "Inès", "Démonstrand", "she/her", "BKin", 2, 0, []time.Weekday{time.Sunday, time.Monday}, false},
		{"wei", "Wei", "Placeholder", "", "R.Ac", 3, 1, []time.Weekday{time.Sunday, time.Wednesday}, false},
	},
}, {
	key: maple, name: "Maple Sample Wellness", id: "70905", zone: "America/St_Johns", locale: "en-CA",
	city: "St. John's", province: "NL", postal: "A0A 0A0", coords: "47.5615,-52.7126",
	area: "709", primary: "#9c3d2a", secondary: "#2f5d50", client: true,
	sites: [2]siteSpec{{"Signal Hill Studio", "30 Placeholder Road", ""}, {"Jellybean Row", "77 Example Street", "2nd floor"}},
	kinds: []kindSpec{
		{"Physiotherapy", "Physiotherapist", "physiotherapy", []offerSpec{
			{"Movement Assessment", 60, 0, 115}, {"Follow-up Session", 30, 0, 80}, {"Vestibular Session", 45, 0, 98.75}}},
		{"Counselling", "Counsellor", "counselling", []offerSpec{
			{"Counselling: 50 minutes", 50, 10, 150}, {"Counselling: Introduction", 20, 10, 0}}},
		{"Nutrition", "Dietitian", "dietetics", []offerSpec{
			{"Nutrition Plan", 60, 0, 130}, {"Nutrition Check-in", 30, 0, 70}}},
		{"Osteopathy", "Osteopathic Practitioner", "osteopathy", []offerSpec{{"Osteopathy", 45, 0, 110}}},
	},
	staff: []staffSpec{
		{"robin", "Robin", "Sampleworth", "they/them", "PT", 0, 0, nil, true},
		{"noor", "Noor", "Exampleson", "she/her", "RD", 2, 0, nil, true},
		{"teo", "Téo", "Fauxberg", "he/him", "CCC", 1, 1, weekend, false},
		{"mairi", "Màiri", "O'Fixture", "she/they", "DO(MP)", 3, 0, []time.Weekday{time.Sunday, time.Friday}, false},
		{"oskar", "Oskar", "Stubbs", "he/him", "PT", 0, 1, weekend, false},
	},
}}

func (spec *clinicSpec) phone(n int) string { return spec.area + "-555-01" + itoa(10+n%90) }

// describe fills the company; url is where the clinic is served.
func (spec *clinicSpec) describe(url string) company {
	words := terminology{"Patient", "patient", "Patients", "patients"}
	if spec.client {
		words = terminology{"Client", "client", "Clients", "clients"}
	}
	return company{
		ID: spec.id, Name: spec.name, LegalName: spec.name + " (fictional) Inc.", JaneURL: url,
		OnlineBooking: true, Locale: spec.locale, Email: "hello@" + spec.key + ".example.com",
		Phone: spec.phone(0), CurrencyFormat: spec.locale, TimeZone: spec.zone,
		Primary: spec.primary, Secondary: spec.secondary,
		Street: spec.sites[0].street, Street2: spec.sites[0].street2, City: spec.city, Province: spec.province,
		Postal: spec.postal, Country: "CA", Map: spec.coords, Terminology: words,
	}
}

func (spec *clinicSpec) places(born time.Time) (out []location) {
	for i, site := range spec.sites {
		out = append(out, location{
			ID: uuid7(catalogued, spec.key, "location", itoa(i)), Name: site.name, Street: site.street, Street2: site.street2,
			City: spec.city, Province: spec.province, Postal: spec.postal, Country: "CA",
			Email: "desk" + itoa(i+1) + "@" + spec.key + ".example.com", Phone: spec.phone(i + 1),
			Hours: "Every day, 8:00 to 18:00", LegalName: spec.name + " (fictional) Inc.",
			Short: "A place that does not exist.", OnlineBookable: i == 0, dates: since(born, 900-200*i),
		})
	}
	return out
}

func (spec *clinicSpec) fields(born time.Time) (out []discipline) {
	for i, kind := range spec.kinds {
		out = append(out, discipline{
			ID: uuid4(spec.key, "discipline", itoa(i)), Name: kind.name, Title: kind.title,
			Description: kind.name + " at " + spec.name + ".", BookableOnline: i != 2, Normalized: kind.normalized, dates: since(born, 890-i),
		})
	}
	return out
}

func (spec *clinicSpec) menu(born time.Time) (out []treatment) {
	for i, kind := range spec.kinds {
		field := uuid4(spec.key, "discipline", itoa(i))
		for _, offer := range kind.offers {
			n := len(out)
			t := treatment{
				ID: uuid4(spec.key, "treatment", itoa(n)), Name: offer.name,
				Duration: offer.minutes * 60, Scheduled: (offer.minutes + offer.tidy) * 60,
				Price: offer.price, DisplayPrice: offer.price > 0, Capacity: 1, BookingType: "one_on_one_booking",
				DisciplineID: &field, OnlineOnly: offer.price == 0, BookOnline: n%3 != 2, DisplayDuration: true,
				IncludesTax: n%2 == 0, kind: i, dates: since(born, 880-n),
			}
			if n%2 == 0 {
				text := offer.name + ", " + itoa(offer.minutes) + " minutes."
				t.Description = &text
			}
			out = append(out, t)
		}
	}
	return out
}

func (spec *clinicSpec) team(born time.Time) (out []staffMember) {
	for i, who := range spec.staff {
		out = append(out, staffMember{
			ID: staffID(spec.key, who.who), First: who.first, Last: who.last, Pronouns: who.pronouns, Suffix: who.suffix,
			Bio:   who.first + " " + who.last + " is made up and works at " + spec.sites[who.site].name + ".",
			Email: who.who + "@" + spec.key + ".example.com", WorkPhone: spec.phone(20 + i), spec: who, dates: since(born, 860-90*i),
		})
	}
	return out
}

// offeredBy tells whether the staff member with this id gives the treatment.
func (d *clinicData) offeredBy(t treatment, id string) bool {
	for _, member := range d.staff {
		if strings.EqualFold(member.ID, id) {
			return member.spec.kind == t.kind
		}
	}
	return false
}

// catalogued is the instant inside the ids of what a clinic has always had.
var catalogued = time.Date(2024, time.March, 4, 17, 0, 0, 0, time.UTC)
