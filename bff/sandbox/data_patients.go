package sandbox

import (
	"slices"
	"time"
)

// patient is the reference's patient record plus what only filters see.
type patient struct {
	ID          string      `json:"id"`
	First       string      `json:"first_name"`
	Middle      string      `json:"middle_name,omitempty"`
	Last        string      `json:"last_name,omitempty"`
	Prefix      string      `json:"prefix,omitempty"`
	Preferred   string      `json:"preferred_name,omitempty"`
	Sex         string      `json:"sex,omitempty"`
	Gender      string      `json:"gender,omitempty"`
	Pronouns    string      `json:"pronouns,omitempty"`
	BirthDate   string      `json:"date_of_birth,omitempty"`
	Guardian    string      `json:"guardian_name,omitempty"`
	Since       string      `json:"patient_since"`
	Number      string      `json:"patient_number"`
	Email       string      `json:"email,omitempty"`
	Marketing   bool        `json:"send_marketing_emails"`
	DoNotEmail  bool        `json:"do_not_email"`
	Status      string      `json:"status"`
	MobileCode  string      `json:"mobile_country_code,omitempty"`
	MobilePhone string      `json:"mobile_phone_number,omitempty"`
	Phones      []phone     `json:"phone_numbers"`
	Street      string      `json:"street_address,omitempty"`
	Street2     string      `json:"street_address_2,omitempty"`
	City        string      `json:"city,omitempty"`
	Province    string      `json:"province,omitempty"`
	Postal      string      `json:"postal,omitempty"`
	Country     string      `json:"country,omitempty"`
	Links       patientLink `json:"deep_links"`

	dates
	rare          bool      // comes seldom
	arrived, left time.Time // appointments are made after the day of arriving and until that of leaving (zero: they still come)
}

type phone struct {
	Type    string `json:"type"`
	Number  string `json:"number"`
	Primary bool   `json:"is_primary"`
}

type patientLink struct {
	Profile struct {
		Web string `json:"web"`
	} `json:"profile"`
}

// face is a patient in short hand: sex is m, f, x or empty. age is in years.
type face struct {
	first, middle, last, preferred, pronouns string
	sex                                      byte
	age                                      int
}

// women, men and surnames make the ordinary patients; a surname that sounds
// like a test fixture is the sign that nobody real is meant.
var women = [...]string{
	"Ada", "Daria", "Elif", "Greta", "Imani", "Keiko", "Mina", "Odile", "Priya", "Rosa", "Tova", "Vera", "Ximena", "Zelda", "Anouk",
	"Carys", "Esme",
}

var men = [...]string{
	"Bram", "Chidi", "Femi", "Hiro", "Jonas", "Leandro", "Nils", "Quentin", "Sanjay", "Umar", "Wendell", "Yusuf", "Bodhi", "Dmitri", "Farid",
	"Hassan", "Jamal",
}

var surnames = [...]string{
	"Testerton", "Sampleworth", "Mockingham", "Placeholder", "Exampleson", "Fauxberg", "Demoson", "Dummett",
	"Fixturova", "Stubbs-Mock", "Loremsson", "Ipsumova", "Trialwood", "Specimen", "Pseudonymou", "Sandboxer",
}

// unusual are the records that break careless software: all of them are legal
// in the reference's schema. Both clinics have them, with their own ids.
var unusual = [...]face{
	{"Maximiliana-Alexandrina-Theodora", "Wilhelmina Josephine Bartholomea Constantia",
		"von und zu Testerton-Sampleworth-Mockingham-Placeholder-Exampleshire", "Maxi", "she/her", 'f', 67},
	{"نور", "", "تجريبي", "", "هي", 'f', 34},
	{"שירה", "", "דוגמה", "Shira", "she/her", 'f', 29},
	{"D'Arcy", "", "O'Sampleworth", "D’Arcy", "he/him", 'm', 45},
	{"Sunniva", "", "Testerton", "Sunny 🌻", "they/them", 'x', 22},
	{"<b>Bold</b>", "", "Testerton & <script>alert(1)</script>", "", "xe/xem", 'x', 31},
	{"試験", "", "太郎", "Tarō", "", 'm', 52},
	{"Zoe\u0308", "Ngo\u0323c", "Exampleson \"Null\" \\ %00 '; --", "Null", "", 0, 40},
	{"Mononymia", "", "", "", "", 0, 0},
	{"Sam", "", "Testerton", "", "he/him", 'm', 38},
	{"Sam", "", "Testerton", "", "she/her", 'f', 61},
}

// statuses of the ordinary patients who are not active, by their number.
var statuses = map[int]string{5: "discharged", 11: "deceased", 17: "archived", 23: "discharged", 30: "archived"}

// newcomers joined this many days before the sandbox's first day, by number.
var newcomers = map[int]int{2: 2, 8: 6, 14: 11, 20: 17, 26: 1}

func newPatients(spec *clinicSpec, born time.Time) []*patient {
	var out []*patient
	throw := dice(spec.key, "patients")
	shift := throw.IntN(len(surnames))
	for i := range 32 {
		given := men[:]
		f := face{last: surnames[(i*5+shift)%len(surnames)], age: 3 + throw.IntN(88), sex: 'm', pronouns: "he/him"}
		if i%2 == 0 {
			given, f.sex, f.pronouns = women[:], 'f', "she/her"
		}
		if i%11 == 7 {
			f.sex, f.pronouns = 'x', "they/them"
		}
		f.first = given[(i/2+shift)%len(given)]
		switch i % 8 {
		case 1:
			f.middle = given[(i/2+shift+5)%len(given)]
		case 3:
			f.preferred = f.first[:2] + "-" + f.first[:2]
		case 6:
			f.pronouns = ""
		}
		out = append(out, newPatient(spec, born, len(out), f))
	}
	for _, f := range unusual {
		p := newPatient(spec, born, len(out), f)
		p.rare = true
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b *patient) int { return a.created.Compare(b.created) })
	return out
}

func newPatient(spec *clinicSpec, born time.Time, n int, f face) *patient {
	throw := dice(spec.key, "patient", itoa(n))
	p := &patient{
		ID: uuid4(spec.key, "patient", itoa(n)), First: f.first, Middle: f.middle, Last: f.last, Preferred: f.preferred,
		Pronouns: f.pronouns, Number: itoa(1001 + n), Status: "active", Phones: []phone{}, DoNotEmail: n%13 == 4, Marketing: n%3 == 0,
	}
	p.identify(f, throw.IntN(12)+1, throw.IntN(28)+1, born)
	days, ok := newcomers[n]
	if !ok {
		days = 60 + throw.IntN(900)
	}
	p.arrived = born.AddDate(0, 0, -days)
	p.Since = p.arrived.Format(time.DateOnly)
	p.created = p.arrived.Add(9*time.Hour + time.Duration(throw.IntN(7*3600))*time.Second)
	p.updated = p.created.Add(born.Sub(p.created) * time.Duration(throw.IntN(100)) / 100)
	if status := statuses[n]; status != "" {
		p.Status, p.left = status, born.AddDate(0, 0, -14-n)
	}
	if f.age > 0 {
		p.reach(spec, n)
	}
	return p
}

// identify fills what is said about the body and the birthday. The year is
// counted from born, so that ages stay plausible whatever the clock says.
func (p *patient) identify(f face, month, day int, born time.Time) {
	switch f.sex {
	case 'm':
		p.Sex, p.Gender = "male", "Man"
	case 'f':
		p.Sex, p.Gender = "female", "Woman"
	case 'x':
		p.Sex, p.Gender = "x", "Non-binary"
	}
	if f.age == 0 {
		return
	}
	p.BirthDate = time.Date(born.Year()-f.age, time.Month(month), day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	if f.age < 16 {
		p.Guardian, p.Prefix = "Parent "+f.last, ""
	} else if f.age > 70 {
		p.Prefix = map[byte]string{'m': "Mr.", 'f': "Ms.", 'x': "Mx."}[f.sex]
	}
}

// reach fills address, telephone and e-mail; all of them lead nowhere.
func (p *patient) reach(spec *clinicSpec, n int) {
	p.Street, p.City, p.Province = itoa(100+n)+" Fictional Street", spec.city, spec.province
	p.Postal, p.Country = spec.postal, "CA"
	if n%6 == 5 {
		p.Street2 = "Apt. " + itoa(n)
	}
	if n%9 != 7 {
		p.Email = "patient." + p.Number + "@" + spec.key + ".example.com"
	}
	if n%10 != 9 {
		p.MobileCode, p.MobilePhone = "1", spec.phone(n)
		p.Phones = append(p.Phones, phone{"mobile", "+1 " + p.MobilePhone, true})
	}
	if n%4 == 2 {
		p.Phones = append(p.Phones, phone{"home", "+1 " + spec.phone(n+40), len(p.Phones) == 0})
	}
}

// coming tells whether appointments are made for the patient on a day.
func (p *patient) coming(day time.Time) bool {
	return day.After(p.arrived) && (p.left.IsZero() || day.Before(p.left))
}
